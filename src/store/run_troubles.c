/*
 * run_troubles.c
 *		Which open runs are in trouble, for taskq.health.
 *
 * The rows of all open runs are read, through the index of ids, and the
 * inbox, which is short.  Nothing is waited for: where a lock is not free, one cannot
 * look.  Locks are kept until the end of the transaction.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "model/run.h"
#include "store/catalog.h"
#include "store/open_columns.h"
#include "store/row.h"
#include "store/run_troubles.h"

/* a column of a run's row; 0 for NULL */
static int64
column(TupleTableSlot *slot, OpenColumn which)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, which + 1, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void
note(RunTrouble *trouble, TupleTableSlot *slot, int64 how_much)
{
	trouble->n++;
	if (how_much <= trouble->most)
		return;
	trouble->most = how_much;
	trouble->run_id = column(slot, OPEN_COL_RUN_ID);
}

static void
judge(RunTroubles *troubles, TupleTableSlot *slot)
{
	bool		isnull;
	int32		attempt = DatumGetInt32(slot_getattr(slot, OPEN_COL_ATTEMPT + 1, &isnull));
	int16		state = DatumGetInt16(slot_getattr(slot, OPEN_COL_STATE + 1, &isnull));
	int64		events = (column(slot, OPEN_COL_NEXT_EVENT_ID) - 1) * 100 / troubles->most_events;
	int64		bytes = column(slot, OPEN_COL_HISTORY_SIZE) * 100 / troubles->most_bytes;

	if (state != STATE_NO_TASK && attempt >= troubles->many_attempts)
		note(&troubles->failing, slot, attempt);
	if (Max(events, bytes) >= troubles->near_percent)
		note(&troubles->near_limit, slot, Max(events, bytes));
}

/* store_run_troubles: look for what the struct says; false when one cannot look. */
bool
store_run_troubles(RunTroubles *troubles)
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	IndexScanDesc scan;
	ScanKeyData key;

	if (!catalog_lock_at_once(catalog()->open, OPEN_ACTIVITY_ID))
		return false;
	table = catalog_open_table(catalog()->open, NoLock);
	index = catalog_open_index(table, OPEN_ACTIVITY_ID);
	snapshot = fresh_snapshot();
	slot = table_slot_create(table, NULL);
	scan = compat_index_beginscan(table, index, snapshot, 1);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(SCOPE_RUN));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		judge(troubles, slot);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	catalog_close_index(index);
	table_close(table, NoLock);
	return true;
}

/* columns of taskq.run_inbox */
#define INBOX_RUN_ID	1
#define INBOX_SEQ		2
#define INBOX_MAIL		3

/*
 * store_oldest_mail: what was put into an inbox before all else that is in one; false when
 * one cannot look.
 */
bool
store_oldest_mail(OldestMail *oldest)
{
	int64		first = PG_INT64_MAX;
	HeapTuple	found = NULL;
	Relation	table;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	TableScanDesc scan;
	bool		isnull;

	memset(oldest, 0, sizeof(OldestMail));
	if (!catalog_lock_at_once(catalog()->run_inbox, INBOX_PKEY))
		return false;
	table = catalog_open_table(catalog()->run_inbox, NoLock);
	snapshot = fresh_snapshot();
	slot = table_slot_create(table, NULL);
	scan = table_beginscan(table, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		int64		seq = DatumGetInt64(slot_getattr(slot, INBOX_SEQ, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (seq >= first)
			continue;
		first = seq;
		if (found != NULL)
			heap_freetuple(found);
		found = ExecCopySlotHeapTuple(slot);
	}
	table_endscan(scan);
	if (found != NULL)
	{
		ExecForceStoreHeapTuple(found, slot, false);
		oldest->run_id = DatumGetInt64(slot_getattr(slot, INBOX_RUN_ID, &isnull));
		oldest->mail = DatumGetJsonbPCopy(slot_getattr(slot, INBOX_MAIL, &isnull));
	}
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(table, NoLock);
	return true;
}
