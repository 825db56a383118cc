/*
 * channels.c
 *		The directory of LISTEN channels of task queues, workers and listeners.
 *
 * Only channels that are known here are marked by transactions
 * (channel_marks.c) and notified by the worker of the database (notify.c), so
 * queues that nobody listens to cost nothing.  A channel is known as long as a
 * session listens to it, and for an hour after somebody asked for its name, by
 * taskq.channel(), taskq.worker_channel() or taskq.listen().  Sessions count from the LISTEN on,
 * before its commit, so that it is the statement that fails when there is no
 * room (channel_asks.c); what became of it, and the end of sessions, is told by
 * listens.c.
 *
 * The directory is of fixed size, and of all databases together.  When it is
 * full, there makes room, in this order:
 *	1. a channel that nobody listens to, whose hour is over;
 *	2. another that nobody listens to: the one that was not used for longest;
 *	   those that were listened to before the others;
 *	3. if one database has more than its share, which is as much for each that
 *	   has any: its channel that was not used for longest.  It is leaving: who
 *	   listens to it is notified once more.  There are a few places more than
 *	   channels, for those.
 * Else asking, or listening, is an error.  A size is exceeded as soon as somebody
 * is given up who was promised more, as from 2 on who has not listened yet.
 *
 * Entries are found by a hash of database, kind and name, in an array of its
 * own that takes few cache lines to go through.  The name of a channel has that
 * hash in it.  So a LISTEN makes an entry without a call of ours, if only its
 * role could have called, after a crash, say, when the directory is empty.  Then
 * the name of the queue is not known, until somebody asks or the worker finds it
 * in the table (channel_queues.c), for which it needs it.
 *
 * Who keeps a reference to a channel finds out by its generation that another
 * one has its place.
 *
 * The channel of a listener is not marked itself: it has marks at queues, in a
 * table of their own (listened_queues.c).  They go with it, and it goes with the
 * last session that listens, whoever has asked.
 *
 * Everything is covered by control->lock.  A backend that dies without having
 * left takes the server's memory with it.  A dropped database's entries go with
 * its slot.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "shared/channels.h"
#include "shared/directory.h"
#include "shared/listened_queues.h"
#include "task/queue_keys.h"

/* places for channels that are leaving */
#define LEAVING_PLACES		(16 + taskq_max_listened_queues / 8)

/* How many places are not free, and how many of them are leaving. */
typedef struct PlacesTaken
{
	int			all;			/* read without lock */
	int			leaving;
} PlacesTaken;

/* Set in every process; the contents are in shared memory. */
static uint64 *hashes = NULL;	/* of all places, 0 = free */
static Oid *owners;				/* databases of all places */
static Oid *sorted_owners;		/* room to work in */
static PlacesTaken *taken;
static ListenedChannel *channels;

/* channel_places: how many places there are, for channel_at(). */
int
channel_places(void)
{
	return taskq_max_listened_queues + LEAVING_PLACES;
}

static Size
hashes_size(void)
{
	return MAXALIGN(mul_size(channel_places(), sizeof(uint64)));
}

static Size
owners_size(void)
{
	return MAXALIGN(mul_size(channel_places(), sizeof(Oid)));
}

/* what has to be zero at the start */
static Size
index_size(void)
{
	return add_size(add_size(hashes_size(), mul_size(2, owners_size())),
					MAXALIGN(sizeof(PlacesTaken)));
}

/* channels_shmem_size: for the request hook. */
Size
channels_shmem_size(void)
{
	return add_size(index_size(),
					mul_size(channel_places(), sizeof(ListenedChannel)));
}

/* channels_shmem_init: caller holds AddinShmemInitLock. */
void
channels_shmem_init(LWLockPadded *locks)
{
	char	   *block;
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	block = ShmemInitStruct("taskq channels", channels_shmem_size(), &found);
	if (!found)
		memset(block, 0, index_size());
	hashes = (uint64 *) block;
	owners = (Oid *) (block + hashes_size());
	sorted_owners = (Oid *) (block + hashes_size() + owners_size());
	taken = (PlacesTaken *) (block + hashes_size() + 2 * owners_size());
	channels = (ListenedChannel *) (block + index_size());
}

/*
 * channels_anybody: is any channel known?  Without a lock: who asks for one, or
 * listens, just now looks for tasks after that.
 */
