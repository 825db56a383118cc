/*
 * timer_look.c
 *		A look at one row, because of a timeout.
 *
 * The row is read, its deadlines are computed, and the first one that has
 * passed is fired; then the next, until none has.
 *
 * Locks: rows are locked without waiting, a row that somebody else holds is
 * tried again soon.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "engine/execute.h"
#include "engine/heartbeat.h"
#include "model/machine.h"
#include "notes/effects.h"
#include "shared/channels.h"
#include "store/find.h"
#include "store/open.h"
#include "store/store_result.h"
#include "worker/timer_look.h"

#define BUSY_RETRY		(10 * INT64CONST(1000))	/* us, row held by another */

static Deadline
next_deadline(const Activity *activity)
{
	return activity_next_deadline(activity,
								  activity->options.heartbeat_timeout == 0 ?
								  DT_NOBEGIN : heartbeat_last_time(activity));
}

/*
 * The first deadline of the row as it is now.  Before a deadline of an attempt
 * fires the row gets locked, so that no heartbeat comes in between: a
 * transaction that has heartbeated and is still open counts as holding it.
 */
static StoreResult
current_deadline(Activity *activity, TimestampTz now, Deadline *deadline)
{
	StoreResult result;

	*deadline = activity_next_deadline(activity, DT_NOBEGIN);
	if (deadline->when > now || !state_in_progress(activity->task.state))
		return STORE_OK;
	*deadline = next_deadline(activity);
	if (deadline->when > now)
		return STORE_OK;
	result = store_lock(activity, false);
	if (result != STORE_OK)
		return result;
	if (heartbeat_is_held(activity))
		return STORE_BUSY;
	*deadline = next_deadline(activity);
	return STORE_OK;
}

/* look at it again then */
static void
look_again(Look *look, TimestampTz when, bool armed)
{
	look->again = true;
	look->next.run_id = look->watch->run_id;
	look->next.when = when;
	look->next.armed = armed;
	look->next.nonce = 0;
}

/* look at it again at this deadline, computed from the row */
static void
look_at_deadline(Look *look, const Activity *activity,
				 const Deadline *deadline)
{
	look_again(look, deadline->when, true);
	if (deadline->type != TIMEOUT_HEARTBEAT)
		return;
	look->next.nonce = activity->task.nonce;
	look->next.heartbeat_timeout = activity->options.heartbeat_timeout;
	look->next.other = activity_next_deadline(activity, DT_NOEND).when;
}

/* not due yet: wait in the table or in the heap */
static StoreResult
wait_on(Look *look, Activity *activity, const Deadline *deadline,
		TimestampTz now, bool armed)
{
	StoreResult result;

	if (deadline->when == DT_NOEND)
		return STORE_OK;
	if (activity->task.alarm > now && activity->task.alarm <= deadline->when)
		return STORE_OK;		/* the alarm will bring it up */
	if (armed || !state_in_progress(activity->task.state))
	{
		look_at_deadline(look, activity, deadline);
		return STORE_OK;
	}
	activity->task.alarm = deadline->when;
	result = store_update(activity, false);
	if (result == STORE_OK)
		effects_alarm(activity->task.alarm);
	return result;
}

static StoreResult
fire(Activity *activity, TimeoutType type, TimestampTz now)
{
	EventData	data = {0};
	Activity	before = *activity;
	Verdict		verdict;
	StoreResult result;

	data.now = now;
	data.timeout = type;
	verdict = machine_apply(activity, EVENT_TIMEOUT, &data);
	if (verdict.answer != ANSWER_DONE)
		return STORE_OK;
	result = execute_store(activity, &before, false);
	if (result == STORE_OK && state_in_progress(before.task.state))
		effects_worker_event(before.task.worker, before.task.run_id, before.task.attempt,
							 WORKER_EVENT_TIMED_OUT);
	return result;
}

/*
 * timer_look: fire what is due for the run; it may take several rounds.  Says in
 * *look when to look again.  In a transaction; what it says holds once that has
 * committed.
 */
void
timer_look(Look *look)
{
	bool		armed = look->watch->armed;

	Assert(IsTransactionState() && look->watch != NULL);
	look->again = look->busy = false;
	for (;;)
	{
		Activity	activity;
		Deadline	deadline;
		TimestampTz now = clock_now();
		StoreResult result;

		CHECK_FOR_INTERRUPTS();
		if (!store_find(look->watch->run_id, &activity))
			return;
		result = current_deadline(&activity, now, &deadline);
		if (result == STORE_OK)
		{
			if (deadline.when > now)
			{
				result = wait_on(look, &activity, &deadline, now, armed);
				if (result == STORE_OK)
					return;
			}
			else
			{
				result = fire(&activity, deadline.type, now);
				armed = true;
			}
		}
		if (result == STORE_BUSY)
		{
			look->busy = true;
			look_again(look, instant_add(now, BUSY_RETRY), armed);
			return;
		}
	}
}
