/*
 * delays.h
 *		How many tasks of a queue are due later, counted by when they are due.
 */
#ifndef TASKQ_DELAYS_H
#define TASKQ_DELAYS_H

#include "shared/queue_state.h"
#include "storage/lwlock.h"
#include "task/queue_keys.h"

/* What is known of the tasks of a level that wait. */
typedef struct LevelDelays
{
	int64		later;			/* due after now, and not before "until" */
	TimestampTz until;			/* those due after now and before this have to
								 * be looked up; DT_NOBEGIN = none */
} LevelDelays;

extern bool delay_key(DelayKey *key, const QueueKey *queue, int level,
					  TimestampTz since, TimestampTz due);
extern bool delay_has_passed(const DelayKey *key, TimestampTz now);

extern Size delays_shmem_size(void);
extern void delays_shmem_init(LWLockPadded *locks);

/* caller holds the lock of the queue, exclusively to change something */
extern void delays_add(QueueState *queue, const DelayKey *key, int64 n,
					   TimestampTz now);
extern void delays_forget(QueueState *queue);
extern void delays_sum(QueueState *queue, TimestampTz now,
					   LevelDelays *levels);

#endif							/* TASKQ_DELAYS_H */
