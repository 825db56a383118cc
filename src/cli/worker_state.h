/*
 * worker_state.h
 *		What a worker has while it runs: two sessions, attempts, reports.
 *
 * One session waits and polls, the other reports and heartbeats.
 */
#ifndef TASKQ_WORKER_STATE_H
#define TASKQ_WORKER_STATE_H

#include "cli/attempt.h"
#include "cli/verdict.h"
#include "cli/worker_options.h"
#include "client/session.h"

typedef struct ReportList
{
	Report	   *first;
	Report	  **last;
} ReportList;

typedef struct Worker
{
	const WorkerOptions *options;
	int64_t		now;			/* of this turn of the loop */

	Session		polls;
	bool		can_poll;		/* it is prepared */
	ClientTask *polled;			/* in a transaction that is not committed yet */
	int			polled_count;
	ReportList	polled_with;	/* what that completes */
	int			queue;			/* whose turn it is */
	bool		is_hot;			/* the last poll found something */
	bool		is_waiting;		/* for a task */
	bool		is_polling;		/* the transaction of a poll is not over */
	bool		asks_for_end;	/* --drain: nothing ran when the wait began */
	bool		may_end;		/* and it has found nothing */
	int64_t		poll_at;		/* not before, after an error */
	double		allowed;		/* attempts that --max-per-second lets start */
	int64_t		allowed_at;
	int			taken;			/* of these, by the poll that is on its way */

	Session		calls;
	bool		is_set_up;
	int64_t		call_at;
	bool		beats_singly;	/* a batch of them was refused */
	size_t		longest_output;
	ReportList	reports;
	ReportList	told;			/* on their way */

	Attempt    *attempts;
	int			attempt_count;
	int			unrunnable;		/* commands that could not be run, one after the other */
	bool		has_one;		/* --once */
	bool		not_done;		/* a task did not complete */
	bool		stopping;
	int64_t		grace_ends;		/* while stopping */
	bool		was_connected;
	int			exit_code;
} Worker;

#endif							/* TASKQ_WORKER_STATE_H */
