/*
 * run_row.c
 *		A row of taskq.open, as far as only runs have it: between columns and
 *		the Run struct.
 *
 * A run has some of an activity's columns, for what is like that: activity_id is
 * its workflow_id, activity_type its type, start_to_close the timeout of its
 * tasks, control its facts.  Counters are never NULL, so that the new version of
 * a row differs from the old one in one short stretch.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "store/activity_row.h"
#include "store/open_columns.h"
#include "store/row.h"
#include "store/run_row.h"
#include "task/kinds.h"

/* task_is_run: does the task belong to a run, whatever its queue? */
bool
task_is_run(const Task *task)
{
	return kind_of(task)->from_row == run_from_row;
}

/* the instants and spans that deadlines follow from */
static void
deadlines_from_row(const Datum *values, const bool *nulls, Run *run)
{
	run->flags = nulls[OPEN_COL_RUN_FLAGS] ? 0 : DatumGetInt16(values[OPEN_COL_RUN_FLAGS]);
	run->sticky_timeout = row_get_int64(values[OPEN_COL_STICKY_TIMEOUT], nulls[OPEN_COL_STICKY_TIMEOUT], 0);
	run->task_timeout = row_get_int64(values[OPEN_COL_START_TO_CLOSE], nulls[OPEN_COL_START_TO_CLOSE], 0);
	run->attempt_timeout = row_get_int64(values[OPEN_COL_ATTEMPT_TIMEOUT], nulls[OPEN_COL_ATTEMPT_TIMEOUT], 0);
	run->start_time = row_get_int64(values[OPEN_COL_START_TIME], nulls[OPEN_COL_START_TIME], DT_NOBEGIN);
	run->deadline = row_get_int64(values[OPEN_COL_DEADLINE], nulls[OPEN_COL_DEADLINE], DT_NOEND);
	run->timer_due = row_get_int64(values[OPEN_COL_TIMER_DUE], nulls[OPEN_COL_TIMER_DUE], DT_NOEND);
	run->first_task_time = row_get_int64(values[OPEN_COL_FIRST_TASK_TIME], nulls[OPEN_COL_FIRST_TASK_TIME], DT_NOBEGIN);
}

/* run_deadlines_from_row: what deadlines follow from; see kinds.h. */
void
run_deadlines_from_row(const Datum *values, const bool *nulls, Task *task)
{
	deadlines_from_row(values, nulls, (Run *) task);
}

static int32
get_int32(Datum value, bool null)
{
	return null ? 0 : DatumGetInt32(value);
}

static text *
get_text(Datum value, bool null)
{
	return null ? NULL : DatumGetTextPP(value);
}

/* run_from_row: the columns beside those of the task; see kinds.h. */
void
run_from_row(const Datum *values, const bool *nulls, Task *task)
{
	Run		   *run = (Run *) task;

	deadlines_from_row(values, nulls, run);
	run->workflow_id = get_text(values[OPEN_COL_ACTIVITY_ID], nulls[OPEN_COL_ACTIVITY_ID]);
	run->workflow_type = get_text(values[OPEN_COL_ACTIVITY_TYPE], nulls[OPEN_COL_ACTIVITY_TYPE]);
	run->home_queue = get_text(values[OPEN_COL_HOME_QUEUE], nulls[OPEN_COL_HOME_QUEUE]);
	run->sticky_queue = get_text(values[OPEN_COL_STICKY_QUEUE], nulls[OPEN_COL_STICKY_QUEUE]);
	run->request_id = (text *) row_get_varlena(values[OPEN_COL_REQUEST_ID], nulls[OPEN_COL_REQUEST_ID]);
	run->next_event_id = row_get_int64(values[OPEN_COL_NEXT_EVENT_ID], nulls[OPEN_COL_NEXT_EVENT_ID], 0);
	run->scheduled_event_id = row_get_int64(values[OPEN_COL_SCHEDULED_EVENT_ID], nulls[OPEN_COL_SCHEDULED_EVENT_ID], 0);
	run->started_event_id = row_get_int64(values[OPEN_COL_STARTED_EVENT_ID], nulls[OPEN_COL_STARTED_EVENT_ID], 0);
	run->previous_started_event_id = row_get_int64(values[OPEN_COL_PREVIOUS_STARTED_EVENT_ID], nulls[OPEN_COL_PREVIOUS_STARTED_EVENT_ID], 0);
	run->history_size = row_get_int64(values[OPEN_COL_HISTORY_SIZE], nulls[OPEN_COL_HISTORY_SIZE], 0);
	run->history_leaves = nulls[OPEN_COL_HISTORY_LEAVES] ? 0 : DatumGetInt16(values[OPEN_COL_HISTORY_LEAVES]);
	run->signals = get_int32(values[OPEN_COL_SIGNALS], nulls[OPEN_COL_SIGNALS]);
	run->pending_activities = get_int32(values[OPEN_COL_PENDING_ACTIVITIES], nulls[OPEN_COL_PENDING_ACTIVITIES]);
	run->pending_timers = get_int32(values[OPEN_COL_PENDING_TIMERS], nulls[OPEN_COL_PENDING_TIMERS]);
	run->has_priority = !nulls[OPEN_COL_PRIORITY];
	run->priority = get_int32(values[OPEN_COL_PRIORITY], nulls[OPEN_COL_PRIORITY]);
	if (run->flags & RUN_HAS_RETRY_POLICY)
		row_get_retry_policy(values[OPEN_COL_RETRY_POLICY], nulls[OPEN_COL_RETRY_POLICY], &run->retry_policy);
	run->search_attributes = row_get_varlena(values[OPEN_COL_SEARCH_ATTRIBUTES], nulls[OPEN_COL_SEARCH_ATTRIBUTES]);
	if (!nulls[OPEN_COL_CONTROL])
		run->facts = DatumGetJsonbP(values[OPEN_COL_CONTROL]);
}

