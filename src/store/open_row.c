/*
 * open_row.c
 *		A row of taskq.open: between columns and the Activity struct.
 *
 * Also what closed rows have in common with it: controls and retry policies.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/texts.h"
#include "model/controls.h"
#include "model/duration.h"
#include "model/options.h"
#include "model/retry_policy.h"
#include "shared/timer_ring.h"
#include "store/catalog.h"
#include "store/open_row.h"
#include "store/row.h"
#include "task/task.h"

/* columns of taskq.open, in order; zero-based */
enum
{
	COL_RUN_ID,
	COL_SCHEDULE_TIME,
	COL_LEVEL,
	COL_TASK_QUEUE,
	COL_FAIRNESS_KEY,
	COL_ACTIVITY_TYPE,
	COL_INPUT,
	COL_DISPATCH_TIME,
	COL_SCHEDULE_TO_CLOSE,
	COL_SCHEDULE_TO_START,
	COL_START_TO_CLOSE,
	COL_HEARTBEAT_TIMEOUT,
	COL_START_DELAY,
	COL_FAIRNESS_WEIGHT,
	COL_PRIORITY,
	COL_RETRY_POLICY,
	COL_ACTIVITY_ID,
	COL_REQUEST_ID,
	COL_HEADER,
	COL_SUMMARY,
	COL_SEARCH_ATTRIBUTES,
	COL_CONTROL,
	COL_LAST_FAILURE,
	COL_RETRY_INTERVAL,
	COL_RETRY_BY_WORKER,
	COL_LAST_COMPLETE_TIME,
	COL_FIRST_STARTED_TIME,
	COL_ALARM,
	COL_STARTED_TIME,
	COL_NONCE,
	COL_TRANSITIONS,
	COL_ATTEMPT,
	COL_STATE,
	COL_WORKER,
	COLUMNS
};

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

/*
 * row_open_columns: the activity as OPEN_COLUMNS columns, which refer to its
 * memory.
 */
void
row_open_columns(Activity *activity, Datum *values, bool *nulls)
{
	const Options *options = &activity->options;

	memset(nulls, false, OPEN_COLUMNS * sizeof(bool));
	values[COL_RUN_ID] = Int64GetDatum(activity->task.run_id);
	values[COL_SCHEDULE_TIME] = TimestampTzGetDatum(activity->task.schedule_time);
	row_set_duration(&values[COL_SCHEDULE_TO_CLOSE], &nulls[COL_SCHEDULE_TO_CLOSE], options->schedule_to_close);
	row_set_duration(&values[COL_SCHEDULE_TO_START], &nulls[COL_SCHEDULE_TO_START], options->schedule_to_start);
	row_set_duration(&values[COL_START_TO_CLOSE], &nulls[COL_START_TO_CLOSE], options->start_to_close);
	row_set_duration(&values[COL_HEARTBEAT_TIMEOUT], &nulls[COL_HEARTBEAT_TIMEOUT], options->heartbeat_timeout);
	row_set_duration(&values[COL_START_DELAY], &nulls[COL_START_DELAY], options->start_delay);
	values[COL_FAIRNESS_WEIGHT] = Float8GetDatum(activity->task.fairness_weight);
	nulls[COL_FAIRNESS_WEIGHT] = activity->task.fairness_weight == 0;
	values[COL_TASK_QUEUE] = PointerGetDatum(activity->task.queue);
	values[COL_FAIRNESS_KEY] = PointerGetDatum(activity->task.fairness_key ? activity->task.fairness_key : row_empty_text());
	values[COL_ACTIVITY_TYPE] = PointerGetDatum(activity->activity_type);
	row_set_varlena(&values[COL_INPUT], &nulls[COL_INPUT], activity->input);
	values[COL_PRIORITY] = Int32GetDatum(options->priority);
	nulls[COL_PRIORITY] = !options->has_priority;
	row_set_retry_policy(&values[COL_RETRY_POLICY], &nulls[COL_RETRY_POLICY], &options->retry_policy);
	row_set_varlena(&values[COL_ACTIVITY_ID], &nulls[COL_ACTIVITY_ID], activity->activity_id);
	row_set_varlena(&values[COL_REQUEST_ID], &nulls[COL_REQUEST_ID], activity->request_id);
	row_set_varlena(&values[COL_HEADER], &nulls[COL_HEADER], activity->header);
	row_set_varlena(&values[COL_SUMMARY], &nulls[COL_SUMMARY], activity->summary);
	row_set_varlena(&values[COL_SEARCH_ATTRIBUTES], &nulls[COL_SEARCH_ATTRIBUTES], activity->search_attributes);
	row_set_varlena(&values[COL_CONTROL], &nulls[COL_CONTROL], row_control(activity));
	row_set_varlena(&values[COL_LAST_FAILURE], &nulls[COL_LAST_FAILURE], activity->last_failure);
	row_set_duration(&values[COL_RETRY_INTERVAL], &nulls[COL_RETRY_INTERVAL], activity->retry_interval);
	values[COL_RETRY_BY_WORKER] = BoolGetDatum(true);
	nulls[COL_RETRY_BY_WORKER] = !activity->retry_by_worker;
	row_set_instant(&values[COL_LAST_COMPLETE_TIME], &nulls[COL_LAST_COMPLETE_TIME], activity->task.last_complete_time);
	row_set_instant(&values[COL_FIRST_STARTED_TIME], &nulls[COL_FIRST_STARTED_TIME], activity->first_started_time);
	row_set_instant(&values[COL_ALARM], &nulls[COL_ALARM], activity->task.alarm);
	row_set_instant(&values[COL_DISPATCH_TIME], &nulls[COL_DISPATCH_TIME], activity->task.dispatch_time);
	values[COL_STARTED_TIME] = TimestampTzGetDatum(activity->task.started_time);
	values[COL_NONCE] = Int64GetDatum(activity->task.nonce);
	values[COL_TRANSITIONS] = Int32GetDatum(activity->task.transitions);
	values[COL_ATTEMPT] = Int32GetDatum(activity->task.attempt);
	values[COL_LEVEL] = Int16GetDatum(activity->task.level);
	values[COL_STATE] = Int16GetDatum(activity->task.state);
	values[COL_WORKER] = PointerGetDatum(activity->task.worker ? activity->task.worker : row_empty_text());
}

