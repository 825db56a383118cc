/*
 * counts_known.h
 *		Whether the numbers of open activities in shared memory are right.
 */
#ifndef TASKQ_COUNTS_KNOWN_H
#define TASKQ_COUNTS_KNOWN_H

#include "shared/queue_state.h"

extern void counts_lost(void);

/* caller holds the lock of the queue */
extern bool counts_are_zero(const QueueState *state);
extern bool counts_complete(void);
extern void counts_begin(QueueState *state);
extern void counts_evicted(const QueueState *state);

#endif							/* TASKQ_COUNTS_KNOWN_H */
