/*
 * history_leaves.c
 *		The tables of histories, as a whole, for history_retention.c.
 *
 * A leaf is gone through run by run, in descending order of run_id: the index leads
 * to the last append of each, which says when the history expires, if it is known
 * there; those that are moved later say it all.  No lock is waited for if the caller
 * has taken those that history_leaves_lock() takes.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/itemptr.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/grow.h"
#include "store/catalog.h"
#include "store/history.h"
#include "store/history_leaves.h"
#include "store/keyed_rows.h"
#include "store/leaf_table.h"
#include "store/row.h"
#include "store/write.h"

/* history_leaf_lock: a lock on a leaf, if that is possible without waiting. */
bool
history_leaf_lock(int leaf, LOCKMODE mode)
{
	return leaf_table_lock(catalog()->history[leaf], mode);
}

/*
 * history_leaves_lock: likewise what is needed to go through a leaf and to clear it.
 */
bool
history_leaves_lock(void)
{
	for (int leaf = 0; leaf <= HISTORY_LONG; leaf++)
		if (!history_leaf_lock(leaf, RowExclusiveLock))
			return false;
	return leaf_table_lock(catalog()->open, RowExclusiveLock);
}

/* history_leaf_blocks: the size of a leaf, which the caller has locked. */
BlockNumber
history_leaf_blocks(int leaf)
{
	Oid			file;

	return leaf_table_blocks(catalog()->history[leaf], &file);
}

/*
 * history_leaf_filled: when the leaf, which the caller has locked as for writing, was
 * written to last: its last page tells.  -infinity when there is nothing.
 */
TimestampTz
history_leaf_filled(int leaf)
{
	BlockNumber blocks = history_leaf_blocks(leaf);
	ItemPointerData from;
	Oid			types[1] = {TIDOID};
	Datum		values[1] = {PointerGetDatum(&from)};
	TimestampTz filled = DT_NOBEGIN;
	Datum		value;
	bool		isnull;

	Assert(leaf_table_is_locked(catalog()->history[leaf], RowExclusiveLock));
	ItemPointerSet(&from, blocks == 0 ? 0 : blocks - 1, 0);
	SPI_connect();
	leaf_table_sql(psprintf("SELECT pg_catalog.max((events[1]).event_time)"
							" FROM taskq.history_%d"
							" WHERE ctid OPERATOR(pg_catalog.>=) $1", leaf),
				   SPI_OK_SELECT, 1, types, values);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		filled = DatumGetTimestampTz(value);
	SPI_finish();
	return filled;
}

/* ------------------------------------------------------------------------
 * Which runs
 * ------------------------------------------------------------------------
 */

/* A leaf in which last appends are looked for. */
typedef struct LastAppends
{
	Relation	table;
	Relation	index;
	IndexScanDesc scan;
	Snapshot	snapshot;
	TupleTableSlot *slot;
} LastAppends;

static void
begin_last(LastAppends *last, int leaf)
{
	last->table = catalog_open_table(catalog()->history[leaf], AccessShareLock);
	last->index = catalog_open_index(last->table, HISTORY_PKEY + leaf);
	last->snapshot = RegisterSnapshot(GetLatestSnapshot());
	last->slot = table_slot_create(last->table, NULL);
	last->scan = compat_index_beginscan(last->table, last->index, last->snapshot, 1);
}

static void
end_last(LastAppends *last)
{
	index_endscan(last->scan);
	ExecDropSingleTupleTableSlot(last->slot);
	UnregisterSnapshot(last->snapshot);
	catalog_close_index(last->index);
	table_close(last->table, NoLock);
}

/* the last append of the run, or of the last run before it, whose it is */
static bool
find_last(LastAppends *last, StrategyNumber strategy, int64 run_id, LeafRun *run)
{
	ScanKeyData key;
	bool		null;
	Datum		expires;

	CHECK_FOR_INTERRUPTS();
	ScanKeyInit(&key, 1, strategy,
				strategy == BTLessStrategyNumber ? F_INT8LT : F_INT8EQ,
				Int64GetDatum(run_id));
	index_rescan(last->scan, &key, 1, NULL, 0);
	if (!index_getnext_slot(last->scan, BackwardScanDirection, last->slot))
		return false;
	run->run_id = DatumGetInt64(slot_getattr(last->slot, HISTORY_COL_RUN_ID + 1, &null));
	expires = slot_getattr(last->slot, HISTORY_COL_EXPIRE_TIME + 1, &null);
	run->expire_time = null ? DT_NOEND : DatumGetTimestampTz(expires);
	return true;
}

/*
 * Does the run begin in this leaf, too?  Then nothing of it is in another one: leaves
 * are filled one after the other, as the run goes on.
 */
static bool
begins_there(LastAppends *last, int64 run_id)
{
	ScanKeyData key;
	bool		null;

	keyed_rows_run_key(&key, run_id);
	index_rescan(last->scan, &key, 1, NULL, 0);
	return index_getnext_slot(last->scan, ForwardScanDirection, last->slot) &&
		DatumGetInt64(slot_getattr(last->slot, HISTORY_COL_FIRST_EVENT_ID + 1, &null)) == 1;
}

