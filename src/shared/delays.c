/*
 * delays.c
 *		How many tasks of a queue are due later, counted by when they are due.
 *
 * A task becomes due without anybody's writing anything, so no event tells
 * that one that was delayed now belongs to the backlog.  Counted is therefore
 * when they are due: shared memory has one number per queue, level and span of
 * time.  Spans in the future are delayed tasks, those in the past are not, and
 * of the one or few that contain the present moment whoever wants to know
 * looks into the index, from now to the end of the span.
 *
 * The span of a task follows from its row alone (from when on it waits, and
 * when it is due), so that whoever takes it away finds the same one.  Its
 * width is a power of two, about a 256th of the delay, within bounds: a week
 * of delays needs some thousand numbers, and what has to be looked up is what
 * is due within seconds, or minutes where delays are days.  Spans begin at
 * multiples of their width, so two of them are disjoint or one contains the
 * other: what is due before the end of the largest one that contains the
 * present is looked up, and nothing crosses that end.
 *
 * Spans in the past are dropped now and then when new ones are made.
 * queue->delays_from says up to where; nothing is counted there any more.  Who asks with a clock
 * that stands before it, since clocks can be set back, looks everything up; so
 * does everybody when there was no room for all spans of a queue
 * (delays_known is false) until the queue is counted anew or has no task.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "base/shared_table.h"
#include "shared/delays.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/sizes.h"
#include "task/queue_keys.h"
#include "task/task.h"

/* widths: a second to nine minutes, and which part of the delay */
#define MIN_WIDTH		20
#define MAX_WIDTH		29
#define PARTS_OF_DELAY	8		/* as a power of two */

/* us between two looks for what has passed, of a queue and of all */
#define CLEAN_INTERVAL	USECS_PER_SEC

typedef struct Delay
{
	DelayKey	key;
	QueueState *queue;			/* as long as the entry is in use */
	int64		tasks;
	dlist_node	node;			/* of the queue */
} Delay;

static SharedTable *delays = NULL;

/* delays_shmem_size: for the request hook. */
Size
delays_shmem_size(void)
{
	return shared_table_size(taskq_max_delays, sizeof(Delay));
}

/* delays_shmem_init: caller holds AddinShmemInitLock. */
void
delays_shmem_init(LWLockPadded *locks)
{
	Assert(LWLockHeldByMe(AddinShmemInitLock));
	delays = shared_table_init("taskq delays", taskq_max_delays,
							   sizeof(DelayKey), sizeof(Delay));
}

/*
 * delay_key: the span of a task that waits since "since" and is due at "due";
 * false when it was never delayed.
 */
bool
delay_key(DelayKey *key, const QueueKey *queue, int level, TimestampTz since,
		  TimestampTz due)
{
	int			width;

	if (due <= since)
		return false;
	width = pg_leftmost_one_pos64((uint64) due - (uint64) since);
	width = Max(width - PARTS_OF_DELAY, MIN_WIDTH);
	width = Min(width, MAX_WIDTH);
	memset(key, 0, sizeof(DelayKey));
	key->database = queue->database;
	key->queue_hash = queue->hash;
	key->level = level;
	key->width = width;
	key->end = ((due >> width) + 1) * (INT64CONST(1) << width);
	return true;
}

/* delay_has_passed: is all of the span due? */
bool
delay_has_passed(const DelayKey *key, TimestampTz now)
{
	return key->end - 1 <= now;
}

static TimestampTz
start_of(const DelayKey *key)
{
	return key->end - (INT64CONST(1) << key->width);
}

static void
drop(Delay *delay)
{
	dlist_delete(&delay->node);
	shared_table_remove(delays, delay);
}

/* clocks can be set back */
static bool
is_time(TimestampTz last, TimestampTz now)
{
	return now < last || now - last >= CLEAN_INTERVAL;
}

/* drop what is all in the past */
static void
drop_passed(QueueState *queue, TimestampTz now)
{
	dlist_mutable_iter iter;

	Assert(queue_state_is_locked(queue_state_part(&queue->key), LW_EXCLUSIVE));
	queue->delays_cleaned = now;
	dlist_foreach_modify(iter, &queue->delays)
	{
		Delay	   *delay = dlist_container(Delay, node, iter.cur);

		if (!delay_has_passed(&delay->key, now))
			continue;
		queue->delays_from = Max(queue->delays_from, delay->key.end);
		drop(delay);
	}
}

