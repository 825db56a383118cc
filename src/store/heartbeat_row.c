/*
 * heartbeat_row.c
 *		Rows of taskq.heartbeat_state: the last heartbeat of an open activity.
 *
 * A row is written by who holds the lock on the activity's row in taskq.open
 * (or has deleted it), by who holds the slot of its attempt, and by the worker's
 * flush, which makes new rows under that lock only.  It is read with the newest
 * snapshot, whatever the isolation level; who then finds that another was faster
 * reads again.  It survives retries, pauses and, if asked, resets, and moves
 * into the closed row.  What is newer than the row is in shared memory, see
 * heartbeat.c.
 *
 * A row that a prepared transaction has written keeps others from the attempt's
 * heartbeats and from its end until that is decided; its slot is not held any
 * more (heartbeat_row_writer).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/twophase.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/catalog.h"
#include "store/heartbeat_row.h"
#include "store/row.h"
#include "store/write.h"
#include "task/store_result.h"

enum
{
	COL_RUN_ID,
	COL_LAST_TIME,
	COL_COUNT,
	COL_DETAILS,
	COLUMNS
};

StaticAssertDecl(COLUMNS == HEARTBEAT_COLUMNS, "all columns are known");

/*
 * heartbeat_row_lock_at_once: lock the table, and that of the activities, to
 * write, unless that takes waiting; false then, and one may be locked.
 */
bool
heartbeat_row_lock_at_once(void)
{
	return ConditionalLockRelationOid(catalog()->heartbeat, RowExclusiveLock) &&
		ConditionalLockRelationOid(catalog()->open, RowExclusiveLock);
}

static HeapTuple
fetch_row(Relation table, int64 run_id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	return index_fetch(table, HEARTBEAT_PKEY, snapshot, &key, 1,
					   ForwardScanDirection);
}

static HeapTuple
fetch_newest(Relation table, int64 run_id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple = fetch_row(table, run_id, snapshot);

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
	Relation	table = catalog_open_table(catalog()->heartbeat, AccessShareLock);
	HeapTuple	tuple = NULL;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	memset(heartbeat, 0, sizeof(Heartbeat));
	heartbeat->last_time = DT_NOBEGIN;
	ItemPointerSetInvalid(&heartbeat->tid);
	if (RelationGetNumberOfBlocks(table) > 0)
		tuple = fetch_newest(table, run_id);
	if (tuple != NULL)
	{
		Assert(RelationGetDescr(table)->natts == COLUMNS);
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
 * heartbeat_row_writer: the other transaction that is about to make or change
 * the row, as far as that is one that may be prepared: who holds neither slot
 * nor row can only be that.  Read the row after it, not before.
 */
TransactionId
heartbeat_row_writer(int64 run_id)
{
	Relation	table;
	SnapshotData dirty;
	TransactionId writer = InvalidTransactionId;

	if (max_prepared_xacts == 0)
		return InvalidTransactionId;
	InitDirtySnapshot(dirty);
	table = table_open(catalog()->heartbeat, AccessShareLock);
	if (RelationGetNumberOfBlocks(table) > 0 &&
		fetch_row(table, run_id, &dirty) != NULL)
		writer = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
	table_close(table, NoLock);
	return writer;
}

/*
 * heartbeat_row_write: over the version at heartbeat->tid, or a new row if
 * that is not valid and nobody makes one.
 */
StoreResult
heartbeat_row_write(int64 run_id, const Heartbeat *heartbeat, RowWrite how)
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
		return target_update(catalog()->heartbeat, &tid, values, nulls,
							 how == ROW_NO_WAIT ? TARGET_NO_WAIT : TARGET_WAIT);
	if (how == ROW_ALONE)
	{
		(void) target_insert(catalog()->heartbeat, values, nulls, NULL);
		return STORE_OK;
	}
	return (how == ROW_WAIT ? target_insert_unless_duplicate :
			target_try_insert) (catalog()->heartbeat, HEARTBEAT_PKEY, values,
								nulls) ? STORE_OK : STORE_CHANGED;
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
