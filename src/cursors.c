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
 * (transactions that end) and store_lane.c (polls).
 *
 * The list of lanes is complete when a poll has looked for all of them after
 * it was begun; transactions that end add theirs.  Until then, and for queues
 * with more lanes than there is room for, polls find lanes in the index.
 *
 * All of it is a hint.  Without it, or with one that is too low, a poll walks
 * further; one that is too high, which only a bug or scrambled memory can
 * bring about, is found by the worker, which looks at the beginning of the
 * lanes every CHECK_INTERVAL.  Whatever nobody can be sure of (prepared
 * transactions, rows that were changed by hand) makes all of a database
 * forgotten.
 *
 * Locks: control->cursor_lock covers the two tables; shared to use an entry,
 * exclusive to make or remove one.  A spinlock below it in each lane covers what
 * moves.  Entries are made anew under another generation, so that who
 * looked before notices.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "cursors.h"
#include "guc.h"
#include "shmem.h"

/* a queue without room finds its lanes in the index for so long */
#define CROWDED_US		(10 * USECS_PER_SEC)

/* A lane of the table; what moves is in its cursor. */
struct LaneEntry
{
	LaneKey		key;
	LaneEntry  *next;			/* of the queue */
	uint16		key_length;
	char		fairness_key[MAX_FAIRNESS_KEY_LENGTH];
	uint64		checked;		/* announced as of the last check */
	LaneCursor	cursor;
};

typedef struct QueueCursors
{
	QueueKey	key;
	uint64		generation;
	bool		complete;
	TimestampTz crowded_until;	/* real clock */
	TimestampTz last_used;		/* real clock */
	LaneEntry  *first;
} QueueCursors;

static HTAB *queues = NULL;
static HTAB *lanes = NULL;

/* ------------------------------------------------------------------------
 * The tables
 * ------------------------------------------------------------------------
 */

/* cursors_shmem_size: for the request hook. */
Size
cursors_shmem_size(void)
{
	return add_size(hash_estimate_size(taskq_max_queues, sizeof(QueueCursors)),
					hash_estimate_size(taskq_max_lanes, sizeof(LaneEntry)));
}

/* cursors_shmem_init: caller holds AddinShmemInitLock. */
void
cursors_shmem_init(void)
{
	HASHCTL		info = {0};

	info.keysize = sizeof(QueueKey);
	info.entrysize = sizeof(QueueCursors);
	queues = ShmemInitHash("taskq cursors of queues", taskq_max_queues,
						   taskq_max_queues, &info, HASH_ELEM | HASH_BLOBS);
	info.keysize = sizeof(LaneKey);
	info.entrysize = sizeof(LaneEntry);
	lanes = ShmemInitHash("taskq cursors of lanes", taskq_max_lanes,
						  taskq_max_lanes, &info, HASH_ELEM | HASH_BLOBS);
}

static QueueCursors *
find_queue(const QueueKey *key)
{
	return hash_search(queues, key, HASH_FIND, NULL);
}

/* forget the lanes of a queue; the lock is held exclusively */
static void
drop_lanes(QueueCursors *queue)
{
	while (queue->first != NULL)
	{
		LaneEntry  *lane = queue->first;

		queue->first = lane->next;
		hash_search(lanes, &lane->key, HASH_REMOVE, NULL);
	}
	queue->complete = false;
	queue->generation = ++control->cursor_generation;
}

static void
drop_queue(QueueCursors *queue)
{
	drop_lanes(queue);
	hash_search(queues, &queue->key, HASH_REMOVE, NULL);
}

/* the queue has more lanes than there is room for */
static void
crowd(QueueCursors *queue)
{
	drop_lanes(queue);
	queue->crowded_until = GetCurrentTimestamp() + CROWDED_US;
}

/* make room: drop the queue that was not used for longest, but not "keep" */
static void
evict_queue(const QueueCursors *keep)
{
	HASH_SEQ_STATUS scan;
	QueueCursors *queue;
	QueueCursors *oldest = NULL;

	hash_seq_init(&scan, queues);
	while ((queue = hash_seq_search(&scan)) != NULL)
		if (queue != keep &&
			(oldest == NULL || queue->last_used < oldest->last_used))
			oldest = queue;
	if (oldest != NULL)
		drop_queue(oldest);
}

