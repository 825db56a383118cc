/*
 * queue_state.c
 *		What shared memory knows of task queues: limiters, virtual time,
 *		counters, pollers.
 *
 * Three tables of fixed size: queues, lanes (a fairness key on a level, or on
 * all levels) and pollers.  An entry is made when it is first needed.  When a
 * table is full the entry that was not used for longest goes; queues that are
 * idle and empty go first, those that matter to limits last.  A queue that
 * holds reservations or owes tokens never goes: its limits have to hold.  A
 * new queue without room is not counted in statistics, and hands out nothing
 * for now if it has a limit.  More fairness keys at work than there is room
 * for share less fairly, and those that wait for tokens may get some too
 * early.
 *
 * Nothing here is the truth but one thing: how many attempts of a queue run
 * is only known here.  As long as it is not known (state->known), a queue
 * with max_started hands out nothing; see limits.c and counts.c.
 *
 * Locks: the tables are cut into TABLE_PARTS parts by the hash of the queue,
 * each with an LWLock of its own, so that all that belongs to a queue lies
 * under one lock.  They are held for memory work only, also in commit
 * callbacks; nothing that can fail happens under them.  Who needs several at
 * once takes them in the order of their numbers; who holds some and needs room
 * in another part takes that lock only if it is free.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "counts.h"
#include "delays.h"
#include "guc.h"
#include "listen.h"
#include "queue_state.h"
#include "shmem.h"

#define ALL_PARTS		(part_bit(TABLE_PARTS) - 1)

/* a lane, or an empty queue, that nobody looked at for so long may go */
#define IDLE			(60 * USECS_PER_SEC)

/* names up to this length are compared faster than hashed */
#define LAST_NAME_LENGTH	128

/* how often room is searched while others are at the parts where it is */
#define EVICTION_TRIES	10

static SharedTable *queue_states = NULL;
static SharedTable *lane_states = NULL;
static SharedTable *poller_states = NULL;

/* parts that this backend has locked */
static uint32 locked_parts = 0;

/* queue_state_shmem_size: for the request hook. */
Size
queue_state_shmem_size(void)
{
	Size		size;

	size = shared_table_size(taskq_max_queues, sizeof(QueueState));
	size = add_size(size, shared_table_size(taskq_max_lanes,
											sizeof(LaneState)));
	size = add_size(size, shared_table_size(taskq_max_pollers,
											sizeof(PollerState)));
	return add_size(size, delays_shmem_size());
}

/* queue_state_shmem_init: caller holds AddinShmemInitLock. */
void
queue_state_shmem_init(void)
{
	queue_states = shared_table_init("taskq queues", taskq_max_queues,
									 sizeof(QueueKey), sizeof(QueueState));
	lane_states = shared_table_init("taskq lanes", taskq_max_lanes,
									sizeof(LaneKey), sizeof(LaneState));
	poller_states = shared_table_init("taskq pollers", taskq_max_pollers,
									  sizeof(PollerKey), sizeof(PollerState));
	delays_shmem_init();
}

/* ------------------------------------------------------------------------
 * Locks
 * ------------------------------------------------------------------------
 */

static int
part_of(uint64 queue_hash)
{
	return (int) (queue_hash >> 32) & (TABLE_PARTS - 1);
}

/* queue_state_part: the part of all tables where a queue belongs. */
int
queue_state_part(const QueueKey *key)
{
	return part_of(key->hash);
}

/* lane_state_part: likewise of its lanes. */
int
lane_state_part(const LaneKey *key)
{
	return part_of(key->queue_hash);
}

static LWLock *
lock_of(int part)
{
	return &control->queue_locks[part].lock;
}

/* queue_state_lock: protects a queue, its lanes and its pollers. */
void
queue_state_lock(const QueueKey *key, LWLockMode mode)
{
	int			part = part_of(key->hash);

	LWLockAcquire(lock_of(part), mode);
	locked_parts = part_bit(part);
}

/* queue_state_lock_parts: several parts at once, one bit for each. */
void
queue_state_lock_parts(uint32 parts, LWLockMode mode)
{
	locked_parts = 0;
	while (parts != 0)
	{
		int			part = pg_rightmost_one_pos32(parts);

		LWLockAcquire(lock_of(part), mode);
		locked_parts |= part_bit(part);
		parts &= parts - 1;
	}
}

