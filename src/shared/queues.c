/*
 * queues.c
 *		What shared memory knows of task queues: limiters, virtual time,
 *		counters, pollers.
 *
 * Three tables of fixed size: queues, lanes (a fairness key on a level, or on
 * all levels) and pollers.  An entry is made when it is first needed.  When a
 * table is full an entry that was not used for long goes; queues that are idle and
 * empty go first, those that matter to limits, or have attempts in progress, last.  A queue that
 * holds reservations or owes tokens never goes: its limits have to hold.  A
 * new queue without room is not counted in statistics, and hands out nothing
 * for now if it has a limit.  More fairness keys at work than there is room
 * for share less fairly, and those that wait for tokens may get some too
 * early.
 *
 * Nothing here is the truth but one thing: how many attempts of a queue run
 * is only known here.  As long as it is not known (state->known), a queue
 * with max_started hands out nothing; see admission.c and counts.c.
 *
 * Locks: those of queue_locks.c.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/shared_table.h"
#include "shared/counts_known.h"
#include "shared/delays.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "shared/sizes.h"

#define IDLE			(60 * USECS_PER_SEC)	/* one not looked at since may go */
#define EVICTION_SAMPLE	64		/* entries of which the best one goes ... */
#define CROWDED_SAMPLE	8		/* ... where the best ones are in use, too */
#define CROWDED			USECS_PER_SEC	/* since one that is in use has gone */
#define EVICTION_TRIES	10		/* while others are at the parts with room */

static SharedTable *queue_states = NULL;
static SharedTable *lane_states = NULL;
static SharedTable *poller_states = NULL;

/* queue_state_shmem_size: for the request hook. */
Size
queue_state_shmem_size(void)
{
	Size		size;

	size = shared_table_size(taskq_max_queues, sizeof(QueueState));
	size = add_size(size, shared_table_size(taskq_max_lanes,
											sizeof(LaneState)));
	return add_size(size, shared_table_size(taskq_max_pollers,
											sizeof(PollerState)));
}

/* queue_state_shmem_init: caller holds AddinShmemInitLock. */
void
queue_state_shmem_init(LWLockPadded *locks)
{
	Assert(LWLockHeldByMe(AddinShmemInitLock));
	queue_states = shared_table_init("taskq queues", taskq_max_queues,
									 sizeof(QueueKey), sizeof(QueueState));
	lane_states = shared_table_init("taskq lanes", taskq_max_lanes,
									sizeof(LaneKey), sizeof(LaneState));
	poller_states = shared_table_init("taskq pollers", taskq_max_pollers,
									  sizeof(PollerKey), sizeof(PollerState));
}

/* ------------------------------------------------------------------------
 * Making room
 * ------------------------------------------------------------------------
 */

/* when it is: by taskq's clock, and by the real one */
static double now_clock;
static TimestampTz now_real;

typedef bool (*MayGo) (const void *entry);
typedef void (*Remove) (void *entry);

/* how a table makes room */
typedef struct EvictionRules
{
	SizeKind	size;			/* that is exceeded ... */
	bool		(*in_use) (const void *entry);	/* ... when such a one goes */
	bool		(*goes_before) (const void *a, const void *b);
	bool		(*matters) (const void *entry); /* a limit is lost with it */
	Remove		remove;
} EvictionRules;

/* of how many entries the best one is good enough, though it is in use */
static int
sample_size(const EvictionRules *rules)
{
	int64		ago = size_exceeded_ago(rules->size);

	return ago >= 0 && ago < CROWDED ? CROWDED_SAMPLE : EVICTION_SAMPLE;
}

/* has one been found that is good enough?  One not in use is. */
static bool
is_enough(const EvictionRules *rules, const void *victim, bool looked)
{
	return victim != NULL && (looked || !rules->in_use(victim)) &&
		!(rules->matters != NULL && rules->matters(victim));
}

