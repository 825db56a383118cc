/*
 * configure_queue.c
 *		taskq.configure_queue.
 *
 * A change is merged into the row of taskq.queue_config, whose invalidation has
 * every backend read it again (queue_config.c).  A trigger does the same for
 * rows that come by COPY, as from a dump, or by hand.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "calls/args.h"
#include "calls/queue_kinds.h"
#include "model/queue_settings.h"
#include "notes/effects.h"
#include "store/config_rows.h"

#define MAX_WEIGHT_OVERRIDES	1000

/* members of "before" without those of "changes", then those not null */
static Jsonb *
merge_objects(Jsonb *before, Jsonb *changes, bool nested)
{
	JsonBuilder builder;
	Jsonb	   *both[2] = {before, changes};

	json_begin(&builder);
	for (int i = 0; i < 2; i++)
	{
		JsonbIterator *it;
		JsonbValue	item;
		JsonbIteratorToken token;
		char	   *key = NULL;

		if (both[i] == NULL)
			continue;
		it = JsonbIteratorInit(&both[i]->root);
		while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
		{
			if (token == WJB_KEY)
				key = pnstrdup(item.val.string.val, item.val.string.len);
			else if (token == WJB_VALUE &&
					 (i == 1 ? item.type != jbvNull :
					  json_get(changes, key) == NULL))
			{
				Jsonb	   *value = JsonbValueToJsonb(&item);

				if (i == 1 && !nested && strcmp(key, "fairness_weights") == 0)
					value = merge_objects(before ?
										  json_get_object(before, key) : NULL,
										  value, true);
				json_add(&builder, key, value);
			}
		}
	}
	return json_end(&builder);
}

static void
check_config(Jsonb *merged)
{
	QueueConfig config;

	queue_settings_parse(merged, &config);
	if (config.nweights > MAX_WEIGHT_OVERRIDES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many fairness weights"),
				 errdetail("A queue can have %d.", MAX_WEIGHT_OVERRIDES)));
}

/* what queues of workflows do not have */
static void
check_settings_of_workflows(Jsonb *changes)
{
	static const char *const others[] = {
		"queue_rate_limit", "fairness_key_rate_limit", "max_backlog"
	};

	for (int i = 0; i < (int) lengthof(others); i++)
	{
		JsonbValue *value = json_get(changes, others[i]);

		if (value != NULL && value->type != jbvNull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("queue setting \"%s\" is not for queues of workflows", others[i]),
					 errhint("They have fairness_weights, paused, max_started and retention.")));
	}
}

/* one try to write the row; false when somebody else was faster */
static bool
write_row(text *task_queue, Jsonb *changes, text *reason, text *identity,
		  Jsonb **merged)
{
	ConfigRow	row;

	config_row_read(task_queue, &row);
	*merged = merge_objects(row.config, changes, false);
	check_config(*merged);
	row.task_queue = task_queue;
	row.config = *merged;
	row.reason = reason;
	row.identity = identity;
	row.update_time = clock_now();
	row.revision++;
	return config_row_write(&row);
}

PG_FUNCTION_INFO_V1(taskq_configure_queue);

/* taskq.configure_queue(task_queue, config, reason, identity, kind) returns jsonb */
Datum
taskq_configure_queue(PG_FUNCTION_ARGS)
{
	text	   *task_queue;
	QueueKey	queue;
	Jsonb	   *changes;
	Jsonb	   *merged;
	QueueConfig checked;

	begin_writing("taskq.configure_queue()");
	task_queue = arg_queue(fcinfo, 0, 4);
	require_arg(fcinfo, 1, "config");
	changes = arg_jsonb(fcinfo, 1);
	(void) arg_reason(fcinfo, 2);
	(void) arg_identity(fcinfo, 3);
	queue_settings_parse(changes, &checked);
	if (arg_queue_kind(fcinfo, 4) == QUEUE_OF_WORKFLOWS)
		check_settings_of_workflows(changes);
	while (!write_row(task_queue, changes, arg_text(fcinfo, 2),
					  arg_text(fcinfo, 3), &merged))
		CHECK_FOR_INTERRUPTS();
	queue = queue_key(task_queue);
	effects_configured(&queue);
	PG_RETURN_JSONB_P(merged);
}
