/*
 * queue_state.c
 *		What shared memory knows of task queues: limiters, virtual time,
 *		counters, pollers.
 *
 * Three hash tables of fixed size under one LWLock: queues, lanes (a fairness
 * key on a level, or on all levels) and pollers.  An entry is made when it is
 * first needed.  When a table is full the entry that was not used for longest
 * goes, one that matters to limits last.  A queue that holds reservations or
 * owes tokens never goes: its limits have to hold.  A new queue without room is
 * not counted in statistics, and hands out nothing for now if it has a limit.
 * More fairness keys at work than there is room for share less fairly, and
 * those that wait for tokens may get some too early.
 *
 * Nothing here is the truth but one thing: how many attempts of a queue run
 * is only known here.  As long as it is not known (started_known), a queue
 * with max_started hands out nothing; see limits.c.
 *
 * The lock is held for memory work only, also in commit callbacks; nothing
 * that can fail happens under it.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "guc.h"
#include "listen.h"
#include "queue_state.h"
#include "shmem.h"

/* a lane that nobody looked at for so long may go */
#define LANE_IDLE		(60 * USECS_PER_SEC)

HTAB	   *queue_states = NULL;
HTAB	   *poller_states = NULL;
static HTAB *lane_states = NULL;

/* queue_state_shmem_size: for the request hook. */
Size
queue_state_shmem_size(void)
{
	Size		size;

	size = hash_estimate_size(taskq_max_queues, sizeof(QueueState));
	size = add_size(size, hash_estimate_size(taskq_max_lanes,
											 sizeof(LaneState)));
	return add_size(size, hash_estimate_size(taskq_max_pollers,
											 sizeof(PollerState)));
}

static HTAB *
make_table(const char *name, int entries, Size key, Size entry)
{
	HASHCTL		info = {0};

	info.keysize = key;
	info.entrysize = entry;
	return ShmemInitHash(name, entries, entries, &info,
						 HASH_ELEM | HASH_BLOBS);
}

/* queue_state_shmem_init: caller holds AddinShmemInitLock. */
void
queue_state_shmem_init(void)
{
	queue_states = make_table("taskq queues", taskq_max_queues,
							  sizeof(QueueKey), sizeof(QueueState));
	lane_states = make_table("taskq lanes", taskq_max_lanes,
							 sizeof(LaneKey), sizeof(LaneState));
	poller_states = make_table("taskq pollers", taskq_max_pollers,
							   sizeof(PollerKey), sizeof(PollerState));
}

/* queue_state_lock: protects all three tables. */
void
queue_state_lock(LWLockMode mode)
{
	LWLockAcquire(control->queue_lock, mode);
}

void
queue_state_unlock(void)
{
	LWLockRelease(control->queue_lock);
}

/* queue_key: of a queue of this database. */
QueueKey
queue_key(const text *task_queue)
{
	QueueKey	key = {0};

	key.database = MyDatabaseId;
	key.hash = listen_hash(VARDATA_ANY(task_queue),
						   VARSIZE_ANY_EXHDR(task_queue), false);
	return key;
}

/* ------------------------------------------------------------------------
 * Queues
 * ------------------------------------------------------------------------
 */

/*
 * Make room by dropping the queue that was not used for longest, one without
 * limits if there is such.  If it comes again its attempts are counted anew.
 */
static void
evict_queue(void)
{
	HASH_SEQ_STATUS scan;
	QueueState *state;
	QueueState *oldest = NULL;
	double		now = (double) clock_now();

	hash_seq_init(&scan, queue_states);
	while ((state = hash_seq_search(&scan)) != NULL)
	{
		if (state->reserved != 0 ||
			(state->limited && state->limiter.next > now))
			continue;
		if (oldest == NULL || state->limited < oldest->limited ||
			(state->limited == oldest->limited &&
			 state->last_used < oldest->last_used))
			oldest = state;
	}
	if (oldest != NULL)
		hash_search(queue_states, &oldest->key, HASH_REMOVE, NULL);
}

/* queue_state_find: NULL when there is none. */
QueueState *
queue_state_find(const QueueKey *key)
{
	return hash_search(queue_states, key, HASH_FIND, NULL);
}

/*
 * queue_state_get: found or made; NULL when there is no room.
 */
QueueState *
queue_state_get(const QueueKey *key, const char *name, int length)
{
	bool		found;
	QueueState *state = hash_search(queue_states, key, HASH_FIND, NULL);

	if (state == NULL)
	{
		if (hash_get_num_entries(queue_states) >= taskq_max_queues)
			evict_queue();
		if (hash_get_num_entries(queue_states) >= taskq_max_queues)
			return NULL;
		state = hash_search(queue_states, key, HASH_ENTER_NULL, &found);
		if (state == NULL)
			return NULL;
		memset((char *) state + sizeof(QueueKey), 0,
			   sizeof(QueueState) - sizeof(QueueKey));
		state->name_length = Min(length, MAX_NAME_LENGTH);
		memcpy(state->name, name, state->name_length);
		state->stats_reset = GetCurrentTimestamp();
	}
	state->last_used = GetCurrentTimestamp();
	return state;
}

static void
count_rate(QueueState *state, uint32 *buckets, int64 n)
{
	int64		now = GetCurrentTimestamp() / (RATE_BUCKET * USECS_PER_SEC);
	int			i = (int) (now % RATE_BUCKETS);

	if (state->bucket_start[i] != now)
	{
		state->bucket_start[i] = now;
		state->added[i] = 0;
		state->dispatched[i] = 0;
	}
	buckets[i] += (uint32) n;
}