/*
 * history_leaf_runs: the runs that have appends in the leaf, from the last one before
 * a run_id on; how many.
 */
int
history_leaf_runs(int leaf, int64 before, LeafRun *runs, int limit)
{
	LastAppends last;
	int			n = 0;

	begin_last(&last, leaf);
	while (n < limit && find_last(&last, BTLessStrategyNumber, before, &runs[n]))
	{
		before = runs[n].run_id;
		runs[n].ends_there = runs[n].expire_time != DT_NOEND;
		runs[n].is_whole = runs[n].ends_there && begins_there(&last, before);
		n++;
	}
	end_last(&last);
	return n;
}

/*
 * history_find_expiry: where it is not known, look for it in those leaves.  Only
 * the last append of a run can tell, so one is enough.
 */
void
history_find_expiry(const bool *leaves, LeafRun *runs, int n)
{
	for (int leaf = 0; leaf <= HISTORY_LONG; leaf++)
	{
		LastAppends last;

		if (!leaves[leaf])
			continue;
		begin_last(&last, leaf);
		for (int i = 0; i < n; i++)
		{
			LeafRun		found;

			if (runs[i].expire_time == DT_NOEND &&
				find_last(&last, BTEqualStrategyNumber, runs[i].run_id, &found))
				runs[i].expire_time = found.expire_time;
		}
		end_last(&last);
	}
}

/* ------------------------------------------------------------------------
 * Emptying
 * ------------------------------------------------------------------------
 */

/* Appends of a run that are to leave a leaf. */
typedef struct Appends
{
	HeapTuple  *tuples;
	int			n;
	int			room;
	int64	   *budget;			/* bytes */
	bool		more;			/* than that */
} Appends;

static bool
collect(void *arg, TupleTableSlot *slot)
{
	Appends    *appends = arg;
	bool		null;
	Datum		events = slot_getattr(slot, HISTORY_COL_EVENTS + 1, &null);

	appends->more = *appends->budget <= 0;
	if (appends->more)
		return false;
	*appends->budget -= toast_datum_size(events);
	appends->tuples = grow(appends->tuples, NULL, &appends->room, appends->n + 1,
						   sizeof(HeapTuple), CurrentMemoryContext);
	appends->tuples[appends->n++] = index_copy_found(slot);
	return true;
}

/* delete them; which are left are others' */
static void
delete_appends(Oid table, Appends *appends)
{
	int			n = 0;

	for (int i = 0; i < appends->n; i++)
		if (target_delete(table, &appends->tuples[i]->t_self, false) == STORE_OK)
			appends->tuples[n++] = appends->tuples[i];
	appends->n = n;
}

static void
insert_appends(const Appends *appends, TimestampTz expire_time, TupleDesc desc)
{
	TargetBatch *batch = target_begin_many(catalog()->history[HISTORY_LONG]);

	for (int i = 0; i < appends->n; i++)
	{
		Datum		values[HISTORY_COLUMNS];
		bool		nulls[HISTORY_COLUMNS];

		heap_deform_tuple(appends->tuples[i], desc, values, nulls);
		row_set_instant(&values[HISTORY_COL_EXPIRE_TIME],
						&nulls[HISTORY_COL_EXPIRE_TIME], expire_time);
		target_put(batch, values, nulls);
	}
	target_end_many(batch);
}

/*
 * history_leaf_clear: delete the appends of a run in a leaf, first ones first, as long
 * as there are bytes left of the budget; to keep them, they are put into
 * history_long, and say when they expire.  What somebody else holds stays.  False
 * when there are more.
 */
bool
history_leaf_clear(int leaf, const LeafRun *run, bool keep, int64 *budget)
{
	Oid			table = catalog()->history[leaf];
	Appends		appends = {.budget = budget};
	Relation	relation;
	ScanKeyData key;
	int			found;

	keyed_rows_run_key(&key, run->run_id);
	keyed_rows_read(table, HISTORY_PKEY + leaf, &key, 1, collect, &appends);
	found = appends.n;
	delete_appends(table, &appends);
	if (keep && appends.n > 0)
	{
		relation = catalog_open_table(table, NoLock);
		insert_appends(&appends, run->expire_time, RelationGetDescr(relation));
		table_close(relation, NoLock);
	}
	return !appends.more && appends.n == found;
}

/*
 * history_leaf_has_readers: may a transaction have a snapshot that was taken before
 * that one was given its number?
 */
bool
history_leaf_has_readers(int leaf, TransactionId since)
{
	Relation	relation = catalog_open_table(catalog()->history[leaf], NoLock);
	TransactionId oldest = GetOldestNonRemovableTransactionId(relation);

	table_close(relation, NoLock);
	return TransactionIdPrecedes(oldest, since);
}

/* history_leaf_truncate: empty a leaf, which the caller has locked exclusively. */
void
history_leaf_truncate(int leaf)
{
	Assert(leaf_table_is_locked(catalog()->history[leaf], AccessExclusiveLock));
	SPI_connect();
	leaf_table_sql(psprintf("TRUNCATE taskq.history_%d", leaf), SPI_OK_UTILITY, 0, NULL, NULL);
	SPI_finish();
}