/* delays_forget: all of a queue; they are not known from now on. */
void
delays_forget(QueueState *queue)
{
	dlist_mutable_iter iter;

	Assert(queue_state_is_locked(queue_state_part(&queue->key), LW_EXCLUSIVE));
	dlist_foreach_modify(iter, &queue->delays)
		drop(dlist_container(Delay, node, iter.cur));
	queue->delays_known = false;
}

/*
 * No room: drop the past of all queues, of those whose parts are free at the
 * moment.  Not more often than it can help.
 */
static bool
sweep(TimestampTz now)
{
	static TimestampTz last_sweep = 0;
	bool		dropped = false;

	if (!is_time(last_sweep, now))
		return false;
	last_sweep = now;
	for (int i = 0; i < shared_table_size_of(delays); i++)
	{
		Delay	   *delay = shared_table_at(delays, i);
		int			part = delay ? shared_table_part(delays, delay) : -1;
		bool		taken;

		if (part < 0 || !delay_has_passed(&delay->key, now) ||
			!queue_state_lock_more(part, &taken))
			continue;
		if (shared_table_part(delays, delay) == part)
		{
			drop_passed(delay->queue, now);
			dropped = true;
		}
		if (taken)
			queue_state_unlock_part(part);
	}
	return dropped;
}

/* a new span, or NULL when none is needed, or there is no room */
static Delay *
make_span(QueueState *queue, const DelayKey *key, TimestampTz now)
{
	int			part = queue_state_part(&queue->key);
	Delay	   *delay;

	if (is_time(queue->delays_cleaned, now))
		drop_passed(queue, now);
	if (delay_has_passed(key, now))
	{
		queue->delays_from = Max(queue->delays_from, key->end);
		return NULL;
	}
	delay = shared_table_add(delays, part, key);
	if (delay == NULL && sweep(now))
		delay = shared_table_add(delays, part, key);
	if (delay == NULL)
	{
		size_exceeded(SIZE_DELAYS);
		delays_forget(queue);
		return NULL;
	}
	delay->queue = queue;
	dlist_push_head(&queue->delays, &delay->node);
	return delay;
}

/*
 * delays_add: n more tasks (or fewer) in the span.  Fewer can come before
 * more, so a number may be negative for a moment.
 */
void
delays_add(QueueState *queue, const DelayKey *key, int64 n, TimestampTz now)
{
	Delay	   *delay;

	Assert(queue_state_is_locked(queue_state_part(&queue->key), LW_EXCLUSIVE));
	if (n == 0 || !queue->delays_known || key->end <= queue->delays_from)
		return;
	delay = shared_table_find(delays, queue_state_part(&queue->key), key);
	if (delay == NULL)
		delay = make_span(queue, key, now);
	if (delay == NULL)
		return;
	delay->tasks += n;
	if (delay->tasks == 0)
		drop(delay);
}

/* the ends of the largest spans that contain the present, by level */
static void
find_present(QueueState *queue, TimestampTz now, LevelDelays *levels)
{
	dlist_iter	iter;

	dlist_foreach(iter, &queue->delays)
	{
		DelayKey   *key = &dlist_container(Delay, node, iter.cur)->key;
		LevelDelays *level = &levels[key->level - 1];

		if (start_of(key) <= now && !delay_has_passed(key, now))
			level->until = Max(level->until, key->end);
	}
}

/*
 * delays_sum: which tasks of each level are due after now.
 */
void
delays_sum(QueueState *queue, TimestampTz now, LevelDelays *levels)
{
	dlist_iter	iter;
	bool		known = queue->delays_known && now >= queue->delays_from &&
		now >= queue->latest_due;

	Assert(queue_state_is_locked(queue_state_part(&queue->key), LW_SHARED));
	for (int i = 0; i < LEVELS; i++)
	{
		levels[i].later = 0;
		levels[i].until = known || queue->waiting[i] == 0 ? DT_NOBEGIN : DT_NOEND;
	}
	if (!known || dlist_is_empty(&queue->delays))
		return;
	find_present(queue, now, levels);
	dlist_foreach(iter, &queue->delays)
	{
		Delay	   *delay = dlist_container(Delay, node, iter.cur);
		LevelDelays *level = &levels[delay->key.level - 1];

		if (start_of(&delay->key) > now &&
			start_of(&delay->key) >= level->until)
			level->later += delay->tasks;
	}
}
