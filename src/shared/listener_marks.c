/*
 * listener_marks.c
 *		The table of listened_queues.c: marks of listeners at queues.
 *
 * The marks of a queue are numbered from 0 on, so that who has its hash finds
 * all.  When one goes, the last one gets its number.  Those of a listener are in
 * a list, so that one that comes or goes costs what it has asked for.  A few
 * listeners may share a list.
 *
 * Locks: the caller's, listened_lock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "base/pending_table.h"
#include "base/settings.h"
#include "shared/listener_marks.h"

#define SWEEP_FOR_ROOM		USECS_PER_SEC

StaticAssertDecl(sizeof(ListenerMarkKey) == 2 * sizeof(uint32) + sizeof(uint64),
				 "keys are compared as bytes, so they have no holes");

/* set in every process; the contents are in shared memory */
static PendingTable marks;
static int *firsts;				/* of the lists, by the places of listeners
								 * modulo the size of the table; 0 = none */
static LWLock *listened_lock = NULL;

static Size
firsts_size(void)
{
	return MAXALIGN(mul_size(taskq_max_listener_queues, sizeof(int)));
}

/* listener_marks_size: bytes of shared memory; for the request hook. */
Size
listener_marks_size(void)
{
	return add_size(pending_table_size(taskq_max_listener_queues,
									   sizeof(ListenerMark)),
					firsts_size());
}

/*
 * listener_marks_init: make the table, which that lock covers, or find it.
 * Caller holds AddinShmemInitLock.
 */
void
listener_marks_init(LWLock *lock)
{
	bool		found;

	pending_table_init(&marks, "taskq listened queues",
					   taskq_max_listener_queues, sizeof(ListenerMarkKey),
					   sizeof(ListenerMark));
	firsts = ShmemInitStruct("taskq marks of listeners", firsts_size(), &found);
	if (!found)
		memset(firsts, 0, firsts_size());
	listened_lock = lock;
}

/* listener_marks_any: is there any mark?  Without a lock. */
bool
listener_marks_any(void)
{
	return pending_any(&marks);
}

/* ------------------------------------------------------------------------
 * Finding
 * ------------------------------------------------------------------------
 */

/* mark number n of a queue of that database; NULL when it has not so many */
static ListenerMark *
mark_of(Oid database, uint64 hash, int n)
{
	ListenerMarkKey key = {database, n, hash};

	Assert(LWLockHeldByMe(listened_lock));
	return pending_find(&marks, &key, sizeof(key));
}

/* listener_mark_of: mark number n of the queue of this database with that hash; or NULL. */
ListenerMark *
listener_mark_of(uint64 hash, int n)
{
	return mark_of(MyDatabaseId, hash, n);
}

/*
 * listener_mark_find: that of the listener; NULL when there is none, *n being
 * how many there are.
 */
ListenerMark *
listener_mark_find(uint64 hash, int place, int *n)
{
	ListenerMark *mark;

	for (*n = 0; (mark = listener_mark_of(hash, *n)) != NULL; (*n)++)
		if (mark->place == place)
			return mark;
	return NULL;
}

/* listener_mark_at: the mark at a place of the table, of any database; or NULL. */
ListenerMark *
listener_mark_at(int i)
{
	Assert(LWLockHeldByMe(listened_lock));
	return shared_table_at(marks.entries, i);
}

/*
 * listener_mark_pending: the first one, from that place of the table on, about
 * which there is something to be done; NULL when there is none.  *place becomes
 * the place behind it.
 */
ListenerMark *
listener_mark_pending(int *place)
{
	Assert(LWLockHeldByMe(listened_lock));
	return pending_next(&marks, place);
}

static ListenerMark *
linked(int link)
{
	return link == 0 ? NULL : listener_mark_at(link - 1);
}

/* the mark, or the next one behind it in that list, of the listener; or NULL */
static ListenerMark *
of_listener(ListenerMark *mark, int place)
{
	while (mark != NULL && mark->place != place)
		mark = linked(mark->next);
	return mark;
}

static int *
first_in_list(int place)
{
	return &firsts[place % taskq_max_listener_queues];
}

/* listener_mark_first: of the listener whose channel has that place; or NULL. */
ListenerMark *
listener_mark_first(int place)
{
	return of_listener(linked(*first_in_list(place)), place);
}

