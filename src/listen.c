/*
 * listen.c
 *		Coalesced NOTIFY: what transactions mark, and the chore that sends it.
 *
 * A NOTIFY takes a lock of the whole cluster through the flush of the commit
 * that sends it, so no transaction of a user ever sends one.  At its end it
 * marks the channel (channel.c) in shared memory, and the worker of the
 * database sends the notifications of all: per channel the first at once, and
 * then at most one per taskq.notify_interval.
 *
 * Queue channels.  "news" says that a task of the queue is due.  "next_due" is
 * the earliest instant known at which a delayed one will be; when it comes,
 * that is news, and the following one is looked up in the table.  -infinity
 * means that it has to be looked up.  The worker sets next_due to infinity
 * *before* it takes the snapshot for that, and lowers it to what it found
 * after: whoever commits a delayed task that the snapshot did not see comes
 * here later, since transactions do when they can be seen, and lowers it too.
 *
 * Worker channels carry what happened to attempts: a short ring of events per
 * channel, of which the oldest is lost when there are too many.
 *
 * Everything shared is covered by control->lock.  The functions for the end of
 * a transaction neither allocate nor fail.  A mark that is there already costs
 * them the shared lock only; who sets one sets the worker's latch after it.
 *
 * All of this is hints.  What was taken from shared memory and could not be
 * sent, because the worker's transaction failed, is put back by the next
 * round; a worker that starts takes every queue of its database for one with
 * news.  The sending transaction does not wait for its flush: that would only
 * prolong the lock, and a notification lost in a crash has no listener left.
 */
#include "postgres.h"

#include "commands/async.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "channel.h"
#include "clock.h"
#include "guc.h"
#include "listen.h"
#include "shmem.h"
#include "store.h"
#include "taskq.h"
#include "worker.h"

/* channels served in one round; further ones have to wait for the next */
#define MAX_BATCH			16

/* What the worker took from shared memory. */
typedef struct Taken
{
	bool		notify;			/* send it */
	bool		look_up;		/* see when the next task becomes due */
	TimestampTz found;			/* that is when */
	ListenedChannel channel;	/* as it was */
} Taken;

static Taken batch[MAX_BATCH];
static int	batch_used = 0;

static const char *const event_names[] = {
	[WORKER_EVENT_CANCEL_REQUESTED] = "cancel_requested",
	[WORKER_EVENT_PAUSED] = "paused",
	[WORKER_EVENT_RESET] = "reset",
	[WORKER_EVENT_TERMINATED] = "terminated",
	[WORKER_EVENT_TIMED_OUT] = "timed_out",
	[WORKER_EVENT_DELETED] = "deleted",
};

/* ------------------------------------------------------------------------
 * For the end of transactions: no allocation, no error
 * ------------------------------------------------------------------------
 */

/*
 * listen_hash: by which a channel of this database is found.  Never 0.
 */
uint64
listen_hash(const char *name, int length, bool is_worker)
{
	uint64		seed = ((uint64) MyDatabaseId << 1) | (is_worker ? 1 : 0);
	uint64		hash = hash_bytes_extended((const unsigned char *) name,
										   length, seed);

	return hash == 0 ? 1 : hash;
}

/*
 * listen_anybody: is any channel known?  Without a lock: who asks for one just
 * now looks for tasks after he got it.
 */
bool
listen_anybody(void)
{
	return control != NULL && control->listened > 0;
}

/*
 * mark_due: mark the queues with that hash; without "apply", only see whether
 * there is anything to mark.  Caller holds control->lock.
 */
static bool
mark_due(uint64 hash, TimestampTz due, TimestampTz now, bool apply)
{
	bool		any = false;

	for (int i = channel_next(hash, 0); i >= 0; i = channel_next(hash, i + 1))
	{
		ListenedChannel *channel = &control->channel[i];

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
 * listen_task_due: a task of the queue with that hash is due, or will be.
 */
void
listen_task_due(uint64 hash, TimestampTz due)
{
	TimestampTz now = clock_now();
	bool		any;

	if (!listen_anybody())
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
		shmem_wake_worker(shmem_my_slot());
}

/*
 * listen_all_queues: tasks of more queues than could be remembered are due, or
 * will be; also what a worker that starts has to assume.
 */
void
listen_all_queues(void)
{
	if (!listen_anybody())
		return;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < control->channels; i++)
	{
		ListenedChannel *channel = &control->channel[i];

		if (channel->database == MyDatabaseId && !channel->is_worker)
		{
			channel->news = true;
			channel->next_due = DT_NOBEGIN;
		}
	}
	LWLockRelease(control->lock);
	shmem_wake_worker(shmem_my_slot());
}

/*
 * add_event: append to a channel's ring, which forgets its oldest when full.
 */
static void
add_event(ListenedChannel *channel, const PendingEvent *event)
{
	int			i;

	if (channel->events_used == MAX_PENDING_EVENTS)
	{
		channel->events_first = (channel->events_first + 1) % MAX_PENDING_EVENTS;
		channel->events_used--;
	}
	i = (channel->events_first + channel->events_used) % MAX_PENDING_EVENTS;
	channel->events[i] = *event;
	channel->events_used++;
}

/*
 * listen_worker_event: something happened to an attempt that the worker with
 * that hash holds.
 */
void
listen_worker_event(uint64 hash, int64 run_id, int attempt, WorkerEvent event)
{
	PendingEvent pending = {run_id, attempt, event};
	bool		any = false;

	if (!listen_anybody())
		return;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = channel_next(hash, 0); i >= 0; i = channel_next(hash, i + 1))
	{
		add_event(&control->channel[i], &pending);
		any = true;
	}
	LWLockRelease(control->lock);
	if (any)
		shmem_wake_worker(shmem_my_slot());
}

