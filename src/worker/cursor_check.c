/*
 * cursor_check.c
 *		The worker's look at what polls do not look at.
 *
 * Every taskq.cursor_check_interval each lane is read from its beginning to its
 * cursor.  A task that could be started there, twice in a row, has been passed
 * over: that is logged, and the cursor goes back to it.  Dead entries, which may be many while
 * an old transaction is open, are read BUDGET at a time, so that timers do not
 * wait, and a check that took long is not repeated too soon.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "common/lengths.h"
#include "shared/cursor_table.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "store/ready_count.h"
#include "task/queue_keys.h"
#include "worker/chore.h"
#include "worker/cursor_check.h"

#define BUDGET			20000	/* index entries read in one transaction */
#define COST_SHARE		50		/* the time for a check is at most one part of */

/* The check in progress. */
static MemoryContext check_context = NULL;
static QueueKey *queues;
static int	nqueues = 0;
static int	current = 0;
static CheckPlace place;

static TimestampTz next_check = DT_NOBEGIN; /* real clock */
static int64 spent;				/* us of the check in progress */

static void
start(void)
{
	MemoryContext old_context;

	if (check_context == NULL)
		check_context = AllocSetContextCreate(TopMemoryContext,
											  "taskq cursor check",
											  ALLOCSET_SMALL_SIZES);
	MemoryContextReset(check_context);
	old_context = MemoryContextSwitchTo(check_context);
	queues = cursors_queues(&nqueues);
	MemoryContextSwitchTo(old_context);
	ready_check_again();
	current = 0;
	memset(&place, 0, sizeof(place));
	place.from = READY_KEY_FIRST;
	spent = 0;
}

/* the name of a queue, or NULL when nobody knows it any more */
static text *
name_of(const QueueKey *key)
{
	char		name[MAX_QUEUE_NAME_LENGTH];
	int			length = -1;
	QueueState *state;

	queue_state_lock(key, LW_SHARED);
	state = queue_state_find(key);
	if (state != NULL)
	{
		length = state->name_length;
		memcpy(name, state->name, length);
	}
	queue_state_unlock();
	return length < 0 ? NULL : cstring_to_text_with_len(name, length);
}

/* a piece of the check; true when all queues are done */
static bool
check_piece(void)
{
	int			budget = BUDGET;

	for (; current < nqueues && budget > 0; current++)
	{
		QueueRef	queue = {queues[current], name_of(&queues[current]), false};

		if (queue.name == NULL)
			cursors_forget_queue(&queues[current]);
		else if (!ready_check(&queue, &place, &budget))
			return false;
		else
			cursors_prune(&queues[current]);
		place.lane = 0;
		place.from = READY_KEY_FIRST;
	}
	return current >= nqueues;
}

/* cursor_check_run: the chore. */
TimestampTz
cursor_check_run(void)
{
	TimestampTz begin = GetCurrentTimestamp();
	int64		interval = taskq_cursor_check_interval * USECS_PER_SEC;
	bool		done;

	if (is_ahead(next_check, begin, interval + COST_SHARE * spent))
		return instant_add(clock_now(), next_check - begin);
	if (current >= nqueues)
		start();
	chore_begin("cursors");
	done = check_piece();
	chore_commit();
	spent += GetCurrentTimestamp() - begin;
	next_check = begin;
	if (!done)
		return clock_now();
	next_check += Max(interval, COST_SHARE * spent);
	return instant_add(clock_now(), next_check - begin);
}
