/*
 * store_open.c
 *		Rows of taskq.open: between columns and the Activity struct.
 *
 * A write names the version that was read (store_find.c) and fails when it is
 * no longer the newest.  Under READ COMMITTED the caller then reads again;
 * under a transaction snapshot that is a serialization failure.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/sequence.h"
#include "funcapi.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "catalog.h"
#include "compat.h"
#include "cursors.h"
#include "options.h"
#include "store_row.h"
#include "store_sweep.h"

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

/* the activity as columns */
static void
to_columns(Activity *activity, Datum *values, bool *nulls)
{
	const Options *options = &activity->options;

	memset(nulls, false, COLUMNS * sizeof(bool));
	values[COL_RUN_ID] = Int64GetDatum(activity->run_id);
	values[COL_SCHEDULE_TIME] = TimestampTzGetDatum(activity->schedule_time);
	row_set_duration(&values[COL_SCHEDULE_TO_CLOSE], &nulls[COL_SCHEDULE_TO_CLOSE], options->schedule_to_close);
	row_set_duration(&values[COL_SCHEDULE_TO_START], &nulls[COL_SCHEDULE_TO_START], options->schedule_to_start);
	row_set_duration(&values[COL_START_TO_CLOSE], &nulls[COL_START_TO_CLOSE], options->start_to_close);
	row_set_duration(&values[COL_HEARTBEAT_TIMEOUT], &nulls[COL_HEARTBEAT_TIMEOUT], options->heartbeat_timeout);
	row_set_duration(&values[COL_START_DELAY], &nulls[COL_START_DELAY], options->start_delay);
	values[COL_FAIRNESS_WEIGHT] = Float8GetDatum(options->fairness_weight);
	nulls[COL_FAIRNESS_WEIGHT] = options->fairness_weight == 0;
	values[COL_TASK_QUEUE] = PointerGetDatum(options->task_queue);
	values[COL_FAIRNESS_KEY] = PointerGetDatum(options->fairness_key ? options->fairness_key : row_empty_text());
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
	row_set_instant(&values[COL_LAST_COMPLETE_TIME], &nulls[COL_LAST_COMPLETE_TIME], activity->last_complete_time);
	row_set_instant(&values[COL_FIRST_STARTED_TIME], &nulls[COL_FIRST_STARTED_TIME], activity->first_started_time);
	row_set_instant(&values[COL_ALARM], &nulls[COL_ALARM], activity->alarm);
	row_set_instant(&values[COL_DISPATCH_TIME], &nulls[COL_DISPATCH_TIME], activity->dispatch_time);
	values[COL_STARTED_TIME] = TimestampTzGetDatum(activity->started_time);
	values[COL_NONCE] = Int64GetDatum(activity->nonce);
	values[COL_TRANSITIONS] = Int32GetDatum(activity->transitions);
	values[COL_ATTEMPT] = Int32GetDatum(activity->attempt);
	values[COL_LEVEL] = Int16GetDatum(activity->level);
	values[COL_STATE] = Int16GetDatum(activity->state);
	values[COL_WORKER] = PointerGetDatum(activity->worker ? activity->worker : row_empty_text());
}

