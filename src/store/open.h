/*
 * open.h
 *		Rows of taskq.open: adding, changing, locking and removing them.
 */
#ifndef TASKQ_OPEN_H
#define TASKQ_OPEN_H

#include "model/activity.h"
#include "store/store_result.h"

extern int64 store_next_run_id(void);
extern int64 store_last_run_id(void);
extern bool store_insert(Activity *activity);

typedef struct StoreBatch StoreBatch;

extern StoreBatch *store_begin_many(Activity *model);
extern void store_put(StoreBatch *batch, int64 run_id, struct varlena *input);
extern void store_end_many(StoreBatch *batch);

extern StoreResult store_update(Activity *activity, bool wait);
extern StoreResult store_claim(Activity *activity);
extern StoreResult store_lock(const Activity *activity, bool wait);
extern StoreResult store_delete(const Activity *activity, bool wait);

#endif							/* TASKQ_OPEN_H */
