/*
 * run_facts.c
 *		What is rarely asked of a run, as one jsonb: "control" of its row.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/json.h"
#include "model/run_facts.h"

/* run_facts_read: what is absent is unset.  What it points to lies in the column. */
void
run_facts_read(Jsonb *column, RunFacts *facts)
{
	memset(facts, 0, sizeof(RunFacts));
	facts->run_attempt = 1;
	facts->execution_deadline = DT_NOEND;
	if (column == NULL)
		return;
	facts->first_run_id = json_get_int64(column, "first_run_id", 0);
	facts->continued_run_id = json_get_int64(column, "continued_run_id", 0);
	facts->run_attempt = (int32) json_get_int64(column, "run_attempt", 1);
	facts->has_execution_timeout = json_get(column, "execution_timeout") != NULL;
	facts->execution_timeout = json_get_int64(column, "execution_timeout", 0);
	facts->has_run_timeout = json_get(column, "run_timeout") != NULL;
	facts->run_timeout = json_get_int64(column, "run_timeout", 0);
	facts->execution_deadline = json_get_int64(column, "execution_deadline", DT_NOEND);
	facts->first_task_backoff = json_get_int64(column, "first_task_backoff", 0);
	facts->parent_run_id = json_get_int64(column, "parent_run_id", 0);
	facts->root_run_id = json_get_int64(column, "root_run_id", 0);
	facts->memo = json_get_object(column, "memo");
	facts->cron_schedule = json_get_text(column, "cron_schedule");
	facts->last_cancel_id = json_get_text(column, "cancel_id");
	facts->attached = json_get_object(column, "attached");
}

static void
add_unless(JsonBuilder *builder, const char *key, int64 value, int64 unset)
{
	if (value != unset)
		json_add_int64(builder, key, value);
}

/* run_facts_write: what is unset is absent. */
Jsonb *
run_facts_write(const RunFacts *facts)
{
	JsonBuilder builder;

	json_begin(&builder);
	add_unless(&builder, "first_run_id", facts->first_run_id, 0);
	add_unless(&builder, "continued_run_id", facts->continued_run_id, 0);
	add_unless(&builder, "run_attempt", facts->run_attempt, 1);
	if (facts->has_execution_timeout)
		json_add_int64(&builder, "execution_timeout", facts->execution_timeout);
	if (facts->has_run_timeout)
		json_add_int64(&builder, "run_timeout", facts->run_timeout);
	add_unless(&builder, "execution_deadline", facts->execution_deadline, DT_NOEND);
	add_unless(&builder, "first_task_backoff", facts->first_task_backoff, 0);
	add_unless(&builder, "parent_run_id", facts->parent_run_id, 0);
	add_unless(&builder, "root_run_id", facts->root_run_id, 0);
	if (facts->memo != NULL)
		json_add(&builder, "memo", facts->memo);
	json_add_text(&builder, "cron_schedule", facts->cron_schedule);
	json_add_text(&builder, "cancel_id", facts->last_cancel_id);
	if (facts->attached != NULL)
		json_add(&builder, "attached", facts->attached);
	return json_end(&builder);
}
