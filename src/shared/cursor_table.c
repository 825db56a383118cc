/*
 * cursor_table.c
 *		The tables of what shared memory knows of lanes: for each queue that is
 *		polled the list of its lanes, for each lane a cursor.
 *
 * The list of lanes is complete when polls have looked for all of them after
 * it was begun, each a piece; transactions that end add theirs.  Until then, and
 * for queues with more lanes than there is room for, polls find lanes in the
 * index, and where there are many serve them in rings (ring.c).
 *
 * When there is no room, a queue that was not used for long goes, with its
 * lanes; but not for one that has many lanes itself, unless it was not used for
 * a while.  Entries are made anew under another generation, so that who looked
 * before notices.
 *
 * Locks: cursor_lock covers the two tables; shared to use an entry,
 * exclusive to make or remove one.  A spinlock below it in each lane covers what
 * moves.  Nothing is allocated under it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/settings.h"
#include "shared/cursor_table.h"
#include "shared/sizes.h"

/* a queue without room finds its lanes in the index for so long, at least */
#define CROWDED_US		(10 * USECS_PER_SEC)

/* a queue with that many lanes takes no room from those used since so long */
#define FEW_LANES		64
#define IDLE_US			(60 * USECS_PER_SEC)

/* queues that are looked at for one that may go */
#define MAX_CHANCES		64

/* Set in every process; the contents are in shared memory. */
LWLock	   *cursor_lock = NULL;
static struct
{
	uint64		last_generation;	/* the last one given */
	dlist_head	turns;			/* of queues, see evict_queue() */
}		   *shared;
static HTAB *queues;
static HTAB *lanes;

/* ------------------------------------------------------------------------
 * Queues and lanes
 * ------------------------------------------------------------------------
 */

/* cursors_shmem_size: for the request hook. */
Size
cursors_shmem_size(void)
{
	Size		size = MAXALIGN(sizeof(*shared));

	size = add_size(size, hash_estimate_size(taskq_max_queues,
											 sizeof(QueueCursors)));
	return add_size(size, hash_estimate_size(taskq_max_lanes,
											 sizeof(LaneEntry)));
}

/* cursors_shmem_init: caller holds AddinShmemInitLock. */
void
cursors_shmem_init(LWLockPadded *locks)
{
	HASHCTL		info = {0};
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	cursor_lock = &locks->lock;
	shared = ShmemInitStruct("taskq cursors", sizeof(*shared), &found);
	if (!found)
	{
		shared->last_generation = 0;
		dlist_init(&shared->turns);
	}
	info.keysize = sizeof(QueueKey);
	info.entrysize = sizeof(QueueCursors);
	queues = ShmemInitHash("taskq cursors of queues", taskq_max_queues,
						   taskq_max_queues, &info, HASH_ELEM | HASH_BLOBS);
	info.keysize = sizeof(LaneKey);
	info.entrysize = sizeof(LaneEntry);
	lanes = ShmemInitHash("taskq cursors of lanes", taskq_max_lanes,
						  taskq_max_lanes, &info, HASH_ELEM | HASH_BLOBS);
}

/* cursors_find_queue: NULL when there is none.  Caller holds the lock. */
QueueCursors *
cursors_find_queue(const QueueKey *key)
{
	Assert(LWLockHeldByMe(cursor_lock));
	return hash_search(queues, key, HASH_FIND, NULL);
}

/* forget the lanes of a queue; the lock is held exclusively */
static void
drop_lanes(QueueCursors *queue)
{
	Assert(LWLockHeldByMeInMode(cursor_lock, LW_EXCLUSIVE));
	while (queue->first != NULL)
	{
		LaneEntry  *lane = queue->first;

		queue->first = lane->next;
		hash_search(lanes, &lane->key, HASH_REMOVE, NULL);
	}
	queue->nlanes = 0;
	lane_spot_set(&queue->discovered, 0, NULL);
	queue->complete = false;
	queue->generation = ++shared->last_generation;
}

static void
drop_queue(QueueCursors *queue)
{
	drop_lanes(queue);
	dlist_delete(&queue->turn);
	hash_search(queues, &queue->key, HASH_REMOVE, NULL);
}