/* row_open_set_run: the same columns for another run, with another input. */
void
row_open_set_run(Datum *values, bool *nulls, int64 run_id,
				 struct varlena *input)
{
	values[COL_RUN_ID] = Int64GetDatum(run_id);
	row_set_varlena(&values[COL_INPUT], &nulls[COL_INPUT], input);
}

/* columns as an activity; varlenas point to where the values do */
static void
from_columns(const Datum *values, const bool *nulls, Activity *activity)
{
	Options    *options = &activity->options;

	memset(activity, 0, sizeof(Activity));
	activity->task.run_id = DatumGetInt64(values[COL_RUN_ID]);
	activity->task.schedule_time = DatumGetTimestampTz(values[COL_SCHEDULE_TIME]);
	options->schedule_to_close = row_get_int64(values[COL_SCHEDULE_TO_CLOSE], nulls[COL_SCHEDULE_TO_CLOSE], 0);
	options->schedule_to_start = row_get_int64(values[COL_SCHEDULE_TO_START], nulls[COL_SCHEDULE_TO_START], 0);
	options->start_to_close = row_get_int64(values[COL_START_TO_CLOSE], nulls[COL_START_TO_CLOSE], 0);
	options->heartbeat_timeout = row_get_int64(values[COL_HEARTBEAT_TIMEOUT], nulls[COL_HEARTBEAT_TIMEOUT], 0);
	options->start_delay = row_get_int64(values[COL_START_DELAY], nulls[COL_START_DELAY], 0);
	if (!nulls[COL_FAIRNESS_WEIGHT])
		activity->task.fairness_weight = DatumGetFloat8(values[COL_FAIRNESS_WEIGHT]);
	activity->task.queue = DatumGetTextPP(values[COL_TASK_QUEUE]);
	activity->task.fairness_key = row_get_nonempty(values[COL_FAIRNESS_KEY]);
	activity->activity_type = DatumGetTextPP(values[COL_ACTIVITY_TYPE]);
	activity->input = row_get_varlena(values[COL_INPUT], nulls[COL_INPUT]);
	options->has_priority = !nulls[COL_PRIORITY];
	if (options->has_priority)
		options->priority = DatumGetInt32(values[COL_PRIORITY]);
	row_get_retry_policy(values[COL_RETRY_POLICY], nulls[COL_RETRY_POLICY], &options->retry_policy);
	activity->activity_id = (text *) row_get_varlena(values[COL_ACTIVITY_ID], nulls[COL_ACTIVITY_ID]);
	activity->request_id = (text *) row_get_varlena(values[COL_REQUEST_ID], nulls[COL_REQUEST_ID]);
	activity->header = row_get_varlena(values[COL_HEADER], nulls[COL_HEADER]);
	activity->summary = (text *) row_get_varlena(values[COL_SUMMARY], nulls[COL_SUMMARY]);
	activity->search_attributes = row_get_varlena(values[COL_SEARCH_ATTRIBUTES], nulls[COL_SEARCH_ATTRIBUTES]);
	activity->task.control = row_get_varlena(values[COL_CONTROL], nulls[COL_CONTROL]);
	activity->last_failure = row_get_varlena(values[COL_LAST_FAILURE], nulls[COL_LAST_FAILURE]);
	activity->retry_interval = row_get_int64(values[COL_RETRY_INTERVAL], nulls[COL_RETRY_INTERVAL], 0);
	activity->retry_by_worker = !nulls[COL_RETRY_BY_WORKER];
	activity->task.last_complete_time = row_get_int64(values[COL_LAST_COMPLETE_TIME], nulls[COL_LAST_COMPLETE_TIME], DT_NOBEGIN);
	activity->first_started_time = row_get_int64(values[COL_FIRST_STARTED_TIME], nulls[COL_FIRST_STARTED_TIME], DT_NOBEGIN);
	activity->task.alarm = row_get_int64(values[COL_ALARM], nulls[COL_ALARM], DT_NOEND);
	activity->task.dispatch_time = row_get_int64(values[COL_DISPATCH_TIME], nulls[COL_DISPATCH_TIME], DT_NOEND);
	activity->task.started_time = DatumGetTimestampTz(values[COL_STARTED_TIME]);
	activity->task.nonce = DatumGetInt64(values[COL_NONCE]);
	activity->task.transitions = DatumGetInt32(values[COL_TRANSITIONS]);
	activity->task.attempt = DatumGetInt32(values[COL_ATTEMPT]);
	activity->task.level = DatumGetInt16(values[COL_LEVEL]);
	activity->task.state = (State) DatumGetInt16(values[COL_STATE]);
	activity->task.worker = DatumGetTextPP(values[COL_WORKER]);
	if (activity->task.state != STATE_SCHEDULED)
		return;
	activity->task.place.task_queue = activity->task.queue;
	activity->task.place.fairness_key = activity->task.fairness_key;
	activity->task.place.level = activity->task.level;
	activity->task.place.dispatch_time = activity->task.dispatch_time;
}

