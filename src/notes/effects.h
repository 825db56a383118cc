/*
 * effects.h
 *		What a transaction tells the rest of the server when it ends.
 */
#ifndef TASKQ_EFFECTS_H
#define TASKQ_EFFECTS_H

#include "access/xact.h"
#include "datatype/timestamp.h"

#include "shared/channels.h"
#include "shared/directory.h"
#include "shared/timer_ring.h"
#include "task/queue_keys.h"
#include "task/task.h"

extern void effects_task_due(const QueueKey *queue, TimestampTz due);
extern void effects_tasks_due(const QueueKey *queue, TimestampTz due, int n);
extern void effects_all_queues(void);
extern void effects_configured(const QueueKey *queue);
extern void effects_all_configured(void);
extern void effects_run_changed(int64 run_id, int state);
extern void effects_polled(const QueueKey *queue, int n);
extern void effects_alarm(TimestampTz alarm);
extern bool effects_reserve_timer(void);
extern void effects_attempt_started(int64 run_id, int64 nonce,
									TimestampTz deadline);
extern void effects_worker_event(const Task *attempt, WorkerEvent event);
extern void effects_functions(void);
extern void effects_mail(void);

extern void effects_rows_changed(void);

/* for the end of a transaction */
extern bool effects_any(void);
extern int	effects_attempts(void);
extern const TimerHint *effects_attempt(int i, int64 *nonce);
extern void effects_commit(void);
extern void effects_subtransaction(SubXactEvent event, SubTransactionId mine,
								   SubTransactionId parent);
extern void effects_abort(void);
extern void effects_prepare(void);

#endif							/* TASKQ_EFFECTS_H */