/*
 * cursors_crowd: the queue has more lanes than there is room for.  Caller holds
 * the lock exclusively.
 */
void
cursors_crowd(QueueCursors *queue)
{
	if (queue->nlanes < LISTED_LANES)
		size_exceeded(SIZE_LANES);
	drop_lanes(queue);
	queue->crowded_until = GetCurrentTimestamp() + CROWDED_US;
}

/*
 * Make room: drop a queue that was not used for long, but not "keep", nor one
 * that was used after "before".  They take turns: one that was used since its
 * last one has another, if not too many have.  If it is in use all the same, that
 * size is exceeded.
 */
static void
evict_queue(const QueueCursors *keep, TimestampTz before, SizeKind size)
{
	Assert(LWLockHeldByMeInMode(cursor_lock, LW_EXCLUSIVE));
	for (int i = 0; i < MAX_CHANCES && !dlist_is_empty(&shared->turns); i++)
	{
		QueueCursors *queue = dlist_container(QueueCursors, turn,
											  dlist_pop_head_node(&shared->turns));
		bool		spared = queue == keep || queue->last_used >= before;

		if (!spared && (queue->last_used <= queue->turn_since ||
						i == MAX_CHANCES - 1))
		{
			dlist_push_head(&shared->turns, &queue->turn);
			if (queue->last_used >= GetCurrentTimestamp() - IDLE_US)
				size_exceeded(size);
			drop_queue(queue);
			return;
		}
		queue->turn_since = GetCurrentTimestamp();
		dlist_push_tail(&shared->turns, &queue->turn);
	}
}

/*
 * cursors_make_queue: the entry of a queue, made if there is none; NULL when
 * there is no room.  Caller holds the lock exclusively.
 */
QueueCursors *
cursors_make_queue(const QueueKey *key)
{
	QueueCursors *queue;
	bool		found;

	Assert(LWLockHeldByMeInMode(cursor_lock, LW_EXCLUSIVE));
	if (hash_get_num_entries(queues) >= taskq_max_queues)
		evict_queue(NULL, DT_NOEND, SIZE_QUEUES);
	queue = hash_search(queues, key, HASH_ENTER_NULL, &found);
	if (queue == NULL || found)
		return queue;
	queue->generation = ++shared->last_generation;
	queue->file = InvalidOid;
	queue->complete = false;
	queue->nlanes = 0;
	lane_spot_set(&queue->discovered, 0, NULL);
	SpinLockInit(&queue->ring_mutex);
	memset(queue->rings, 0, sizeof(queue->rings));
	for (int i = 0; i < LEVELS; i++)
		lane_spot_set(&queue->rings[i].spot, 0, NULL);
	pg_atomic_init_u64(&queue->announced, 0);
	queue->crowded_until = DT_NOBEGIN;
	queue->last_used = queue->turn_since = GetCurrentTimestamp();
	dlist_push_tail(&shared->turns, &queue->turn);
	queue->first = NULL;
	return queue;
}

/*
 * cursors_make_lane: a lane of the queue, made if there is none, or all lanes of
 * the queue are forgotten for lack of room.  Caller holds the lock exclusively.
 */
