/*
 * run_write.h
 *		Carrying a step of a run out.
 */
#ifndef TASKQ_RUN_WRITE_H
#define TASKQ_RUN_WRITE_H

#include "model/activity.h"
#include "model/run_step.h"
#include "store/inbox.h"

/* What a step has done that its caller may want to tell. */
typedef struct RunWritten
{
	const char *eager_for;		/* in: who gets eager activities; NULL = nobody */
	Activity   *eager;			/* out: those that were started at once */
	int			neager;
} RunWritten;

extern void run_read_mail(RunStep *step, InboxRow **rows, int *nrows);
extern void run_write(RunStep *step, const Run *before, RunWritten *written);
extern bool run_timers_to_come(const RunStep *step);
extern bool run_insert(RunStep *step);
extern void run_drop_all(const Run *run);

#endif							/* TASKQ_RUN_WRITE_H */