/* queue_state_count: n more events of a kind. */
void
queue_state_count(QueueState *state, int counter, int64 n)
{
	state->counters[counter] += n;
	if (counter == COUNT_ADDED)
		count_rate(state, state->added, n);
	else if (counter == COUNT_STARTED)
		count_rate(state, state->dispatched, n);
}

/* ------------------------------------------------------------------------
 * Lanes and pollers
 * ------------------------------------------------------------------------
 */

/* is "a" to go before "b"?  Those that owe no tokens, then who owes least. */
static bool
goes_before(const LaneState *a, const LaneState *b, double now)
{
	bool		a_owes = a->limiter.next > now;
	bool		b_owes = b->limiter.next > now;

	if (a_owes != b_owes)
		return b_owes;
	if (a_owes && a->limiter.next != b->limiter.next)
		return a->limiter.next < b->limiter.next;
	return a->last_used < b->last_used;
}

/* make room: all that are idle, or else one */
static void
evict_lanes(void)
{
	HASH_SEQ_STATUS scan;
	LaneState  *state;
	LaneState  *first = NULL;
	double		now = (double) clock_now();
	TimestampTz idle = GetCurrentTimestamp() - LANE_IDLE;
	bool		evicted = false;

	hash_seq_init(&scan, lane_states);
	while ((state = hash_seq_search(&scan)) != NULL)
	{
		if (state->last_used < idle && state->limiter.next <= now)
		{
			hash_search(lane_states, &state->key, HASH_REMOVE, NULL);
			evicted = true;
		}
		else if (first == NULL || goes_before(state, first, now))
			first = state;
	}
	if (!evicted && first != NULL)
		hash_search(lane_states, &first->key, HASH_REMOVE, NULL);
}

LaneState *
lane_state_find(const LaneKey *key)
{
	return hash_search(lane_states, key, HASH_FIND, NULL);
}

/* lane_state_get: found or made; NULL when there is no room. */
LaneState *
lane_state_get(const LaneKey *key)
{
	LaneState  *state = hash_search(lane_states, key, HASH_FIND, NULL);

	if (state == NULL)
	{
		if (hash_get_num_entries(lane_states) >= taskq_max_lanes)
			evict_lanes();
		state = hash_search(lane_states, key, HASH_ENTER_NULL, NULL);
		if (state == NULL)
			return NULL;
		memset((char *) state + sizeof(LaneKey), 0,
			   sizeof(LaneState) - sizeof(LaneKey));
	}
	state->last_used = GetCurrentTimestamp();
	return state;
}

static void
evict_poller(void)
{
	HASH_SEQ_STATUS scan;
	PollerState *state;
	PollerState *oldest = NULL;

	hash_seq_init(&scan, poller_states);
	while ((state = hash_seq_search(&scan)) != NULL)
	{
		if (state->waiting > 0)
			continue;
		if (oldest == NULL || state->last_access < oldest->last_access)
			oldest = state;
	}
	if (oldest != NULL)
		hash_search(poller_states, &oldest->key, HASH_REMOVE, NULL);
}

/* the key of a poller; *length is how much of its identity is kept */
static PollerKey
poller_key(const QueueKey *key, const char *identity, int *length)
{
	PollerKey	poller = {0};

	*length = pg_mbcliplen(identity, strlen(identity), POLLER_IDENTITY);
	poller.database = key->database;
	poller.queue_hash = key->hash;
	poller.identity_hash = hash_bytes_extended((const unsigned char *) identity,
											   *length, 0);
	return poller;
}

/* poller_state_find: NULL when there is none. */
PollerState *
poller_state_find(const QueueKey *key, const char *identity)
{
	int			length;
	PollerKey	poller = poller_key(key, identity, &length);

	return hash_search(poller_states, &poller, HASH_FIND, NULL);
}

/*
 * poller_state_get: the poller of that identity, noted as just seen; NULL when
 * there is no room.
 */
PollerState *
poller_state_get(const QueueKey *key, const char *identity)
{
	int			length;
	PollerKey	poller = poller_key(key, identity, &length);
	PollerState *state = hash_search(poller_states, &poller, HASH_FIND, NULL);

	if (state == NULL)
	{
		if (hash_get_num_entries(poller_states) >= taskq_max_pollers)
			evict_poller();
		state = hash_search(poller_states, &poller, HASH_ENTER_NULL, NULL);
		if (state == NULL)
			return NULL;
		memset((char *) state + sizeof(PollerKey), 0,
			   sizeof(PollerState) - sizeof(PollerKey));
		memcpy(state->identity, identity, length);
	}
	state->last_access = GetCurrentTimestamp();
	return state;
}

/* ------------------------------------------------------------------------
 * Limiters
 * ------------------------------------------------------------------------
 */

/*
 * queue_state_forget_database: all entries of a database that is gone.  Takes
 * the lock itself.
 */
void
queue_state_forget_database(Oid database)
{
	HASH_SEQ_STATUS scan;
	QueueState *queue;
	LaneState  *lane;
	PollerState *poller;

	queue_state_lock(LW_EXCLUSIVE);
	hash_seq_init(&scan, queue_states);
	while ((queue = hash_seq_search(&scan)) != NULL)
		if (queue->key.database == database)
			hash_search(queue_states, &queue->key, HASH_REMOVE, NULL);
	hash_seq_init(&scan, lane_states);
	while ((lane = hash_seq_search(&scan)) != NULL)
		if (lane->key.database == database)
			hash_search(lane_states, &lane->key, HASH_REMOVE, NULL);
	hash_seq_init(&scan, poller_states);
	while ((poller = hash_seq_search(&scan)) != NULL)
		if (poller->key.database == database)
			hash_search(poller_states, &poller->key, HASH_REMOVE, NULL);
	queue_state_unlock();
}
