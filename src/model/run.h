/*
 * run.h
 *		One workflow execution as a C struct: what its state machine works on and
 *		the store reads and writes.  An open run is a row of taskq.open, and that
 *		row is the queue entry of its workflow task.
 *
 * Its task is in "task": its queue has the prefix of workflow queues or of sticky
 * ones; schedule_time, attempt, worker and nonce are those of the task.  Without a
 * task the state is STATE_NO_TASK and there is no dispatch time.
 *
 * Durations are microseconds, 0 = unset.  Varlena fields are NULL when the
 * column is; they may point into a tuple, and may be toasted unless a comment
 * says otherwise.
 */
#ifndef TASKQ_RUN_H
#define TASKQ_RUN_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "model/retry_policy.h"
#include "task/kinds.h"

/* Queues of workflow tasks, and the private ones of workers. */
#define WORKFLOW_QUEUE_PREFIX	RESERVED_QUEUE_PREFIX "w/"
#define STICKY_QUEUE_PREFIX		PRIVATE_QUEUE_PREFIX

/* open.run_flags */
#define RUN_CANCEL_REQUESTED	0x01
#define RUN_TASK_WRITTEN		0x02	/* the task's Scheduled event is in the history */
#define RUN_TASK_STICKY			0x04	/* the task's Scheduled event names the sticky queue */
#define RUN_FIRST_TASK_DELAYED	0x08	/* there was no task yet: first_task_time is when */
#define RUN_HAS_RETRY_POLICY	0x10
#define RUN_STATE_TRANSIENT		0x20	/* the task's attempt is one after a failed one */
#define RUN_GREW				0x40	/* ... and the history has grown since */

/* Statuses, in the order of taskq.workflow_status. */
typedef enum RunStatus
{
	RUN_STATUS_RUNNING,
	RUN_STATUS_COMPLETED,
	RUN_STATUS_FAILED,
	RUN_STATUS_CANCELED,
	RUN_STATUS_TERMINATED,
	RUN_STATUS_CONTINUED_AS_NEW,
	RUN_STATUS_TIMED_OUT
} RunStatus;

#define RUN_STATUS_LAST			RUN_STATUS_TIMED_OUT

/* Types of deadlines. */
typedef enum RunDeadline
{
	RUN_DEADLINE_NONE,
	RUN_DEADLINE_RUN,			/* run or execution timeout */
	RUN_DEADLINE_TASK,			/* start-to-close of the task */
	RUN_DEADLINE_STICKY,		/* schedule-to-start on a sticky queue */
	RUN_DEADLINE_TIMER,			/* a user timer, perhaps */
	RUN_DEADLINE_FIRST_TASK		/* the first task is due to be scheduled */
} RunDeadline;

typedef struct Run
{
	Task		task;			/* first: a Task of kind workflow is a Run */

	text	   *workflow_id;	/* detoasted */
	text	   *workflow_type;	/* detoasted */
	text	   *home_queue;		/* its own queue, without prefix; detoasted */
	text	   *sticky_queue;	/* of the worker that has it cached, without prefix; NULL = none */
	text	   *request_id;		/* of the start */
	int64		sticky_timeout; /* schedule-to-start there */
	int64		task_timeout;	/* start-to-close of tasks */
	int64		attempt_timeout;	/* of this attempt of the task */

	int64		next_event_id;	/* the next to be given */
	int64		scheduled_event_id; /* of the task; 0 = none, or not numbered (transient) */
	int64		started_event_id;	/* likewise */
	int64		previous_started_event_id;	/* of the last task that was completed; 0 = none */
	int64		history_size;	/* bytes, about */
	int16		history_leaves; /* a bit for each that has appends of the run */
	int16		flags;			/* RUN_... */
	int32		signals;		/* received so far */
	int32		pending_activities;
	int32		pending_timers;

	TimestampTz start_time;
	TimestampTz deadline;		/* run timeout, as an instant; DT_NOEND = none */
	TimestampTz timer_due;		/* not later than the first user timer; DT_NOEND = none */
	TimestampTz first_task_time;	/* when the first of a row of forced tasks was
									 * scheduled, or see RUN_FIRST_TASK_DELAYED */

	bool		has_priority;
	int32		priority;
	RetryPolicy retry_policy;	/* if RUN_HAS_RETRY_POLICY */
	struct varlena *search_attributes;	/* {"Name": value}, decoded */
	Jsonb	   *facts;			/* what is rarely asked for, see run_facts.h; column "control" */
} Run;

StaticAssertDecl(offsetof(Run, task) == 0, "a Task of kind workflow is a Run");
StaticAssertDecl(sizeof(Run) <= sizeof(TaskRoom), "a run has room");

#endif							/* TASKQ_RUN_H */
