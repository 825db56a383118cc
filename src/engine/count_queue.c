/*
 * count_queue.c
 *		Counting the open activities of one queue, by who needs the number.
 *
 * The worker counts the whole table (worker/recount.c), which takes long where
 * there are many queues, and cannot keep the numbers of more of them than shared
 * memory has room for.  Who only needs those of one queue, and that is a poll
 * where max_started counts, reads its rows in open_ready.
 *
 * To be exact while others commit it takes its snapshot with the queue locked,
 * and sets the numbers to zero then: who is not in the snapshot moves them later,
 * and adds to what is counted.  If somebody is in it who has not moved his yet
 * (counts_in_flight) it lets go of the lock and takes another snapshot.  Who
 * takes over a count, from the worker or from another poll, signs the entry; the
 * one who finds another's name at the end has counted in vain.
 *
 * It is left to the worker while a transaction is prepared that wrote to
 * taskq.open, and while attempts may run that were taken from a queue in which
 * their row is no longer (counts_may_be_elsewhere).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "engine/count_queue.h"
#include "shared/counts.h"
#include "shared/counts_known.h"
#include "shared/delays.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queues.h"
#include "store/scan.h"
#include "task/task.h"

#define MAX_TRIES		100
#define TRY_AGAIN_US	(10 * INT64CONST(1000))	/* while others are at it */
#define PATIENCE_US		(2 * USECS_PER_SEC)	/* with another who counts */

/* ------------------------------------------------------------------------
 * Numbers
 * ------------------------------------------------------------------------
 */

/* count_row: one row more; true, with *delay, when its task was delayed. */
bool
count_row(QueueCount *count, const QueueKey *queue, const OpenCount *row,
		  DelayKey *delay)
{
	if (row->state == STATE_PAUSED)
		count->paused++;
	else if (row->state != STATE_SCHEDULED)
		count->started++;
	else
	{
		count->waiting[row->level - 1]++;
		if (delay_key(delay, queue, row->level, row->since,
					  row->dispatch_time))
			return true;
		count->latest_due = Max(count->latest_due, row->dispatch_time);
	}
	return false;
}

/*
 * count_from_zero: from now on the numbers are what comes after the snapshot of
 * who counts: the worker (0), or a poll (see counted_by).  Caller holds the
 * queue's lock.
 */
void
count_from_zero(QueueState *state, int counter)
{
	Assert(queue_state_is_locked(queue_state_part(&state->key), LW_EXCLUSIVE));
	state->being_counted = true;
	state->counted_by = counter;
	state->started = state->paused = 0;
	memset(state->waiting, 0, sizeof(state->waiting));
	delays_forget(state);
	state->delays_known = true;
	state->latest_due = state->delays_from = DT_NOBEGIN;
}

/* count_add: add it to what has moved since.  Caller holds the queue's lock. */
void
count_add(QueueState *state, const QueueCount *count)
{
	Assert(queue_state_is_locked(queue_state_part(&state->key), LW_EXCLUSIVE));
	state->started += count->started;
	state->paused += count->paused;
	for (int i = 0; i < LEVELS; i++)
		state->waiting[i] += count->waiting[i];
	state->latest_due = Max(state->latest_due, count->latest_due);
}

/* ------------------------------------------------------------------------
 * One queue
 * ------------------------------------------------------------------------
 */

/* A count in progress. */
typedef struct Counting
{
	QueueKey	key;
	QueueCount	count;
	bool		any_delayed;
} Counting;

typedef enum Begun
{
	COUNT_KNOWN,				/* there is nothing to count */
	COUNT_BEGUN,
	COUNT_AGAIN,				/* try again */
	COUNT_NO_ROOM
} Begun;

static int
my_name(void)
{
	return compat_my_proc_number() + 1;
}

/* is somebody else at it, and not for too long? */
static bool
is_in_good_hands(const QueueState *state)
{
	return state->counted_by != 0 && state->counted_by != my_name() &&
		state->counted_since > GetCurrentTimestamp() - PATIENCE_US;
}

/*
 * Take the snapshot to count with, which has to be registered at once.  Nothing
 * may fail while the queue is locked.
 */
