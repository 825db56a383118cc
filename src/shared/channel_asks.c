/*
 * channel_asks.c
 *		Who asks for channels, and who listens to them.
 *
 * What that means for the directory is in channels.c.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/settings.h"
#include "shared/channel_asks.h"
#include "shared/channels.h"
#include "shared/directory.h"
#include "shared/listened_queues.h"
#include "shared/sizes.h"
#include "task/queue_keys.h"

/* how long a channel is notified after somebody asked for it */
#define LISTENED_FOR		USECS_PER_HOUR

/*
 * tell_fit: say that the directory is too small, if it is: raises an error when
 * there was no room.
 */
static void
tell_fit(Fit fit)
{
	if (fit == FITS)
		return;
	size_exceeded(SIZE_CHANNELS);
	if (fit == FITS_NOT)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many channels are listened to"),
				 errhint("Consider increasing the configuration parameter \"taskq.max_listened_queues\" (currently %d).",
						 taskq_max_listened_queues)));
}

/* ------------------------------------------------------------------------
 * Asking and listening
 * ------------------------------------------------------------------------
 */

/*
 * channel_ask: keep the channel of that queue, worker or listener for an hour;
 * "channel" is its channel_name().  Raises 53400 when there is no room.  Takes
 * control->lock.
 */
ChannelRef
channel_ask(const char *name, int length, NameKind kind, const char *channel)
{
	uint64		hash = name_hash(name, length, kind);
	DatabaseSlot *slot = directory_my_slot();
	TimestampTz real_now = GetCurrentTimestamp();
	ListenedChannel *known;
	ChannelRef	ref = {-1, 0};
	Fit			fit = FITS;
	bool		is_new = false;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	known = channel_find(hash, channel);
	if (known == NULL)
		known = channel_add(hash, channel, kind, real_now, &fit);
	if (known != NULL)
	{
		known->until = real_now + LISTENED_FOR;
		known->used = real_now;
		known->was_listened = known->listeners > 0;
		is_new = known->name_length == 0;
		if (is_new)
			channel_set_name(known, name, length);
		ref = channel_ref(known);
	}
	LWLockRelease(control->lock);

	tell_fit(fit);
	if (is_new)
		directory_wake_worker(slot);
	return ref;
}

/*
 * channel_known: is the channel known?  Then *ref refers to it.  Takes
 * control->lock.
 */
bool
channel_known(const char *name, int length, NameKind kind,
			  const char *channel, ChannelRef *ref)
{
	ListenedChannel *known;

	LWLockAcquire(control->lock, LW_SHARED);
	known = channel_find(name_hash(name, length, kind), channel);
	if (known != NULL)
		*ref = channel_ref(known);
	LWLockRelease(control->lock);
	return known != NULL;
}

/*
 * channel_unask: nobody wants the channel but who listens to it.  False when it
 * is not known then; else *ref refers to it.  Takes control->lock.
 */
bool
channel_unask(const char *name, int length, NameKind kind,
			  const char *channel, ChannelRef *ref)
{
	ListenedChannel *known;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	known = channel_find(name_hash(name, length, kind), channel);
	if (known != NULL)
	{
		*ref = channel_ref(known);
		known->until = DT_NOBEGIN;
		if (known->listeners == 0)
		{
			channel_forget(ref->place);
			known = NULL;
		}
	}
	LWLockRelease(control->lock);
	return known != NULL;
}

/*
 * channel_hold: a session is about to listen to the channel, which has that
 * hash: it is kept until channel_let_go().  With "make" it is made if it is not
 * there, which raises 53400 when there is no room; without, *ref may become a
 * reference to nothing.  Takes control->lock.
 */
void
channel_hold(const char *channel, uint64 hash, NameKind kind, bool make,
			 ChannelRef *ref)
{
	TimestampTz real_now = GetCurrentTimestamp();
	ListenedChannel *known;
	Fit			fit = FITS;

	ref->place = -1;
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	known = channel_find(hash, channel);
	if (known == NULL && make)
		known = channel_add(hash, channel, kind, real_now, &fit);
	if (known != NULL)
	{
		known->listeners++;
		known->used = real_now;
		known->was_listened = true;
		*ref = channel_ref(known);
	}
	LWLockRelease(control->lock);

	tell_fit(fit);
}

/*
 * channel_listened: a session that holds the channel listens to it now.  What
 * was sent until then it has not heard, so the first one is told of a queue
 * anew; true when the worker has to be woken for that.
 */
bool
channel_listened(const ChannelRef *ref)
{
	ListenedChannel *channel = channel_referred(ref);

	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	if (channel == NULL || channel->hearing++ > 0 ||
		channel->kind == NAME_OF_WORKER)
		return false;
	if (channel->kind == NAME_OF_LISTENER)
		return listened_queues_renew(ref->place);
	channel->news = true;
	channel->last_sent = DT_NOBEGIN;	/* nobody has heard that */
	return true;
}

/*
 * channel_let_go: a session listens to the channel no longer, or was about to
 * and does not.
 */
void
channel_let_go(const ChannelRef *ref, bool listened)
{
	ListenedChannel *channel = channel_referred(ref);
	TimestampTz real_now = GetCurrentTimestamp();

	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	if (channel == NULL)
		return;
	channel->listeners--;
	channel->hearing -= listened;
	if (listened && channel->hearing == 0 && channel->kind == NAME_OF_LISTENER)
		channel->until = DT_NOBEGIN;
	Assert(channel->hearing >= 0 && channel->listeners >= channel->hearing);
	channel->used = real_now;
	if (channel_is_over(channel, real_now))
		channel_forget(ref->place);
}