/* queue_state_lock_all: everything. */
void
queue_state_lock_all(LWLockMode mode)
{
	queue_state_lock_parts(ALL_PARTS, mode);
}

/*
 * queue_state_lock_more: one more part, exclusively, unless somebody else is
 * there.  *taken: it was not ours before, queue_state_unlock_part() is due.
 */
bool
queue_state_lock_more(int part, bool *taken)
{
	uint32		bit = part_bit(part);

	*taken = false;
	if (locked_parts & bit)
		return true;
	if (!LWLockConditionalAcquire(lock_of(part), LW_EXCLUSIVE))
		return false;
	locked_parts |= bit;
	*taken = true;
	return true;
}

/* queue_state_unlock_part: what queue_state_lock_more() has taken. */
void
queue_state_unlock_part(int part)
{
	locked_parts &= ~part_bit(part);
	LWLockRelease(lock_of(part));
}

/* queue_state_unlock: all that is locked. */
void
queue_state_unlock(void)
{
	while (locked_parts != 0)
		queue_state_unlock_part(pg_rightmost_one_pos32(locked_parts));
}

/* ------------------------------------------------------------------------
 * Making room
 * ------------------------------------------------------------------------
 */

/* when it is: by taskq's clock, and by the real one */
static double now_clock;
static TimestampTz now_real;

typedef bool (*MayGo) (const void *entry);
typedef bool (*GoesBefore) (const void *a, const void *b);
typedef void (*Remove) (void *entry);

/* the entry to go, as far as one can tell without locks; NULL without one */
static void *
find_victim(SharedTable *table, MayGo may_go, GoesBefore goes_before)
{
	void	   *victim = NULL;

	for (int i = 0; i < shared_table_size_of(table); i++)
	{
		void	   *entry = shared_table_at(table, i);

		if (entry != NULL && may_go(entry) &&
			(victim == NULL || goes_before(entry, victim)))
			victim = entry;
	}
	return victim;
}

/*
 * Drop one entry of whatever part; false when none may go.  Caller holds the
 * lock of at least one part, exclusively.
 */