/*
 * The entry to go, as far as one can tell without locks; NULL without one.  The
 * best of some, from anywhere on, however large the table is, unless all matter.
 */
static void *
find_victim(SharedTable *table, const EvictionRules *rules, MayGo may_go)
{
	void	   *victim = NULL;
	int			size = shared_table_size_of(table);
	int			sample = sample_size(rules);
	int			start = (int) pg_prng_uint64_range(&pg_global_prng_state, 0, size - 1);

	for (int i = 0; i < size && !is_enough(rules, victim, i >= sample); i++)
	{
		void	   *entry = shared_table_at(table, (start + i) % size);

		if (entry != NULL && may_go(entry) &&
			(victim == NULL || rules->goes_before(entry, victim)))
			victim = entry;
	}
	return victim;
}

/*
 * Drop one entry of whatever part; false when none may go.  Caller holds the
 * lock of at least one part, exclusively.
 */
static bool
evict(SharedTable *table, const EvictionRules *rules, MayGo may_go)
{
	now_clock = (double) clock_now();
	now_real = GetCurrentTimestamp();
	for (int i = 0; i < EVICTION_TRIES; i++)
	{
		void	   *victim = find_victim(table, rules, may_go);
		int			part = victim ? shared_table_part(table, victim) : -1;
		bool		taken;
		bool		gone;

		if (victim == NULL)
			break;
		if (part < 0 || !queue_state_lock_more(part, &taken))
			continue;			/* somebody else was faster, or is at it */
		gone = shared_table_part(table, victim) == part && may_go(victim);
		Assert(queue_state_is_locked(part, LW_EXCLUSIVE));
		if (gone && rules->in_use(victim))
			size_exceeded(rules->size);
		if (gone)
			rules->remove(victim);
		if (taken)
			queue_state_unlock_part(part);
		if (gone)
			return true;
	}
	size_exceeded(rules->size);
	return false;
}

/*
 * A new entry, which the table must not have; another one goes if need be.  NULL
 * when none may.  The part is locked exclusively.
 */
static void *
make_entry(SharedTable *table, int part, const void *key,
		   const EvictionRules *rules, MayGo may_go)
{
	void	   *entry = shared_table_add(table, part, key);

	Assert(queue_state_is_locked(part, LW_EXCLUSIVE));
	if (entry == NULL && evict(table, rules, may_go))
		entry = shared_table_add(table, part, key);
	return entry;
}

/* ------------------------------------------------------------------------
 * Queues
 * ------------------------------------------------------------------------
 */

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

/* what is lost with a queue: nothing to speak of, its numbers, or a count anew */
static int
worth_of(const QueueState *state)
{
	if (state->known && counts_are_zero(state) &&
		state->last_used < now_real - IDLE)
		return 0;
	return state->limited || state->started > 0 ? 2 : 1;
}

