/*
 * channels.c
 *		The LISTEN channels of task queues and workers: names, directory, and
 *		what transactions mark in it.
 *
 * A channel is known from the moment that somebody asks for its name, by
 * taskq.channel() or taskq.worker_channel(), until an hour after the last one
 * did.  Only known channels are marked by transactions and notified by the
 * worker (notify.c), so queues that nobody listens to cost nothing.  The
 * directory is in shared memory, of fixed size, and of all databases together.
 * When it is full, channels whose hour is over make room; when there are none,
 * asking is an error, and the caller has to poll.
 *
 * Entries are found by a hash of database, kind and name, in an array of its
 * own that takes few cache lines to go through.  Two names with one hash have
 * an entry each; who looks by hash alone marks both, which is harmless.
 *
 * Queue channels.  "news" says that a task of the queue is due.  "next_due" is
 * the earliest instant known at which a delayed one will be; when it comes,
 * that is news, and the worker looks the following one up in the table.
 * -infinity means that it has to be looked up.
 *
 * Worker channels carry what happened to attempts: a short ring of events per
 * channel, of which the oldest is lost when there are too many.
 *
 * Everything is covered by control->lock.  The functions for the end of a
 * transaction neither allocate nor fail.  A mark that is there already costs
 * them the shared lock only; who sets one sets the worker's latch after it.
 *
 * After a crash of the server the directory is empty; clients have to connect
 * again, and ask again.  A dropped database's entries go with its slot.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "shared/channels.h"
#include "shared/directory.h"
#include "shared/sizes.h"
#include "task/queue_keys.h"

/* how long a channel is notified after somebody asked for it */
#define LISTENED_FOR		USECS_PER_HOUR

/*
 * Name of a channel: prefix, readable part, "_", hash.  63 bytes at most, and
 * the same for a name in all databases of one encoding.
 */
#define QUEUE_PREFIX		"taskq_"
#define WORKER_PREFIX		"taskqw_"
#define READABLE_LENGTH		39
#define HASH_BYTES			8

StaticAssertDecl(sizeof(WORKER_PREFIX) + READABLE_LENGTH + 1 + 2 * HASH_BYTES <= NAMEDATALEN &&
				 sizeof(QUEUE_PREFIX) <= sizeof(WORKER_PREFIX),
				 "names of channels are identifiers");

/* Set in every process; the contents are in shared memory. */
static uint64 *hashes = NULL;	/* of all places, 0 = free */
static int *listened;			/* places in use; read without lock */
static ListenedChannel *channels;

static Size
hashes_size(void)
{
	return MAXALIGN(mul_size(taskq_max_listened_queues, sizeof(uint64)));
}

/* channels_shmem_size: for the request hook. */
Size
channels_shmem_size(void)
{
	Size		size = add_size(hashes_size(), MAXALIGN(sizeof(int)));

	return add_size(size, mul_size(taskq_max_listened_queues,
								   sizeof(ListenedChannel)));
}

/* channels_shmem_init: caller holds AddinShmemInitLock. */
void
channels_shmem_init(LWLockPadded *locks)
{
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	hashes = ShmemInitStruct("taskq channels", channels_shmem_size(), &found);
	listened = (int *) ((char *) hashes + hashes_size());
	channels = (ListenedChannel *) ((char *) listened + MAXALIGN(sizeof(int)));
	if (!found)
		memset(hashes, 0, channels_shmem_size());
}

/* ------------------------------------------------------------------------
 * Names
 * ------------------------------------------------------------------------
 */

/*
 * channel_name: the name of the channel of a queue or worker, for LISTEN
 * without quotes.  Letters and digits of the name stay readable, a hash of the
 * whole makes it distinct.
 */
char *
channel_name(const char *name, int length, bool is_worker)
{
	bytea	   *bytes = (bytea *) cstring_to_text_with_len(name, length);
	bytea	   *digest;
	StringInfoData result;

	digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
												 PointerGetDatum(bytes)));
	initStringInfo(&result);
	appendStringInfoString(&result, is_worker ? WORKER_PREFIX : QUEUE_PREFIX);
	for (int i = 0; i < Min(length, READABLE_LENGTH); i++)
	{
		char		c = name[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			c = '_';
		appendStringInfoChar(&result, c);
	}
	appendStringInfoChar(&result, '_');
	for (int i = 0; i < HASH_BYTES; i++)
		appendStringInfo(&result, "%02x",
						 (unsigned char) VARDATA_ANY(digest)[i]);
	return result.data;
}

/* ------------------------------------------------------------------------
 * The directory.  Callers hold control->lock, exclusively to change it.
 * ------------------------------------------------------------------------
 */

/*
 * channel_next: the number of the next channel with that hash, from "i" on, or
 * -1.  Names that share a hash have a channel each.
 */
