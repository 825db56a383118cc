/*
 * activity_row.c
 *		A row of taskq.open, as far as only activities have it: between columns
 *		and the Activity struct.
 *
 * Also what closed rows have in common with it: controls and retry policies.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "model/controls.h"
#include "model/duration.h"
#include "model/options.h"
#include "model/retry_policy.h"
#include "store/activity_row.h"
#include "store/catalog.h"
#include "store/open_columns.h"
#include "store/row.h"

/* ------------------------------------------------------------------------
 * Composite retry policies
 * ------------------------------------------------------------------------
 */

static Datum
retry_policy_datum(const RetryPolicy *policy)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(catalog()->retry_policy, -1);
	Datum		values[6];
	bool		nulls[6] = {false};
	HeapTuple	tuple;

	values[0] = IntervalPGetDatum(duration_to_interval(policy->initial_interval));
	values[1] = Float8GetDatum(policy->backoff_coefficient);
	values[2] = IntervalPGetDatum(duration_to_interval(policy->maximum_interval));
	values[3] = Int32GetDatum(policy->maximum_attempts);
	values[4] = PointerGetDatum(policy->non_retryable);
	nulls[4] = policy->non_retryable == NULL;
	values[5] = Float8GetDatum(policy->jitter);
	Assert(desc->natts == lengthof(values));
	tuple = heap_form_tuple(desc, values, nulls);
	ReleaseTupleDesc(desc);
	return HeapTupleGetDatum(tuple);
}

/* put a policy into a column: NULL for the built-in defaults */
void
row_set_retry_policy(Datum *value, bool *null, const RetryPolicy *policy)
{
	*null = retry_policy_is_builtin(policy);
	if (!*null)
		*value = retry_policy_datum(policy);
}

/* row_get_retry_policy: NULL is the built-in defaults. */
void
row_get_retry_policy(Datum value, bool null, RetryPolicy *policy)
{
	if (null)
		retry_policy_builtin(policy);
	else
		retry_policy_from_stored(value, policy);
}

/* ------------------------------------------------------------------------
 * Columns
 * ------------------------------------------------------------------------
 */

/*
 * row_control: the control column, encoded again if somebody looked at it
 * (and may have changed it).
 */
struct varlena *
row_control(Activity *activity)
{
	if (activity->controls == NULL)
		return activity->task.control;
	return (struct varlena *) controls_to_jsonb(activity->controls);
}

/* activity_to_row: the columns beside those of the task; see kinds.h. */
void
activity_to_row(Task *task, Datum *values, bool *nulls)
{
	Activity   *activity = (Activity *) task;
	const Options *options = &activity->options;

	row_set_duration(&values[OPEN_COL_SCHEDULE_TO_CLOSE], &nulls[OPEN_COL_SCHEDULE_TO_CLOSE], options->schedule_to_close);
	row_set_duration(&values[OPEN_COL_SCHEDULE_TO_START], &nulls[OPEN_COL_SCHEDULE_TO_START], options->schedule_to_start);
	row_set_duration(&values[OPEN_COL_START_TO_CLOSE], &nulls[OPEN_COL_START_TO_CLOSE], options->start_to_close);
	row_set_duration(&values[OPEN_COL_HEARTBEAT_TIMEOUT], &nulls[OPEN_COL_HEARTBEAT_TIMEOUT], options->heartbeat_timeout);
	row_set_duration(&values[OPEN_COL_START_DELAY], &nulls[OPEN_COL_START_DELAY], options->start_delay);
	nulls[OPEN_COL_ACTIVITY_TYPE] = false;
	values[OPEN_COL_ACTIVITY_TYPE] = PointerGetDatum(activity->activity_type);
	row_set_varlena(&values[OPEN_COL_INPUT], &nulls[OPEN_COL_INPUT], activity->input);
	values[OPEN_COL_PRIORITY] = Int32GetDatum(options->priority);
	nulls[OPEN_COL_PRIORITY] = !options->has_priority;
	row_set_retry_policy(&values[OPEN_COL_RETRY_POLICY], &nulls[OPEN_COL_RETRY_POLICY], &options->retry_policy);
	row_set_varlena(&values[OPEN_COL_ACTIVITY_ID], &nulls[OPEN_COL_ACTIVITY_ID], activity->activity_id);
	row_set_varlena(&values[OPEN_COL_REQUEST_ID], &nulls[OPEN_COL_REQUEST_ID], activity->request_id);
	row_set_varlena(&values[OPEN_COL_HEADER], &nulls[OPEN_COL_HEADER], activity->header);
	row_set_varlena(&values[OPEN_COL_SUMMARY], &nulls[OPEN_COL_SUMMARY], activity->summary);
	row_set_varlena(&values[OPEN_COL_SEARCH_ATTRIBUTES], &nulls[OPEN_COL_SEARCH_ATTRIBUTES], activity->search_attributes);
	row_set_varlena(&values[OPEN_COL_CONTROL], &nulls[OPEN_COL_CONTROL], row_control(activity));
	row_set_varlena(&values[OPEN_COL_LAST_FAILURE], &nulls[OPEN_COL_LAST_FAILURE], activity->last_failure);
	row_set_duration(&values[OPEN_COL_RETRY_INTERVAL], &nulls[OPEN_COL_RETRY_INTERVAL], activity->retry_interval);
	values[OPEN_COL_RETRY_BY_WORKER] = BoolGetDatum(true);
	nulls[OPEN_COL_RETRY_BY_WORKER] = !activity->retry_by_worker;
	row_set_instant(&values[OPEN_COL_FIRST_STARTED_TIME], &nulls[OPEN_COL_FIRST_STARTED_TIME], activity->first_started_time);
	if (activity->owner == SCOPE_NONE)
		return;
	nulls[OPEN_COL_SCHEDULED_EVENT_ID] = false;
	values[OPEN_COL_SCOPE] = Int64GetDatum(activity->owner);
	values[OPEN_COL_SCHEDULED_EVENT_ID] = Int64GetDatum(activity->scheduled_event_id);
}