bool
channels_anybody(void)
{
	return hashes != NULL && taken->all > 0;
}

/* ------------------------------------------------------------------------
 * The directory.  Callers hold control->lock, exclusively to change it.
 * ------------------------------------------------------------------------
 */

/*
 * channel_next: the number of the next channel with that hash, from "i" on, or
 * -1.
 */
int
channel_next(uint64 hash, int i)
{
	int			places = channel_places();

	Assert(LWLockHeldByMe(control->lock));
	for (; i < places; i++)
	{
		if (hashes[i] == hash)
			return i;
	}
	return -1;
}

/*
 * channel_at: number i of channel_places(), NULL when it is not of this
 * database.
 */
ListenedChannel *
channel_at(int i)
{
	Assert(LWLockHeldByMe(control->lock));
	return hashes[i] != 0 && owners[i] == MyDatabaseId ? &channels[i] : NULL;
}

/* channel_referred: the channel, NULL when it is not there any more. */
ListenedChannel *
channel_referred(const ChannelRef *ref)
{
	Assert(LWLockHeldByMe(control->lock));
	if (ref->place < 0 || hashes[ref->place] == 0 ||
		channels[ref->place].generation != ref->generation)
		return NULL;
	return &channels[ref->place];
}

/*
 * channel_is_there: is the channel still known?
 */
bool
channel_is_there(const ChannelRef *ref)
{
	return channel_referred(ref) != NULL;
}

/* channel_ref: a reference to the channel. */
ChannelRef
channel_ref(const ListenedChannel *channel)
{
	ChannelRef	ref = {(int) (channel - channels), channel->generation};

	return ref;
}

/* channel_is_over: nobody listens, and nobody has asked within the hour. */
bool
channel_is_over(const ListenedChannel *channel, TimestampTz real_now)
{
	return !channel->leaving && channel->listeners == 0 &&
		channel->until <= real_now;
}

/* channel_find: the channel of that name; NULL without one. */
ListenedChannel *
channel_find(uint64 hash, const char *channel)
{
	for (int i = channel_next(hash, 0); i >= 0; i = channel_next(hash, i + 1))
	{
		ListenedChannel *found = channel_at(i);

		if (found != NULL && !found->leaving &&
			strcmp(found->channel, channel) == 0)
			return found;
	}
	return NULL;
}

/* the marks of a listener at queues go with its channel */
static void
forget_marks(int i)
{
	if (channels[i].kind == NAME_OF_LISTENER && !channels[i].leaving)
		listened_queues_drop(i);
}

/*
 * channel_forget: free a channel's place.
 */
void
channel_forget(int i)
{
	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	Assert(hashes[i] != 0);
	forget_marks(i);
	hashes[i] = 0;
	owners[i] = InvalidOid;
	taken->all--;
	if (channels[i].leaving)
		taken->leaving--;
}

/*
 * channel_set_name: whose channel it is.
 */
void
channel_set_name(ListenedChannel *channel, const char *name, int length)
{
	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	Assert(length > 0 && length <= MAX_QUEUE_NAME_LENGTH);
	memcpy(channel->name, name, length);
	channel->name_length = length;
}

/*
 * channel_forget_database: forget the channels of a database that was dropped.
 * Takes control->lock.
 */
void
channel_forget_database(Oid database)
{
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < channel_places(); i++)
	{
		if (hashes[i] != 0 && owners[i] == database)
			channel_forget(i);
	}
	LWLockRelease(control->lock);
}

/* ------------------------------------------------------------------------
 * Making room
 * ------------------------------------------------------------------------
 */

/* is the place taken by one that stays? */
static bool
stays(int i)
{
	return hashes[i] != 0 && !(taken->leaving > 0 && channels[i].leaving);
}

/*
 * How dear a channel is; the cheapest goes first.
 */
static int
worth(const ListenedChannel *channel, TimestampTz real_now)
{
	if (channel->listeners > 0)
		return 3;
	if (channel->until <= real_now)
		return 0;
	return channel->was_listened ? 1 : 2;
}

