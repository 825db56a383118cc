/*
 * store_heartbeat.c
 *		Rows of taskq.heartbeat_state: the last heartbeat of an open activity.
 *
 * A row is written only by who holds the lock on the activity's row in
 * taskq.open (or has deleted it), so there is never a rival; it is read with
 * the newest snapshot, whatever the isolation level, since that lock and not
 * the snapshot is what makes it stable.  It survives retries, pauses and, if
 * asked, resets, and moves into the closed row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
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

/*
 * heartbeat_read: the last heartbeat; count 0 when there was none.
 */
void
heartbeat_read(int64 run_id, Heartbeat *heartbeat)
{
	ScanKeyData key;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple;
	Relation	relation;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	memset(heartbeat, 0, sizeof(Heartbeat));
	heartbeat->last_time = DT_NOBEGIN;
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(run_id));
	tuple = index_fetch_one(catalog()->heartbeat, catalog()->heartbeat_pkey,
							snapshot, &key, 1, ForwardScanDirection);
	UnregisterSnapshot(snapshot);
	if (tuple == NULL)
		return;

	relation = table_open(catalog()->heartbeat, NoLock);
	heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
	table_close(relation, NoLock);
	heartbeat->last_time = row_get_int64(values[COL_LAST_TIME],
										 nulls[COL_LAST_TIME], DT_NOBEGIN);
	heartbeat->count = DatumGetInt64(values[COL_COUNT]);
	heartbeat->details = row_get_varlena(values[COL_DETAILS],
										 nulls[COL_DETAILS]);
	heartbeat->tid = tuple->t_self;
}

static void
put(int64 run_id, Heartbeat *before, int64 count, TimestampTz when,
	struct varlena *details)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	values[COL_RUN_ID] = Int64GetDatum(run_id);
	row_set_instant(&values[COL_LAST_TIME], &nulls[COL_LAST_TIME], when);
	values[COL_COUNT] = Int64GetDatum(count);
	row_set_varlena(&values[COL_DETAILS], &nulls[COL_DETAILS], details);
	if (before->count == 0)
		target_insert(catalog()->heartbeat, values, nulls, NULL);
	else if (target_update(catalog()->heartbeat, &before->tid, values, nulls,
						   true) != STORE_OK)
		elog(ERROR, "heartbeat of run " INT64_FORMAT " changed under its lock",
			 run_id);
}

/*
 * heartbeat_record: one more heartbeat; NULL details replace, too.
 */
void
heartbeat_record(int64 run_id, TimestampTz when, struct varlena *details)
{
	Heartbeat	before;

	heartbeat_read(run_id, &before);
	put(run_id, &before, before.count + 1, when, details);
}

/*
 * heartbeat_clear: forget details and time, not the count.
 */
void
heartbeat_clear(int64 run_id)
{
	Heartbeat	before;

	heartbeat_read(run_id, &before);
	if (before.count > 0)
		put(run_id, &before, before.count, DT_NOBEGIN, NULL);
}

/*
 * heartbeat_take: read and remove, for the closed row.
 */
void
heartbeat_take(int64 run_id, Heartbeat *heartbeat)
{
	heartbeat_read(run_id, heartbeat);
	if (heartbeat->count > 0 &&
		target_delete(catalog()->heartbeat, &heartbeat->tid, true) != STORE_OK)
		elog(ERROR, "heartbeat of run " INT64_FORMAT " changed under its lock",
			 run_id);
}