/* columns as an activity; varlenas point to where the values do */
static void
from_columns(const Datum *values, const bool *nulls, Activity *activity)
{
	Options    *options = &activity->options;

	memset(activity, 0, sizeof(Activity));
	activity->run_id = DatumGetInt64(values[COL_RUN_ID]);
	activity->schedule_time = DatumGetTimestampTz(values[COL_SCHEDULE_TIME]);
	options->schedule_to_close = row_get_int64(values[COL_SCHEDULE_TO_CLOSE], nulls[COL_SCHEDULE_TO_CLOSE], 0);
	options->schedule_to_start = row_get_int64(values[COL_SCHEDULE_TO_START], nulls[COL_SCHEDULE_TO_START], 0);
	options->start_to_close = row_get_int64(values[COL_START_TO_CLOSE], nulls[COL_START_TO_CLOSE], 0);
	options->heartbeat_timeout = row_get_int64(values[COL_HEARTBEAT_TIMEOUT], nulls[COL_HEARTBEAT_TIMEOUT], 0);
	options->start_delay = row_get_int64(values[COL_START_DELAY], nulls[COL_START_DELAY], 0);
	if (!nulls[COL_FAIRNESS_WEIGHT])
		options->fairness_weight = DatumGetFloat8(values[COL_FAIRNESS_WEIGHT]);
	options->task_queue = DatumGetTextPP(values[COL_TASK_QUEUE]);
	options->fairness_key = row_get_nonempty(values[COL_FAIRNESS_KEY]);
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
	activity->control = row_get_varlena(values[COL_CONTROL], nulls[COL_CONTROL]);
	activity->last_failure = row_get_varlena(values[COL_LAST_FAILURE], nulls[COL_LAST_FAILURE]);
	activity->retry_interval = row_get_int64(values[COL_RETRY_INTERVAL], nulls[COL_RETRY_INTERVAL], 0);
	activity->retry_by_worker = !nulls[COL_RETRY_BY_WORKER];
	activity->last_complete_time = row_get_int64(values[COL_LAST_COMPLETE_TIME], nulls[COL_LAST_COMPLETE_TIME], DT_NOBEGIN);
	activity->first_started_time = row_get_int64(values[COL_FIRST_STARTED_TIME], nulls[COL_FIRST_STARTED_TIME], DT_NOBEGIN);
	activity->alarm = row_get_int64(values[COL_ALARM], nulls[COL_ALARM], DT_NOEND);
	activity->dispatch_time = row_get_int64(values[COL_DISPATCH_TIME], nulls[COL_DISPATCH_TIME], DT_NOEND);
	activity->started_time = DatumGetTimestampTz(values[COL_STARTED_TIME]);
	activity->nonce = DatumGetInt64(values[COL_NONCE]);
	activity->transitions = DatumGetInt32(values[COL_TRANSITIONS]);
	activity->attempt = DatumGetInt32(values[COL_ATTEMPT]);
	activity->level = DatumGetInt16(values[COL_LEVEL]);
	activity->state = (State) DatumGetInt16(values[COL_STATE]);
	activity->worker = DatumGetTextPP(values[COL_WORKER]);
	if (activity->state != STATE_SCHEDULED)
		return;
	activity->place.task_queue = options->task_queue;
	activity->place.fairness_key = options->fairness_key;
	activity->place.level = activity->level;
	activity->place.dispatch_time = activity->dispatch_time;
}

/*
 * row_open_activity: the activity in a copied tuple of taskq.open; its varlenas
 * point into the tuple.
 */
void
row_open_activity(HeapTuple tuple, TupleDesc desc, Activity *activity)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	heap_deform_tuple(tuple, desc, values, nulls);
	from_columns(values, nulls, activity);
	activity->tid = tuple->t_self;
}

/* the few columns that scans look at, straight from the slot */
bool
row_open_is_scheduled(TupleTableSlot *slot)
{
	bool		null;

	return (State) DatumGetInt16(slot_getattr(slot, COL_STATE + 1, &null)) ==
		STATE_SCHEDULED;
}

bool
row_open_is_ready(TupleTableSlot *slot, TimestampTz now)
{
	bool		null;
	State		state;
	Activity	part;

	state = (State) DatumGetInt16(slot_getattr(slot, COL_STATE + 1, &null));
	if (state != STATE_SCHEDULED)
		return false;
	memset(&part, 0, sizeof(part));
	part.state = state;
	part.schedule_time = DatumGetTimestampTz(slot->tts_values[COL_SCHEDULE_TIME]);
	part.dispatch_time = DatumGetTimestampTz(slot->tts_values[COL_DISPATCH_TIME]);
	part.options.schedule_to_close = row_get_int64(slot->tts_values[COL_SCHEDULE_TO_CLOSE], slot->tts_isnull[COL_SCHEDULE_TO_CLOSE], 0);
	part.options.schedule_to_start = row_get_int64(slot->tts_values[COL_SCHEDULE_TO_START], slot->tts_isnull[COL_SCHEDULE_TO_START], 0);
	part.options.start_delay = row_get_int64(slot->tts_values[COL_START_DELAY], slot->tts_isnull[COL_START_DELAY], 0);
	return activity_next_deadline(&part, DT_NOBEGIN).when > now;
}

