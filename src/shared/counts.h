/*
 * counts.h
 *		How many open activities of each queue there are: keeping the numbers
 *		in shared memory right.
 */
#ifndef TASKQ_COUNTS_H
#define TASKQ_COUNTS_H

#include "storage/lwlock.h"
#include "utils/snapshot.h"

#include "shared/directory.h"
#include "task/queue_keys.h"

extern Size counts_shmem_size(void);
extern void counts_shmem_init(LWLockPadded *locks);

/* transactions that move numbers */
extern void counts_enter_commit(void);
extern void counts_leave_commit(void);
extern void counts_prepared(void);
extern bool counts_in_snapshot(void);
extern bool counts_others_commit(void);
extern uint32 counts_prepares(DatabaseSlot *slot);
extern bool counts_in_flight(Snapshot snapshot);

/* for recount.c */
extern void counts_mark_committed(Snapshot snapshot);
extern void counts_await_marked(DatabaseSlot *slot);

/* numbers that are not known */
extern void counts_missed(void);
extern bool counts_await(const QueueKey *key);
extern void counts_forget(void);

#endif							/* TASKQ_COUNTS_H */