/* the timeouts, and what else deadlines follow from */
static void
timeouts_from_row(const Datum *values, const bool *nulls, Options *options)
{
	options->schedule_to_close = row_get_int64(values[OPEN_COL_SCHEDULE_TO_CLOSE], nulls[OPEN_COL_SCHEDULE_TO_CLOSE], 0);
	options->schedule_to_start = row_get_int64(values[OPEN_COL_SCHEDULE_TO_START], nulls[OPEN_COL_SCHEDULE_TO_START], 0);
	options->start_to_close = row_get_int64(values[OPEN_COL_START_TO_CLOSE], nulls[OPEN_COL_START_TO_CLOSE], 0);
	options->heartbeat_timeout = row_get_int64(values[OPEN_COL_HEARTBEAT_TIMEOUT], nulls[OPEN_COL_HEARTBEAT_TIMEOUT], 0);
	options->start_delay = row_get_int64(values[OPEN_COL_START_DELAY], nulls[OPEN_COL_START_DELAY], 0);
}

/* activity_deadlines_from_row: the timeouts; see kinds.h. */
void
activity_deadlines_from_row(const Datum *values, const bool *nulls, Task *task)
{
	timeouts_from_row(values, nulls, &((Activity *) task)->options);
}

/* activity_from_row: the columns beside those of the task; see kinds.h. */
void
activity_from_row(const Datum *values, const bool *nulls, Task *task)
{
	Activity   *activity = (Activity *) task;
	Options    *options = &activity->options;

	timeouts_from_row(values, nulls, options);
	activity->activity_type = DatumGetTextPP(values[OPEN_COL_ACTIVITY_TYPE]);
	activity->input = row_get_varlena(values[OPEN_COL_INPUT], nulls[OPEN_COL_INPUT]);
	options->has_priority = !nulls[OPEN_COL_PRIORITY];
	if (options->has_priority)
		options->priority = DatumGetInt32(values[OPEN_COL_PRIORITY]);
	row_get_retry_policy(values[OPEN_COL_RETRY_POLICY], nulls[OPEN_COL_RETRY_POLICY], &options->retry_policy);
	activity->activity_id = (text *) row_get_varlena(values[OPEN_COL_ACTIVITY_ID], nulls[OPEN_COL_ACTIVITY_ID]);
	activity->request_id = (text *) row_get_varlena(values[OPEN_COL_REQUEST_ID], nulls[OPEN_COL_REQUEST_ID]);
	activity->header = row_get_varlena(values[OPEN_COL_HEADER], nulls[OPEN_COL_HEADER]);
	activity->summary = (text *) row_get_varlena(values[OPEN_COL_SUMMARY], nulls[OPEN_COL_SUMMARY]);
	activity->search_attributes = row_get_varlena(values[OPEN_COL_SEARCH_ATTRIBUTES], nulls[OPEN_COL_SEARCH_ATTRIBUTES]);
	activity->last_failure = row_get_varlena(values[OPEN_COL_LAST_FAILURE], nulls[OPEN_COL_LAST_FAILURE]);
	activity->retry_interval = row_get_int64(values[OPEN_COL_RETRY_INTERVAL], nulls[OPEN_COL_RETRY_INTERVAL], 0);
	activity->retry_by_worker = !nulls[OPEN_COL_RETRY_BY_WORKER];
	activity->first_started_time = row_get_int64(values[OPEN_COL_FIRST_STARTED_TIME], nulls[OPEN_COL_FIRST_STARTED_TIME], DT_NOBEGIN);
	activity->owner = DatumGetInt64(values[OPEN_COL_SCOPE]);
	activity->scheduled_event_id = row_get_int64(values[OPEN_COL_SCHEDULED_EVENT_ID], nulls[OPEN_COL_SCHEDULED_EVENT_ID], 0);
}