void
cursors_make_lane(QueueCursors *queue, const LaneKey *key, const char *fairness_key,
		  int key_length, ReadyKey from)
{
	LaneEntry  *lane;
	bool		found;

	Assert(LWLockHeldByMeInMode(cursor_lock, LW_EXCLUSIVE));
	if (hash_get_num_entries(lanes) >= taskq_max_lanes)
		evict_queue(queue, queue->nlanes < FEW_LANES ? DT_NOEND :
					GetCurrentTimestamp() - IDLE_US, SIZE_LANES);
	lane = hash_get_num_entries(lanes) >= taskq_max_lanes ||
		queue->nlanes >= LISTED_LANES ? NULL :
		hash_search(lanes, key, HASH_ENTER_NULL, &found);
	if (lane == NULL || (found && (lane->key_length != key_length ||
								   memcmp(lane->fairness_key, fairness_key,
										  key_length) != 0)))
	{
		cursors_crowd(queue);
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
	queue->nlanes++;
}

/* cursors_find_lane: NULL when there is none.  Caller holds the lock. */
LaneEntry *
cursors_find_lane(const LaneName *name)
{
	LaneEntry  *lane = hash_search(lanes, &name->key, HASH_FIND, NULL);

	Assert(LWLockHeldByMe(cursor_lock));
	if (lane == NULL || lane->key_length != name->length ||
		memcmp(lane->fairness_key, name->fairness_key, name->length) != 0)
		return NULL;
	return lane;
}

/*
 * cursors_name_lane: false when shared memory has no room for such a fairness
 * key (NULL = unset).
 */
bool
cursors_name_lane(const QueueKey *queue, int level, const text *fairness_key,
				  LaneName *name)
{
	name->length = fairness_key == NULL ? 0 : VARSIZE_ANY_EXHDR(fairness_key);
	if (name->length > MAX_FAIRNESS_KEY_LENGTH)
		return false;
	if (name->length > 0)
		memcpy(name->fairness_key, VARDATA_ANY(fairness_key), name->length);
	name->key = lane_key(queue, level, name->fairness_key, name->length);
	return true;
}

/* lane_spot_set: at that lane; NULL = before the first one. */
void
lane_spot_set(LaneSpot *spot, int level, const text *fairness_key)
{
	memset(spot, 0, sizeof(LaneSpot));
	spot->level = (int16) level;
	spot->length = BEFORE_FIRST;
	if (fairness_key == NULL)
		return;
	spot->length = (int16) Min(VARSIZE_ANY_EXHDR(fairness_key),
							   MAX_FAIRNESS_KEY_LENGTH);
	memcpy(spot->fairness_key, VARDATA_ANY(fairness_key), spot->length);
}

/* lane_spot_key: palloc'd; NULL = before the first one. */
text *
lane_spot_key(const LaneSpot *spot)
{
	return spot->length == BEFORE_FIRST ? NULL :
		cstring_to_text_with_len(spot->fairness_key, spot->length);
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
	LWLockAcquire(cursor_lock, LW_SHARED);
	hash_seq_init(&scan, queues);
	while ((queue = hash_seq_search(&scan)) != NULL)
		if (queue->key.database == MyDatabaseId && *n < taskq_max_queues)
			keys[(*n)++] = queue->key;
	LWLockRelease(cursor_lock);
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

	LWLockAcquire(cursor_lock, LW_EXCLUSIVE);
	queue = cursors_find_queue(key);
	for (LaneEntry **link = queue == NULL ? NULL : &queue->first;
		 link != NULL && *link != NULL;)
	{
		LaneEntry  *lane = *link;

		if (lane->cursor.from.dispatch_time == DT_NOEND &&
			lane->checked == lane->cursor.announced)
		{
			*link = lane->next;
			queue->nlanes--;
			hash_search(lanes, &lane->key, HASH_REMOVE, NULL);
			dropped = true;
			continue;
		}
		lane->checked = lane->cursor.announced;
		link = &lane->next;
	}
	if (dropped)
		queue->generation = ++shared->last_generation;
	LWLockRelease(cursor_lock);
}

/* cursors_forget_queue: all of a queue. */
void
cursors_forget_queue(const QueueKey *key)
{
	QueueCursors *queue;

	LWLockAcquire(cursor_lock, LW_EXCLUSIVE);
	queue = cursors_find_queue(key);
	if (queue != NULL)
		drop_queue(queue);
	LWLockRelease(cursor_lock);
}

/* cursors_forget_database: all of a database; cannot fail. */
void
cursors_forget_database(Oid database)
{
	HASH_SEQ_STATUS scan;
	QueueCursors *queue;

	LWLockAcquire(cursor_lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, queues);
	while ((queue = hash_seq_search(&scan)) != NULL)
		if (queue->key.database == database)
			drop_queue(queue);
	LWLockRelease(cursor_lock);
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

	LWLockAcquire(cursor_lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
		if (lane->key.database == MyDatabaseId)
			lane_cursor_scramble(&lane->cursor);
	LWLockRelease(cursor_lock);
}
