/*
 * channel_marks.c
 *		What transactions mark on the channels that somebody listens to.
 *
 * Queue channels.  "news" says that a task of the queue is due.  "next_due" is
 * the earliest instant known at which a delayed one will be; when it comes,
 * that is news, and the worker looks the following one up in the table.
 * -infinity means that it has to be looked up.
 *
 * Worker channels carry what happened to attempts: a short ring of events per
 * channel, of which the oldest is lost when there are too many.
 *
 * Channels are found by hash alone.  Two names with one hash are both marked,
 * which is harmless.
 *
 * Everything is covered by control->lock.  Nothing here allocates or fails: it
 * is called at the end of transactions.  A mark that is there already costs them
 * the shared lock only; who sets one sets the worker's latch after it.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "shared/channel_marks.h"
#include "shared/channels.h"
#include "shared/directory.h"
#include "shared/sizes.h"

/*
 * mark_due: mark the queues with that hash; without "apply", only see whether
 * there is anything to mark.  Caller holds control->lock.
 */
static bool
mark_due(uint64 hash, TimestampTz due, TimestampTz now, bool apply)
{
	bool		any = false;

	Assert(apply ? LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE) :
		   LWLockHeldByMe(control->lock));
	for (int i = channel_next(hash, 0); i >= 0; i = channel_next(hash, i + 1))
	{
		ListenedChannel *channel = channel_at(i);

		if (channel == NULL)
			continue;
		if (due <= now && !channel->news)
		{
			any = true;
			if (apply)
				channel->news = true;
		}
		else if (due > now && due < channel->next_due)
		{
			any = true;
			if (apply)
				channel->next_due = due;
		}
	}
	return any;
}

/*
 * channels_task_due: a task of the queue with that hash is due, or will be.
 */
void
channels_task_due(uint64 hash, TimestampTz due)
{
	TimestampTz now = clock_now();
	bool		any;

	if (!channels_anybody())
		return;

	LWLockAcquire(control->lock, LW_SHARED);
	any = mark_due(hash, due, now, false);
	LWLockRelease(control->lock);
	if (!any)
		return;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	any = mark_due(hash, due, now, true);
	LWLockRelease(control->lock);
	if (any)
		directory_wake_worker(directory_my_slot());
}

/* may a channel of that hash not be notified at once?  Caller holds the lock. */
static bool
mark_hungry(uint64 hash, bool apply)
{
	bool		any = false;

	for (int i = channel_next(hash, 0); i >= 0; i = channel_next(hash, i + 1))
	{
		ListenedChannel *channel = channel_at(i);

		if (channel == NULL || channel->last_sent == DT_NOBEGIN)
			continue;
		any = true;
		if (apply)
			channel->last_sent = DT_NOBEGIN;
	}
	return any;
}

/*
 * channels_hungry: whoever polled the queue with that hash has found nothing: the
 * next task is told of at once.
 */
void
channels_hungry(uint64 hash)
{
	bool		any;

	LWLockAcquire(control->lock, LW_SHARED);
	any = mark_hungry(hash, false);
	LWLockRelease(control->lock);
	if (!any)
		return;
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	(void) mark_hungry(hash, true);
	LWLockRelease(control->lock);
	/* what waited for the interval need not wait any more */
	directory_wake_worker(directory_my_slot());
}

/*
 * channels_all_queues: tasks of more queues than could be remembered are due, or
 * will be; also what a worker that starts has to assume.
 */
void
channels_all_queues(void)
{
	if (!channels_anybody())
		return;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < channel_places(); i++)
	{
		ListenedChannel *channel = channel_at(i);

		if (channel != NULL && channel->kind == NAME_OF_QUEUE)
		{
			channel->news = true;
			channel->next_due = DT_NOBEGIN;
		}
	}
	LWLockRelease(control->lock);
	directory_wake_worker(directory_my_slot());
}

/*
 * channel_add_event: append to a channel's ring, which forgets its oldest when full.
 */
void
channel_add_event(ListenedChannel *channel, const PendingEvent *event)
{
	int			i;

	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	if (channel->events_used == MAX_PENDING_EVENTS)
	{
		size_exceeded(SIZE_EVENTS);
		channel->events_first = (channel->events_first + 1) % MAX_PENDING_EVENTS;
		channel->events_used--;
	}
	i = (channel->events_first + channel->events_used) % MAX_PENDING_EVENTS;
	channel->events[i] = *event;
	channel->events_used++;
}

/*
 * channels_worker_event: something happened to an attempt that the worker with
 * that hash holds.
 */
void
channels_worker_event(uint64 hash, int64 run_id, int attempt, WorkerEvent event)
{
	PendingEvent pending = {run_id, attempt, event};
	bool		any = false;

	if (!channels_anybody())
		return;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = channel_next(hash, 0); i >= 0; i = channel_next(hash, i + 1))
	{
		ListenedChannel *channel = channel_at(i);

		if (channel == NULL)
			continue;
		channel_add_event(channel, &pending);
		any = true;
	}
	LWLockRelease(control->lock);
	if (any)
		directory_wake_worker(directory_my_slot());
}
