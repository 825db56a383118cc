/*
 * run_task.h
 *		The workflow task of a run, from its schedule to its end; and events that
 *		come from outside.
 */
#ifndef TASKQ_RUN_TASK_H
#define TASKQ_RUN_TASK_H

#include "model/run_step.h"

/* why a run ends whose history is full */
#define HISTORY_FULL	"Workflow history size / count exceeds limit."

/* How a task ends badly. */
typedef struct TaskEnd
{
	const char *cause;			/* the protocol's name, WORKFLOW_TASK_FAILED_CAUSE_...; NULL = a time-out */
	Jsonb	   *failure;		/* of a failed one; NULL = none */
	bool		schedule_to_start;	/* of a time-out: nobody took it from the sticky queue */
} TaskEnd;

extern void run_task_ends_run(RunStep *step, const TaskEnd *end, const char *reason);
extern bool run_start_task(Run *run, TimestampTz now, const char *identity, int64 nonce);
extern void run_schedule_task(RunStep *step, bool forced);
extern void run_untake_task(RunStep *step);
extern void run_end_task(RunStep *step);
extern void run_task_ended_badly(RunStep *step, const TaskEnd *end);
extern void run_take_mail(RunStep *step, bool buffered);
extern void run_events_from_outside(RunStep *step);
extern void run_first_task_due(RunStep *step);
extern void run_force_close(RunStep *step, RunStatus status, int type, Jsonb *attributes);
extern void run_end_full(RunStep *step);
extern void run_move_home(RunStep *step);
extern void run_reset_sticky(RunStep *step);
extern void run_unstick(Run *run);
extern Deadline run_next_deadline(const Run *run);

#endif							/* TASKQ_RUN_TASK_H */