/*
 * Does another transaction lock the row or write it, or has it done so since
 * our snapshot was taken?
 */
static bool
is_locked(TupleTableSlot *slot)
{
	HeapTupleHeader tuple = ExecFetchSlotHeapTuple(slot, false, NULL)->t_data;
	TransactionId xmax = HeapTupleHeaderGetRawXmax(tuple);

	if (tuple->t_infomask & HEAP_XMAX_INVALID ||
		TransactionIdIsCurrentTransactionId(xmax))
		return false;
	if (tuple->t_infomask & HEAP_XMAX_IS_MULTI ||
		TransactionIdIsInProgress(xmax))
		return true;
	return !HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask) &&
		TransactionIdDidCommit(xmax);
}

/* what a heartbeat looks at; the queue is copied */
void
row_open_glance(TupleTableSlot *slot, OpenGlance *glance)
{
	slot_getsomeattrs(slot, COL_STATE + 1);
	glance->state = (State) DatumGetInt16(slot->tts_values[COL_STATE]);
	glance->nonce = DatumGetInt64(slot->tts_values[COL_NONCE]);
	glance->task_queue = DatumGetTextPCopy(slot->tts_values[COL_TASK_QUEUE]);
	glance->locked = is_locked(slot);
}

void
row_open_lane(TupleTableSlot *slot, Lane *lane)
{
	slot_getsomeattrs(slot, COL_FAIRNESS_WEIGHT + 1);
	lane->run_id = DatumGetInt64(slot->tts_values[COL_RUN_ID]);
	lane->dispatch_time = row_get_int64(slot->tts_values[COL_DISPATCH_TIME], slot->tts_isnull[COL_DISPATCH_TIME], DT_NOEND);
	lane->fairness_weight = slot->tts_isnull[COL_FAIRNESS_WEIGHT] ? 0 :
		DatumGetFloat8(slot->tts_values[COL_FAIRNESS_WEIGHT]);
}

/* is the row one of that lane? */
bool
row_open_in_lane(TupleTableSlot *slot, const text *task_queue, int16 level,
				 const text *fairness_key)
{
	slot_getsomeattrs(slot, COL_FAIRNESS_KEY + 1);
	return DatumGetInt16(slot->tts_values[COL_LEVEL]) == level &&
		row_same_text(slot->tts_values[COL_TASK_QUEUE], task_queue) &&
		row_same_text(slot->tts_values[COL_FAIRNESS_KEY], fairness_key);
}

void
row_open_lane_key(TupleTableSlot *slot, int16 *level, text **fairness_key)
{
	slot_getsomeattrs(slot, COL_FAIRNESS_KEY + 1);
	*level = DatumGetInt16(slot->tts_values[COL_LEVEL]);
	*fairness_key = DatumGetTextPCopy(slot->tts_values[COL_FAIRNESS_KEY]);
}

bool
row_open_waits(TupleTableSlot *slot)
{
	bool		null;

	return (State) DatumGetInt16(slot_getattr(slot, COL_STATE + 1, &null)) == STATE_SCHEDULED;
}

