/*
 * cursors.c
 *		Where live work begins in each lane of a queue.
 *
 * A poll that walked a lane from its beginning would walk over all that is
 * running, and over all that is dead until vacuum comes, which is not before
 * the oldest transaction of the server has ended.  So shared memory keeps, for
 * each queue that is polled, the list of its lanes, and for each lane the place
 * before which nothing can be started.
 *
 * How these places move is told in lane_cursor.c, by whom in cursor_notes.c
 * (transactions that end) and lane.c (polls).
 *
 * All of it is a hint.  Without it, or with one that is too low, a poll walks
 * further; one that is too high, which only a bug or scrambled memory can
 * bring about, is found by the worker, which looks at the beginning of the
 * lanes every CHECK_INTERVAL.  Whatever nobody can be sure of (prepared
 * transactions, rows that were changed by hand) makes all of a database
 * forgotten.
 *
 * Tuple ids of candidates are those of one file of taskq.open.  VACUUM FULL and
 * its like write the table anew, into another: a queue's candidates are then
 * dropped by the first who has the table open and asks for them.  Places and
 * lists of lanes stay right.
 *
 * The tables are in cursor_table.c, which tells the locks, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/texts.h"
#include "shared/cursor_table.h"
#include "shared/cursors.h"

/* the least number of lanes that a look has room for at first */
#define FEW_LANES		8

/* ------------------------------------------------------------------------
 * Announcing
 * ------------------------------------------------------------------------
 */

/* with the lock held; of another file the tuple id says nothing */
static void
hear(QueueCursors *queue, LaneEntry *lane, const Candidate *candidate, Oid file)
{
	Candidate	heard = *candidate;

	Assert(LWLockHeldByMe(cursor_lock));
	if (file != queue->file)
		ItemPointerSetInvalid(&heard.tid);
	lane_cursor_hear(&lane->cursor, &heard);
	pg_atomic_fetch_add_u64(&queue->announced, 1);
}

/*
 * cursors_announce: a task can be started there.  If the candidate has a tuple
 * id, it is one of that file of taskq.open.  Cannot fail.
 */
void
cursors_announce(const LaneName *name, const Candidate *candidate, Oid file)
{
	QueueKey	key = {.database = name->key.database, .hash = name->key.queue_hash};
	QueueCursors *queue;
	LaneEntry  *lane = NULL;
	bool		told = true;

	if (candidate->place.dispatch_time == DT_NOEND)
		return;
	LWLockAcquire(cursor_lock, LW_SHARED);
	queue = cursors_find_queue(&key);
	if (queue != NULL && queue->crowded_until == DT_NOBEGIN)
	{
		lane = cursors_find_lane(name);
		told = lane != NULL;
		if (told)
			hear(queue, lane, candidate, file);
	}
	else if (queue != NULL)
		pg_atomic_fetch_add_u64(&queue->announced, 1);
	LWLockRelease(cursor_lock);
	if (told)
		return;

	LWLockAcquire(cursor_lock, LW_EXCLUSIVE);
	queue = cursors_find_queue(&key);
	if (queue != NULL && queue->crowded_until == DT_NOBEGIN)
	{
		cursors_make_lane(queue, &name->key, name->fairness_key, name->length,
				  queue->complete ? READY_KEY_LAST : READY_KEY_FIRST);
		lane = cursors_find_lane(name);
		if (lane != NULL)
			hear(queue, lane, candidate, file);
	}
	LWLockRelease(cursor_lock);
}

/* ------------------------------------------------------------------------
 * Looking
 * ------------------------------------------------------------------------
 */

/* is it not due yet?  It may have come after the look began. */
static bool
is_later(CursorLook *look, TimestampTz when)
{
	if (when > look->now && when != DT_NOEND)
		look->now = Max(look->now, clock_now());
	return when > look->now;
}

/* Room for copies of lanes; made before the lock is taken. */
typedef struct CopyRoom
{
	int			max;
	char	   *keys;			/* a text for each */
} CopyRoom;

#define KEY_SIZE		INTALIGN(VARHDRSZ + MAX_FAIRNESS_KEY_LENGTH)

static void
make_copy_room(CursorLook *look, CopyRoom *room, int max)
{
	room->max = max;
	room->keys = MemoryContextAllocHuge(CurrentMemoryContext, max * KEY_SIZE);
	look->lanes = MemoryContextAllocHuge(CurrentMemoryContext,
										 max * sizeof(KnownLane));
}