static bool
evict(SharedTable *table, MayGo may_go, GoesBefore goes_before, Remove remove)
{
	now_clock = (double) clock_now();
	now_real = GetCurrentTimestamp();
	for (int i = 0; i < EVICTION_TRIES; i++)
	{
		void	   *victim = find_victim(table, may_go, goes_before);
		int			part = victim ? shared_table_part(table, victim) : -1;
		bool		taken;
		bool		gone;

		if (victim == NULL)
			return false;
		if (part < 0 || !queue_state_lock_more(part, &taken))
			continue;			/* somebody else was faster, or is at it */
		gone = shared_table_part(table, victim) == part && may_go(victim);
		if (gone)
			remove(victim);
		if (taken)
			queue_state_unlock_part(part);
		if (gone)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Queues
 * ------------------------------------------------------------------------
 */

/*
 * queue_key: of a queue of this database.  Remembers the last one, since a
 * call asks again and again.
 */
QueueKey
queue_key(const text *task_queue)
{
	static QueueKey last = {0};
	static int	last_length = -1;
	static char last_name[LAST_NAME_LENGTH];
	const char *name = VARDATA_ANY(task_queue);
	int			length = VARSIZE_ANY_EXHDR(task_queue);

	if (length == last_length && memcmp(name, last_name, length) == 0)
		return last;
	last.database = MyDatabaseId;
	last.hash = listen_hash(name, length, false);
	last_length = length <= LAST_NAME_LENGTH ? length : -1;
	memcpy(last_name, name, Min(length, LAST_NAME_LENGTH));
	return last;
}

static bool
queue_may_go(const void *entry)
{
	const QueueState *state = entry;

	return state->reserved == 0 &&
		(!state->limited || state->limiter.next <= now_clock);
}

static bool
empty_queue_may_go(const void *entry)
{
	const QueueState *state = entry;

	return state->known && counts_are_zero(state) && queue_may_go(entry);
}

/* what is lost with a queue: nothing to speak of, its numbers, its limit */
static int
worth_of(const QueueState *state)
{
	if (state->known && counts_are_zero(state) &&
		state->last_used < now_real - IDLE)
		return 0;
	return state->limited ? 2 : 1;
}

static bool
queue_goes_before(const void *a, const void *b)
{
	const QueueState *x = a;
	const QueueState *y = b;
	int			x_worth = worth_of(x);
	int			y_worth = worth_of(y);

	return x_worth < y_worth ||
		(x_worth == y_worth && x->last_used < y->last_used);
}

static void
remove_queue(void *entry)
{
	QueueState *state = entry;

	counts_evicted(state);
	delays_forget(state);
	shared_table_remove(queue_states, state);
}

/* queue_state_find: NULL when there is none. */
QueueState *
queue_state_find(const QueueKey *key)
{
	return shared_table_find(queue_states, part_of(key->hash), key);
}

/*
 * queue_state_make: a new one; NULL when there is no room, and none can be made.
 */
QueueState *
queue_state_make(const QueueKey *key, const char *name, int length,
				 Eviction eviction)
{
	int			part = part_of(key->hash);
	QueueState *state = shared_table_add(queue_states, part, key);

	if (state == NULL &&
		evict(queue_states,
			  eviction == EVICT_ANY ? queue_may_go : empty_queue_may_go,
			  queue_goes_before, remove_queue))
		state = shared_table_add(queue_states, part, key);
	if (state == NULL)
		return NULL;
	state->name_length = Min(length, MAX_NAME_LENGTH);
	memcpy(state->name, name, state->name_length);
	state->last_used = state->stats_reset = GetCurrentTimestamp();
	counts_begin(state);
	return state;
}

/*
 * queue_state_get: found or made; NULL when there is no room.
 */
QueueState *
queue_state_get(const QueueKey *key, const char *name, int length)
{
	QueueState *state = queue_state_find(key);

	if (state == NULL)
		return queue_state_make(key, name, length, EVICT_ANY);
	state->last_used = GetCurrentTimestamp();
	return state;
}

/* the entry after "previous" (NULL = the first) in the parts that are locked */
static void *
next_locked(SharedTable *table, const void *previous)
{
	int			part = previous ? shared_table_part(table, previous) : 0;
	void	   *entry = NULL;

	for (; part < TABLE_PARTS; part++)
	{
		if (locked_parts & part_bit(part))
			entry = shared_table_next(table, part, previous);
		if (entry != NULL)
			return entry;
		previous = NULL;
	}
	return NULL;
}

/*
 * queue_state_next: the queue after "previous" (NULL = the first), in no
 * order, of all that are locked; NULL after the last.
 */
QueueState *
queue_state_next(const QueueState *previous)
{
	return next_locked(queue_states, previous);
}

/* queue_state_at: number i of all places, NULL when nothing is there. */
const QueueState *
queue_state_at(int i)
{
	return shared_table_at(queue_states, i);
}

/* queue_states_used: how many there are, by and large, of all databases. */
int
queue_states_used(void)
{
	return shared_table_used(queue_states);
}

static void
count_rate(QueueState *state, uint32 *buckets, int64 n, TimestampTz when)
{
	int64		now = when / (RATE_BUCKET * USECS_PER_SEC);
	int			i = (int) (now % RATE_BUCKETS);

	if (state->bucket_start[i] != now)
	{
		state->bucket_start[i] = now;
		state->added[i] = 0;
		state->dispatched[i] = 0;
	}
	buckets[i] += (uint32) n;
}

/* queue_state_count: n more events of a kind, now by the real clock. */
void
queue_state_count(QueueState *state, int counter, int64 n, TimestampTz now)
{
	state->counters[counter] += n;
	if (counter == COUNT_ADDED)
		count_rate(state, state->added, n, now);
	else if (counter == COUNT_STARTED)
		count_rate(state, state->dispatched, n, now);
}

/* ------------------------------------------------------------------------
 * Lanes and pollers
 * ------------------------------------------------------------------------
 */

static bool
lane_may_go(const void *entry)
{
	return true;
}

/* those that owe no tokens, then who owes least */
static bool
lane_goes_before(const void *a, const void *b)
{
	const LaneState *x = a;
	const LaneState *y = b;
	bool		x_owes = x->limiter.next > now_clock;
	bool		y_owes = y->limiter.next > now_clock;

	if (x_owes != y_owes)
		return y_owes;
	if (x_owes && x->limiter.next != y->limiter.next)
		return x->limiter.next < y->limiter.next;
	return x->last_used < y->last_used;
}

static void
remove_lane(void *entry)
{
	shared_table_remove(lane_states, entry);
}

/* make room: all of the part that are idle, or else one */
static void
evict_lanes(int part)
{
	double		now = (double) clock_now();
	TimestampTz idle = GetCurrentTimestamp() - IDLE;
	LaneState  *state = shared_table_next(lane_states, part, NULL);
	bool		evicted = false;

	while (state != NULL)
	{
		LaneState  *next = shared_table_next(lane_states, part, state);

		if (state->last_used < idle && state->limiter.next <= now)
		{
			remove_lane(state);
			evicted = true;
		}
		state = next;
	}
	if (!evicted)
		(void) evict(lane_states, lane_may_go, lane_goes_before, remove_lane);
}

LaneState *
lane_state_find(const LaneKey *key)
{
	return shared_table_find(lane_states, part_of(key->queue_hash), key);
}

/* lane_state_get: found or made; NULL when there is no room. */
LaneState *
lane_state_get(const LaneKey *key)
{
	int			part = part_of(key->queue_hash);
	LaneState  *state = shared_table_find(lane_states, part, key);

	if (state == NULL)
		state = shared_table_add(lane_states, part, key);
	if (state == NULL)
	{
		evict_lanes(part);
		state = shared_table_add(lane_states, part, key);
	}
	if (state != NULL)
		state->last_used = GetCurrentTimestamp();
	return state;
}

static bool
poller_may_go(const void *entry)
{
	return ((const PollerState *) entry)->waiting == 0;
}

static bool
poller_goes_before(const void *a, const void *b)
{
	return ((const PollerState *) a)->last_access <
		((const PollerState *) b)->last_access;
}

static void
remove_poller(void *entry)
{
	shared_table_remove(poller_states, entry);
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

	return shared_table_find(poller_states, part_of(key->hash), &poller);
}

/*
 * poller_state_get: the poller of that identity, noted as just seen; NULL when
 * there is no room.
 */
PollerState *
poller_state_get(const QueueKey *key, const char *identity)
{
	int			part = part_of(key->hash);
	int			length;
	PollerKey	poller = poller_key(key, identity, &length);
	PollerState *state = shared_table_find(poller_states, part, &poller);

	if (state == NULL)
	{
		state = shared_table_add(poller_states, part, &poller);
		if (state == NULL &&
			evict(poller_states, poller_may_go, poller_goes_before,
				  remove_poller))
			state = shared_table_add(poller_states, part, &poller);
		if (state == NULL)
			return NULL;
		memcpy(state->identity, identity, length);
	}
	state->last_access = GetCurrentTimestamp();
	return state;
}

/* poller_state_next: as queue_state_next(). */
PollerState *
poller_state_next(const PollerState *previous)
{
	return next_locked(poller_states, previous);
}

/* ------------------------------------------------------------------------
 * Databases
 * ------------------------------------------------------------------------
 */

/* all entries of a database; each key begins with it */
static void
forget_entries(SharedTable *table, Oid database, Remove remove)
{
	void	   *entry = next_locked(table, NULL);

	while (entry != NULL)
	{
		void	   *next = next_locked(table, entry);

		if (*(Oid *) entry == database)
			remove(entry);
		entry = next;
	}
}

/*
 * queue_state_forget_database: all entries of a database that is gone.  Takes
 * the locks itself.
 */
void
queue_state_forget_database(Oid database)
{
	queue_state_lock_all(LW_EXCLUSIVE);
	forget_entries(queue_states, database, remove_queue);
	forget_entries(lane_states, database, remove_lane);
	forget_entries(poller_states, database, remove_poller);
	queue_state_unlock();
}
