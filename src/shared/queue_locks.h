/*
 * queue_locks.h
 *		The locks of queues: a queue and all that belongs to it share one.
 */
#ifndef TASKQ_QUEUE_LOCKS_H
#define TASKQ_QUEUE_LOCKS_H

#include "storage/lwlock.h"

#include "task/queue_keys.h"

extern void queue_locks_shmem_init(LWLockPadded *locks);

extern int	queue_state_part(const QueueKey *key);
extern int	lane_state_part(const LaneKey *key);
extern void queue_state_lock(const QueueKey *key, LWLockMode mode);
extern void queue_state_lock_parts(uint32 parts, LWLockMode mode);
extern void queue_state_lock_all(LWLockMode mode);
extern bool queue_state_lock_more(int part, bool *taken);
extern void queue_state_unlock_part(int part);
extern void queue_state_unlock(void);
extern bool queue_state_is_locked(int part, LWLockMode mode);
extern uint32 queue_state_locked_parts(void);

#endif							/* TASKQ_QUEUE_LOCKS_H */
