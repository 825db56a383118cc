/*
 * listened_queues.c
 *		Of which queues listeners are told: taskq.listen().
 *
 * A listener is a program that serves workers of many queues over one session,
 * and so over one channel, in the directory of channels (channels.c).  Here is a
 * mark for each queue of each listener, for an hour after it has asked for it;
 * with the channel all go.  What transactions leave at a mark is the same as at
 * the channel of a queue (channel_marks.c): that a task is due, and when the next
 * one will be; and the worker of the database sends it in the same way
 * (notify_listeners.c).
 *
 * The table (listener_marks.c) is of fixed size, and of all databases together.  When it is full,
 * the oldest mark mostly goes: that listener hears nothing of the queue, and
 * polls from time to time.  After a restart or a crash it is empty.
 *
 * Locks: listened_lock; it may be taken under control->lock, never the reverse.
 * While there is no mark at all, transactions read one number.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "shared/directory.h"
#include "shared/listened_queues.h"
#include "shared/listener_marks.h"
#include "shared/sizes.h"

#define LISTENED_FOR		USECS_PER_HOUR
#define SWEEP_AT_LEISURE	(10 * USECS_PER_MINUTE)

static LWLock *listened_lock = NULL;	/* set in every process */

/* listened_queues_shmem_size: for the request hook. */
Size
listened_queues_shmem_size(void)
{
	return listener_marks_size();
}

/* listened_queues_shmem_init: caller holds AddinShmemInitLock. */
void
listened_queues_shmem_init(LWLockPadded *locks)
{
	listened_lock = &locks[0].lock;
	listener_marks_init(listened_lock);
}

/* listened_queues_any: is there any mark?  Without a lock. */
bool
listened_queues_any(void)
{
	return listener_marks_any();
}

/* ------------------------------------------------------------------------
 * Listeners
 * ------------------------------------------------------------------------
 */

/*
 * listened_queues_add: the listener whose channel has that place is told of
 * these queues for an hour; of those that are new to it at once, since a task
 * may be due already.  Takes listened_lock.
 */
void
listened_queues_add(int place, const QueueRef *queues, int n)
{
	TimestampTz real_now = GetCurrentTimestamp();
	bool		exceeded = false;
	bool		is_new = false;

	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		int			others;
		ListenerMark *mark = listener_mark_find(queues[i].key.hash, place, &others);

		if (mark == NULL)
		{
			mark = listener_mark_add(&queues[i], others, place, real_now,
									 &exceeded);
			is_new = true;
		}
		mark->until = real_now + LISTENED_FOR;
	}
	LWLockRelease(listened_lock);

	if (is_new)
		directory_wake_worker(directory_my_slot());
	if (exceeded)
		size_exceeded(SIZE_LISTENED_QUEUES);
}

/* listened_queues_remove: it is not told of these any more. */
void
listened_queues_remove(int place, const QueueRef *queues, int n)
{
	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		int			others;
		ListenerMark *mark = listener_mark_find(queues[i].key.hash, place, &others);

		if (mark != NULL)
			listener_mark_remove(mark);
	}
	LWLockRelease(listened_lock);
}

/*
 * listened_queues_drop: of none.  The caller may hold control->lock.
 */
void
listened_queues_drop(int place)
{
	ListenerMark *mark;

	if (!listened_queues_any())
		return;
	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	while ((mark = listener_mark_first(place)) != NULL)
		listener_mark_remove(mark);
	LWLockRelease(listened_lock);
}

/*
 * listened_queues_renew: somebody listens to that channel now, and has not heard
 * what was sent until then; true when the worker has to be woken for that.  The
 * caller may hold control->lock.
 */
bool
listened_queues_renew(int place)
{
	ListenerMark *mark;
	bool		any = false;

	if (!listened_queues_any())
		return false;
	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	for (mark = listener_mark_first(place); mark != NULL;
		 mark = listener_mark_next(mark))
	{
		mark->news = true;
		mark->last_sent = DT_NOBEGIN;
		listener_mark_changed(mark);
		any = true;
	}
	LWLockRelease(listened_lock);
	return any;
}

/* listened_queues_forget_database: of a database that was dropped. */
void
listened_queues_forget_database(Oid database)
{
	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	listener_marks_remove(database);
	LWLockRelease(listened_lock);
}

/* ------------------------------------------------------------------------
 * What transactions leave.  Nothing here fails.
 * ------------------------------------------------------------------------
 */

/* a mark that is there already costs the shared lock only */
static bool
mark_due(uint64 hash, TimestampTz due, TimestampTz now, bool apply)
{
	ListenerMark *mark;
	bool		any = false;

	for (int n = 0; (mark = listener_mark_of(hash, n)) != NULL; n++)
	{
		if (due <= now ? mark->news : due >= mark->next_due)
			continue;
		any = true;
		if (!apply)
			break;
		if (due <= now)
			mark->news = true;
		else
			mark->next_due = due;
		listener_mark_changed(mark);
	}
	return any;
}

/*
 * listened_queues_due: a task of the queue with that hash is due, or will be.
 */