/* copy a lane, if there is room and unless it has nothing to offer yet */
static void
take_lane(CursorLook *look, LaneEntry *lane, const CopyRoom *room)
{
	KnownLane  *known = &look->lanes[look->nlanes];
	text	   *key = (text *) (room->keys + look->nlanes * KEY_SIZE);
	ReadyKey	from;
	uint64		announced;

	Assert(LWLockHeldByMe(cursor_lock));
	lane_cursor_read(&lane->cursor, &from, &announced);
	if (look->complete && is_later(look, from.dispatch_time))
	{
		look->next_due = Min(look->next_due, from.dispatch_time);
		return;
	}
	if (look->nlanes++ >= room->max)
		return;
	known->from = from;
	known->announced = announced;
	known->key = lane->key;
	known->level = lane->key.level;
	known->fairness_key = key;
	SET_VARSIZE(key, VARHDRSZ + lane->key_length);
	memcpy(VARDATA(key), lane->fairness_key, lane->key_length);
	known->entry = lane;
	ItemPointerSetInvalid(&known->first.tid);
}

static int
compare_levels(const void *a, const void *b)
{
	return ((const KnownLane *) a)->level - ((const KnownLane *) b)->level;
}

static int
compare_lanes(const void *a, const void *b)
{
	const KnownLane *x = a;
	const KnownLane *y = b;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return text_compare(x->fairness_key, y->fairness_key);
}

/* has it room for its lanes by now? */
static bool
stays_crowded(const QueueCursors *queue)
{
	if (queue->crowded_until == DT_NOBEGIN)
		return false;
	for (int i = 0; i < LEVELS; i++)
		if (queue->rings[i].large)
			return true;
	return queue->crowded_until > GetCurrentTimestamp();
}

/* the entry of the queue, made if need be, with the lock held shared */
static QueueCursors *
enter_queue(const QueueKey *key)
{
	QueueCursors *queue;

	LWLockAcquire(cursor_lock, LW_SHARED);
	queue = cursors_find_queue(key);
	if (queue != NULL &&
		(queue->crowded_until == DT_NOBEGIN || stays_crowded(queue)))
		return queue;
	LWLockRelease(cursor_lock);

	LWLockAcquire(cursor_lock, LW_EXCLUSIVE);
	queue = cursors_make_queue(key);
	if (queue != NULL)
		queue->crowded_until = DT_NOBEGIN;
	LWLockRelease(cursor_lock);

	LWLockAcquire(cursor_lock, LW_SHARED);
	return cursors_find_queue(key); /* somebody may have been faster */
}

/* copy what is known of the queue's lanes; false when there is too little room */
static bool
copy_lanes(CursorLook *look, const CopyRoom *room)
{
	QueueCursors *queue = enter_queue(&look->queue);

	look->nlanes = 0;
	look->next_due = DT_NOEND;
	look->generation = 0;
	look->complete = look->discovering = false;
	look->counts_news = queue != NULL;
	if (queue != NULL)
	{
		look->announced = pg_atomic_read_u64(&queue->announced);
		queue->last_used = GetCurrentStatementStartTimestamp();
	}
	if (queue != NULL && queue->crowded_until == DT_NOBEGIN)
	{
		look->generation = queue->generation;
		look->file = queue->file;
		look->complete = queue->complete;
		look->discovering = !queue->complete;
		look->discovered = queue->discovered;
		for (LaneEntry *lane = queue->first; lane != NULL; lane = lane->next)
			take_lane(look, lane, room);
	}
	LWLockRelease(cursor_lock);
	return look->nlanes <= room->max;
}

/*
 * cursors_look: what is known of the lanes of a queue that may have a task at
 * "now", or are just getting one.  To be called before the snapshot is taken
 * of the walk to come.
 */
void
cursors_look(const QueueKey *queue, TimestampTz now, CursorLook *look)
{
	static int	expected = FEW_LANES;	/* about as many as last time */
	CopyRoom	room;

	memset(look, 0, sizeof(CursorLook));
	look->queue = *queue;
	look->now = now;
	look->next_due = DT_NOEND;
	look->may_tell = !IsolationUsesXactSnapshot();
	if (!look->may_tell)
		return;					/* the tables alone say what its snapshot shows */

	make_copy_room(look, &room, expected);
	while (!copy_lanes(look, &room))
		make_copy_room(look, &room, look->nlanes + look->nlanes / 4);
	expected = Max(FEW_LANES, look->nlanes + look->nlanes / 4);
	if (look->nlanes > 1)
		qsort(look->lanes, look->nlanes, sizeof(KnownLane),
			  look->complete ? compare_levels : compare_lanes);
}

/*
 * cursors_settle: who has looked has locked taskq.open now, and found it in that
 * file.
 */
void
cursors_settle(CursorLook *look, Oid file)
{
	QueueCursors *queue;

	if (look->file == file || look->generation == 0)
		return;
	look->file = file;
	LWLockAcquire(cursor_lock, LW_EXCLUSIVE);
	queue = cursors_find_queue(&look->queue);
	if (queue != NULL && queue->file != file)
	{
		for (LaneEntry *lane = queue->first; lane != NULL; lane = lane->next)
			lane_cursor_moved(&lane->cursor);
		queue->file = file;
	}
	LWLockRelease(cursor_lock);
}