/*
 * row_open_activity: the activity in a copied tuple of taskq.open; its varlenas
 * point into the tuple.
 */
void
row_open_activity(HeapTuple tuple, TupleDesc desc, Activity *activity)
{
	Datum		values[OPEN_COLUMNS];
	bool		nulls[OPEN_COLUMNS];

	StaticAssertStmt(COLUMNS == OPEN_COLUMNS, "all columns are known");
	Assert(desc->natts == OPEN_COLUMNS);
	heap_deform_tuple(tuple, desc, values, nulls);
	from_columns(values, nulls, activity);
	activity->task.tid = tuple->t_self;
}

/* the few columns that scans look at, straight from the slot */
static State
state_of(TupleTableSlot *slot)
{
	bool		null;

	return (State) DatumGetInt16(slot_getattr(slot, COL_STATE + 1, &null));
}

/* row_open_waits: for a poll, now or later. */
bool
row_open_waits(TupleTableSlot *slot)
{
	return state_of(slot) == STATE_SCHEDULED;
}

/* row_open_in_progress: does a worker hold the attempt? */
bool
row_open_in_progress(TupleTableSlot *slot)
{
	return state_in_progress(state_of(slot));
}

/* what the deadlines of an activity follow from, and no more */
static void
timer_columns(TupleTableSlot *slot, Activity *part)
{
	const Datum *values = slot->tts_values;
	const bool *nulls = slot->tts_isnull;

	slot_getsomeattrs(slot, COL_STATE + 1);
	memset(part, 0, sizeof(Activity));
	part->task.run_id = DatumGetInt64(values[COL_RUN_ID]);
	part->task.state = (State) DatumGetInt16(values[COL_STATE]);
	part->task.schedule_time = DatumGetTimestampTz(values[COL_SCHEDULE_TIME]);
	part->task.dispatch_time = row_get_int64(values[COL_DISPATCH_TIME], nulls[COL_DISPATCH_TIME], DT_NOEND);
	part->task.started_time = DatumGetTimestampTz(values[COL_STARTED_TIME]);
	part->options.schedule_to_close = row_get_int64(values[COL_SCHEDULE_TO_CLOSE], nulls[COL_SCHEDULE_TO_CLOSE], 0);
	part->options.schedule_to_start = row_get_int64(values[COL_SCHEDULE_TO_START], nulls[COL_SCHEDULE_TO_START], 0);
	part->options.start_to_close = row_get_int64(values[COL_START_TO_CLOSE], nulls[COL_START_TO_CLOSE], 0);
	part->options.heartbeat_timeout = row_get_int64(values[COL_HEARTBEAT_TIMEOUT], nulls[COL_HEARTBEAT_TIMEOUT], 0);
	part->options.start_delay = row_get_int64(values[COL_START_DELAY], nulls[COL_START_DELAY], 0);
}

