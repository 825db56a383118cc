/*
 * keyed_rows.h
 *		Rows that a few columns of an index lead to; for the files of the store
 *		only.
 */
#ifndef TASKQ_KEYED_ROWS_H
#define TASKQ_KEYED_ROWS_H

#include "access/sdir.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "storage/itemptr.h"

#include "store/catalog_shape.h"

/* What a reader does with a row, which is gone afterwards; false = enough. */
typedef bool (*KeyedReader) (void *arg, TupleTableSlot *slot);

/* What becomes of a row as the element of an array. */
typedef void (*KeyedMaker) (void *element, TupleTableSlot *slot);

extern void keyed_rows_run_key(ScanKey key, int64 run_id);
extern void keyed_rows_read(Oid table, TaskqIndex which, ScanKey keys,
							int nkeys, KeyedReader reader, void *arg);
extern void *keyed_rows_collect(Oid table, TaskqIndex which, ScanKey keys,
								int nkeys, Size size, KeyedMaker make, int *n);
extern int	keyed_rows_delete(Oid table, TaskqIndex which, ScanKey keys,
							  int nkeys);

#endif							/* TASKQ_KEYED_ROWS_H */
