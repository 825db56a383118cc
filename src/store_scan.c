/*
 * store_scan.c
 *		Scans over taskq.open: due alarms, attempts in progress, counts.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "compat.h"
#include "store_row.h"

/* columns of open_alarm */
#define ALARM_ALARM				1
#define ALARM_RUN_ID			2

/* what one walk along open_alarm collects */
typedef struct AlarmWalk
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	TimestampTz until;
	TimerHint  *hints;
	int			n;
	int			limit;
	TimestampTz next;			/* first alarm left out */
} AlarmWalk;

static void
walk_alarms(AlarmWalk *walk, ScanKey keys, int nkeys)
{
	IndexScanDesc scan;

	scan = compat_index_beginscan(walk->table, walk->index, walk->snapshot,
								  nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, walk->slot))
	{
		TimerHint	hint;

		row_open_alarm(walk->slot, &hint);
		if (hint.deadline > walk->until || walk->n >= walk->limit)
		{
			walk->next = hint.deadline;
			break;
		}
		walk->hints[walk->n++] = hint;
	}
	index_endscan(scan);
	ExecClearTuple(walk->slot);
}

/*
 * store_alarms: up to "limit" rows after (after, after_run_id) in the order of
 * (alarm, run_id), with an alarm not later than "until".  *next becomes the
 * alarm of the first row left out, DT_NOEND without one.
 */
int
store_alarms(TimestampTz after, int64 after_run_id, TimestampTz until,
			 TimerHint *hints, int limit, TimestampTz *next)
{
	AlarmWalk	walk = {0};
	ScanKeyData keys[2];

	walk.table = table_open(catalog()->open, AccessShareLock);
	walk.index = index_open(catalog()->open_alarm, AccessShareLock);
	walk.snapshot = fresh_snapshot();
	walk.slot = table_slot_create(walk.table, NULL);
	walk.until = until;
	walk.hints = hints;
	walk.limit = limit;
	walk.next = DT_NOEND;

	ScanKeyInit(&keys[0], ALARM_ALARM, BTEqualStrategyNumber,
				F_TIMESTAMPTZ_EQ, TimestampTzGetDatum(after));
	ScanKeyInit(&keys[1], ALARM_RUN_ID, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(after_run_id));
	walk_alarms(&walk, keys, 2);
	if (walk.next == DT_NOEND)
	{
		ScanKeyInit(&keys[0], ALARM_ALARM, BTGreaterStrategyNumber,
					F_TIMESTAMPTZ_GT, TimestampTzGetDatum(after));
		walk_alarms(&walk, keys, 1);
	}

	ExecDropSingleTupleTableSlot(walk.slot);
	UnregisterSnapshot(walk.snapshot);
	index_close(walk.index, NoLock);
	table_close(walk.table, NoLock);
	*next = walk.next;
	return walk.n;
}

/* blocks that store_scan_in_progress reads at a time */
#define SCAN_CHUNK		1024

/*
 * store_scan_in_progress: attempts in progress from block *block on, a chunk
 * of the table at a time; *block moves on.  False when the end was reached.
 * "limit" has to be enough for a chunk (SCAN_CHUNK * MaxHeapTuplesPerPage is).
 */
bool
store_scan_in_progress(uint32 *block, TimerHint *hints, int *n, int limit)
{
	Relation	table = table_open(catalog()->open, AccessShareLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(table);
	BlockNumber last;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	TableScanDesc scan;
	ItemPointerData from;
	ItemPointerData to;

	*n = 0;
	if (*block >= blocks)
	{
		table_close(table, NoLock);
		return false;
	}
	last = Min(*block + SCAN_CHUNK, blocks) - 1;
	ItemPointerSet(&from, *block, 0);
	ItemPointerSet(&to, last, MaxOffsetNumber);
	snapshot = fresh_snapshot();
	slot = table_slot_create(table, NULL);
	scan = table_beginscan_tidrange(table, snapshot, &from, &to);
	while (*n < limit &&
		   table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
		if (row_open_timer(slot, &hints[*n]))
			(*n)++;
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(table, NoLock);
	*block = last + 1;
	return true;
}

/*
 * store_scan_open: call back for each open activity, as of a snapshot.
 */
void
store_scan_open(Snapshot snapshot,
				void (*callback) (const OpenCount *row, void *arg), void *arg)
{
	Relation	table = table_open(catalog()->open, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "taskq scan",
													  ALLOCSET_DEFAULT_SIZES);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext old_context = MemoryContextSwitchTo(row_context);
		OpenCount	row;

		CHECK_FOR_INTERRUPTS();
		row_open_count(slot, &row);
		MemoryContextSwitchTo(old_context);
		callback(&row, arg);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
}