/* what is not NULL in the row of a run */
static void
fixed_to_row(const Run *run, Datum *values, bool *nulls)
{
	static const OpenColumn fixed[] = {
		OPEN_COL_SCHEDULED_EVENT_ID, OPEN_COL_STARTED_EVENT_ID,
		OPEN_COL_PREVIOUS_STARTED_EVENT_ID, OPEN_COL_NEXT_EVENT_ID,
		OPEN_COL_HISTORY_SIZE, OPEN_COL_HISTORY_LEAVES, OPEN_COL_RUN_FLAGS,
		OPEN_COL_SIGNALS, OPEN_COL_PENDING_ACTIVITIES, OPEN_COL_PENDING_TIMERS,
		OPEN_COL_ACTIVITY_TYPE
	};

	for (int i = 0; i < (int) lengthof(fixed); i++)
		nulls[fixed[i]] = false;
	values[OPEN_COL_SCOPE] = Int64GetDatum(SCOPE_RUN);
	values[OPEN_COL_SCHEDULED_EVENT_ID] = Int64GetDatum(run->scheduled_event_id);
	values[OPEN_COL_STARTED_EVENT_ID] = Int64GetDatum(run->started_event_id);
	values[OPEN_COL_PREVIOUS_STARTED_EVENT_ID] = Int64GetDatum(run->previous_started_event_id);
	values[OPEN_COL_NEXT_EVENT_ID] = Int64GetDatum(run->next_event_id);
	values[OPEN_COL_HISTORY_SIZE] = Int64GetDatum(run->history_size);
	values[OPEN_COL_HISTORY_LEAVES] = Int16GetDatum(run->history_leaves);
	values[OPEN_COL_RUN_FLAGS] = Int16GetDatum(run->flags);
	values[OPEN_COL_SIGNALS] = Int32GetDatum(run->signals);
	values[OPEN_COL_PENDING_ACTIVITIES] = Int32GetDatum(run->pending_activities);
	values[OPEN_COL_PENDING_TIMERS] = Int32GetDatum(run->pending_timers);
	values[OPEN_COL_ACTIVITY_TYPE] = PointerGetDatum(run->workflow_type);
}

/* run_to_row: the columns beside those of the task; see kinds.h. */
void
run_to_row(Task *task, Datum *values, bool *nulls)
{
	const Run  *run = (const Run *) task;

	fixed_to_row(run, values, nulls);
	row_set_varlena(&values[OPEN_COL_ACTIVITY_ID], &nulls[OPEN_COL_ACTIVITY_ID], run->workflow_id);
	row_set_varlena(&values[OPEN_COL_HOME_QUEUE], &nulls[OPEN_COL_HOME_QUEUE], run->home_queue);
	row_set_varlena(&values[OPEN_COL_STICKY_QUEUE], &nulls[OPEN_COL_STICKY_QUEUE], run->sticky_queue);
	row_set_varlena(&values[OPEN_COL_REQUEST_ID], &nulls[OPEN_COL_REQUEST_ID], run->request_id);
	row_set_duration(&values[OPEN_COL_STICKY_TIMEOUT], &nulls[OPEN_COL_STICKY_TIMEOUT], run->sticky_timeout);
	row_set_duration(&values[OPEN_COL_START_TO_CLOSE], &nulls[OPEN_COL_START_TO_CLOSE], run->task_timeout);
	row_set_duration(&values[OPEN_COL_ATTEMPT_TIMEOUT], &nulls[OPEN_COL_ATTEMPT_TIMEOUT], run->attempt_timeout);
	row_set_instant(&values[OPEN_COL_START_TIME], &nulls[OPEN_COL_START_TIME], run->start_time);
	row_set_instant(&values[OPEN_COL_DEADLINE], &nulls[OPEN_COL_DEADLINE], run->deadline);
	row_set_instant(&values[OPEN_COL_TIMER_DUE], &nulls[OPEN_COL_TIMER_DUE], run->timer_due);
	row_set_instant(&values[OPEN_COL_FIRST_TASK_TIME], &nulls[OPEN_COL_FIRST_TASK_TIME], run->first_task_time);
	values[OPEN_COL_PRIORITY] = Int32GetDatum(run->priority);
	nulls[OPEN_COL_PRIORITY] = !run->has_priority;
	if (run->flags & RUN_HAS_RETRY_POLICY)
		row_set_retry_policy(&values[OPEN_COL_RETRY_POLICY], &nulls[OPEN_COL_RETRY_POLICY], &run->retry_policy);
	row_set_varlena(&values[OPEN_COL_SEARCH_ATTRIBUTES], &nulls[OPEN_COL_SEARCH_ATTRIBUTES], run->search_attributes);
	row_set_varlena(&values[OPEN_COL_CONTROL], &nulls[OPEN_COL_CONTROL], run->facts);
}