bool
row_open_in_progress(TupleTableSlot *slot)
{
	bool		null;

	return state_in_progress((State) DatumGetInt16(slot_getattr(slot, COL_STATE + 1, &null)));
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
	HeapTuple	tuple;
	Activity	activity;

	if (!row_open_in_progress(slot))
		return false;
	tuple = ExecCopySlotHeapTuple(slot);
	row_open_activity(tuple, slot->tts_tupleDescriptor, &activity);
	hint->run_id = activity.run_id;
	hint->deadline = activity_next_deadline(&activity, DT_NOBEGIN).when;
	heap_freetuple(tuple);
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

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------
 */

/* store_next_run_id: a new run_id; never given twice, gaps are normal. */
int64
store_next_run_id(void)
{
	return nextval_internal(catalog()->run_id_seq, false);
}

/* store_last_run_id: no run_id given so far is greater. */
int64
store_last_run_id(void)
{
	LOCAL_FCINFO(call, 1);
	Datum		last;

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = ObjectIdGetDatum(catalog()->run_id_seq);
	call->args[0].isnull = false;
	last = pg_sequence_last_value(call);
	return call->isnull ? 0 : DatumGetInt64(last);
}

/*
 * store_insert: add an activity.  False when its activity_id belongs to
 * another open one; an uncommitted rival is waited for.
 */
bool
store_insert(Activity *activity)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	to_columns(activity, values, nulls);
	if (activity->activity_id != NULL)
	{
		cursor_notes_comes(activity, NULL);
		return target_insert_unless_duplicate(catalog()->open,
											  catalog()->open_activity_id,
											  values, nulls);
	}
	target_insert(catalog()->open, values, nulls, &activity->tid);
	cursor_notes_comes(activity, &activity->tid);
	store_sweep(activity);
	return true;
}

/* Activities that differ by run_id and input only, on their way. */
struct StoreBatch
{
	TargetBatch *target;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
};

/*
 * store_begin_many: add many activities like "model", which has no
 * activity_id, by store_put().  They are in after store_end_many().
 */
StoreBatch *
store_begin_many(Activity *model)
{
	StoreBatch *batch = palloc(sizeof(StoreBatch));
	Activity	first = *model;

	first.run_id = 0;			/* before all that come */
	cursor_notes_comes(&first, NULL);
	to_columns(model, batch->values, batch->nulls);
	batch->target = target_begin_many(catalog()->open);
	return batch;
}

/* store_put: one more; the input has to be valid until the end. */
void
store_put(StoreBatch *batch, int64 run_id, struct varlena *input)
{
	batch->values[COL_RUN_ID] = Int64GetDatum(run_id);
	row_set_varlena(&batch->values[COL_INPUT], &batch->nulls[COL_INPUT], input);
	target_put(batch->target, batch->values, batch->nulls);
}

void
store_end_many(StoreBatch *batch)
{
	target_end_many(batch->target);
	pfree(batch);
}

/* tell those who look for tasks what the write does to the lanes */
static void
note_places(const Activity *activity, bool stays)
{
	const LanePlace *place = &activity->place;

	if (place->task_queue != NULL)
		cursor_notes_goes(place->task_queue, place->level, place->fairness_key,
						  (ReadyKey) {place->dispatch_time, activity->run_id});
	if (stays && activity->state == STATE_SCHEDULED)
		cursor_notes_comes(activity, NULL);
}

/*
 * store_update: write a changed activity over the version that was read; its
 * tid becomes that of the new one.
 */
StoreResult
store_update(Activity *activity, bool wait)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	StoreResult result;

	to_columns(activity, values, nulls);
	note_places(activity, true);
	result = target_update(catalog()->open, &activity->tid, values, nulls, wait);
	if (result == STORE_OK && state_in_progress(activity->state))
		store_remember_place(activity->run_id, &activity->tid);
	return result;
}

/* store_lock: keep others from changing the row until the transaction ends. */
StoreResult
store_lock(const Activity *activity, bool wait)
{
	ItemPointerData tid = activity->tid;

	return target_lock(catalog()->open, &tid, wait);
}

/* store_delete: remove the version that was read. */
StoreResult
store_delete(const Activity *activity, bool wait)
{
	ItemPointerData tid = activity->tid;

	note_places(activity, false);
	return target_delete(catalog()->open, &tid, wait);
}
