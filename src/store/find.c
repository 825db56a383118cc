/*
 * find.c
 *		Finding one open task, by its run_id, or by an id that its caller gave.
 *
 * A row is found with a snapshot taken now.  Under a transaction snapshot,
 * finding less than the newest version is a serialization failure when the
 * row is to be written.
 *
 * A row of an attempt is where this session remembers it (places.c), mostly.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/catalog.h"
#include "store/find.h"
#include "store/open_columns.h"
#include "store/open_row.h"
#include "store/places.h"
#include "store/row.h"
#include "task/kinds.h"

/* the first column */
#define RUN_ID_ATTRIBUTE	1

/*
 * The row of the run, if it is where this session knew it.  Of the rows
 * with that run_id the snapshot shows one at most: if this is one of them,
 * then the index would have led here.
 */
static bool
fetch_from_place(Relation table, int64 run_id, Snapshot snapshot,
				 TupleTableSlot *slot)
{
	ItemPointerData tid;
	bool		null;

	if (IsolationUsesXactSnapshot() || !remembered_place(run_id, &tid) ||
		ItemPointerGetBlockNumber(&tid) >= RelationGetNumberOfBlocks(table))
		return false;
	return table_tuple_fetch_row_version(table, &tid, snapshot, slot) &&
		DatumGetInt64(slot_getattr(slot, RUN_ID_ATTRIBUTE, &null)) == run_id;
}

static HeapTuple
copy_from_place(Relation table, int64 run_id, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	HeapTuple	tuple = NULL;

	if (fetch_from_place(table, run_id, snapshot, slot))
		tuple = index_copy_found(slot);
	ExecDropSingleTupleTableSlot(slot);
	return tuple;
}

/* ------------------------------------------------------------------------
 * Finding
 * ------------------------------------------------------------------------
 */

/* How a row is looked for. */
typedef struct Search
{
	ScanKeyData keys[2];
	int			nkeys;
	TaskqIndex	index;
	bool		has_run_id;
	int64		run_id;
} Search;

/* the newest committed version must be the one that our snapshot shows */
static void
check_snapshot_is_newest(Relation table, Search *search, HeapTuple seen)
{
	Snapshot	latest;
	HeapTuple	newest;

	if (!IsolationUsesXactSnapshot())
		return;
	latest = RegisterSnapshot(GetLatestSnapshot());
	newest = index_fetch(table, search->index, latest, search->keys, search->nkeys,
						 ForwardScanDirection);
	UnregisterSnapshot(latest);
	if ((seen == NULL) != (newest == NULL) ||
		(seen != NULL && !ItemPointerEquals(&seen->t_self, &newest->t_self)))
		raise_concurrent_update();
}

/*
 * The row as our snapshot shows it; to be written, it has to be the newest.
 * Who is going to write takes the lock for that at once.
 */
static bool
find(Search *search, bool to_write, const Kind *expected, Task *task)
{
	Relation	table = catalog_open_table(catalog()->open, to_write ?
								   RowExclusiveLock : AccessShareLock);
	Snapshot	snapshot = fresh_snapshot();
	HeapTuple	tuple = NULL;
	bool		found;

	if (search->has_run_id)
		tuple = copy_from_place(table, search->run_id, snapshot);
	if (tuple == NULL)
		tuple = index_fetch(table, search->index, snapshot, search->keys,
							search->nkeys, ForwardScanDirection);
	UnregisterSnapshot(snapshot);
	if (to_write)
		check_snapshot_is_newest(table, search, tuple);
	found = tuple != NULL &&
		row_open_task(tuple, RelationGetDescr(table), expected, task);
	table_close(table, NoLock);
	return found;
}

static bool
find_run_id(int64 run_id, bool to_write, const Kind *expected, Task *task)
{
	Search		search;

	ScanKeyInit(&search.keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	search.nkeys = 1;
	search.index = OPEN_PKEY;
	search.has_run_id = true;
	search.run_id = run_id;
	return find(&search, to_write, expected, task);
}

static bool
find_id(int64 scope, const text *id, bool to_write, const Kind *expected, Task *task)
{
	Search		search;

	ScanKeyInit(&search.keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(scope));
	row_text_key(&search.keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, id);
	search.nkeys = 2;
	search.index = OPEN_ACTIVITY_ID;
	search.has_run_id = false;
	return find(&search, to_write, expected, task);
}

/*
 * store_find: the open activity of that run_id, for a call that may write.
 * What is committed now; raises 40001 if the transaction's snapshot cannot
 * show that.
 */
bool
store_find(int64 run_id, Activity *activity)
{
	return find_run_id(run_id, true, kind_of_activities(), &activity->task);
}

/* store_find_task: likewise, the open task of that run_id, of whatever kind. */
bool
store_find_task(int64 run_id, TaskRoom *room)
{
	return find_run_id(run_id, true, NULL, &room->task);
}

/* store_see_task: the same as our snapshot shows it. */
bool
store_see_task(int64 run_id, TaskRoom *room)
{
	return find_run_id(run_id, false, NULL, &room->task);
}

/*
 * store_find_scoped: the run (scope -1) of that workflow_id, or the activity of
 * that id of a run; for a call that may write, or as our snapshot shows it.
 */
bool
store_find_scoped(int64 scope, const text *id, bool to_write, TaskRoom *room)
{
	return find_id(scope, id, to_write, NULL, &room->task);
}

/* store_find_by_activity_id: likewise, the open activity of that id. */
bool
store_find_by_activity_id(const text *activity_id, Activity *activity)
{
	return find_id(SCOPE_NONE, activity_id, true, kind_of_activities(), &activity->task);
}

/* store_see: the open activity of that run_id, as our snapshot shows it. */
bool
store_see(int64 run_id, Activity *activity)
{
	return find_run_id(run_id, false, kind_of_activities(), &activity->task);
}

/* store_see_by_activity_id: likewise, the open activity of that id. */
bool
store_see_by_activity_id(const text *activity_id, Activity *activity)
{
	return find_id(SCOPE_NONE, activity_id, false, kind_of_activities(), &activity->task);
}

/* the row of the run, by the index */
static bool
fetch_by_index(Relation table, int64 run_id, Snapshot snapshot,
			   TupleTableSlot *slot, OpenGlance *glance)
{
	Relation	index = catalog_open_index(table, OPEN_PKEY);
	IndexScanDesc scan = compat_index_beginscan(table, index, snapshot, 1);
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
	{
		row_open_glance(slot, glance);
		store_remember_place(run_id, &slot->tts_tid);	/* there are more */
	}
	index_endscan(scan);
	catalog_close_index(index);
	return found;
}

/*
 * store_glance: what a heartbeat has to know of the open activity of that
 * run_id; false when there is none.
 */
bool
store_glance(int64 run_id, OpenGlance *glance)
{
	Relation	table = catalog_open_table(catalog()->open, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	Snapshot	snapshot = fresh_snapshot();
	bool		found = fetch_from_place(table, run_id, snapshot, slot);

	if (found)
		row_open_glance(slot, glance);
	else
		found = fetch_by_index(table, run_id, snapshot, slot, glance);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return found;
}
