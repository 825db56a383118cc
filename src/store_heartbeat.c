/*
 * store_heartbeat.c
 *		Rows of taskq.heartbeat_state: the last heartbeat of an open activity.
 *
 * A row is written by who holds the lock on the activity's row in taskq.open
 * (or has deleted it), and by the worker's flush, which makes new rows under
 * that lock only.  It is read with the newest snapshot, whatever the isolation
 * level; who then finds that the flush was faster reads again.  It survives
 * retries, pauses and, if asked, resets, and moves into the closed row.  What
 * is newer than the row is in shared memory, see heartbeat.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "store_row.h"

enum
{
	COL_RUN_ID,
	COL_LAST_TIME,
	COL_COUNT,
	COL_DETAILS,
	COLUMNS
};

static HeapTuple
fetch_row(Relation table, int64 run_id)
{
	ScanKeyData key;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	tuple = index_fetch(table, catalog()->heartbeat_pkey, snapshot, &key, 1,
						ForwardScanDirection);
	UnregisterSnapshot(snapshot);
	return tuple;
}

/*
 * heartbeat_row_read: the row; count 0 and no valid tid when there is none.
 * Each close asks; where nobody heartbeats for long the table has no pages.
 */
void
heartbeat_row_read(int64 run_id, Heartbeat *heartbeat)
{
	Relation	table = table_open(catalog()->heartbeat, AccessShareLock);
	HeapTuple	tuple = NULL;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	memset(heartbeat, 0, sizeof(Heartbeat));
	heartbeat->last_time = DT_NOBEGIN;
	ItemPointerSetInvalid(&heartbeat->tid);
	if (RelationGetNumberOfBlocks(table) > 0)
		tuple = fetch_row(table, run_id);
	if (tuple != NULL)
	{
		heap_deform_tuple(tuple, RelationGetDescr(table), values, nulls);
		heartbeat->last_time = row_get_int64(values[COL_LAST_TIME],
											 nulls[COL_LAST_TIME], DT_NOBEGIN);
		heartbeat->count = DatumGetInt64(values[COL_COUNT]);
		heartbeat->details = row_get_varlena(values[COL_DETAILS],
											 nulls[COL_DETAILS]);
		heartbeat->tid = tuple->t_self;
	}
	table_close(table, NoLock);
}

/*
 * heartbeat_row_write: over the version at heartbeat->tid, or a new row if
 * that is not valid.
 */
StoreResult
heartbeat_row_write(int64 run_id, const Heartbeat *heartbeat, bool wait)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	ItemPointerData tid = heartbeat->tid;

	values[COL_RUN_ID] = Int64GetDatum(run_id);
	row_set_instant(&values[COL_LAST_TIME], &nulls[COL_LAST_TIME],
					heartbeat->last_time);
	values[COL_COUNT] = Int64GetDatum(heartbeat->count);
	row_set_varlena(&values[COL_DETAILS], &nulls[COL_DETAILS],
					heartbeat->details);
	if (ItemPointerIsValid(&tid))
		return target_update(catalog()->heartbeat, &tid, values, nulls, wait);
	target_insert(catalog()->heartbeat, values, nulls, NULL);
	return STORE_OK;
}

/*
 * heartbeat_row_delete: remove the version at heartbeat->tid, if there is one.
 */
StoreResult
heartbeat_row_delete(const Heartbeat *heartbeat)
{
	ItemPointerData tid = heartbeat->tid;

	if (!ItemPointerIsValid(&tid))
		return STORE_OK;
	return target_delete(catalog()->heartbeat, &tid, true);
}
