/*
 * run_lock.h
 *		Locking a run before anything is done to it.
 */
#ifndef TASKQ_RUN_LOCK_H
#define TASKQ_RUN_LOCK_H

#include "model/run.h"

typedef enum RunLock
{
	RUN_LOCK_STEP,				/* others may keep it from being closed */
	RUN_LOCK_CLOSE				/* nobody may */
} RunLock;

typedef enum RunLocked
{
	RUN_LOCKED,
	RUN_LOCK_BUSY,				/* somebody else has it */
	RUN_LOCK_GONE				/* there is no such open run */
} RunLocked;

extern RunLocked run_lock(int64 run_id, RunLock lock, bool wait, Run *run);

#endif							/* TASKQ_RUN_LOCK_H */
