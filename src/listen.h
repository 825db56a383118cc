/*
 * listen.h
 *		LISTEN channels of task queues and workers, notified by the worker.
 */
#ifndef TASKQ_LISTEN_H
#define TASKQ_LISTEN_H

#include "datatype/timestamp.h"
#include "effects.h"

/* for effects.c, at the end of a transaction: cannot fail, no allocation */
extern uint64 listen_hash(const char *name, int length, bool is_worker);
extern bool listen_anybody(void);
extern void listen_task_due(uint64 hash, TimestampTz due);
extern void listen_all_queues(void);
extern void listen_worker_event(uint64 hash, int64 run_id, int attempt,
								WorkerEvent event);

/* for the worker */
extern TimestampTz listen_run(void);

#endif							/* TASKQ_LISTEN_H */
