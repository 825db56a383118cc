/*
 * closed.c
 *		Rows of the closed tables: what is kept of an activity after its close.
 *
 * Closed rows are appended to a leaf (kept.c), and never change.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "model/options.h"
#include "store/activity_row.h"
#include "store/catalog.h"
#include "store/closed.h"
#include "store/kept.h"
#include "store/row.h"
#include "store/write.h"
#include "task/store_result.h"

/* columns of the closed tables, in order; zero-based */
enum
{
	COL_RUN_ID,
	COL_SCHEDULE_TIME,
	COL_CLOSE_TIME,
	COL_EXPIRE_TIME,
	COL_SCHEDULE_TO_CLOSE,
	COL_SCHEDULE_TO_START,
	COL_START_TO_CLOSE,
	COL_HEARTBEAT_TIMEOUT,
	COL_START_DELAY,
	COL_FAIRNESS_WEIGHT,
	COL_STARTED_TIME,
	COL_FIRST_STARTED_TIME,
	COL_LAST_COMPLETE_TIME,
	COL_HEARTBEAT_TIME,
	COL_HEARTBEAT_COUNT,
	COL_TRANSITIONS,
	COL_ATTEMPT,
	COL_STATUS,
	COL_RETRY_STATE,
	COL_PRIORITY,
	COL_TASK_QUEUE,
	COL_ACTIVITY_TYPE,
	COL_FAIRNESS_KEY,
	COL_WORKER,
	COL_ACTIVITY_ID,
	COL_REQUEST_ID,
	COL_SUMMARY,
	COL_INPUT,
	COL_RESULT,
	COL_FAILURE,
	COL_LAST_FAILURE,
	COL_HEARTBEAT_DETAILS,
	COL_HEADER,
	COL_SEARCH_ATTRIBUTES,
	COL_CONTROL,
	COL_RETRY_POLICY,
	COLUMNS
};

StaticAssertDecl(COLUMNS == CLOSED_COLUMNS, "all columns are known");

typedef struct ClosedRow
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
} ClosedRow;

/* Closed rows that are going to be written. */
struct ClosedRows
{
	int			leaf;			/* current when the first one was collected */
	int			n;
	ClosedRow  *rows[STORE_BATCH];
};

