/*
 * target.h
 *		How rows of taskq's tables are written.
 */
#ifndef TASKQ_TARGET_H
#define TASKQ_TARGET_H

#include "store.h"

extern void target_insert(Oid relation, Datum *values, bool *nulls,
						  ItemPointer tid);
extern bool target_insert_unless_duplicate(Oid relation, Oid unique_index,
										   Datum *values, bool *nulls);
typedef struct TargetBatch TargetBatch;

extern TargetBatch *target_begin_many(Oid relation);
extern void target_put(TargetBatch *batch, const Datum *values,
					   const bool *nulls);
extern void target_end_many(TargetBatch *batch);

extern StoreResult target_update(Oid relation, ItemPointer tid, Datum *values,
								 bool *nulls, bool wait);
extern StoreResult target_delete(Oid relation, ItemPointer tid, bool wait);
extern StoreResult target_lock(Oid relation, ItemPointer tid, bool wait);

#endif							/* TASKQ_TARGET_H */
