/*
 * effects.h
 *		What a transaction tells the rest of the server when it ends.
 */
#ifndef TASKQ_EFFECTS_H
#define TASKQ_EFFECTS_H

#include "datatype/timestamp.h"

/* What happened to an attempt that a worker holds; in the notified payload. */
typedef enum WorkerEvent
{
	WORKER_EVENT_CANCEL_REQUESTED,
	WORKER_EVENT_PAUSED,
	WORKER_EVENT_RESET,
	WORKER_EVENT_TERMINATED,
	WORKER_EVENT_TIMED_OUT,
	WORKER_EVENT_DELETED
} WorkerEvent;

extern void effects_init(void);

extern void effects_task_due(const text *task_queue, TimestampTz due);
extern void effects_tasks_due(const text *task_queue, TimestampTz due, int n);
extern void effects_all_queues(void);
extern void effects_closed(int64 run_id);
extern void effects_polled(const text *task_queue, int n);
extern void effects_alarm(TimestampTz alarm);
extern bool effects_reserve_timer(void);
extern void effects_attempt_started(int64 run_id, TimestampTz deadline);
extern void effects_worker_event(const text *worker, int64 run_id,
								 int attempt, WorkerEvent event);

extern void effects_prepared_ended(void);

#endif							/* TASKQ_EFFECTS_H */
