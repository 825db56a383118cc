/*
 * waiters.h
 *		Who waits for what, and who is woken.
 */
#ifndef TASKQ_WAITERS_H
#define TASKQ_WAITERS_H

#include "datatype/timestamp.h"

#include "task/queue_keys.h"

/* at the end of a transaction: cannot fail, no allocation */
extern bool wait_anybody(void);
extern uint64 wait_run_key(int64 run_id);
extern void wait_wake(uint64 key, int n);
extern void wait_wake_all(void);
extern void wait_leave(bool pass_on);

/* for the polls, and for the worker */
extern void wait_polled(uint64 key);
extern void wait_wake_at(uint64 key, int n, TimestampTz now);

/* for those who wait */
extern void wait_list(const QueueKey *key, const char *identity);
extern void wait_enter(const uint64 *keys, int n);
extern void wait_saw_nothing(int i);
extern bool wait_until(TimestampTz *until);
extern void wait_hand_on(uint64 key, TimestampTz when);
extern void wait_leave_ready(int i, bool more);

#endif							/* TASKQ_WAITERS_H */
