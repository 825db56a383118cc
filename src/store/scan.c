/*
 * scan.c
 *		Scans over taskq.open: due alarms, attempts in progress, counts.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/twophase.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "shared/timer_ring.h"
#include "store/catalog.h"
#include "store/open_row.h"
#include "store/row.h"
#include "store/scan.h"

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

	walk.table = catalog_open_table(catalog()->open, AccessShareLock);
	walk.index = catalog_open_index(walk.table, OPEN_ALARM);
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
	catalog_close_index(walk.index);
	table_close(walk.table, NoLock);
	*next = walk.next;
	return walk.n;
}

/*
 * store_scan_in_progress: call back for each attempt in progress, with its
 * first deadline, as of one snapshot taken now.
 */
void
store_scan_in_progress(void (*callback) (const TimerHint *hint))
{
	Relation	table = catalog_open_table(catalog()->open, AccessShareLock);
	Snapshot	snapshot = fresh_snapshot();
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	TimerHint	hint;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (row_open_timer(slot, &hint))
			callback(&hint);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(table, NoLock);
}

/*
 * store_scan_held: call back for each attempt in progress whose worker's identity
 * begins so, as of one snapshot taken now.
 */
void
store_scan_held(const char *prefix, void (*callback) (int64 run_id, int64 nonce))
{
	Relation	table = catalog_open_table(catalog()->open, AccessShareLock);
	Snapshot	snapshot = fresh_snapshot();
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	int64		run_id;
	int64		nonce;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (row_open_held(slot, prefix, &run_id, &nonce))
			callback(run_id, nonce);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(table, NoLock);
}

/*
 * store_scan_unsettled: is a transaction prepared that wrote to taskq.open, so
 * that nobody knows what it will have done?
 */
bool
store_scan_unsettled(void)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(catalog()->open)};
	bool		exist;

	if (max_prepared_xacts == 0)
		return false;
	SPI_connect();
	if (SPI_execute_with_args("SELECT 1 FROM pg_catalog.pg_locks"
							  " WHERE relation OPERATOR(pg_catalog.=) $1"
							  " AND mode OPERATOR(pg_catalog.<>) 'AccessShareLock'"
							  " AND pid IS NULL",
							  1, types, values, NULL, true,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_locks");
	exist = SPI_processed > 0;
	SPI_finish();
	return exist;
}

/*
 * store_scan_lock: who takes a snapshot to scan with locks the table before: it
 * may be about to be written anew.
 */
void
store_scan_lock(void)
{
	LockRelationOid(catalog()->open, AccessShareLock);
}

static void
call_back(TupleTableSlot *slot, MemoryContext row_context,
		  CountCallback callback, void *arg)
{
	MemoryContext old_context = MemoryContextSwitchTo(row_context);
	OpenCount	row;
	bool		counts;

	CHECK_FOR_INTERRUPTS();
	counts = row_open_count(slot, &row);
	MemoryContextSwitchTo(old_context);
	if (counts)
		callback(&row, arg);
	MemoryContextReset(row_context);
}

/*
 * store_scan_open: call back for each open task, as of a snapshot that was
 * taken after store_scan_lock().
 */
void
store_scan_open(Snapshot snapshot, CountCallback callback, void *arg)
{
	Relation	table = catalog_open_table(catalog()->open, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "taskq scan",
													  ALLOCSET_DEFAULT_SIZES);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		call_back(slot, row_context, callback, arg);
	MemoryContextDelete(row_context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
}

/* store_scan_queue: likewise for the rows of one queue. */
void
store_scan_queue(const text *task_queue, Snapshot snapshot,
				 CountCallback callback, void *arg)
{
	Relation	table = catalog_open_table(catalog()->open, AccessShareLock);
	Relation	index = catalog_open_index(table, OPEN_READY);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	IndexScanDesc scan = compat_index_beginscan(table, index, snapshot, 1);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "taskq scan",
													  ALLOCSET_DEFAULT_SIZES);
	ScanKeyData key;

	row_text_key(&key, READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ,
				 task_queue);
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
		call_back(slot, row_context, callback, arg);
	MemoryContextDelete(row_context);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	catalog_close_index(index);
	table_close(table, NoLock);
}