static Begun
begin(const QueueRef *queue, DatabaseSlot *slot, uint32 prepared,
	  Snapshot *snapshot)
{
	Begun		begun = COUNT_AGAIN;
	QueueState *state;

	queue_state_lock(&queue->key, LW_EXCLUSIVE);
	state = queue_state_get(&queue->key, VARDATA_ANY(queue->name),
							VARSIZE_ANY_EXHDR(queue->name));
	if (state == NULL)
		begun = COUNT_NO_ROOM;
	else if (state->known)
		begun = COUNT_KNOWN;
	else if (counts_prepares(slot) == prepared && !is_in_good_hands(state))
	{
		*snapshot = GetLatestSnapshot();
		if (!counts_in_flight(*snapshot))
		{
			count_from_zero(state, my_name());
			state->counted_since = GetCurrentTimestamp();
			begun = COUNT_BEGUN;
		}
	}
	queue_state_unlock();
	return begun;
}

/* rows of others' attempts are theirs to count */
static void
count_if_ours(const OpenCount *row, void *arg)
{
	Counting   *counting = arg;
	DelayKey	delay;

	if (!row->elsewhere)
		counting->any_delayed |= count_row(&counting->count, &counting->key,
										   row, &delay);
}

/* what was counted is known from now on; false when it is of no use */
static bool
publish(const Counting *counting)
{
	QueueState *state;
	bool		mine;

	queue_state_lock(&counting->key, LW_EXCLUSIVE);
	state = queue_state_find(&counting->key);
	mine = state != NULL && state->being_counted &&
		state->counted_by == my_name();
	if (mine)
	{
		count_add(state, &counting->count);
		if (counting->any_delayed)
		{
			delays_forget(state);
			state->delays_known = false;
		}
		state->being_counted = false;
		state->counted_by = 0;
		state->known = true;
	}
	queue_state_unlock();
	return mine;
}

/* an error has ended the count */
static void
give_up(const QueueKey *key)
{
	QueueState *state;

	queue_state_lock(key, LW_EXCLUSIVE);
	state = queue_state_find(key);
	if (state != NULL && state->counted_by == my_name())
	{
		state->being_counted = false;
		state->counted_by = 0;
	}
	queue_state_unlock();
}

/* count with a snapshot that has just been taken; false when in vain */
static bool
count(const QueueRef *queue, Snapshot latest)
{
	Counting	counting = {.key = queue->key};
	Snapshot	snapshot;

	counting.count.latest_due = DT_NOBEGIN;
	PG_TRY();
	{
		PushCopiedSnapshot(latest);
		GetActiveSnapshot()->curcid = FirstCommandId;	/* not what we do */
		snapshot = RegisterSnapshot(GetActiveSnapshot());
		PopActiveSnapshot();
		store_scan_queue(queue->name, snapshot, count_if_ours, &counting);
		UnregisterSnapshot(snapshot);
	}
	PG_CATCH();
	{
		give_up(&queue->key);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return publish(&counting);
}

/* others commit, or count: they are done in a moment */
static void
wait_for_others(DatabaseSlot *slot)
{
	ConditionVariablePrepareToSleep(&slot->answered);
	(void) directory_await(slot, GetCurrentTimestamp() + TRY_AGAIN_US,
					   custom_wait_event("TaskqCounts"));
	ConditionVariableCancelSleep();
}

/*
 * count_queue: count the queue's activities, unless they are known.  False when
 * they are not known then either: that is for the worker.
 */
bool
count_queue(const QueueRef *queue)
{
	DatabaseSlot *slot = directory_my_slot();

	if (slot == NULL)
		return false;
	store_scan_lock();
	for (int tries = 0; tries < MAX_TRIES; tries++)
	{
		uint32		prepared = counts_prepares(slot);
		Snapshot	snapshot = NULL;
		Begun		begun;

		CHECK_FOR_INTERRUPTS();
		if (counts_may_be_elsewhere(slot) || store_scan_unsettled())
			return false;
		begun = begin(queue, slot, prepared, &snapshot);
		if (begun == COUNT_KNOWN ||
			(begun == COUNT_BEGUN && count(queue, snapshot)))
		{
			directory_answered(slot);
			return true;
		}
		if (begun == COUNT_NO_ROOM)
			return false;
		wait_for_others(slot);
	}
	return false;
}
