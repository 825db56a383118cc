/*
 * watched_runs.h
 *		Which runs somebody watches.
 */
#ifndef TASKQ_WATCHED_RUNS_H
#define TASKQ_WATCHED_RUNS_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

/* What a run has become: a State, or one of these. */
#define RUN_DELETED			(-1)
#define RUN_UNKNOWN			(-2)

typedef struct RunChange
{
	int64		run_id;
	int			state;
} RunChange;

extern Size watched_runs_shmem_size(void);
extern void watched_runs_shmem_init(LWLockPadded *locks);
extern void watched_runs_forget_database(Oid database);

extern void watched_runs_add(const int64 *run_ids, int n);

/* at the end of a transaction: cannot fail, no allocation */
extern bool watched_runs_any(void);
extern void watched_runs_changed(const RunChange *changes, int n);
extern void watched_runs_all_changed(void);

/* for the worker */
extern int	watched_runs_take(RunChange *changes, int max, TimestampTz *next);
extern void watched_runs_put_back(const RunChange *changes, int n);

#endif							/* TASKQ_WATCHED_RUNS_H */
