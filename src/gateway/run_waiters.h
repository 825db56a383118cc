/*
 * run_waiters.h
 *		Calls that wait for something to happen to a run.
 */
#ifndef TASKQ_GATEWAY_RUN_WAITERS_H
#define TASKQ_GATEWAY_RUN_WAITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/call.h"
#include "gateway/map.h"
#include "gateway/proto/common.pb-c.h"

typedef struct RunWaiter RunWaiter;

/*
 * Lives in its owner's struct, which begins with it.  The owner sets what comes
 * before run_id.
 */
struct RunWaiter
{
	Call	   *call;
	uint8_t		run[16];		/* its uuid */

	bool		wants_end;		/* of the run, not each change */

	/* Look whether it has happened; ends with run_waiter_seen() or _done(). */
	void		(*look) (RunWaiter *waiter);

	/*
	 * The run has completed, with this result, by a commit of our own: answer
	 * the call and free the waiter, or say false, and it looks.  NULL: never.
	 */
	bool		(*completed) (RunWaiter *waiter, Temporal__Payloads *result);

	/* It did not happen in time, or nobody waits: answer the call, free the waiter. */
	void		(*give_up) (RunWaiter *waiter);

	int64_t		run_id;			/* 0: not known yet */
	bool		is_looking;
	bool		is_touched;		/* since the look began */
	bool		is_over;
	bool		is_ours;		/* what it looks for is a commit of our own */
	bool		is_watched;
	LoopTimer	end;
	LoopTimer	next;			/* look, or watch */
	MapLink		by_run;
	MapLink		by_run_id;
	RunWaiter  *before;			/* of all that wait */
	RunWaiter  *behind;
};

extern void run_waiter_begin(RunWaiter *waiter);
extern void run_waiter_seen(RunWaiter *waiter, int64_t run_id);
extern void run_waiter_done(RunWaiter *waiter);
extern void run_touched(const uint8_t *run);
extern void run_completed(const uint8_t *run, Temporal__Payloads *result);
extern void run_waiters_notified(const char *payload);
extern void run_waiters_give_up(void);

#endif
