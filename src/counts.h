/*
 * counts.h
 *		How many open activities of each queue there are: keeping the numbers
 *		in shared memory right.
 */
#ifndef TASKQ_COUNTS_H
#define TASKQ_COUNTS_H

#include "queue_state.h"

/* transactions that move numbers */
extern void counts_enter_commit(void);
extern void counts_leave_commit(void);
extern bool counts_others_commit(void);

/* numbers that are not known */
extern void counts_missed(void);
extern bool counts_await(const QueueKey *key);
extern void counts_lost(void);
extern void counts_forget(void);
extern void counts_forget_all(void);

/* caller holds the lock of the queue */
extern bool counts_are_zero(const QueueState *state);
extern bool counts_complete(void);
extern void counts_begin(QueueState *state);
extern void counts_evicted(const QueueState *state);

#endif							/* TASKQ_COUNTS_H */
