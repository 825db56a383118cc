/*
 * config_rows.c
 *		Rows of taskq.queue_config: what somebody configured for a queue.
 *
 * What the members of "config" mean is none of its business.  A write tells the
 * relation cache, so that every session reads again (queue_config.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/catalog.h"
#include "store/config_rows.h"
#include "store/row.h"
#include "store/write.h"
#include "task/store_result.h"

/* columns of taskq.queue_config, zero-based */
enum
{
	COL_TASK_QUEUE,
	COL_CONFIG,
	COL_REASON,
	COL_IDENTITY,
	COL_UPDATE_TIME,
	COL_REVISION,
	COLUMNS
};

/*
 * config_rows_each: call back for each row that is committed now, or our own,
 * until that says false, and say so; the configuration is a copy.  The table is
 * not locked any more afterwards.
 */
bool
config_rows_each(bool (*callback) (const text *task_queue, Jsonb *config))
{
	Relation	table = catalog_open_table(catalog()->queue_config, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	bool		go_on = true;

	while (go_on && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		go_on = callback(DatumGetTextPP(slot->tts_values[COL_TASK_QUEUE]),
						 DatumGetJsonbPCopy(slot->tts_values[COL_CONFIG]));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return go_on;
}

/* the row of a queue that the snapshot shows, copied; NULL when it has none */
static HeapTuple
fetch_row(Relation table, Snapshot snapshot, const text *task_queue)
{
	ScanKeyData key;

	row_text_key(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, task_queue);
	return index_fetch(table, QUEUE_CONFIG_PKEY, snapshot, &key, 1,
					   ForwardScanDirection);
}

/*
 * config_row_now: likewise the configuration of one queue, NULL when it has
 * none.
 */
Jsonb *
config_row_now(const text *task_queue)
{
	Relation	table = catalog_open_table(catalog()->queue_config, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple = fetch_row(table, snapshot, task_queue);
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	Jsonb	   *config = NULL;

	UnregisterSnapshot(snapshot);
	if (tuple != NULL)
	{
		heap_deform_tuple(tuple, RelationGetDescr(table), values, nulls);
		config = DatumGetJsonbPCopy(values[COL_CONFIG]);
	}
	table_close(table, AccessShareLock);
	return config;
}

/* config_row_read: the newest row of a queue; revision 0 when it has none. */
void
config_row_read(text *task_queue, ConfigRow *row)
{
	Relation	table = catalog_open_table(catalog()->queue_config, AccessShareLock);
	Snapshot	snapshot = fresh_snapshot();
	HeapTuple	tuple = fetch_row(table, snapshot, task_queue);
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	StaticAssertStmt(COLUMNS == QUEUE_CONFIG_COLUMNS, "all columns are known");
	memset(row, 0, sizeof(ConfigRow));
	ItemPointerSetInvalid(&row->tid);
	UnregisterSnapshot(snapshot);
	Assert(RelationGetDescr(table)->natts == COLUMNS);
	if (tuple != NULL)
	{
		heap_deform_tuple(tuple, RelationGetDescr(table), values, nulls);
		row->task_queue = DatumGetTextPP(values[COL_TASK_QUEUE]);
		row->config = DatumGetJsonbP(values[COL_CONFIG]);
		row->reason = (text *) row_get_varlena(values[COL_REASON], nulls[COL_REASON]);
		row->identity = (text *) row_get_varlena(values[COL_IDENTITY], nulls[COL_IDENTITY]);
		row->update_time = DatumGetTimestampTz(values[COL_UPDATE_TIME]);
		row->revision = DatumGetInt64(values[COL_REVISION]);
		row->tid = tuple->t_self;
	}
	table_close(table, NoLock);
}

/* the first row of a queue; false when somebody else was faster */
static bool
insert(Datum *values, bool *nulls)
{
	if (target_insert_unless_duplicate(catalog()->queue_config,
									   QUEUE_CONFIG_PKEY, values, nulls))
		return true;
	if (IsolationUsesXactSnapshot())
		raise_concurrent_update();
	return false;
}

/*
 * config_row_write: over the version at row->tid, or a new row if that is not
 * valid.  False when somebody else was faster: read again.
 */
bool
config_row_write(const ConfigRow *row)
{
	Oid			table = catalog()->queue_config;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	ItemPointerData tid = row->tid;

	values[COL_TASK_QUEUE] = PointerGetDatum(row->task_queue);
	values[COL_CONFIG] = JsonbPGetDatum(row->config);
	row_set_varlena(&values[COL_REASON], &nulls[COL_REASON], row->reason);
	row_set_varlena(&values[COL_IDENTITY], &nulls[COL_IDENTITY], row->identity);
	values[COL_UPDATE_TIME] = TimestampTzGetDatum(row->update_time);
	values[COL_REVISION] = Int64GetDatum(row->revision);
	if (ItemPointerIsValid(&tid) ?
		target_update(table, &tid, values, nulls, TARGET_WAIT) != STORE_OK :
		!insert(values, nulls))
		return false;
	CacheInvalidateRelcacheByRelid(table);
	CommandCounterIncrement();
	return true;
}
