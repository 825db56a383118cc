/*
 * queue_names.c
 *		The names of all queues that have open tasks.
 *
 * One descent in open_ready for each: to the first entry after the last name.
 * Entries are not looked up in the table, so one that is dead costs no more; a
 * name may be that of a queue that has no tasks any more.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/catalog.h"
#include "store/queue_names.h"
#include "store/row.h"

/* the name at which the scan stands, copied */
static text *
name_at(IndexScanDesc scan)
{
	Datum		values[READY_COLUMNS];
	bool		nulls[READY_COLUMNS];

	Assert(scan->xs_itupdesc->natts == READY_COLUMNS);
	index_deform_tuple(scan->xs_itup, scan->xs_itupdesc, values, nulls);
	return DatumGetTextPCopy(values[READY_TASK_QUEUE - 1]);
}

/* the first name after "last" (NULL = the first), NULL after the last */
static text *
next_name(Relation table, Relation index, Snapshot snapshot, const text *last)
{
	int			nkeys = last == NULL ? 0 : 1;
	text	   *name = NULL;
	IndexScanDesc scan = compat_index_beginscan(table, index, snapshot, nkeys);
	ScanKeyData key;

	if (last != NULL)
		row_text_key(&key, READY_TASK_QUEUE, BTGreaterStrategyNumber,
					 F_TEXT_GT, last);
	scan->xs_want_itup = true;
	index_rescan(scan, &key, nkeys, NULL, 0);
	if (index_getnext_tid(scan, ForwardScanDirection) != NULL)
		name = name_at(scan);
	index_endscan(scan);
	return name;
}

/*
 * store_queue_names: call back with each name, in their order.
 */
void
store_queue_names(void (*callback) (const text *name))
{
	Relation	table = catalog_open_table(catalog()->open, AccessShareLock);
	Relation	index = catalog_open_index(table, OPEN_READY);
	Snapshot	snapshot = fresh_snapshot();
	text	   *last = NULL;
	text	   *name;

	while ((name = next_name(table, index, snapshot, last)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		callback(name);
		if (last != NULL)
			pfree(last);
		last = name;
	}
	UnregisterSnapshot(snapshot);
	catalog_close_index(index);
	table_close(table, NoLock);
}
