/*
 * sweep.c
 *		Marking what is dead behind the newest rows of taskq.open.
 *
 * Rows come at one end of the indexes and are gone soon, and nobody walks over
 * the entries that they leave: polls begin at the lane's cursor, completions
 * go to the row itself.  So now and then a backend that schedules does, and
 * marks the dead ones, as every index scan does on its way.  When the page is
 * full the B-tree then removes all of them in one go, where otherwise it has
 * to find out which ones are dead, each time for a few entries only.
 *
 * A sweep looks back a limited way, and ends early where most rows live.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "store/catalog.h"
#include "store/row.h"
#include "store/sweep.h"

/* inserts of a backend between two sweeps, and when the last one was in vain */
#define SWEEP_EVERY			64
#define SWEEP_SELDOM		1024

/* entries that one looks at */
#define SWEEP_ENTRIES		256

/* how far back it looks: run_ids, and due times */
#define SWEEP_RUN_IDS		1024
#define SWEEP_TIME			USECS_PER_SEC

/* living rows, beyond the dead ones, after which a sweep ends */
#define SWEEP_PATIENCE		16

/* a sweep of the table's indexes */
typedef struct Sweep
{
	Relation	table;
	Snapshot	snapshot;
	TupleTableSlot *slot;
} Sweep;

/*
 * Walk back along an index; the scan itself marks what is dead.  False when
 * most rows live.
 */
static bool
sweep_index(const Sweep *sweep, TaskqIndex which, ScanKey keys, int nkeys)
{
	Relation	index = catalog_open_index(sweep->table, which);
	IndexScanDesc scan = compat_index_beginscan(sweep->table, index,
												sweep->snapshot, nkeys);
	int			alive = 0;
	bool		in_vain = false;

	/*
	 * This keeps the page pinned: without a pin nothing is marked if somebody
	 * has changed the page since it was read.
	 */
	scan->xs_want_itup = true;
	index_rescan(scan, keys, nkeys, NULL, 0);
	for (int i = 0; i < SWEEP_ENTRIES && !in_vain; i++)
	{
		if (index_getnext_tid(scan, BackwardScanDirection) == NULL)
			break;
		if (index_fetch_heap(scan, sweep->slot) || !scan->kill_prior_tuple)
			alive++;
		in_vain = alive > i / 2 + SWEEP_PATIENCE;
	}
	ExecClearTuple(sweep->slot);
	index_endscan(scan);
	catalog_close_index(index);
	return !in_vain;
}

/* entries of the primary key before that of the row */
static bool
sweep_runs(const Sweep *sweep, const Task *task)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(task->run_id - SWEEP_RUN_IDS));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_INT8LT,
				Int64GetDatum(task->run_id));
	return sweep_index(sweep, OPEN_PKEY, keys, 2);
}

/* entries of the lane before that of the row */
static void
sweep_lane(const Sweep *sweep, const Task *task)
{
	const text *fairness_key = task->fairness_key;
	ScanKeyData keys[5];

	row_text_key(&keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ,
				 task->queue);
	ScanKeyInit(&keys[1], READY_LEVEL, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(task->level));
	row_text_key(&keys[2], READY_FAIRNESS_KEY, BTEqualStrategyNumber, F_TEXTEQ,
				 fairness_key ? fairness_key : row_empty_text());
	ScanKeyInit(&keys[3], READY_DISPATCH_TIME, BTGreaterStrategyNumber,
				F_TIMESTAMPTZ_GT,
				TimestampTzGetDatum(task->dispatch_time - SWEEP_TIME));
	ScanKeyInit(&keys[4], READY_DISPATCH_TIME, BTLessStrategyNumber,
				F_TIMESTAMPTZ_LT,
				TimestampTzGetDatum(task->dispatch_time));
	(void) sweep_index(sweep, OPEN_READY, keys, 5);
}

/*
 * store_sweep: to be called after a task was added alone; mostly returns
 * at once.  The caller has locked the table to write.  Transactions with a
 * snapshot of their own leave it to others: what they read may make them fail.
 */
void
store_sweep(const Task *task)
{
	static int	wait = SWEEP_EVERY;
	Sweep		sweep;

	if (wait > 0)
		wait--;
	if (wait > 0 || IsolationUsesXactSnapshot() ||
		TIMESTAMP_NOT_FINITE(task->dispatch_time))
		return;
	wait = SWEEP_SELDOM;
	sweep.table = catalog_open_table(catalog()->open, NoLock);
	Assert(CheckRelationLockedByMe(sweep.table, RowExclusiveLock, true));
	sweep.snapshot = fresh_snapshot();
	sweep.slot = table_slot_create(sweep.table, NULL);
	if (sweep_runs(&sweep, task))
	{
		sweep_lane(&sweep, task);
		wait = SWEEP_EVERY;
	}
	ExecDropSingleTupleTableSlot(sweep.slot);
	UnregisterSnapshot(sweep.snapshot);
	table_close(sweep.table, NoLock);
}