/* the cheapest channel that nobody listens to, or -1 */
static int
find_unlistened(TimestampTz real_now, Fit *fit)
{
	int			least = 3;
	int			found = -1;

	for (int i = 0; i < channel_places() && least > 0; i++)
	{
		int			it;

		if (!stays(i))
			continue;
		it = worth(&channels[i], real_now);
		if (it < least ||
			(found >= 0 && it == least && channels[i].used < channels[found].used))
		{
			least = it;
			found = i;
		}
	}
	*fit = least > 1 ? FITS_IN_STEAD : FITS;
	return found;
}

/* the databases of all channels that stay, in order; how many channels those are */
static int
sort_owners(void)
{
	int			n = 0;

	for (int i = 0; i < channel_places(); i++)
		if (stays(i))
			sorted_owners[n++] = owners[i];
	qsort(sorted_owners, n, sizeof(Oid), oid_cmp);
	return n;
}

/*
 * The database that has most channels, if these are more than its share;
 * InvalidOid if not.  This database counts, though it may have none.
 */
static Oid
find_greediest(void)
{
	Oid			greediest = InvalidOid;
	int			all = sort_owners();
	int			most = 0;
	int			databases = 1;

	for (int i = 0, next; i < all; i = next)
	{
		for (next = i + 1; next < all; next++)
			if (sorted_owners[next] != sorted_owners[i])
				break;
		if (next - i > most)
		{
			most = next - i;
			greediest = sorted_owners[i];
		}
		databases += sorted_owners[i] != MyDatabaseId;
	}
	return most > Max(taskq_max_listened_queues / databases, 1) ?
		greediest : InvalidOid;
}

/* the channel of the database that was not used for longest */
static int
find_longest_unused(Oid database)
{
	int			found = -1;

	for (int i = 0; i < channel_places(); i++)
		if (owners[i] == database && stays(i) &&
			(found < 0 || channels[i].used < channels[found].used))
			found = i;
	return found;
}

/* who listens there is to be notified once more, and then no longer */
static void
give_up(int i)
{
	ListenedChannel *channel = &channels[i];

	forget_marks(i);
	channel->leaving = true;
	channel->generation++;
	channel->news = channel->kind == NAME_OF_QUEUE;
	taken->leaving++;
	directory_wake_worker(directory_slot(owners[i], /* create */ false));
}

/* a free place; without one that of whoever is leaving for longest */
static int
free_place(void)
{
	int			i = channel_next(0, 0);

	if (i >= 0)
		return i;
	for (int j = 0; j < channel_places(); j++)
		if (channels[j].leaving &&
			(i < 0 || channels[j].used < channels[i].used))
			i = j;
	channel_forget(i);
	return i;
}

/*
 * make_room: a free place, or -1.
 */
static int
make_room(TimestampTz real_now, Fit *fit)
{
	int			i;

	*fit = FITS;
	if (taken->all - taken->leaving < taskq_max_listened_queues)
		return free_place();
	i = find_unlistened(real_now, fit);
	if (i >= 0)
	{
		channel_forget(i);
		return i;
	}
	i = find_longest_unused(find_greediest());
	*fit = i < 0 ? FITS_NOT : FITS_IN_STEAD;
	if (i < 0)
		return -1;
	give_up(i);
	return free_place();
}

/*
 * channel_add: a new channel; NULL when there is no room.  It starts with news:
 * tasks may be due already, and nobody loses by one look too many.
 */
ListenedChannel *
channel_add(uint64 hash, const char *name, NameKind kind,
			TimestampTz real_now, Fit *fit)
{
	int			i = make_room(real_now, fit);
	ListenedChannel *channel;

	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	Assert(hash != 0);
	if (i < 0)
		return NULL;
	channel = &channels[i];
	channel->kind = kind;
	channel->leaving = false;
	channel->was_listened = false;
	channel->generation++;
	channel->listeners = 0;
	channel->hearing = 0;
	channel->hash = hash;
	channel->until = DT_NOBEGIN;
	channel->used = real_now;
	channel->news = kind == NAME_OF_QUEUE;
	channel->next_due = kind == NAME_OF_QUEUE ? DT_NOBEGIN : DT_NOEND;
	channel->last_sent = DT_NOBEGIN;
	strlcpy(channel->channel, name, NAMEDATALEN);
	channel->name_length = 0;
	channel->events_first = 0;
	channel->events_used = 0;
	hashes[i] = hash;
	owners[i] = MyDatabaseId;
	taken->all++;
	return channel;
}
