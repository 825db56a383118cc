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
#include "notes/effects.h"
#include "store/find.h"
#include "store/open.h"
#include "task/kinds.h"
#include "task/store_result.h"
#include "worker/timer_look.h"

#define BUSY_RETRY		(10 * INT64CONST(1000))	/* us, row held by another */

static Deadline
next_deadline(const Task *task)
{
	const Kind *kind = kind_of(task);

	return kind->next_deadline(task, kind->last_alive == NULL ? DT_NOBEGIN :
							   kind->last_alive(task));
}

/*
 * The first deadline of the row as it is now.  Before a deadline of an attempt
 * fires the row gets locked, so that no sign of life comes in between: a
 * transaction that has given one and is still open counts as holding it.
 */
static StoreResult
current_deadline(Task *task, TimestampTz now, Deadline *deadline)
{
	const Kind *kind = kind_of(task);
	StoreResult result;

	*deadline = kind->next_deadline(task, DT_NOBEGIN);
	if (deadline->when > now || !state_in_progress(task->state))
		return STORE_OK;
	*deadline = next_deadline(task);
	if (deadline->when > now)
		return STORE_OK;
	result = store_lock(task, false);
	if (result != STORE_OK)
		return result;
	if (kind->is_held != NULL && kind->is_held(task))
		return STORE_BUSY;
	*deadline = next_deadline(task);
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
look_at_deadline(Look *look, const Task *task, const Deadline *deadline)
{
	look_again(look, deadline->when, true);
	if (deadline->renewal == 0)
		return;
	look->next.nonce = task->nonce;
	look->next.renewal = deadline->renewal;
	look->next.other = kind_of(task)->next_deadline(task, DT_NOEND).when;
}

/* not due yet: wait in the table or in the heap */
static StoreResult
wait_on(Look *look, Task *task, const Deadline *deadline, TimestampTz now,
		bool armed)
{
	StoreResult result;

	if (deadline->when == DT_NOEND)
		return STORE_OK;
	if (task->alarm > now && task->alarm <= deadline->when)
		return STORE_OK;		/* the alarm will bring it up */
	if (armed || !state_in_progress(task->state))
	{
		look_at_deadline(look, task, deadline);
		return STORE_OK;
	}
	task->alarm = deadline->when;
	result = store_update(task, false);
	if (result == STORE_OK)
		effects_alarm(task->alarm);
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
		TaskRoom	room;
		Task	   *task = &room.task;
		Deadline	deadline;
		TimestampTz now = clock_now();
		StoreResult result;

		CHECK_FOR_INTERRUPTS();
		if (!store_find_task(look->watch->run_id, &room))
			return;
		result = current_deadline(task, now, &deadline);
		if (result == STORE_OK)
		{
			if (deadline.when > now)
			{
				result = wait_on(look, task, &deadline, now, armed);
				if (result == STORE_OK)
					return;
			}
			else
			{
				result = kind_of(task)->time_out(task, deadline.type, now);
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
