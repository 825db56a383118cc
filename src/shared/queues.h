/*
 * queues.h
 *		The tables of queues, lanes and pollers in shared memory.
 */
#ifndef TASKQ_QUEUES_H
#define TASKQ_QUEUES_H

#include "shared/queue_state.h"
#include "storage/lwlock.h"
#include "task/queue_keys.h"

/* What may go for a new queue. */
typedef enum Eviction
{
	EVICT_EMPTY,				/* those known to have no open activity */
	EVICT_ANY
} Eviction;

extern Size queue_state_shmem_size(void);
extern void queue_state_shmem_init(LWLockPadded *locks);

/* caller holds the lock, exclusively where something is created */
extern QueueState *queue_state_find(const QueueKey *key);
extern QueueState *queue_state_get(const QueueKey *key, const char *name,
								   int length);
extern QueueState *queue_state_make(const QueueKey *key, const char *name,
									int length, Eviction eviction);
extern QueueState *queue_state_next(const QueueState *previous);
extern LaneState *lane_state_find(const LaneKey *key);
extern LaneState *lane_state_get(const LaneKey *key);
extern bool lane_states_have_room(void);
extern PollerState *poller_state_get(const QueueKey *key,
									 const char *identity);
extern PollerState *poller_state_find(const PollerKey *key);
extern PollerState *poller_state_next(const PollerState *previous);
extern void queue_state_count(QueueState *state, int counter, int64 n,
							  TimestampTz now);
extern void queue_state_forget_database(Oid database);

/* without a lock: the postmaster, when everybody else has gone */
extern int	queue_states_used(void);
extern const QueueState *queue_state_at(int i);

#endif							/* TASKQ_QUEUES_H */
