/*
 * closed_runs.c
 *		What is kept of a run after its close, beside its history.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "store/catalog.h"
#include "store/closed_runs.h"
#include "store/kept.h"
#include "store/row.h"
#include "store/write.h"

/* columns of the tables closed_run_N, in order; zero-based */
enum
{
	COL_RUN_ID,
	COL_START_TIME,
	COL_CLOSE_TIME,
	COL_EXPIRE_TIME,
	COL_HISTORY_LENGTH,
	COL_HISTORY_SIZE,
	COL_NEXT_RUN_ID,
	COL_TASK_TIMEOUT,
	COL_DEADLINE,
	COL_FAIRNESS_WEIGHT,
	COL_TRANSITIONS,
	COL_SIGNALS,
	COL_PRIORITY,
	COL_STATUS,
	COL_HISTORY_LEAVES,
	COL_RUN_FLAGS,
	COL_WORKFLOW_ID,
	COL_WORKFLOW_TYPE,
	COL_HOME_QUEUE,
	COL_FAIRNESS_KEY,
	COL_REQUEST_ID,
	COL_RESULT,
	COL_FAILURE,
	COL_SEARCH_ATTRIBUTES,
	COL_CONTROL,
	COLUMNS
};

StaticAssertDecl(COLUMNS == CLOSED_RUN_COLUMNS, "all columns are known");

static void
to_columns(const ClosedRun *closed, Datum *values, bool *nulls)
{
	const Run  *run = &closed->run;

	memset(nulls, false, COLUMNS * sizeof(bool));
	values[COL_RUN_ID] = Int64GetDatum(run->task.run_id);
	values[COL_START_TIME] = TimestampTzGetDatum(run->start_time);
	values[COL_CLOSE_TIME] = TimestampTzGetDatum(closed->close_time);
	values[COL_EXPIRE_TIME] = TimestampTzGetDatum(closed->expire_time);
	values[COL_HISTORY_LENGTH] = Int64GetDatum(closed->history_length);
	values[COL_HISTORY_SIZE] = Int64GetDatum(run->history_size);
	row_set_duration(&values[COL_NEXT_RUN_ID], &nulls[COL_NEXT_RUN_ID], closed->next_run_id);
	row_set_duration(&values[COL_TASK_TIMEOUT], &nulls[COL_TASK_TIMEOUT], run->task_timeout);
	row_set_instant(&values[COL_DEADLINE], &nulls[COL_DEADLINE], run->deadline);
	values[COL_FAIRNESS_WEIGHT] = Float8GetDatum(run->task.fairness_weight);
	nulls[COL_FAIRNESS_WEIGHT] = run->task.fairness_weight == 0;
	values[COL_TRANSITIONS] = Int32GetDatum(run->task.transitions);
	values[COL_SIGNALS] = Int32GetDatum(run->signals);
	values[COL_PRIORITY] = Int32GetDatum(run->priority);
	nulls[COL_PRIORITY] = !run->has_priority;
	values[COL_STATUS] = ObjectIdGetDatum(catalog()->workflow_status[closed->status]);
	values[COL_HISTORY_LEAVES] = Int16GetDatum(run->history_leaves);
	values[COL_RUN_FLAGS] = Int16GetDatum(run->flags & ~RUN_HAS_RETRY_POLICY);
	values[COL_WORKFLOW_ID] = PointerGetDatum(run->workflow_id);
	values[COL_WORKFLOW_TYPE] = PointerGetDatum(run->workflow_type);
	values[COL_HOME_QUEUE] = PointerGetDatum(run->home_queue);
	values[COL_FAIRNESS_KEY] = PointerGetDatum(run->task.fairness_key ? run->task.fairness_key : row_empty_text());
	row_set_varlena(&values[COL_REQUEST_ID], &nulls[COL_REQUEST_ID], run->request_id);
	row_set_varlena(&values[COL_RESULT], &nulls[COL_RESULT], closed->result);
	row_set_varlena(&values[COL_FAILURE], &nulls[COL_FAILURE], closed->failure);
	row_set_varlena(&values[COL_SEARCH_ATTRIBUTES], &nulls[COL_SEARCH_ATTRIBUTES], run->search_attributes);
	row_set_varlena(&values[COL_CONTROL], &nulls[COL_CONTROL], run->facts);
}

static RunStatus
status_of(Oid label)
{
	for (int i = RUN_STATUS_COMPLETED; i <= RUN_STATUS_LAST; i++)
		if (catalog()->workflow_status[i] == label)
			return (RunStatus) i;
	elog(ERROR, "unexpected status %u of a closed run", label);
}