/* listener_mark_next: the next one of the same listener; or NULL. */
ListenerMark *
listener_mark_next(const ListenerMark *mark)
{
	return of_listener(linked(mark->next), mark->place);
}

/* ------------------------------------------------------------------------
 * Changing
 * ------------------------------------------------------------------------
 */

/*
 * listener_mark_changed: something may have to be done about it, now or later,
 * or not any more.
 */
void
listener_mark_changed(const ListenerMark *mark)
{
	if (mark->news || mark->next_due != DT_NOEND)
		pending_set(&marks, mark);
	else
		pending_clear(&marks, mark);
}

static void
link_mark(ListenerMark *mark)
{
	int		   *first = first_in_list(mark->place);
	ListenerMark *next = linked(*first);

	mark->next = *first;
	mark->previous = 0;
	*first = shared_table_place(marks.entries, mark) + 1;
	if (next != NULL)
		next->previous = *first;
}

static void
unlink_mark(const ListenerMark *mark)
{
	ListenerMark *previous = linked(mark->previous);
	ListenerMark *next = linked(mark->next);

	*(previous != NULL ? &previous->next : first_in_list(mark->place)) = mark->next;
	if (next != NULL)
		next->previous = mark->previous;
}

/* listener_mark_remove: another one may come to its place. */
void
listener_mark_remove(ListenerMark *mark)
{
	ListenerMark *last = mark;
	ListenerMark *next;

	Assert(LWLockHeldByMeInMode(listened_lock, LW_EXCLUSIVE));
	while ((next = mark_of(mark->key.database, mark->key.hash,
						   last->key.number + 1)) != NULL)
		last = next;
	unlink_mark(mark);
	if (last != mark)
	{
		ListenerMarkKey key = mark->key;

		unlink_mark(last);
		*mark = *last;
		mark->key = key;
		link_mark(mark);
		listener_mark_changed(mark);
	}
	pending_remove(&marks, last);
}

/* remove all of a database, or (InvalidOid) whose time is over */
static void
remove_all(Oid database, TimestampTz real_now)
{
	for (int i = 0; i < taskq_max_listener_queues; i++)
	{
		ListenerMark *mark;

		while ((mark = listener_mark_at(i)) != NULL &&
			   (OidIsValid(database) ? mark->key.database == database :
				mark->until <= real_now))
			listener_mark_remove(mark);
	}
}

/* listener_marks_remove: all of a database. */
void
listener_marks_remove(Oid database)
{
	Assert(OidIsValid(database));
	remove_all(database, DT_NOBEGIN);
}

/*
 * listener_marks_sweep: remove all whose time is over, unless that was done less
 * than so many microseconds ago.
 */
void
listener_marks_sweep(TimestampTz real_now, int64 interval)
{
	if (!pending_may_sweep(&marks, real_now, interval))
		return;
	pending_swept(&marks, real_now);
	remove_all(InvalidOid, real_now);
}

/*
 * listener_mark_add: mark number n of the queue, which is the next one, for the
 * listener; "until" is the caller's to set.  *exceeded is set when another one
 * had to go whose time was not over.
 */
ListenerMark *
listener_mark_add(const QueueRef *queue, int n, int place,
				  TimestampTz real_now, bool *exceeded)
{
	ListenerMarkKey key = {MyDatabaseId, n, queue->key.hash};
	int			length = VARSIZE_ANY_EXHDR(queue->name);
	ListenerMark *mark;

	Assert(LWLockHeldByMeInMode(listened_lock, LW_EXCLUSIVE));
	mark = pending_add(&marks, &key, sizeof(key));
	if (mark == NULL)
	{
		listener_marks_sweep(real_now, SWEEP_FOR_ROOM);
		if (pending_is_full(&marks))
		{
			*exceeded = true;
			listener_mark_remove(pending_oldest(&marks));
		}
		/* some may have been of this queue */
		while (key.number > 0 &&
			   listener_mark_of(key.hash, key.number - 1) == NULL)
			key.number--;
		mark = pending_add(&marks, &key, sizeof(key));
	}
	mark->place = place;
	link_mark(mark);
	mark->news = true;
	mark->next_due = DT_NOBEGIN;
	mark->last_sent = DT_NOBEGIN;
	if (length <= KEPT_QUEUE_NAME)
	{
		mark->name_length = length;
		memcpy(mark->name, VARDATA_ANY(queue->name), length);
	}
	listener_mark_changed(mark);
	return mark;
}