int
channel_next(uint64 hash, int i)
{
	Assert(LWLockHeldByMe(control->lock));
	for (; i < taskq_max_listened_queues; i++)
	{
		if (hashes[i] == hash)
			return i;
	}
	return -1;
}

/*
 * channel_find: the channel of that name, or NULL.
 */
ListenedChannel *
channel_find(uint64 hash, const char *name, int length)
{
	for (int i = channel_next(hash, 0); i >= 0; i = channel_next(hash, i + 1))
	{
		ListenedChannel *channel = &channels[i];

		if (channel->name_length == length &&
			memcmp(channel->name, name, length) == 0)
			return channel;
	}
	return NULL;
}

/*
 * channel_at: number i of taskq_max_listened_queues places, NULL when it is not
 * of this database.
 */
ListenedChannel *
channel_at(int i)
{
	Assert(LWLockHeldByMe(control->lock));
	return hashes[i] != 0 && channels[i].database == MyDatabaseId ?
		&channels[i] : NULL;
}

/*
 * channel_forget: free a channel.
 */
void
channel_forget(int i)
{
	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	channels[i].database = InvalidOid;
	hashes[i] = 0;
	(*listened)--;
}

/*
 * find_room: a free channel, or one that is not listened to any more; NULL
 * when there is none.
 */
static ListenedChannel *
find_room(TimestampTz real_now)
{
	int			i = channel_next(0, 0);

	for (int j = 0; i < 0 && j < taskq_max_listened_queues; j++)
	{
		if (channels[j].until <= real_now)
		{
			channel_forget(j);
			i = j;
		}
	}
	return i < 0 ? NULL : &channels[i];
}

/*
 * add_channel: a new channel; false when there is no room.  It starts with
 * news: tasks may be due already, and nobody loses by one look too many.
 */
static bool
add_channel(uint64 hash, const char *name, int length, bool is_worker)
{
	TimestampTz real_now = GetCurrentTimestamp();
	ListenedChannel *channel = find_room(real_now);

	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	Assert(hash != 0 && length <= MAX_NAME_LENGTH);
	if (channel == NULL)
		return false;
	channel->database = MyDatabaseId;
	channel->is_worker = is_worker;
	channel->hash = hash;
	channel->until = real_now + LISTENED_FOR;
	channel->news = !is_worker;
	channel->next_due = is_worker ? DT_NOEND : DT_NOBEGIN;
	channel->last_sent = DT_NOBEGIN;
	channel->events_first = 0;
	channel->events_used = 0;
	channel->name_length = length;
	memcpy(channel->name, name, length);
	hashes[channel - channels] = hash;
	(*listened)++;
	return true;
}

/*
 * channel_forget_database: forget the channels of a database that was dropped.
 * Takes control->lock.
 */
void
channel_forget_database(Oid database)
{
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < taskq_max_listened_queues; i++)
	{
		if (hashes[i] != 0 &&
			channels[i].database == database)
			channel_forget(i);
	}
	LWLockRelease(control->lock);
}

/*
 * channel_mark_listened: this channel is listened to for the next hour.
 */
void
channel_mark_listened(const char *name, int length, bool is_worker)
{
	uint64		hash = name_hash(name, length, is_worker);
	DatabaseSlot *slot = shmem_my_slot();
	ListenedChannel *channel;
	bool		is_new = false;
	bool		full = false;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	channel = channel_find(hash, name, length);
	if (channel != NULL)
		channel->until = GetCurrentTimestamp() + LISTENED_FOR;
	else
	{
		is_new = add_channel(hash, name, length, is_worker);
		full = !is_new;
	}
	LWLockRelease(control->lock);

	if (full)
	{
		size_exceeded(SIZE_CHANNELS);
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many channels are listened to"),
				 errhint("Consider increasing the configuration parameter \"taskq.max_listened_queues\" (currently %d), or wait up to an hour.",
						 taskq_max_listened_queues)));
	}
	if (is_new)
		shmem_wake_worker(slot);
}

/* ------------------------------------------------------------------------
 * For the end of transactions: no allocation, no error
 * ------------------------------------------------------------------------
 */

/*
 * channels_anybody: is any channel known?  Without a lock: who asks for one just
 * now looks for tasks after he got it.
 */
bool
channels_anybody(void)
{
	return hashes != NULL && *listened > 0;
}

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
		ListenedChannel *channel = &channels[i];

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
		shmem_wake_worker(shmem_my_slot());
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
	for (int i = 0; i < taskq_max_listened_queues; i++)
	{
		ListenedChannel *channel = channel_at(i);

		if (channel != NULL && !channel->is_worker)
		{
			channel->news = true;
			channel->next_due = DT_NOBEGIN;
		}
	}
	LWLockRelease(control->lock);
	shmem_wake_worker(shmem_my_slot());
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
		channel_add_event(&channels[i], &pending);
		any = true;
	}
	LWLockRelease(control->lock);
	if (any)
		shmem_wake_worker(shmem_my_slot());
}
