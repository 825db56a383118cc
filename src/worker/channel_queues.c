/*
 * channel_queues.c
 *		Of which queues channels are that were listened to by name.
 *
 * A LISTEN by a name that somebody remembers makes a channel of which only the
 * hash of its queue's name is known.  That is enough to be marked and notified.
 * Not to look up in the table when its next delayed task is due: for that the
 * worker goes through the names of all queues that have tasks, once for all such
 * channels, and sees which have these hashes.  A queue that is not among them
 * has no tasks, and who commits one lowers next_due.
 *
 * As in notify.c, next_due becomes infinite *before* the snapshot is taken, and
 * goes back to -infinity, to be looked up, if the queue is found, or if
 * something fails.
 *
 * A look costs a descent in an index for each queue.  So that it never keeps the
 * worker from its timers for long, it is followed by a pause of 20 times its
 * length.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/grow.h"
#include "shared/channels.h"
#include "shared/directory.h"
#include "store/queue_names.h"
#include "task/channel_names.h"
#include "task/queue_keys.h"
#include "worker/channel_queues.h"
#include "worker/chore.h"

#define PAUSES				20
#define LONGEST_PAUSE		USECS_PER_MINUTE

typedef struct Wanted
{
	uint64		hash;
	ChannelRef	ref;
} Wanted;

/* those that are being looked for, by hash */
static Wanted *wanted = NULL;	/* in TopMemoryContext */
static int	nwanted = 0;
static int	max_wanted = 0;

static TimestampTz not_before = DT_NOBEGIN; /* real clock */

/*
 * channel_is_nameless: has its queue to be found before anything can be looked
 * up there?  Caller holds control->lock.
 */
bool
channel_is_nameless(const ListenedChannel *channel)
{
	return channel->kind == NAME_OF_QUEUE && channel->name_length == 0;
}

/*
 * channel_queues_next: when they may be looked for again, not before "now".
 */
TimestampTz
channel_queues_next(TimestampTz now)
{
	int64		left = not_before - GetCurrentTimestamp();

	return not_before == DT_NOBEGIN || left < 0 || left > LONGEST_PAUSE ?
		now : now + left;
}

static bool
is_wanted(const ListenedChannel *channel)
{
	return channel != NULL && !channel->leaving &&
		channel_is_nameless(channel) && channel->next_due == DT_NOBEGIN;
}

/* how many there are */
static int
count_wanted(void)
{
	int			n = 0;

	LWLockAcquire(control->lock, LW_SHARED);
	for (int i = 0; i < channel_places(); i++)
		n += is_wanted(channel_at(i));
	LWLockRelease(control->lock);
	return n;
}

/* take as many over as there is room for */
static void
take_wanted(void)
{
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < channel_places() && nwanted < max_wanted; i++)
	{
		ListenedChannel *channel = channel_at(i);

		if (!is_wanted(channel))
			continue;
		channel->next_due = DT_NOEND;
		wanted[nwanted].hash = channel->hash;
		wanted[nwanted].ref = channel_ref(channel);
		nwanted++;
	}
	LWLockRelease(control->lock);
}

static int
compare(const void *a, const void *b)
{
	uint64		x = ((const Wanted *) a)->hash;
	uint64		y = ((const Wanted *) b)->hash;

	return x < y ? -1 : x > y;
}

/* a channel with that hash is wanted; it is the queue's if it is called so */
static void
name_channel(const ChannelRef *ref, const text *name, const char *of_queue)
{
	ListenedChannel *channel;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	channel = channel_referred(ref);
	if (channel != NULL && channel_is_nameless(channel) &&
		strcmp(channel->channel, of_queue) == 0)
	{
		channel_set_name(channel, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
		channel->next_due = DT_NOBEGIN;
	}
	LWLockRelease(control->lock);
}

/* callback for a queue */
static void
see_queue(const text *name)
{
	const char *bytes = VARDATA_ANY(name);
	int			length = VARSIZE_ANY_EXHDR(name);
	Wanted		key = {.hash = name_hash(bytes, length, NAME_OF_QUEUE)};
	const Wanted *found = bsearch(&key, wanted, nwanted, sizeof(Wanted),
								  compare);
	char	   *channel;

	if (found == NULL)
		return;
	while (found > wanted && found[-1].hash == key.hash)
		found--;
	channel = channel_name(bytes, length, NAME_OF_QUEUE);
	for (; found < wanted + nwanted && found->hash == key.hash; found++)
		name_channel(&found->ref, name, channel);
	pfree(channel);
}

/*
 * channel_queues_stop: what was not looked for to the end is to be looked for
 * again.
 */
void
channel_queues_stop(void)
{
	if (nwanted == 0)
		return;
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < nwanted; i++)
	{
		ListenedChannel *channel = channel_referred(&wanted[i].ref);

		if (channel != NULL)
			channel->next_due = DT_NOBEGIN;
	}
	LWLockRelease(control->lock);
	nwanted = 0;
}

/*
 * channel_queues_find: look for the queues of channels that have to be looked
 * up, if that may be done now.
 */
void
channel_queues_find(TimestampTz now)
{
	TimestampTz start = GetCurrentTimestamp();
	TimestampTz pause;
	int			n;

	channel_queues_stop();
	if (channel_queues_next(now) > now)
		return;
	n = count_wanted();
	if (n == 0)
		return;
	wanted = grow(wanted, NULL, &max_wanted, n, sizeof(Wanted),
				  TopMemoryContext);
	take_wanted();
	qsort(wanted, nwanted, sizeof(Wanted), compare);
	chore_begin("notify");
	store_queue_names(see_queue);
	chore_commit();
	nwanted = 0;

	pause = (GetCurrentTimestamp() - start) * PAUSES;
	not_before = GetCurrentTimestamp() + Max(0, Min(pause, LONGEST_PAUSE));
}