/* the activity as columns; instants that equal another are left out */
static void
to_columns(Activity *activity, Datum *values, bool *nulls)
{
	const Options *options = &activity->options;
	bool		one_attempt = activity->first_started_time == activity->task.started_time;
	bool		completed = activity->task.state == STATE_COMPLETED;

	memset(nulls, false, COLUMNS * sizeof(bool));
	values[COL_RUN_ID] = Int64GetDatum(activity->task.run_id);
	values[COL_SCHEDULE_TIME] = TimestampTzGetDatum(activity->task.schedule_time);
	values[COL_CLOSE_TIME] = TimestampTzGetDatum(activity->close_time);
	values[COL_EXPIRE_TIME] = TimestampTzGetDatum(activity->expire_time);
	row_set_duration(&values[COL_SCHEDULE_TO_CLOSE], &nulls[COL_SCHEDULE_TO_CLOSE], options->schedule_to_close);
	row_set_duration(&values[COL_SCHEDULE_TO_START], &nulls[COL_SCHEDULE_TO_START], options->schedule_to_start);
	row_set_duration(&values[COL_START_TO_CLOSE], &nulls[COL_START_TO_CLOSE], options->start_to_close);
	row_set_duration(&values[COL_HEARTBEAT_TIMEOUT], &nulls[COL_HEARTBEAT_TIMEOUT], options->heartbeat_timeout);
	row_set_duration(&values[COL_START_DELAY], &nulls[COL_START_DELAY], options->start_delay);
	values[COL_FAIRNESS_WEIGHT] = Float8GetDatum(activity->task.fairness_weight);
	nulls[COL_FAIRNESS_WEIGHT] = activity->task.fairness_weight == 0;
	row_set_instant(&values[COL_STARTED_TIME], &nulls[COL_STARTED_TIME], activity->task.started_time);
	row_set_instant(&values[COL_FIRST_STARTED_TIME], &nulls[COL_FIRST_STARTED_TIME], one_attempt ? DT_NOBEGIN : activity->first_started_time);
	row_set_instant(&values[COL_LAST_COMPLETE_TIME], &nulls[COL_LAST_COMPLETE_TIME], completed ? DT_NOBEGIN : activity->task.last_complete_time);
	row_set_instant(&values[COL_HEARTBEAT_TIME], &nulls[COL_HEARTBEAT_TIME], activity->heartbeat.last_time);
	values[COL_HEARTBEAT_COUNT] = Int64GetDatum(activity->heartbeat.count);
	nulls[COL_HEARTBEAT_COUNT] = activity->heartbeat.count == 0;
	values[COL_TRANSITIONS] = Int32GetDatum(activity->task.transitions);
	values[COL_ATTEMPT] = Int32GetDatum(activity->task.attempt);
	values[COL_STATUS] = ObjectIdGetDatum(catalog()->status[activity->task.state]);
	values[COL_RETRY_STATE] = ObjectIdGetDatum(catalog()->retry_state[activity->retry_state]);
	nulls[COL_RETRY_STATE] = activity->retry_state == RETRY_UNSPECIFIED;
	values[COL_PRIORITY] = Int32GetDatum(options->priority);
	nulls[COL_PRIORITY] = !options->has_priority;
	values[COL_TASK_QUEUE] = PointerGetDatum(activity->task.queue);
	values[COL_ACTIVITY_TYPE] = PointerGetDatum(activity->activity_type);
	values[COL_FAIRNESS_KEY] = PointerGetDatum(activity->task.fairness_key ? activity->task.fairness_key : row_empty_text());
	values[COL_WORKER] = PointerGetDatum(activity->task.worker ? activity->task.worker : row_empty_text());
	row_set_varlena(&values[COL_ACTIVITY_ID], &nulls[COL_ACTIVITY_ID], activity->activity_id);
	row_set_varlena(&values[COL_REQUEST_ID], &nulls[COL_REQUEST_ID], activity->request_id);
	row_set_varlena(&values[COL_SUMMARY], &nulls[COL_SUMMARY], activity->summary);
	row_set_varlena(&values[COL_INPUT], &nulls[COL_INPUT], activity->input);
	row_set_varlena(&values[COL_RESULT], &nulls[COL_RESULT], activity->result);
	row_set_varlena(&values[COL_FAILURE], &nulls[COL_FAILURE], activity->failure);
	row_set_varlena(&values[COL_LAST_FAILURE], &nulls[COL_LAST_FAILURE], activity->last_failure);
	row_set_varlena(&values[COL_HEARTBEAT_DETAILS], &nulls[COL_HEARTBEAT_DETAILS], activity->heartbeat.details);
	row_set_varlena(&values[COL_HEADER], &nulls[COL_HEADER], activity->header);
	row_set_varlena(&values[COL_SEARCH_ATTRIBUTES], &nulls[COL_SEARCH_ATTRIBUTES], activity->search_attributes);
	row_set_varlena(&values[COL_CONTROL], &nulls[COL_CONTROL], row_control(activity));
	row_set_retry_policy(&values[COL_RETRY_POLICY], &nulls[COL_RETRY_POLICY], &options->retry_policy);
}

static State
state_of_status(Oid status)
{
	for (State state = STATE_COMPLETED; state <= STATE_LAST; state++)
		if (catalog()->status[state] == status)
			return state;
	elog(ERROR, "unexpected status %u of a closed activity", status);
}

static RetryState
retry_state_of(Datum value, bool null)
{
	for (int i = RETRY_IN_PROGRESS; !null && i <= RETRY_STATE_LAST; i++)
		if (catalog()->retry_state[i] == DatumGetObjectId(value))
			return (RetryState) i;
	return RETRY_UNSPECIFIED;
}

