/*
 * row.h
 *		How single rows are read: from the index to C values; for the files of
 *		the store only.
 */
#ifndef TASKQ_ROW_H
#define TASKQ_ROW_H

#include "access/htup.h"
#include "access/sdir.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "store/catalog_shape.h"

/* 0 = NULL */
static inline void
row_set_duration(Datum *value, bool *null, int64 duration)
{
	*null = duration == 0;
	*value = Int64GetDatum(duration);
}

/* not finite = NULL */
static inline void
row_set_instant(Datum *value, bool *null, TimestampTz when)
{
	*null = TIMESTAMP_NOT_FINITE(when);
	*value = TimestampTzGetDatum(when);
}

static inline void
row_set_varlena(Datum *value, bool *null, const void *varlena)
{
	*null = varlena == NULL;
	*value = PointerGetDatum(varlena);
}

static inline int64
row_get_int64(Datum value, bool null, int64 missing)
{
	return null ? missing : DatumGetInt64(value);
}

static inline struct varlena *
row_get_varlena(Datum value, bool null)
{
	return null ? NULL : (struct varlena *) DatumGetPointer(value);
}

static inline text *
row_get_nonempty(Datum value)
{
	text	   *string = DatumGetTextPP(value);

	return VARSIZE_ANY_EXHDR(string) == 0 ? NULL : string;
}

/*
 * Who holds the version of a row that a scan has found?  In the order of what
 * it means for others.
 */
typedef enum RowHolder
{
	ROW_FREE,					/* nobody, or our own transaction locks it */
	ROW_SHARED,					/* others keep it from being deleted, not from
								 * being changed */
	ROW_LOCKED,					/* others lock it, and may change nothing */
	ROW_CHANGED,				/* others have changed it, or are about to */
	ROW_CHANGED_BY_US
} RowHolder;

extern RowHolder row_holder(TupleTableSlot *slot);
extern HeapTuple index_copy_found(TupleTableSlot *slot);
extern HeapTuple index_fetch(Relation table, TaskqIndex which,
							 Snapshot snapshot, ScanKey keys, int nkeys,
							 ScanDirection direction);
extern Snapshot fresh_snapshot(void);
pg_noreturn extern void raise_concurrent_update(void);

extern text *row_empty_text(void);
extern void row_text_key(ScanKey key, AttrNumber attribute,
						 StrategyNumber strategy, RegProcedure procedure,
						 const text *value);
#endif							/* TASKQ_ROW_H */
