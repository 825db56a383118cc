/*
 * notify.c
 *		The worker's chore for coalesced NOTIFY.
 *
 * A NOTIFY takes a lock of the whole cluster through the flush of the commit
 * that sends it, so no transaction of a user ever sends one.  At its end it
 * marks the channel (channel_marks.c) in shared memory, and the worker of the
 * database sends the notifications of all: per channel the first at once, and
 * then at most one per taskq.notify_interval.  A channel that the directory has
 * given up while somebody listens is notified once more, without waiting.
 *
 * When a delayed task has become due, the following one is looked up in the
 * table.  The worker sets next_due to infinity *before* it takes the snapshot
 * for that, and lowers it to what it found after: whoever commits a delayed task
 * that the snapshot did not see marks the channel later, since transactions do
 * when they can be seen, and lowers it too.
 *
 * All of this is hints.  What was taken from shared memory and could not be
 * sent, because the worker's transaction failed, is put back by the next
 * round; a worker that starts takes every queue of its database for one with
 * news.  The sending transaction does not wait for its flush: that would only
 * prolong the lock, and a notification lost in a crash has no listener left.
 */
#include "postgres.h"

#include "commands/async.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/clock.h"
#include "base/settings.h"
#include "shared/channel_marks.h"
#include "shared/channels.h"
#include "shared/directory.h"
#include "store/ready_count.h"
#include "task/queue_keys.h"
#include "worker/channel_queues.h"
#include "worker/chore.h"
#include "worker/notify.h"

/* channels served in one round; further ones have to wait for the next */
#define MAX_BATCH			16

/* What the worker took from shared memory. */
typedef struct Taken
{
	ChannelRef	ref;
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

StaticAssertDecl(lengthof(event_names) == WORKER_EVENT_DELETED + 1,
				 "each has a name");

/*
 * has_something: is there anything to be sent on this channel?
 */
static bool
has_something(const ListenedChannel *channel, TimestampTz now)
{
	return channel->news || channel->events_used > 0 ||
		(channel->next_due <= now && channel->next_due != DT_NOBEGIN);
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
	TimestampTz next = TIMESTAMP_NEVER;

	if (channel->leaving || channel_is_over(channel, real_now))
		return now;
	if (channel->next_due == DT_NOBEGIN)
		next = channel_is_nameless(channel) ? channel_queues_next(now) : now;
	else if (channel->next_due > now)
		next = channel->next_due;
	if (has_something(channel, now))
		next = Min(next, may_send_at(channel, now));
	return next;
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
	for (int i = 0; i < channel_places(); i++)
	{
		const ListenedChannel *channel = channel_at(i);

		if (channel != NULL)
		{
			TimestampTz when = wants(channel, now, real_now);

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
take(ListenedChannel *channel, TimestampTz now, TimestampTz real_now)
{
	Taken	   *taken = &batch[batch_used++];
	bool		nameless = channel_is_nameless(channel);
	bool		due = channel->next_due <= now && !channel->leaving;

	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	Assert(batch_used <= MAX_BATCH);
	taken->ref = channel_ref(channel);
	taken->notify = has_something(channel, now) &&
		(channel->leaving || may_send_at(channel, now) <= now);
	taken->look_up = due && !nameless;
	taken->found = TIMESTAMP_NEVER;
	taken->channel = *channel;

	if (due)
		channel->next_due = nameless ? DT_NOBEGIN : TIMESTAMP_NEVER;
	if (taken->notify)
	{
		channel->news = false;
		channel->events_used = 0;
		channel->last_sent = now;
		channel->used = real_now;
	}
}

/*
 * take_channels: take over what is to be done now, as far as there is room, and
 * forget the channels whose time is over.  It begins where the last batch was
 * full, so that all have their turn.
 */
static void
take_channels(TimestampTz now)
{
	static int	turn = 0;
	TimestampTz real_now = GetCurrentTimestamp();

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int n = 0; n < channel_places() && batch_used < MAX_BATCH; n++)
	{
		int			i = turn;
		ListenedChannel *channel = channel_at(i);

		turn = (turn + 1) % channel_places();
		if (channel == NULL)
			continue;
		if (channel_is_over(channel, real_now))
			channel_forget(i);
		else if (wants(channel, now, real_now) <= now)
			take(channel, now, real_now);
	}
	LWLockRelease(control->lock);
}

/*
 * send: queue the notifications of a channel for the end of the transaction.
 */
static void
send(const ListenedChannel *channel)
{
	if (channel->kind == NAME_OF_QUEUE)
	{
		Async_Notify(channel->channel, "");
		return;
	}
	for (int i = 0; i < channel->events_used; i++)
	{
		const PendingEvent *event =
		&channel->events[(channel->events_first + i) % MAX_PENDING_EVENTS];

		Async_Notify(channel->channel,
					 psprintf("{\"run_id\": \"" INT64_FORMAT "\", \"attempt\": %d, \"event\": \"%s\"}",
							  event->run_id, event->attempt,
							  event_names[event->event]));
	}
}

/*
 * notify_begin: begin a transaction of the chore that sends notifications, up to
 * chore_commit(), which does not wait for its flush.
 */
void
notify_begin(const char *chore)
{
	chore_begin(chore);
	(void) set_config_option("synchronous_commit", "off",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * process_batch: look up and send what was taken.  On error it stays in the
 * batch.
 */
static void
process_batch(TimestampTz now)
{
	notify_begin("notify");
	for (int i = 0; i < batch_used; i++)
	{
		Taken	   *taken = &batch[i];

		if (taken->look_up)
		{
			QueueRef	queue =
				queue_ref(cstring_to_text_with_len(taken->channel.name,
												   taken->channel.name_length));

			taken->found = store_next_due(&queue, now);
		}
		if (taken->notify)
			send(&taken->channel);
	}
	chore_commit();
}

/*
 * put_back: a channel could not be served, and is to be served again.
 */
static void
put_back(const Taken *taken, ListenedChannel *channel)
{
	const ListenedChannel *was = &taken->channel;

	if (taken->look_up)
		channel->next_due = DT_NOBEGIN;
	if (!taken->notify)
		return;
	channel->news = channel->kind == NAME_OF_QUEUE;
	for (int i = 0; i < was->events_used; i++)
		channel_add_event(channel,
						  &was->events[(was->events_first + i) % MAX_PENDING_EVENTS]);
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
		ListenedChannel *channel = channel_referred(&taken->ref);

		if (channel == NULL)
			continue;
		if (failed)
			put_back(taken, channel);
		else if (channel->leaving)
			channel_forget(taken->ref.place);
		else if (taken->look_up)
			channel->next_due = Min(channel->next_due, taken->found);
	}
	LWLockRelease(control->lock);
	batch_used = 0;
}

/*
 * listen_stop: the worker ends, maybe in the middle of a batch, which is left
 * to the next one.
 */
void
listen_stop(void)
{
	if (batch_used > 0)
		settle_batch(true);
	channel_queues_stop();
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
		channels_all_queues();
	starting = false;

	if (!channels_anybody())
		return TIMESTAMP_NEVER;
	next = earliest(now);
	if (next > now)
		return next;

	channel_queues_find(now);
	take_channels(now);
	if (batch_used > 0)
		process_batch(now);
	settle_batch(false);
	return earliest(clock_now());
}