static void
from_columns(const Datum *values, const bool *nulls, Activity *activity)
{
	Options    *options = &activity->options;

	memset(activity, 0, sizeof(Activity));
	activity->task.run_id = DatumGetInt64(values[COL_RUN_ID]);
	activity->task.schedule_time = DatumGetTimestampTz(values[COL_SCHEDULE_TIME]);
	activity->close_time = DatumGetTimestampTz(values[COL_CLOSE_TIME]);
	activity->expire_time = DatumGetTimestampTz(values[COL_EXPIRE_TIME]);
	options->schedule_to_close = row_get_int64(values[COL_SCHEDULE_TO_CLOSE], nulls[COL_SCHEDULE_TO_CLOSE], 0);
	options->schedule_to_start = row_get_int64(values[COL_SCHEDULE_TO_START], nulls[COL_SCHEDULE_TO_START], 0);
	options->start_to_close = row_get_int64(values[COL_START_TO_CLOSE], nulls[COL_START_TO_CLOSE], 0);
	options->heartbeat_timeout = row_get_int64(values[COL_HEARTBEAT_TIMEOUT], nulls[COL_HEARTBEAT_TIMEOUT], 0);
	options->start_delay = row_get_int64(values[COL_START_DELAY], nulls[COL_START_DELAY], 0);
	if (!nulls[COL_FAIRNESS_WEIGHT])
		activity->task.fairness_weight = DatumGetFloat8(values[COL_FAIRNESS_WEIGHT]);
	activity->task.started_time = row_get_int64(values[COL_STARTED_TIME], nulls[COL_STARTED_TIME], DT_NOBEGIN);
	activity->first_started_time = row_get_int64(values[COL_FIRST_STARTED_TIME], nulls[COL_FIRST_STARTED_TIME], activity->task.started_time);
	activity->task.alarm = DT_NOEND;
	activity->task.dispatch_time = DT_NOEND;
	activity->task.transitions = DatumGetInt32(values[COL_TRANSITIONS]);
	activity->task.attempt = DatumGetInt32(values[COL_ATTEMPT]);
	activity->task.state = state_of_status(DatumGetObjectId(values[COL_STATUS]));
	activity->task.last_complete_time = row_get_int64(values[COL_LAST_COMPLETE_TIME], nulls[COL_LAST_COMPLETE_TIME],
												 activity->task.state == STATE_COMPLETED ? activity->close_time : DT_NOBEGIN);
	activity->retry_state = retry_state_of(values[COL_RETRY_STATE], nulls[COL_RETRY_STATE]);
	options->has_priority = !nulls[COL_PRIORITY];
	if (options->has_priority)
		options->priority = DatumGetInt32(values[COL_PRIORITY]);
	activity->task.queue = DatumGetTextPP(values[COL_TASK_QUEUE]);
	activity->activity_type = DatumGetTextPP(values[COL_ACTIVITY_TYPE]);
	activity->task.fairness_key = row_get_nonempty(values[COL_FAIRNESS_KEY]);
	activity->task.worker = DatumGetTextPP(values[COL_WORKER]);
	activity->activity_id = (text *) row_get_varlena(values[COL_ACTIVITY_ID], nulls[COL_ACTIVITY_ID]);
	activity->request_id = (text *) row_get_varlena(values[COL_REQUEST_ID], nulls[COL_REQUEST_ID]);
	activity->summary = (text *) row_get_varlena(values[COL_SUMMARY], nulls[COL_SUMMARY]);
	activity->input = row_get_varlena(values[COL_INPUT], nulls[COL_INPUT]);
	activity->result = row_get_varlena(values[COL_RESULT], nulls[COL_RESULT]);
	activity->failure = nulls[COL_FAILURE] ? NULL : DatumGetJsonbP(values[COL_FAILURE]);
	activity->last_failure = row_get_varlena(values[COL_LAST_FAILURE], nulls[COL_LAST_FAILURE]);
	activity->header = row_get_varlena(values[COL_HEADER], nulls[COL_HEADER]);
	activity->search_attributes = row_get_varlena(values[COL_SEARCH_ATTRIBUTES], nulls[COL_SEARCH_ATTRIBUTES]);
	activity->task.control = row_get_varlena(values[COL_CONTROL], nulls[COL_CONTROL]);
	row_get_retry_policy(values[COL_RETRY_POLICY], nulls[COL_RETRY_POLICY], &options->retry_policy);
	activity->task.level = options_level(options);
}

/*
 * store_insert_closed: keep a closed activity until its expire_time.  Where
 * the activity says so the row is only collected.
 */
