/*
 * overdue.c
 *		Is there a timeout that should have fired?
 *
 * For taskq.health, so it trusts nobody's hints: it reads the table and computes
 * deadlines as the worker does.  Rows with an alarm are found in its index, in
 * the order of alarms, which are lower bounds: it ends where the next alarm is
 * later than what is overdue already.  Attempts may run without an alarm; those of
 * activities are looked for in the table itself, until as many have been seen as run,
 * and those of runs, which are not all counted, among the runs, by the index of ids.
 *
 * Nothing is waited for: where a lock is not free, one cannot look.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "shared/timer_ring.h"
#include "store/catalog.h"
#include "store/open_columns.h"
#include "store/open_row.h"
#include "store/overdue.h"
#include "store/row.h"

/* what is read for one answer */
typedef struct OverdueSearch
{
	Relation	table;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	MemoryContext row_context;
	TimestampTz now;
	Overdue    *worst;
} OverdueSearch;

/* is the row in the slot overdue, for longer than what was found before? */
static void
compare_row(OverdueSearch *search)
{
	MemoryContext old_context = MemoryContextSwitchTo(search->row_context);
	TaskRoom	room;
	const Kind *kind;
	Deadline	deadline;

	(void) row_open_task(ExecCopySlotHeapTuple(search->slot),
						 search->slot->tts_tupleDescriptor, NULL, &room.task);
	kind = kind_of(&room.task);
	deadline = kind->next_deadline(&room.task, DT_NOBEGIN);
	if (deadline.when <= search->now && kind->last_alive != NULL &&
		state_in_progress(room.task.state))
		deadline = kind->next_deadline(&room.task, kind->last_alive(&room.task));
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(search->row_context);
	if (deadline.when > search->now || deadline.when >= search->worst->since)
		return;
	search->worst->run_id = room.task.run_id;
	search->worst->name = kind->deadline_name(deadline.type);
	search->worst->since = deadline.when;
}

static void
search_alarms(OverdueSearch *search)
{
	Relation	alarms = catalog_open_index(search->table, OPEN_ALARM);
	IndexScanDesc scan = compat_index_beginscan(search->table, alarms,
												search->snapshot, 1);
	ScanKeyData key;

	ScanKeyInit(&key, ALARM_ALARM, BTLessEqualStrategyNumber,
				F_TIMESTAMPTZ_LE, TimestampTzGetDatum(search->now));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, search->slot))
	{
		TimerHint	hint;

		CHECK_FOR_INTERRUPTS();
		row_open_alarm(search->slot, &hint);
		if (hint.deadline >= search->worst->since)
			break;
		compare_row(search);
	}
	index_endscan(scan);
	catalog_close_index(alarms);
}

/* attempts at tasks of workflows */
static void
search_runs(OverdueSearch *search)
{
	Relation	ids = catalog_open_index(search->table, OPEN_ACTIVITY_ID);
	IndexScanDesc scan = compat_index_beginscan(search->table, ids, search->snapshot, 1);
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(SCOPE_RUN));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, search->slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (row_open_in_progress(search->slot))
			compare_row(search);
	}
	index_endscan(scan);
	catalog_close_index(ids);
}

/* is it of a run, which is looked at by itself? */
static bool
is_run(TupleTableSlot *slot)
{
	bool		isnull;

	return DatumGetInt64(slot_getattr(slot, OPEN_COL_SCOPE + 1, &isnull)) == SCOPE_RUN;
}

/* all others, of which "started" run; negative = not known */
static void
search_attempts(OverdueSearch *search, int64 started)
{
	TableScanDesc scan;

	if (started == 0)
		return;
	scan = table_beginscan(search->table, search->snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, search->slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!row_open_in_progress(search->slot) || is_run(search->slot))
			continue;
		compare_row(search);
		if (--started == 0)
			break;
	}
	table_endscan(scan);
}

/*
 * store_overdue: the timeout that is overdue for longest, as of "now" on taskq's
 * clock.  "started" is how many attempts run but for those of workflows, negative
 * when that is not known; then all of the table is read.  False when somebody has locked a table, so that one cannot look.  Locks
 * are kept until the end of the transaction.
 */
bool
store_overdue(TimestampTz now, int64 started, Overdue *worst)
{
	OverdueSearch search = {0};

	worst->run_id = 0;
	worst->name = NULL;
	worst->since = DT_NOEND;
	if (!catalog_lock_at_once(catalog()->open, OPEN_ALARM) ||
		!catalog_lock_at_once(catalog()->open, OPEN_ACTIVITY_ID) ||
		!catalog_lock_at_once(catalog()->heartbeat, HEARTBEAT_PKEY))
		return false;
	search.table = catalog_open_table(catalog()->open, NoLock);
	search.snapshot = fresh_snapshot();
	search.slot = table_slot_create(search.table, NULL);
	search.row_context = AllocSetContextCreate(CurrentMemoryContext,
											   "taskq overdue",
											   ALLOCSET_DEFAULT_SIZES);
	search.now = now;
	search.worst = worst;
	search_alarms(&search);
	search_runs(&search);
	search_attempts(&search, started);
	MemoryContextDelete(search.row_context);
	ExecDropSingleTupleTableSlot(search.slot);
	UnregisterSnapshot(search.snapshot);
	table_close(search.table, NoLock);
	return true;
}