void
listened_queues_due(uint64 hash, TimestampTz due)
{
	TimestampTz now = clock_now();
	bool		any;

	LWLockAcquire(listened_lock, LW_SHARED);
	any = mark_due(hash, due, now, false);
	LWLockRelease(listened_lock);
	if (!any)
		return;

	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	any = mark_due(hash, due, now, true);
	LWLockRelease(listened_lock);
	if (any)
		directory_wake_worker(directory_my_slot());
}

static bool
mark_hungry(uint64 hash, bool apply)
{
	ListenerMark *mark;
	bool		any = false;

	for (int n = 0; (mark = listener_mark_of(hash, n)) != NULL; n++)
	{
		if (mark->last_sent == DT_NOBEGIN)
			continue;
		any = true;
		if (apply)
			mark->last_sent = DT_NOBEGIN;
	}
	return any;
}

/*
 * listened_queues_hungry: whoever polled that queue has found nothing: the next
 * task is told of at once.
 */
void
listened_queues_hungry(uint64 hash)
{
	bool		any;

	LWLockAcquire(listened_lock, LW_SHARED);
	any = mark_hungry(hash, false);
	LWLockRelease(listened_lock);
	if (!any)
		return;
	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	(void) mark_hungry(hash, true);
	LWLockRelease(listened_lock);
	/* what waited for the interval need not wait any more */
	directory_wake_worker(directory_my_slot());
}

/*
 * listened_queues_all_due: any queue of this database may have a task; also what
 * a worker that starts has to assume.
 */
void
listened_queues_all_due(void)
{
	if (!listened_queues_any())
		return;
	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	for (int i = 0; i < taskq_max_listener_queues; i++)
	{
		ListenerMark *mark = listener_mark_at(i);

		if (mark == NULL || mark->key.database != MyDatabaseId)
			continue;
		mark->news = true;
		mark->next_due = DT_NOBEGIN;
		listener_mark_changed(mark);
	}
	LWLockRelease(listened_lock);
	directory_wake_worker(directory_my_slot());
}

/* ------------------------------------------------------------------------
 * The worker
 * ------------------------------------------------------------------------
 */

/* a delayed task became due */
static bool
is_due(const ListenerMark *mark, TimestampTz now)
{
	return mark->next_due <= now && mark->next_due != DT_NOBEGIN;
}

/* when it may be told of */
static TimestampTz
may_send_at(const ListenerMark *mark, TimestampTz now)
{
	if (mark->last_sent == DT_NOBEGIN || mark->last_sent > now)
		return now;				/* the clock was set back */
	return mark->last_sent + taskq_notify_interval * INT64CONST(1000);
}

/* when there is something to do for it */
static TimestampTz
wants(const ListenerMark *mark, TimestampTz now)
{
	TimestampTz next = TIMESTAMP_NEVER;

	if (mark->next_due == DT_NOBEGIN)
		return now;
	if (mark->next_due > now)
		next = mark->next_due;
	if (mark->news || is_due(mark, now))
		next = Min(next, may_send_at(mark, now));
	return next;
}

static void
take(ListenerMark *mark, TimestampTz now, ListenerNews *news)
{
	bool		told = mark->news || is_due(mark, now);

	news->hash = mark->key.hash;
	news->place = mark->place;
	news->notify = told && may_send_at(mark, now) <= now;
	news->look_up = mark->next_due <= now;
	news->found = TIMESTAMP_NEVER;
	news->name_length = mark->name_length;
	memcpy(news->name, mark->name, mark->name_length);

	mark->news = told && !news->notify;
	if (news->look_up)
		mark->next_due = DT_NOEND;
	if (news->notify)
		mark->last_sent = now;
	listener_mark_changed(mark);
}

/*
 * listened_queues_take: take over what is to be done now about queues of this
 * database, as far as there is room; how much that is.  *next becomes the instant
 * at which there is more, TIMESTAMP_NEVER when nothing is known of.
 */
int
listened_queues_take(ListenerNews *news, int max, TimestampTz *next)
{
	TimestampTz now = clock_now();
	ListenerMark *mark;
	int			place = 0;
	int			n = 0;

	*next = TIMESTAMP_NEVER;
	if (!listened_queues_any())
		return 0;
	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	listener_marks_sweep(GetCurrentTimestamp(), SWEEP_AT_LEISURE);
	while ((mark = listener_mark_pending(&place)) != NULL)
	{
		TimestampTz when;

		if (mark->key.database != MyDatabaseId)
			continue;
		when = wants(mark, now);
		if (when <= now && n < max)
		{
			take(mark, now, &news[n++]);
			when = wants(mark, now);
		}
		*next = Min(*next, when);
	}
	LWLockRelease(listened_lock);
	return n;
}

/*
 * listened_queues_settle: what was taken is done, or ("failed") to be done
 * again.
 */
void
listened_queues_settle(const ListenerNews *news, int n, bool failed)
{
	LWLockAcquire(listened_lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		int			others;
		ListenerMark *mark = listener_mark_find(news[i].hash, news[i].place, &others);

		if (mark == NULL)
			continue;
		if (failed)
		{
			mark->news |= news[i].notify;
			if (news[i].look_up)
				mark->next_due = DT_NOBEGIN;
		}
		else if (news[i].look_up)
			mark->next_due = Min(mark->next_due, news[i].found);
		listener_mark_changed(mark);
	}
	LWLockRelease(listened_lock);
}