void
store_insert_closed(Activity *activity)
{
	ClosedRows *rows = activity->closed_rows;
	int			leaf = kept_leaf(activity->close_time, activity->expire_time);
	ClosedRow	row;

	Assert(state_is_closed(activity->task.state));
	if (rows != NULL && rows->n < STORE_BATCH && leaf != CLOSED_LONG)
	{
		ClosedRow  *collected = palloc(sizeof(ClosedRow));

		if (rows->n == 0)
			rows->leaf = leaf;
		to_columns(activity, collected->values, collected->nulls);
		rows->rows[rows->n++] = collected;
		return;
	}
	to_columns(activity, row.values, row.nulls);
	(void) target_insert(catalog()->closed[leaf], row.values, row.nulls, NULL);
}

/*
 * store_collect_closed: for closed rows that are written together.  They
 * refer to the memory of their activities.
 */
ClosedRows *
store_collect_closed(void)
{
	return palloc0(sizeof(ClosedRows));
}

/* store_insert_collected: write what was collected so far. */
void
store_insert_collected(ClosedRows *rows)
{
	TargetBatch *batch;

	if (rows->n == 0)
		return;
	batch = target_begin_many(catalog()->closed[rows->leaf]);
	for (int i = 0; i < rows->n; i++)
		target_put(batch, rows->rows[i]->values, rows->rows[i]->nulls);
	target_end_many(batch);
	rows->n = 0;
}

/*
 * The first row of a leaf that an index finds, but for those that have expired:
 * of the runs of an activity id one that came later may be kept for less time.
 */
static bool
find_in_leaf(int leaf, TaskqIndex index, ScanKey key, ScanDirection direction,
			 bool latest, Activity *activity)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	HeapTuple	tuple = kept_fetch(catalog()->closed[leaf], index + leaf, key,
								   direction, latest, COL_EXPIRE_TIME + 1,
								   values, nulls);

	if (tuple == NULL)
		return false;
	from_columns(values, nulls, activity);
	activity->task.tid = tuple->t_self;
	return true;
}

/* the leaf in which the activity of that run_id is, or -1 */
static int
find_leaf(int64 run_id, Activity *activity)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	for (int leaf = 0; leaf <= CLOSED_LONG; leaf++)
		if (find_in_leaf(leaf, CLOSED_PKEY, &key, ForwardScanDirection,
						 false, activity))
			return leaf;
	return -1;
}

/* store_find_closed: the closed activity of that run_id. */
bool
store_find_closed(int64 run_id, Activity *activity)
{
	return find_leaf(run_id, activity) >= 0;
}

/* the closed activity of an activity id that has the greatest run_id */
static bool
find_id(const text *activity_id, bool latest, Activity *activity)
{
	ScanKeyData key;
	bool		found = false;

	row_text_key(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, activity_id);
	for (int leaf = 0; leaf <= CLOSED_LONG; leaf++)
	{
		Activity	candidate;

		if (find_in_leaf(leaf, CLOSED_ACTIVITY_ID, &key,
						 BackwardScanDirection, latest, &candidate) &&
			(!found || candidate.task.run_id > activity->task.run_id))
		{
			*activity = candidate;
			found = true;
		}
	}
	return found;
}

/*
 * store_find_closed_by_activity_id: the closed activity with the greatest
 * run_id among those of that id.
 */
bool
store_find_closed_by_activity_id(const text *activity_id, Activity *activity)
{
	return find_id(activity_id, false, activity);
}

/*
 * store_newest_closed: likewise, for a call that writes accordingly: raises
 * 40001 if that is not what the transaction's snapshot shows.
 */
bool
store_newest_closed(const text *activity_id, Activity *activity)
{
	bool		found = find_id(activity_id, false, activity);
	Activity	newest;

	if (IsolationUsesXactSnapshot() &&
		(find_id(activity_id, true, &newest) != found ||
		 (found && newest.task.run_id != activity->task.run_id)))
		raise_concurrent_update();
	return found;
}

/* store_delete_closed: forget a closed activity; false when there is none. */
bool
store_delete_closed(int64 run_id)
{
	Activity	activity;
	int			leaf = find_leaf(run_id, &activity);

	return leaf >= 0 &&
		target_delete(catalog()->closed[leaf], &activity.task.tid, true) == STORE_OK;
}