static bool
queue_in_use(const void *entry)
{
	return worth_of(entry) > 0;
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

static const EvictionRules queue_rules = {
	.size = SIZE_QUEUES,
	.in_use = queue_in_use,
	.goes_before = queue_goes_before,
	.remove = remove_queue,
};

/* queue_state_find: NULL when there is none. */
QueueState *
queue_state_find(const QueueKey *key)
{
	Assert(queue_state_is_locked(queue_state_part(key), LW_SHARED));
	return shared_table_find(queue_states, queue_state_part(key), key);
}

/*
 * queue_state_make: a new one; NULL when there is no room, and none can be made.
 */
QueueState *
queue_state_make(const QueueKey *key, const char *name, int length,
				 Eviction eviction)
{
	QueueState *state =
		make_entry(queue_states, queue_state_part(key), key, &queue_rules,
				   eviction == EVICT_ANY ? queue_may_go : empty_queue_may_go);

	if (state == NULL)
		return NULL;
	state->name_length = Min(length, MAX_QUEUE_NAME_LENGTH);
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
	uint32		locked_parts = queue_state_locked_parts();
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
	Assert(queue_state_is_locked(queue_state_part(&state->key), LW_EXCLUSIVE));
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

/* it owes tokens */
static bool
lane_matters(const void *entry)
{
	return ((const LaneState *) entry)->limiter.next > now_clock;
}

/* those that owe no tokens, then who owes least */
static bool
lane_goes_before(const void *a, const void *b)
{
	const LaneState *x = a;
	const LaneState *y = b;
	bool		x_owes = lane_matters(x);
	bool		y_owes = lane_matters(y);

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

static bool
lane_in_use(const void *entry)
{
	return ((const LaneState *) entry)->last_used >= now_real - IDLE;
}

static const EvictionRules lane_rules = {
	.size = SIZE_LANES,
	.in_use = lane_in_use,
	.matters = lane_matters,
	.goes_before = lane_goes_before,
	.remove = remove_lane,
};

/* lane_state_find: NULL when there is none.  The part of its queue is locked. */
LaneState *
lane_state_find(const LaneKey *key)
{
	Assert(queue_state_is_locked(lane_state_part(key), LW_SHARED));
	return shared_table_find(lane_states, lane_state_part(key), key);
}

/* lane_state_get: found or made; NULL when there is no room. */
LaneState *
lane_state_get(const LaneKey *key)
{
	int			part = lane_state_part(key);
	LaneState  *state = shared_table_find(lane_states, part, key);

	Assert(queue_state_is_locked(part, LW_EXCLUSIVE));
	if (state == NULL)
		state = make_entry(lane_states, part, key, &lane_rules, lane_may_go);
	if (state != NULL)
		state->last_used = GetCurrentTimestamp();
	return state;
}

/* lane_states_have_room: for one more, by and large, without another going. */
bool
lane_states_have_room(void)
{
	return shared_table_used(lane_states) < shared_table_size_of(lane_states);
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

static bool
poller_in_use(const void *entry)
{
	return ((const PollerState *) entry)->last_access >=
		now_real - POLLER_LIFETIME;
}

static const EvictionRules poller_rules = {
	.size = SIZE_POLLERS,
	.in_use = poller_in_use,
	.goes_before = poller_goes_before,
	.remove = remove_poller,
};

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
poller_state_find(const PollerKey *key)
{
	QueueKey	queue = {.database = key->database, .hash = key->queue_hash};
	int			part = queue_state_part(&queue);

	Assert(queue_state_is_locked(part, LW_SHARED));
	return shared_table_find(poller_states, part, key);
}

/*
 * poller_state_get: the poller of that identity, noted as just seen; NULL when
 * there is no room.
 */
PollerState *
poller_state_get(const QueueKey *key, const char *identity)
{
	int			part = queue_state_part(key);
	int			length;
	PollerKey	poller = poller_key(key, identity, &length);
	PollerState *state = shared_table_find(poller_states, part, &poller);

	Assert(queue_state_is_locked(part, LW_EXCLUSIVE));
	if (state == NULL)
	{
		state = make_entry(poller_states, part, &poller, &poller_rules,
						   poller_may_go);
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

	Assert(queue_state_locked_parts() == ALL_PARTS);
	while (entry != NULL)
	{
		void	   *next = next_locked(table, entry);

		if (*(Oid *) entry == database)
			remove(entry);
		entry = next;
	}
}

/* what a poll in progress has reserved has to stay: max_started is strict */
static void
forget_queue(void *entry)
{
	if (((QueueState *) entry)->reserved == 0)
		remove_queue(entry);
}

/*
 * queue_state_forget_database: all entries of a database that is gone.  Takes
 * the locks itself.
 */
void
queue_state_forget_database(Oid database)
{
	queue_state_lock_all(LW_EXCLUSIVE);
	forget_entries(queue_states, database, forget_queue);
	forget_entries(lane_states, database, remove_lane);
	forget_entries(poller_states, database, remove_poller);
	queue_state_unlock();
}