/* row_open_is_ready: it waits, and none of its timeouts has passed. */
bool
row_open_is_ready(TupleTableSlot *slot, TimestampTz now)
{
	Activity	part;

	if (!row_open_waits(slot))
		return false;
	timer_columns(slot, &part);
	return activity_next_deadline(&part, DT_NOBEGIN).when > now;
}

/* what a heartbeat looks at; the queue is copied */
void
row_open_glance(TupleTableSlot *slot, OpenGlance *glance)
{
	RowHolder	holder;

	slot_getsomeattrs(slot, COL_STATE + 1);
	glance->state = (State) DatumGetInt16(slot->tts_values[COL_STATE]);
	glance->nonce = DatumGetInt64(slot->tts_values[COL_NONCE]);
	glance->task_queue = DatumGetTextPCopy(slot->tts_values[COL_TASK_QUEUE]);
	holder = row_holder(slot);
	glance->locked = holder == ROW_LOCKED || holder == ROW_CHANGED;
}

/* what a walk along a lane looks at */
void
row_open_place(TupleTableSlot *slot, OpenPlace *place)
{
	slot_getsomeattrs(slot, COL_FAIRNESS_WEIGHT + 1);
	place->key.run_id = DatumGetInt64(slot->tts_values[COL_RUN_ID]);
	place->key.dispatch_time = row_get_int64(slot->tts_values[COL_DISPATCH_TIME], slot->tts_isnull[COL_DISPATCH_TIME], DT_NOEND);
	place->fairness_weight = slot->tts_isnull[COL_FAIRNESS_WEIGHT] ? 0 :
		DatumGetFloat8(slot->tts_values[COL_FAIRNESS_WEIGHT]);
}

/* is the row one of that lane? */
bool
row_open_in_lane(TupleTableSlot *slot, const text *task_queue, int16 level,
				 const text *fairness_key)
{
	slot_getsomeattrs(slot, COL_FAIRNESS_KEY + 1);
	return DatumGetInt16(slot->tts_values[COL_LEVEL]) == level &&
		text_equal(DatumGetTextPP(slot->tts_values[COL_TASK_QUEUE]), task_queue) &&
		text_equal(DatumGetTextPP(slot->tts_values[COL_FAIRNESS_KEY]), fairness_key);
}

/* row_open_lane_key: level and fairness key, the latter copied. */
void
row_open_lane_key(TupleTableSlot *slot, int16 *level, text **fairness_key)
{
	slot_getsomeattrs(slot, COL_FAIRNESS_KEY + 1);
	*level = DatumGetInt16(slot->tts_values[COL_LEVEL]);
	*fairness_key = DatumGetTextPCopy(slot->tts_values[COL_FAIRNESS_KEY]);
}

/* what the views of queues count; valid as long as the slot is */
void
row_open_count(TupleTableSlot *slot, OpenCount *row)
{
	slot_getsomeattrs(slot, COL_STATE + 1);
	row->task_queue = DatumGetTextPP(slot->tts_values[COL_TASK_QUEUE]);
	row->level = valid_level(DatumGetInt16(slot->tts_values[COL_LEVEL]));
	row->state = (State) DatumGetInt16(slot->tts_values[COL_STATE]);
	row->dispatch_time = row_get_int64(slot->tts_values[COL_DISPATCH_TIME], slot->tts_isnull[COL_DISPATCH_TIME], DT_NOEND);
	row->since = Max(DatumGetTimestampTz(slot->tts_values[COL_SCHEDULE_TIME]),
					 row_get_int64(slot->tts_values[COL_LAST_COMPLETE_TIME], slot->tts_isnull[COL_LAST_COMPLETE_TIME], DT_NOBEGIN));
	if (state_in_progress(row->state) && !slot->tts_isnull[COL_CONTROL])
	{
		HeapTuple	tuple = ExecCopySlotHeapTuple(slot);
		Activity	activity;

		row_open_activity(tuple, slot->tts_tupleDescriptor, &activity);
		row->task_queue = activity_taken_from(&activity);
	}
}

/* run_id and first deadline, when an attempt is in progress */
bool
row_open_timer(TupleTableSlot *slot, TimerHint *hint)
{
	Activity	part;

	if (!row_open_in_progress(slot))
		return false;
	timer_columns(slot, &part);
	hint->run_id = part.task.run_id;
	hint->deadline = activity_next_deadline(&part, DT_NOBEGIN).when;
	return true;
}

/* run_id and alarm */
void
row_open_alarm(TupleTableSlot *slot, TimerHint *hint)
{
	slot_getsomeattrs(slot, COL_ALARM + 1);
	hint->run_id = DatumGetInt64(slot->tts_values[COL_RUN_ID]);
	hint->deadline = DatumGetTimestampTz(slot->tts_values[COL_ALARM]);
}
