/*
 * wait.h
 *		Waiting on the server for a task or for the close of an activity.
 */
#ifndef TASKQ_WAIT_H
#define TASKQ_WAIT_H

#include "postgres.h"

extern Size wait_shmem_size(void);
extern void wait_shmem_init(void);

/* at the end of a transaction: cannot fail, no allocation */
extern bool wait_anybody(void);
extern uint64 wait_run_key(int64 run_id);
extern void wait_wake(uint64 key, int n);
extern void wait_wake_all(void);
extern void wait_leave(bool pass_on);

#endif							/* TASKQ_WAIT_H */
