/*
 * kept.c
 *		Rows of what has closed, in leaves: where they go, and how they are found.
 *
 * They are appended to the leaf that the worker is filling (see retention.c),
 * or to the one for long when they are kept for longer than that is filled with.
 * Which leaf is current is a hint: a row in another leaf is found and expires all
 * the same.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "store/catalog.h"
#include "store/instance.h"
#include "store/kept.h"
#include "store/row.h"

/* kept_leaf: the number of the leaf for what is closed then. */
int
kept_leaf(TimestampTz close_time, TimestampTz expire_time)
{
	int			leaf = instance_current_leaf();	/* before the limit is read */
	TimestampTz limit = instant_add(close_time,
									instance_leaf_limit() * USECS_PER_SEC);

	return expire_time > limit ? CLOSED_LONG : leaf;
}

/* a copy of the first row that an index finds and that has not expired, or NULL */
static HeapTuple
fetch(Relation table, TaskqIndex which, Snapshot snapshot, ScanKey key,
	  ScanDirection direction, AttrNumber expires)
{
	Relation	index = catalog_open_index(table, which);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	IndexScanDesc scan = compat_index_beginscan(table, index, snapshot, 1);
	TimestampTz now = clock_now();
	HeapTuple	tuple = NULL;
	bool		null;

	index_rescan(scan, key, 1, NULL, 0);
	while (tuple == NULL && index_getnext_slot(scan, direction, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (DatumGetTimestampTz(slot_getattr(slot, expires, &null)) > now)
			tuple = index_copy_found(slot);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	catalog_close_index(index);
	return tuple;
}

/*
 * kept_fetch: a copy of the first row of a leaf that an index finds and that has
 * not expired, with its columns; or NULL.  As our snapshot shows it, or as is
 * committed now ("latest").  "expires" is the column that says when it does.
 */
HeapTuple
kept_fetch(Oid table, TaskqIndex which, ScanKey key, ScanDirection direction,
		   bool latest, AttrNumber expires, Datum *values, bool *nulls)
{
	Relation	relation = catalog_open_table(table, AccessShareLock);
	Snapshot	snapshot = latest ? RegisterSnapshot(GetLatestSnapshot()) :
		fresh_snapshot();
	HeapTuple	tuple = fetch(relation, which, snapshot, key, direction, expires);

	UnregisterSnapshot(snapshot);
	if (tuple != NULL)
		heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
	table_close(relation, NoLock);
	return tuple;
}