/* what is not kept is as in a run that never had it */
static void
from_columns(const Datum *values, const bool *nulls, ClosedRun *closed)
{
	Run		   *run = &closed->run;

	memset(closed, 0, sizeof(ClosedRun));
	run->task.run_id = DatumGetInt64(values[COL_RUN_ID]);
	run->task.last_complete_time = run->task.started_time = DT_NOBEGIN;
	run->task.alarm = run->task.dispatch_time = run->timer_due = DT_NOEND;
	run->first_task_time = DT_NOBEGIN;
	run->start_time = run->task.schedule_time = DatumGetTimestampTz(values[COL_START_TIME]);
	closed->close_time = DatumGetTimestampTz(values[COL_CLOSE_TIME]);
	closed->expire_time = DatumGetTimestampTz(values[COL_EXPIRE_TIME]);
	closed->history_length = DatumGetInt64(values[COL_HISTORY_LENGTH]);
	run->next_event_id = closed->history_length + 1;
	run->history_size = DatumGetInt64(values[COL_HISTORY_SIZE]);
	closed->next_run_id = row_get_int64(values[COL_NEXT_RUN_ID], nulls[COL_NEXT_RUN_ID], 0);
	run->task_timeout = row_get_int64(values[COL_TASK_TIMEOUT], nulls[COL_TASK_TIMEOUT], 0);
	run->deadline = row_get_int64(values[COL_DEADLINE], nulls[COL_DEADLINE], DT_NOEND);
	if (!nulls[COL_FAIRNESS_WEIGHT])
		run->task.fairness_weight = DatumGetFloat8(values[COL_FAIRNESS_WEIGHT]);
	run->task.transitions = DatumGetInt32(values[COL_TRANSITIONS]);
	run->signals = DatumGetInt32(values[COL_SIGNALS]);
	run->has_priority = !nulls[COL_PRIORITY];
	if (run->has_priority)
		run->priority = DatumGetInt32(values[COL_PRIORITY]);
	closed->status = status_of(DatumGetObjectId(values[COL_STATUS]));
	run->history_leaves = DatumGetInt16(values[COL_HISTORY_LEAVES]);
	run->flags = DatumGetInt16(values[COL_RUN_FLAGS]);
	run->workflow_id = DatumGetTextPP(values[COL_WORKFLOW_ID]);
	run->workflow_type = DatumGetTextPP(values[COL_WORKFLOW_TYPE]);
	run->home_queue = DatumGetTextPP(values[COL_HOME_QUEUE]);
	run->task.fairness_key = row_get_nonempty(values[COL_FAIRNESS_KEY]);
	run->request_id = (text *) row_get_varlena(values[COL_REQUEST_ID], nulls[COL_REQUEST_ID]);
	closed->result = nulls[COL_RESULT] ? NULL : DatumGetJsonbP(values[COL_RESULT]);
	closed->failure = nulls[COL_FAILURE] ? NULL : DatumGetJsonbP(values[COL_FAILURE]);
	run->search_attributes = row_get_varlena(values[COL_SEARCH_ATTRIBUTES], nulls[COL_SEARCH_ATTRIBUTES]);
	run->facts = nulls[COL_CONTROL] ? NULL : DatumGetJsonbP(values[COL_CONTROL]);
}

/* closed_run_insert: keep a closed run until its expire_time. */
void
closed_run_insert(ClosedRun *closed)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	int			leaf = kept_leaf(closed->close_time, closed->expire_time);

	Assert(closed->status != RUN_STATUS_RUNNING);
	to_columns(closed, values, nulls);
	(void) target_insert(catalog()->closed_run[leaf], values, nulls, NULL);
}

static bool
find_in_leaf(int leaf, TaskqIndex index, ScanKey key, ScanDirection direction,
			 bool latest, ClosedRun *closed)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	HeapTuple	tuple = kept_fetch(catalog()->closed_run[leaf], index + leaf,
								   key, direction, latest, COL_EXPIRE_TIME + 1,
								   values, nulls);

	if (tuple == NULL)
		return false;
	from_columns(values, nulls, closed);
	closed->run.task.tid = tuple->t_self;
	return true;
}

/* the leaf in which the run is, or -1 */
static int
find_leaf(int64 run_id, ClosedRun *closed)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	for (int leaf = 0; leaf <= CLOSED_LONG; leaf++)
		if (find_in_leaf(leaf, CLOSED_RUN_PKEY, &key, ForwardScanDirection,
						 false, closed))
			return leaf;
	return -1;
}

/* closed_run_find: the closed run of that run_id. */
bool
closed_run_find(int64 run_id, ClosedRun *closed)
{
	return find_leaf(run_id, closed) >= 0;
}

/* the closed run of a workflow that has the greatest run_id */
static bool
find_id(const text *workflow_id, bool latest, ClosedRun *closed)
{
	ScanKeyData key;
	bool		found = false;

	row_text_key(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, workflow_id);
	for (int leaf = 0; leaf <= CLOSED_LONG; leaf++)
	{
		ClosedRun	candidate;

		if (find_in_leaf(leaf, CLOSED_RUN_WORKFLOW_ID, &key,
						 BackwardScanDirection, latest, &candidate) &&
			(!found || candidate.run.task.run_id > closed->run.task.run_id))
		{
			*closed = candidate;
			found = true;
		}
	}
	return found;
}

/* closed_run_see_newest: the closed run of a workflow with the greatest run_id. */
bool
closed_run_see_newest(const text *workflow_id, ClosedRun *closed)
{
	return find_id(workflow_id, false, closed);
}

/*
 * closed_run_newest: likewise, for a call that writes accordingly: raises 40001
 * if that is not what the transaction's snapshot shows.
 */
bool
closed_run_newest(const text *workflow_id, ClosedRun *closed)
{
	bool		found = find_id(workflow_id, false, closed);
	ClosedRun	newest;

	if (IsolationUsesXactSnapshot() &&
		(find_id(workflow_id, true, &newest) != found ||
		 (found && newest.run.task.run_id != closed->run.task.run_id)))
		raise_concurrent_update();
	return found;
}

/* closed_run_delete: forget a closed run; false when there is none. */
bool
closed_run_delete(int64 run_id)
{
	ClosedRun	closed;
	int			leaf = find_leaf(run_id, &closed);

	return leaf >= 0 &&
		target_delete(catalog()->closed_run[leaf], &closed.run.task.tid, true) == STORE_OK;
}