static QueueCursors *
make_queue(const QueueKey *key)
{
	QueueCursors *queue;
	bool		found;

	if (hash_get_num_entries(queues) >= taskq_max_queues)
		evict_queue(NULL);
	queue = hash_search(queues, key, HASH_ENTER_NULL, &found);
	if (queue == NULL || found)
		return queue;
	queue->generation = ++control->cursor_generation;
	queue->complete = false;
	queue->crowded_until = DT_NOBEGIN;
	queue->last_used = GetCurrentTimestamp();
	queue->first = NULL;
	return queue;
}

/* a lane of the queue, made if there is none; the lock is held exclusively */
static void
make_lane(QueueCursors *queue, const LaneKey *key, const char *fairness_key,
		  int key_length, ReadyKey from)
{
	LaneEntry  *lane;
	bool		found;

	if (hash_get_num_entries(lanes) >= taskq_max_lanes)
		evict_queue(queue);
	lane = hash_get_num_entries(lanes) >= taskq_max_lanes ? NULL :
		hash_search(lanes, key, HASH_ENTER_NULL, &found);
	if (lane == NULL || (found && (lane->key_length != key_length ||
								   memcmp(lane->fairness_key, fairness_key,
										  key_length) != 0)))
	{
		crowd(queue);
		return;
	}
	if (found)
		return;
	lane->key_length = key_length;
	memcpy(lane->fairness_key, fairness_key, key_length);
	lane->checked = PG_UINT64_MAX;
	lane_cursor_init(&lane->cursor, from);
	lane->next = queue->first;
	queue->first = lane;
}

/*
 * cursors_name_lane: false when shared memory has no room for such a fairness
 * key (NULL = unset).
 */
bool
cursors_name_lane(const QueueKey *queue, int level, const text *fairness_key,
				  LaneName *name)
{
	memset(&name->key, 0, sizeof(LaneKey));
	name->length = fairness_key == NULL ? 0 : VARSIZE_ANY_EXHDR(fairness_key);
	if (name->length > MAX_FAIRNESS_KEY_LENGTH)
		return false;
	if (name->length > 0)
		memcpy(name->fairness_key, VARDATA_ANY(fairness_key), name->length);
	name->key.database = queue->database;
	name->key.level = level;
	name->key.queue_hash = queue->hash;
	name->key.key_hash =
		hash_bytes_extended((const unsigned char *) name->fairness_key,
							name->length, 0);
	return true;
}

/* ------------------------------------------------------------------------
 * Announcing
 * ------------------------------------------------------------------------
 */

static LaneEntry *
find_lane(const LaneName *name)
{
	LaneEntry  *lane = hash_search(lanes, &name->key, HASH_FIND, NULL);

	if (lane == NULL || lane->key_length != name->length ||
		memcmp(lane->fairness_key, name->fairness_key, name->length) != 0)
		return NULL;
	return lane;
}

/*
 * cursors_announce: a task can be started there.  Cannot fail.
 */
