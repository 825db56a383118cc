/*
 * keyed_rows.c
 *		Rows that a few columns of an index lead to: all of them, in its order.
 *
 * They are those that are committed now, whatever the transaction's snapshot:
 * what belongs to a run is written by whoever has its row, which is checked to be
 * the newest; or, like mail, by anybody, and then it must not be overlooked.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/grow.h"
#include "store/catalog.h"
#include "store/keyed_rows.h"
#include "store/row.h"
#include "store/write.h"
#include "task/store_result.h"

/* keyed_rows_run_key: the first column, a run_id, is this. */
void
keyed_rows_run_key(ScanKey key, int64 run_id)
{
	ScanKeyInit(key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(run_id));
}

/* keyed_rows_read: call back for each row that the keys lead to. */
void
keyed_rows_read(Oid table, TaskqIndex which, ScanKey keys, int nkeys,
				KeyedReader reader, void *arg)
{
	Relation	relation = catalog_open_table(table, AccessShareLock);
	Relation	index = catalog_open_index(relation, which);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	IndexScanDesc scan = compat_index_beginscan(relation, index, snapshot, nkeys);

	index_rescan(scan, keys, nkeys, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot) &&
		   reader(arg, slot))
		CHECK_FOR_INTERRUPTS();
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	catalog_close_index(index);
	table_close(relation, NoLock);
}

/* Elements that are made of rows. */
typedef struct Collection
{
	char	   *elements;
	int			n;
	int			room;
	Size		size;			/* of one */
	KeyedMaker	make;
} Collection;

static bool
collect(void *arg, TupleTableSlot *slot)
{
	Collection *found = arg;

	found->elements = grow(found->elements, NULL, &found->room, found->n + 1,
						   found->size, CurrentMemoryContext);
	found->make(found->elements + found->n++ * found->size, slot);
	return true;
}

/*
 * keyed_rows_collect: an array of *n elements of that size, each made of a row that
 * the keys lead to; NULL for none.
 */
void *
keyed_rows_collect(Oid table, TaskqIndex which, ScanKey keys, int nkeys, Size size,
				   KeyedMaker make, int *n)
{
	Collection	found = {.size = size, .make = make};

	keyed_rows_read(table, which, keys, nkeys, collect, &found);
	*n = found.n;
	return found.elements;
}

static void
make_tid(void *element, TupleTableSlot *slot)
{
	*(ItemPointerData *) element = slot->tts_tid;
}

/*
 * keyed_rows_delete: delete them; others' are waited for.  How many there were.
 */
int
keyed_rows_delete(Oid table, TaskqIndex which, ScanKey keys, int nkeys)
{
	int			n;
	ItemPointerData *tids = keyed_rows_collect(table, which, keys, nkeys,
											   sizeof(ItemPointerData), make_tid, &n);
	int			deleted = 0;

	for (int i = 0; i < n; i++)
		if (target_delete(table, &tids[i], true) == STORE_OK)
			deleted++;
	return deleted;
}
