/*
 * run_write.h
 *		Carrying a step of a run out.
 */
#ifndef TASKQ_RUN_WRITE_H
#define TASKQ_RUN_WRITE_H

#include "model/activity.h"
#include "model/run_step.h"
#include "store/inbox.h"

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

/* What a step has done that its caller may want to tell. */
typedef struct RunWritten
{
	const char *eager_for;		/* in: who gets eager activities; NULL = nobody */
	Activity   *eager;			/* out: those that were started at once */
	int			neager;
} RunWritten;

extern RunLocked run_lock(int64 run_id, RunLock lock, bool wait, Run *run);
extern void run_read_mail(RunStep *step, InboxRow **rows, int *nrows);
extern void run_write(RunStep *step, const Run *before, RunWritten *written);
extern bool run_insert(RunStep *step);
extern void run_drop_all(const Run *run);

#endif							/* TASKQ_RUN_WRITE_H */