void
cursors_announce(const LaneName *name, const Candidate *candidate)
{
	QueueKey	key = {.database = name->key.database, .hash = name->key.queue_hash};
	QueueCursors *queue;
	LaneEntry  *lane = NULL;
	bool		told = true;

	if (candidate->place.dispatch_time == DT_NOEND)
		return;
	LWLockAcquire(control->cursor_lock, LW_SHARED);
	queue = find_queue(&key);
	if (queue != NULL && queue->crowded_until == DT_NOBEGIN)
	{
		lane = find_lane(name);
		told = lane != NULL;
		if (told)
			lane_cursor_hear(&lane->cursor, candidate);
	}
	LWLockRelease(control->cursor_lock);
	if (told)
		return;

	LWLockAcquire(control->cursor_lock, LW_EXCLUSIVE);
	queue = find_queue(&key);
	if (queue != NULL && queue->crowded_until == DT_NOBEGIN)
	{
		make_lane(queue, &name->key, name->fairness_key, name->length,
				  queue->complete ? READY_KEY_LAST : READY_KEY_FIRST);
		lane = find_lane(name);
		if (lane != NULL)
			lane_cursor_hear(&lane->cursor, candidate);
	}
	LWLockRelease(control->cursor_lock);
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

/* copy a lane, unless it has nothing to offer yet */
static void
take_lane(CursorLook *look, LaneEntry *lane, int *max)
{
	KnownLane  *known;

	if (look->nlanes == *max)
	{
		*max *= 2;
		look->lanes = repalloc_huge(look->lanes, *max * sizeof(KnownLane));
	}
	known = &look->lanes[look->nlanes];
	lane_cursor_read(&lane->cursor, &known->from, &known->announced);
	if (look->complete && is_later(look, known->from.dispatch_time))
	{
		look->next_due = Min(look->next_due, known->from.dispatch_time);
		return;
	}
	known->level = lane->key.level;
	known->fairness_key = cstring_to_text_with_len(lane->fairness_key,
												   lane->key_length);
	known->entry = lane;
	look->nlanes++;
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
	int			x_length = VARSIZE_ANY_EXHDR(x->fairness_key);
	int			y_length = VARSIZE_ANY_EXHDR(y->fairness_key);
	int			order;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	order = memcmp(VARDATA_ANY(x->fairness_key), VARDATA_ANY(y->fairness_key),
				   Min(x_length, y_length));
	return order != 0 ? order : x_length - y_length;
}

/* the entry of the queue, made if need be, with the lock held shared */
static QueueCursors *
enter_queue(const QueueKey *key)
{
	QueueCursors *queue;

	LWLockAcquire(control->cursor_lock, LW_SHARED);
	queue = find_queue(key);
	if (queue != NULL && queue->crowded_until == DT_NOBEGIN)
		return queue;
	if (queue != NULL && queue->crowded_until > GetCurrentTimestamp())
		return NULL;
	LWLockRelease(control->cursor_lock);

	LWLockAcquire(control->cursor_lock, LW_EXCLUSIVE);
	queue = make_queue(key);
	if (queue != NULL)
		queue->crowded_until = DT_NOBEGIN;
	LWLockRelease(control->cursor_lock);

	LWLockAcquire(control->cursor_lock, LW_SHARED);
	queue = find_queue(key);	/* somebody may have been faster */
	return queue == NULL || queue->crowded_until != DT_NOBEGIN ? NULL : queue;
}

/*
 * cursors_look: what is known of the lanes of a queue that may have a task at
 * "now", or are just getting one.  To be called before the snapshot is taken
 * of the walk to come.
 */
void
cursors_look(const text *task_queue, TimestampTz now, CursorLook *look)
{
	QueueCursors *queue;
	int			max = 8;

	memset(look, 0, sizeof(CursorLook));
	look->queue = queue_key(task_queue);
	look->now = now;
	look->next_due = DT_NOEND;
	look->may_tell = !IsolationUsesXactSnapshot();
	look->lanes = palloc(max * sizeof(KnownLane));
	if (!look->may_tell)
		return;					/* the tables alone say what its snapshot shows */
	cursor_notes_announce(&look->queue);

	queue = enter_queue(&look->queue);
	if (queue != NULL)
	{
		look->generation = queue->generation;
		look->complete = queue->complete;
		queue->last_used = GetCurrentStatementStartTimestamp();
		for (LaneEntry *lane = queue->first; lane != NULL; lane = lane->next)
			take_lane(look, lane, &max);
	}
	LWLockRelease(control->cursor_lock);
	if (look->nlanes > 1)
		qsort(look->lanes, look->nlanes, sizeof(KnownLane),
			  look->complete ? compare_levels : compare_lanes);
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

/*
 * cursors_learn: these are all lanes that the index showed after the look.
 */
void
cursors_learn(const CursorLook *look, const KnownLane *found, int n)
{
	QueueCursors *queue;

	if (look->generation == 0 || !look->may_tell)
		return;
	LWLockAcquire(control->cursor_lock, LW_EXCLUSIVE);
	queue = find_queue(&look->queue);
	for (int i = 0; i < n && queue != NULL &&
		 queue->generation == look->generation; i++)
	{
		LaneName	name;

		if (cursors_name_lane(&look->queue, found[i].level,
							  found[i].fairness_key, &name))
			make_lane(queue, &name.key, name.fairness_key, name.length,
					  READY_KEY_FIRST);
		else
			crowd(queue);
	}
	if (queue != NULL && queue->generation == look->generation)
		queue->complete = true;
	LWLockRelease(control->cursor_lock);
}

/* the lane that the look found, with the lock held shared; or NULL */
static LaneEntry *
still_there(const CursorLook *look, const KnownLane *known)
{
	QueueCursors *queue;

	if (look->generation == 0 || !look->may_tell || known->entry == NULL)
		return NULL;
	queue = find_queue(&look->queue);
	return queue != NULL && queue->generation == look->generation ?
		known->entry : NULL;
}

/*
 * cursors_take: up to n candidates that are due, in order.  They are the
 * caller's: he has to announce again those that he leaves where they are.  To
 * be called before the snapshot is taken with which they are looked at.
 */
int
cursors_take(const CursorLook *look, const KnownLane *known, TimestampTz now,
			 Candidate *candidates, int n)
{
	LaneEntry  *lane;
	int			taken = 0;

	LWLockAcquire(control->cursor_lock, LW_SHARED);
	lane = still_there(look, known);
	if (lane != NULL)
		taken = lane_cursor_take(&lane->cursor, now, candidates, n);
	LWLockRelease(control->cursor_lock);
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

	LWLockAcquire(control->cursor_lock, LW_SHARED);
	lane = still_there(look, known);
	if (lane != NULL)
		peeked = lane_cursor_peek(&lane->cursor, known->announced, now,
								  candidates, n, behind);
	LWLockRelease(control->cursor_lock);
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

	LWLockAcquire(control->cursor_lock, LW_SHARED);
	lane = still_there(look, known);
	if (lane != NULL)
		lane_cursor_advance(&lane->cursor, known->announced, walk);
	LWLockRelease(control->cursor_lock);
}

/* ------------------------------------------------------------------------
 * Checking and forgetting
 * ------------------------------------------------------------------------
 */

/*
 * cursors_queues: the queues of this database that have cursors, palloc'd.
 */
QueueKey *
cursors_queues(int *n)
{
	HASH_SEQ_STATUS scan;
	QueueCursors *queue;
	QueueKey   *keys = palloc(taskq_max_queues * sizeof(QueueKey));

	*n = 0;
	LWLockAcquire(control->cursor_lock, LW_SHARED);
	hash_seq_init(&scan, queues);
	while ((queue = hash_seq_search(&scan)) != NULL)
		if (queue->key.database == MyDatabaseId && *n < taskq_max_queues)
			keys[(*n)++] = queue->key;
	LWLockRelease(control->cursor_lock);
	return keys;
}

/*
 * cursors_prune: drop the lanes of a queue that had no task at all since the
 * last time.
 */
void
cursors_prune(const QueueKey *key)
{
	QueueCursors *queue;
	bool		dropped = false;

	LWLockAcquire(control->cursor_lock, LW_EXCLUSIVE);
	queue = find_queue(key);
	for (LaneEntry **link = queue == NULL ? NULL : &queue->first;
		 link != NULL && *link != NULL;)
	{
		LaneEntry  *lane = *link;

		if (lane->cursor.from.dispatch_time == DT_NOEND &&
			lane->checked == lane->cursor.announced)
		{
			*link = lane->next;
			hash_search(lanes, &lane->key, HASH_REMOVE, NULL);
			dropped = true;
			continue;
		}
		lane->checked = lane->cursor.announced;
		link = &lane->next;
	}
	if (dropped)
		queue->generation = ++control->cursor_generation;
	LWLockRelease(control->cursor_lock);
}

/* cursors_forget_queue: all of a queue. */
void
cursors_forget_queue(const QueueKey *key)
{
	QueueCursors *queue;

	LWLockAcquire(control->cursor_lock, LW_EXCLUSIVE);
	queue = find_queue(key);
	if (queue != NULL)
		drop_queue(queue);
	LWLockRelease(control->cursor_lock);
}

/* cursors_forget_database: all of a database; cannot fail. */
void
cursors_forget_database(Oid database)
{
	HASH_SEQ_STATUS scan;
	QueueCursors *queue;

	LWLockAcquire(control->cursor_lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, queues);
	while ((queue = hash_seq_search(&scan)) != NULL)
		if (queue->key.database == database)
			drop_queue(queue);
	LWLockRelease(control->cursor_lock);
}

/*
 * cursors_scramble: put each cursor of this database somewhere else, as broken
 * memory would.  For tests.
 */
void
cursors_scramble(void)
{
	HASH_SEQ_STATUS scan;
	LaneEntry  *lane;

	LWLockAcquire(control->cursor_lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
		if (lane->key.database == MyDatabaseId)
			lane_cursor_scramble(&lane->cursor);
	LWLockRelease(control->cursor_lock);
}
