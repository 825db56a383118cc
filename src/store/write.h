/*
 * write.h
 *		How rows of taskq's tables are written.
 */
#ifndef TASKQ_WRITE_H
#define TASKQ_WRITE_H

#include "storage/itemptr.h"

#include "store/catalog_shape.h"
#include "task/store_result.h"

extern Oid	target_insert(Oid relation, Datum *values, bool *nulls,
						  ItemPointer tid);
extern bool target_insert_unless_duplicate(Oid relation, TaskqIndex unique,
										   Datum *values, bool *nulls);
extern bool target_try_insert(Oid relation, TaskqIndex unique, Datum *values,
							  bool *nulls);
typedef struct TargetBatch TargetBatch;

extern TargetBatch *target_begin_many(Oid relation);
extern void target_put(TargetBatch *batch, const Datum *values,
					   const bool *nulls);
extern void target_end_many(TargetBatch *batch);

/* Who waits for a row that somebody else holds? */
typedef enum TargetWait
{
	TARGET_WAIT,
	TARGET_NO_WAIT,				/* STORE_BUSY; the row is locked first */
	TARGET_CLAIM				/* likewise, even if the holder is ourselves, and
								 * without a lock where that can be */
} TargetWait;

extern StoreResult target_update(Oid relation, ItemPointer tid, Datum *values,
								 bool *nulls, TargetWait wait);
extern StoreResult target_delete(Oid relation, ItemPointer tid, bool wait);
extern StoreResult target_lock(Oid relation, ItemPointer tid, bool wait);
extern StoreResult target_lock_to_delete(Oid relation, ItemPointer tid, bool wait);
extern StoreResult target_share(Oid relation, ItemPointer tid, bool wait);

#endif							/* TASKQ_WRITE_H */
