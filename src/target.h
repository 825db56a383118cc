/*
 * target.h
 *		How rows of taskq's tables are written.
 */
#ifndef TASKQ_TARGET_H
#define TASKQ_TARGET_H

#include "store.h"

extern void target_insert(Oid relation, Datum *values, bool *nulls);
extern bool target_insert_unless_duplicate(Oid relation, Oid unique_index,
										   Datum *values, bool *nulls);
extern StoreResult target_update(Oid relation, ItemPointer tid, Datum *values,
								 bool *nulls, bool wait);
extern StoreResult target_delete(Oid relation, ItemPointer tid, bool wait);
extern StoreResult target_lock(Oid relation, ItemPointer tid, bool wait);

#endif							/* TASKQ_TARGET_H */