/* ------------------------------------------------------------------------
 * The chore
 * ------------------------------------------------------------------------
 */

/*
 * has_something: is there anything to be sent on this channel?
 */
static bool
has_something(const ListenedChannel *channel, TimestampTz now)
{
	return channel->news || channel->events_used > 0 ||
		channel->next_due <= now;
}

/*
 * may_send_at: when the channel may be notified again.
 */
static TimestampTz
may_send_at(const ListenedChannel *channel, TimestampTz now)
{
	if (channel->last_sent == DT_NOBEGIN || channel->last_sent > now)
		return now;				/* never before, or the clock was set back */
	return channel->last_sent + taskq_notify_interval * INT64CONST(1000);
}

/*
 * wants: when there is something to do for a channel.
 */
static TimestampTz
wants(const ListenedChannel *channel, TimestampTz now, TimestampTz real_now)
{
	if (channel->next_due == DT_NOBEGIN || channel->until <= real_now)
		return now;
	if (has_something(channel, now))
		return may_send_at(channel, now);
	return channel->next_due;
}

/*
 * earliest: when there is something to do for any channel of this database.
 */
static TimestampTz
earliest(TimestampTz now)
{
	TimestampTz real_now = GetCurrentTimestamp();
	TimestampTz next = TIMESTAMP_NEVER;

	LWLockAcquire(control->lock, LW_SHARED);
	for (int i = 0; i < control->channels; i++)
	{
		if (control->channel_hash[i] != 0 &&
			control->channel[i].database == MyDatabaseId)
		{
			TimestampTz when = wants(&control->channel[i], now, real_now);

			next = Min(next, when);
		}
	}
	LWLockRelease(control->lock);
	return next;
}

/*
 * take: take over what is to be done for a channel.
 */
static void
take(ListenedChannel *channel, TimestampTz now)
{
	Taken	   *taken = &batch[batch_used++];

	taken->notify = channel->next_due == DT_NOBEGIN ?
		channel->news && may_send_at(channel, now) <= now :
		has_something(channel, now);
	taken->look_up = !channel->is_worker && channel->next_due <= now;
	taken->found = TIMESTAMP_NEVER;
	taken->channel = *channel;

	if (taken->look_up)
		channel->next_due = TIMESTAMP_NEVER;
	if (taken->notify)
	{
		channel->news = false;
		channel->events_used = 0;
		channel->last_sent = now;
	}
}

/*
 * take_batch: take over what is to be done now, as far as there is room, and
 * forget the channels that nobody asked for within the hour.
 */
static void
take_batch(TimestampTz now)
{
	TimestampTz real_now = GetCurrentTimestamp();

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < control->channels && batch_used < MAX_BATCH; i++)
	{
		ListenedChannel *channel = &control->channel[i];

		if (control->channel_hash[i] == 0 ||
			channel->database != MyDatabaseId)
			continue;
		if (channel->until <= real_now)
			channel_forget(i);
		else if (wants(channel, now, real_now) <= now)
			take(channel, now);
	}
	LWLockRelease(control->lock);
}

/*
 * send: queue the notifications of a channel for the end of the transaction.
 */
static void
send(const ListenedChannel *channel)
{
	char	   *name = channel_name(channel->name, channel->name_length,
									channel->is_worker);

	if (!channel->is_worker)
	{
		Async_Notify(name, "");
		return;
	}
	for (int i = 0; i < channel->events_used; i++)
	{
		const PendingEvent *event =
		&channel->events[(channel->events_first + i) % MAX_PENDING_EVENTS];

		Async_Notify(name,
					 psprintf("{\"run_id\": " INT64_FORMAT ", \"attempt\": %d, \"event\": \"%s\"}",
							  event->run_id, event->attempt,
							  event_names[event->event]));
	}
}

/*
 * process_batch: look up and send what was taken.  On error it stays in the
 * batch.
 */
static void
process_batch(TimestampTz now)
{
	worker_begin("notify");
	(void) set_config_option("synchronous_commit", "off",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	for (int i = 0; i < batch_used; i++)
	{
		Taken	   *taken = &batch[i];

		if (taken->look_up)
			taken->found =
				store_next_due(cstring_to_text_with_len(taken->channel.name,
														taken->channel.name_length),
							   now);
		if (taken->notify)
			send(&taken->channel);
	}
	worker_commit();
}

/*
 * settle_batch: done, or ("failed") to be done again.
 */
static void
settle_batch(bool failed)
{
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < batch_used; i++)
	{
		const Taken *taken = &batch[i];
		const ListenedChannel *was = &taken->channel;
		ListenedChannel *channel = channel_find(was->hash, was->name,
												was->name_length);

		if (channel == NULL)
			continue;
		if (taken->look_up)
			channel->next_due = failed ? DT_NOBEGIN :
				Min(channel->next_due, taken->found);
		if (failed && taken->notify)
		{
			channel->news = !channel->is_worker;
			for (int j = 0; j < was->events_used; j++)
				add_event(channel,
						  &was->events[(was->events_first + j) % MAX_PENDING_EVENTS]);
		}
	}
	LWLockRelease(control->lock);
	batch_used = 0;
}

/*
 * listen_run: the chore.
 */
TimestampTz
listen_run(void)
{
	static bool starting = true;
	TimestampTz now = clock_now();
	TimestampTz next;

	if (batch_used > 0)
		settle_batch(true);
	if (starting)
		listen_all_queues();
	starting = false;

	if (!listen_anybody())
		return TIMESTAMP_NEVER;
	next = earliest(now);
	if (next > now)
		return next;

	take_batch(now);
	if (batch_used > 0)
		process_batch(now);
	settle_batch(false);
	return earliest(clock_now());
}
