/*
 * channel.c
 *		The LISTEN channels of task queues and workers: names and directory.
 *
 * A channel is known from the moment that somebody asks for its name, by
 * taskq.channel() or taskq.worker_channel(), until an hour after the last one
 * did.  Only known channels are marked by transactions and notified by the
 * worker (listen.c), so queues that nobody listens to cost nothing.  The
 * directory is in shared memory, of fixed size, and of all databases together.
 * When it is full, channels whose hour is over make room; when there are none,
 * asking is an error, and the caller has to poll.
 *
 * Entries are found by a hash of database, kind and name, in an array of its
 * own that takes few cache lines to go through.  Two names with one hash have
 * an entry each; who looks by hash alone marks both, which is harmless.
 *
 * Everything is covered by control->lock.  Asking is no change of the
 * database: it takes effect at once and is not undone by a rollback.  After a
 * crash of the server the directory is empty; clients have to connect again,
 * and ask again.  A dropped database's entries go with its slot.  On a standby
 * nobody can LISTEN, and asking is an error.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "channel.h"
#include "compat.h"
#include "listen.h"
#include "shmem.h"
#include "taskq.h"

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

static void mark_listened(const char *name, int length, bool is_worker);

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
	Assert(result.len < NAMEDATALEN);
	return result.data;
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------
 */

/*
 * ask_for_channel: what channel() and worker_channel() have in common.  "what"
 * is the name of the argument.
 */
static Datum
ask_for_channel(FunctionCallInfo fcinfo, const char *what, bool is_worker)
{
	text	   *argument;
	char	   *name;
	int			length;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
	argument = PG_GETARG_TEXT_PP(0);
	name = VARDATA_ANY(argument);
	length = VARSIZE_ANY_EXHDR(argument);
	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
	if (length > MAX_NAME_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s exceeds length limit of %d bytes",
						what, MAX_NAME_LENGTH)));

	shmem_require();
	PreventCommandDuringRecovery(is_worker ? "taskq.worker_channel()" :
								 "taskq.channel()");
	mark_listened(name, length, is_worker);
	return CStringGetTextDatum(channel_name(name, length, is_worker));
}

PG_FUNCTION_INFO_V1(taskq_channel);

/*
 * taskq.channel(task_queue): the channel of a queue, listened to from now on.
 */
Datum
taskq_channel(PG_FUNCTION_ARGS)
{
	return ask_for_channel(fcinfo, "task_queue", false);
}

PG_FUNCTION_INFO_V1(taskq_worker_channel);

/*
 * taskq.worker_channel(identity): the channel of a worker, likewise.
 */
Datum
taskq_worker_channel(PG_FUNCTION_ARGS)
{
	return ask_for_channel(fcinfo, "identity", true);
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
	for (; i < control->channels; i++)
	{
		if (control->channel_hash[i] == hash)
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
		ListenedChannel *channel = &control->channel[i];

		if (channel->name_length == length &&
			memcmp(channel->name, name, length) == 0)
			return channel;
	}
	return NULL;
}

/*
 * channel_forget: free a channel.
 */
void
channel_forget(int i)
{
	control->channel[i].database = InvalidOid;
	control->channel_hash[i] = 0;
	control->listened--;
}

/*
 * find_room: a free channel, or one that is not listened to any more; NULL
 * when there is none.
 */
static ListenedChannel *
find_room(TimestampTz real_now)
{
	int			i = channel_next(0, 0);

	for (int j = 0; i < 0 && j < control->channels; j++)
	{
		if (control->channel[j].until <= real_now)
		{
			channel_forget(j);
			i = j;
		}
	}
	return i < 0 ? NULL : &control->channel[i];
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
	control->channel_hash[channel - control->channel] = hash;
	control->listened++;
	return true;
}

/*
 * channel_forget_database: forget the channels of a database that was dropped.
 */
void
channel_forget_database(Oid database)
{
	for (int i = 0; i < control->channels; i++)
	{
		if (control->channel_hash[i] != 0 &&
			control->channel[i].database == database)
			channel_forget(i);
	}
}

/*
 * mark_listened: this channel is listened to for the next hour.
 */
static void
mark_listened(const char *name, int length, bool is_worker)
{
	uint64		hash = listen_hash(name, length, is_worker);
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
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many channels are listened to"),
				 errhint("Consider increasing the configuration parameter \"taskq.max_listened_queues\" (currently %d), or wait up to an hour.",
						 control->channels)));
	if (is_new)
		shmem_wake_worker(slot);
}
