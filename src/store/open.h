/*
 * open.h
 *		Rows of taskq.open: adding, changing, locking and removing them.
 */
#ifndef TASKQ_OPEN_H
#define TASKQ_OPEN_H

#include "task/store_result.h"
#include "task/task.h"

/* run ids of node n start at n << NODE_SHIFT */
#define NODE_SHIFT		48
#define RUN_ID_BITS		62		/* of the last node, too */

extern PGDLLEXPORT int64 store_next_run_id(void);
extern int64 store_last_run_id(void);
extern PGDLLEXPORT bool store_insert(Task *task);

typedef struct StoreBatch StoreBatch;

extern StoreBatch *store_begin_many(Task *model);
extern void store_put(StoreBatch *batch, int64 run_id, struct varlena *input);
extern void store_end_many(StoreBatch *batch);

extern StoreResult store_update(Task *task, bool wait);
extern StoreResult store_claim(Task *task);
extern StoreResult store_lock(const Task *task, bool wait);
extern StoreResult store_lock_to_delete(const Task *task, bool wait);
extern PGDLLEXPORT StoreResult store_share(const Task *task, bool wait);
extern StoreResult store_delete(const Task *task, bool wait);

#endif							/* TASKQ_OPEN_H */
