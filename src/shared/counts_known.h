/*
 * counts_known.h
 *		Whether the numbers of open activities in shared memory are right.
 */
#ifndef TASKQ_COUNTS_KNOWN_H
#define TASKQ_COUNTS_KNOWN_H

#include "shared/directory.h"
#include "shared/queue_state.h"

extern void counts_lost(void);
extern bool counts_may_be_elsewhere(DatabaseSlot *slot);
extern void counts_moved_away(TransactionId mover);
extern uint32 counts_moves(DatabaseSlot *slot);
extern void counts_none_elsewhere(DatabaseSlot *slot, TransactionId xmin,
								  uint32 moves);

/* caller holds the lock of the queue */
extern bool counts_are_zero(const QueueState *state);
extern bool counts_complete(void);
extern void counts_begin(QueueState *state);
extern void counts_evicted(const QueueState *state);

#endif							/* TASKQ_COUNTS_KNOWN_H */