/*
 * cursors_news: has a task been announced since the look, to any lane of the
 * queue?  False when that is not known.
 */
bool
cursors_news(const CursorLook *look)
{
	QueueCursors *queue;
	bool		news;

	if (!look->counts_news)
		return false;
	LWLockAcquire(cursor_lock, LW_SHARED);
	queue = cursors_find_queue(&look->queue);
	news = queue != NULL &&
		pg_atomic_read_u64(&queue->announced) != look->announced;
	LWLockRelease(cursor_lock);
	return news;
}

/*
 * cursors_known: the lane as a look that does not know all lanes found it; NULL
 * when it did not.
 */
const KnownLane *
cursors_known(const CursorLook *look, int16 level, text *fairness_key)
{
	KnownLane	wanted = {.level = level, .fairness_key = fairness_key};

	if (look->nlanes == 0)
		return NULL;
	return bsearch(&wanted, look->lanes, look->nlanes, sizeof(KnownLane),
				   compare_lanes);
}

/* what was known at the look still holds, and nobody has discovered more */
static bool
is_as_seen(const QueueCursors *queue, const CursorLook *look)
{
	return queue != NULL && queue->generation == look->generation &&
		memcmp(&queue->discovered, &look->discovered, sizeof(LaneSpot)) == 0;
}

/*
 * cursors_learn: these are the lanes that the index showed after the look, from
 * where others had come on; "all" that there are.
 */
void
cursors_learn(const CursorLook *look, const KnownLane *found, int n, bool all)
{
	QueueCursors *queue;

	if (!look->discovering || !look->may_tell)
		return;
	LWLockAcquire(cursor_lock, LW_EXCLUSIVE);
	queue = cursors_find_queue(&look->queue);
	for (int i = 0; i < n && is_as_seen(queue, look); i++)
	{
		LaneName	name;

		if (cursors_name_lane(&look->queue, found[i].level,
							  found[i].fairness_key, &name))
			cursors_make_lane(queue, &name.key, name.fairness_key, name.length,
					  READY_KEY_FIRST);
		else
			cursors_crowd(queue);
	}
	if (is_as_seen(queue, look))
	{
		queue->complete = all;
		if (n > 0)
			lane_spot_set(&queue->discovered, found[n - 1].level,
						  found[n - 1].fairness_key);
	}
	LWLockRelease(cursor_lock);
}

/* the lane that the look found, with the lock held shared; or NULL */
static LaneEntry *
still_there(const CursorLook *look, const KnownLane *known)
{
	QueueCursors *queue;

	Assert(LWLockHeldByMe(cursor_lock));
	if (look->generation == 0 || !look->may_tell || known->entry == NULL)
		return NULL;
	queue = cursors_find_queue(&look->queue);
	return queue != NULL && queue->generation == look->generation &&
		queue->file == look->file ? known->entry : NULL;
}

/*
 * cursors_take: up to n candidates that are due, in order, and all at the place
 * of the last one (room for MAX_CANDIDATES).  They are the caller's: he has to
 * announce again those that he leaves where they are.  To be called before the
 * snapshot is taken with which they are looked at.
 */
int
cursors_take(const CursorLook *look, const KnownLane *known, TimestampTz now,
			 Candidate *candidates, int n)
{
	LaneEntry  *lane;
	int			taken = 0;

	LWLockAcquire(cursor_lock, LW_SHARED);
	lane = still_there(look, known);
	if (lane != NULL)
		taken = lane_cursor_take(&lane->cursor, now, candidates, n);
	LWLockRelease(cursor_lock);
	return taken;
}

/*
 * cursors_peek: up to *n candidates that are due, in order, all there is in the
 * lane before *behind, as far as a walk after the look would find it; they stay
 * where they are.  False when that is not known.
 */
bool
cursors_peek(const CursorLook *look, const KnownLane *known, TimestampTz now,
			 Candidate *candidates, int *n, ReadyKey *behind)
{
	LaneEntry  *lane;
	bool		peeked = false;

	LWLockAcquire(cursor_lock, LW_SHARED);
	lane = still_there(look, known);
	if (lane != NULL)
		peeked = lane_cursor_peek(&lane->cursor, known->announced, now,
								  candidates, n, behind);
	LWLockRelease(cursor_lock);
	return peeked;
}

/*
 * cursors_advance: a walk along the lane that was begun after the look has
 * come to its end.
 */
void
cursors_advance(const CursorLook *look, const KnownLane *known,
				const WalkEnd *walk)
{
	LaneEntry  *lane;

	LWLockAcquire(cursor_lock, LW_SHARED);
	lane = still_there(look, known);
	if (lane != NULL)
		lane_cursor_advance(&lane->cursor, known->announced, walk);
	LWLockRelease(cursor_lock);
}
