/*
 * notify_listeners.c
 *		The worker's chore for listeners, who are told of many queues over one
 *		channel.
 *
 * As notify.c does for the channels of queues, but many at a time, and with the
 * queue's name in the payload.  A name that is too long to be kept in shared
 * memory is looked for among those of the queues that have tasks: one that has
 * none any more need not be told of.
 */
#include "postgres.h"

#include "commands/async.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/clock.h"
#include "base/compat.h"
#include "model/run.h"
#include "shared/channels.h"
#include "shared/directory.h"
#include "shared/listened_queues.h"
#include "store/queue_names.h"
#include "store/ready_count.h"
#include "task/queue_keys.h"
#include "worker/chore.h"
#include "worker/notify.h"
#include "worker/notify_listeners.h"

/* told of, or looked up, in one transaction */
#define MAX_BATCH			128

static ListenerNews batch[MAX_BATCH];
static int	batch_used = 0;

/* of the same, in a transaction */
static char channels[MAX_BATCH][NAMEDATALEN];	/* "" = it has gone */
static text *names[MAX_BATCH];	/* NULL = not known */

/* the channels of the batch */
static void
find_channels(void)
{
	TimestampTz real_now = GetCurrentTimestamp();

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < batch_used; i++)
	{
		ListenedChannel *channel = channel_at(batch[i].place);

		channels[i][0] = '\0';
		if (channel == NULL || channel->kind != NAME_OF_LISTENER ||
			channel->leaving)
			continue;
		channel->used = real_now;
		strlcpy(channels[i], channel->channel, NAMEDATALEN);
	}
	LWLockRelease(control->lock);
}

/* callback for a queue: is it one of those whose name is not known? */
static void
see_queue(const text *name)
{
	uint64		hash = name_hash(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name),
								 NAME_OF_QUEUE);

	for (int i = 0; i < batch_used; i++)
		if (batch[i].name_length == 0 && batch[i].hash == hash &&
			names[i] == NULL)
			names[i] = (text *) PG_DETOAST_DATUM_COPY(PointerGetDatum(name));
}

/* the names of the queues of the batch */
static void
find_names(void)
{
	bool		unknown = false;

	for (int i = 0; i < batch_used; i++)
	{
		names[i] = batch[i].name_length == 0 ? NULL :
			cstring_to_text_with_len(batch[i].name, batch[i].name_length);
		unknown |= names[i] == NULL;
	}
	if (unknown)
		store_queue_names(see_queue);
}

/* the name that the listener has told */
static const char *
shown_name(const text *queue)
{
	static const char *const prefixes[] = {WORKFLOW_QUEUE_PREFIX, STICKY_QUEUE_PREFIX};
	const char *name = text_to_cstring(queue);

	for (int i = 0; i < (int) lengthof(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return name + strlen(prefixes[i]);
	return name;
}

/* look up and send what was taken; on error it stays in the batch */
static void
process_batch(void)
{
	notify_begin("listeners");
	find_names();
	for (int i = 0; i < batch_used; i++)
	{
		if (names[i] == NULL || channels[i][0] == '\0')
			continue;
		if (batch[i].look_up)
		{
			QueueRef	queue = queue_ref(names[i]);

			batch[i].found = store_next_due(&queue, clock_now());
		}
		if (batch[i].notify)
			Async_Notify(channels[i], shown_name(names[i]));
	}
	chore_commit();
}

/*
 * notify_listeners_stop: the worker ends, maybe in the middle of a batch, which
 * is left to the next one.
 */
void
notify_listeners_stop(void)
{
	if (batch_used > 0)
		listened_queues_settle(batch, batch_used, true);
	batch_used = 0;
}

/* notify_listeners_run: the chore. */
TimestampTz
notify_listeners_run(void)
{
	static bool starting = true;
	TimestampTz next;

	notify_listeners_stop();
	if (starting)
		listened_queues_all_due();
	starting = false;

	batch_used = listened_queues_take(batch, MAX_BATCH, &next);
	if (batch_used == 0)
		return next;
	find_channels();
	process_batch();
	for (int i = 0; i < batch_used; i++)
		next = Min(next, batch[i].found);
	listened_queues_settle(batch, batch_used, false);
	batch_used = 0;
	return next;
}
