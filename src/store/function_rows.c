/*
 * function_rows.c
 *		Rows of taskq.registered_function: which function an activity type is.
 *
 * A write tells the relation cache, so that every session reads again
 * (engine/functions.c).  Those who write take their turn, by a lock on the table.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/catalog.h"
#include "store/function_rows.h"
#include "store/row.h"
#include "store/write.h"

/* columns of taskq.registered_function, zero-based */
enum
{
	COL_TASK_QUEUE,
	COL_ACTIVITY_TYPE,
	COL_FUNCTION,
	COL_RUN_AS,
	COL_CONCURRENCY,
	COLUMNS
};

StaticAssertDecl(COLUMNS == FUNCTION_COLUMNS, "all columns are known");

/* function_rows_lock: until the end of the transaction nobody else writes. */
void
function_rows_lock(void)
{
	catalog_lock_table(catalog()->registered_function, ShareRowExclusiveLock);
}

/*
 * function_rows_each: call back for each row that is committed now, or our own;
 * what it gets is valid during that call.  The table is not locked any more
 * afterwards: a function that runs for long would keep it from being dropped.
 */
void
function_rows_each(FunctionRowCallback callback, void *arg)
{
	Relation	table = catalog_open_table(catalog()->registered_function,
										   AccessShareLock);
	Snapshot	snapshot = fresh_snapshot();
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		FunctionRow row;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		row.task_queue = DatumGetTextPP(slot->tts_values[COL_TASK_QUEUE]);
		row.activity_type = DatumGetTextPP(slot->tts_values[COL_ACTIVITY_TYPE]);
		row.function = DatumGetTextPP(slot->tts_values[COL_FUNCTION]);
		row.run_as = DatumGetObjectId(slot->tts_values[COL_RUN_AS]);
		row.concurrency = DatumGetInt32(slot->tts_values[COL_CONCURRENCY]);
		row.tid = slot->tts_tid;
		callback(&row, arg);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
}

static void
changed(void)
{
	CacheInvalidateRelcacheByRelid(catalog()->registered_function);
	CommandCounterIncrement();
}

/*
 * function_row_write: over the version at row->tid, or a new row if that is not
 * valid.  Under function_rows_lock().
 */
void
function_row_write(const FunctionRow *row)
{
	Oid			table = catalog()->registered_function;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	ItemPointerData tid = row->tid;

	values[COL_TASK_QUEUE] = PointerGetDatum(row->task_queue);
	values[COL_ACTIVITY_TYPE] = PointerGetDatum(row->activity_type);
	values[COL_FUNCTION] = PointerGetDatum(row->function);
	values[COL_RUN_AS] = ObjectIdGetDatum(row->run_as);
	values[COL_CONCURRENCY] = Int32GetDatum(row->concurrency);
	if (!ItemPointerIsValid(&tid))
		(void) target_insert(table, values, nulls, &tid);
	else if (target_update(table, &tid, values, nulls, TARGET_WAIT) != STORE_OK)
		raise_concurrent_update();
	changed();
}

/* function_row_delete: the version at row->tid, likewise. */
void
function_row_delete(const FunctionRow *row)
{
	ItemPointerData tid = row->tid;

	if (target_delete(catalog()->registered_function, &tid, true) != STORE_OK)
		raise_concurrent_update();
	changed();
}
