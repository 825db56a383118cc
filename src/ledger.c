/*
 * ledger.c
 *		What a transaction has done to the state of queues.
 *
 * Limiters and virtual time are charged at once, since the next poll has to
 * see them, and given back when the transaction or savepoint that polled is
 * rolled back.  Counters, and the numbers of open activities, move only at
 * commit.  Each entry remembers its subtransaction.  All of it is carried
 * over at once, under the locks of all queues involved (mostly one), without
 * allocating.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "counts.h"
#include "delays.h"
#include "ledger.h"
#include "queue_state.h"
#include "shmem.h"

typedef enum EntryKind
{
	ENTRY_COUNT,				/* at commit: counter += n */
	ENTRY_RESERVED,				/* at commit: reserved becomes started */
	ENTRY_STARTED,				/* at commit: started += n */
	ENTRY_ENDED,				/* at commit: started -= n */
	ENTRY_WAITING,				/* at commit: waiting += n, of level "counter" */
	ENTRY_DELAYED,				/* at commit: likewise of a span of time */
	ENTRY_PAUSED,				/* at commit: paused += n */
	ENTRY_TOKENS,				/* at abort: back to the queue's limiter */
	ENTRY_LANE_TOKENS,			/* at abort: back to the key's limiter */
	ENTRY_LANE_TIME				/* at abort: back to the lane's time, and its
								 * level's */
} EntryKind;

typedef struct Entry
{
	SubTransactionId subid;
	EntryKind	kind;
	int			counter;
	int64		n;
	double		amount;
	double		ahead;			/* of LANE_TIME: by how much the level's moved */
	TimestampTz due;			/* of WAITING: latest of those not DELAYED */
	QueueKey	queue;
	union
	{
		LaneKey		lane;		/* of LANE_TOKENS, LANE_TIME */
		DelayKey	delay;		/* of DELAYED */
	}			key;
	int			name;			/* offset in names, of COUNT, WAITING, PAUSED */
	int			name_length;
} Entry;

/* What most transactions need, so that they need not allocate. */
#define FEW_ENTRIES		16
#define FEW_NAMES		256

static Entry few_entries[FEW_ENTRIES];
static char few_names[FEW_NAMES];

/* Of the transaction in progress: the above, or in TopTransactionContext. */
static Entry *entries = NULL;
static int	nentries = 0;
static int	max_entries = 0;
static char *names = NULL;
static int	names_used = 0;
static int	max_names = 0;

/* how many entries back an equal one is looked for */
#define MERGE_WINDOW	12

static void
forget(void)
{
	entries = NULL;
	names = NULL;
	nentries = max_entries = names_used = max_names = 0;
}

/*
 * ledger_make_room: the next n entries will not fail.  To be called before
 * what they will tell of is done in shared memory.
 */
void
ledger_make_room(int n)
{
	int			size = Max(nentries + n, max_entries * 2);
	Entry	   *larger;

	if (entries == NULL)
	{
		entries = few_entries;
		max_entries = FEW_ENTRIES;
	}
	if (nentries + n <= max_entries)
		return;
	larger = MemoryContextAllocHuge(TopTransactionContext,
									size * sizeof(Entry));
	memcpy(larger, entries, nentries * sizeof(Entry));
	if (entries != few_entries)
		pfree(entries);
	entries = larger;
	max_entries = size;
}

static Entry *
add_entry(EntryKind kind)
{
	Entry	   *entry;

	ledger_make_room(1);
	entry = &entries[nentries++];
	memset(entry, 0, sizeof(Entry));
	entry->subid = GetCurrentSubTransactionId();
	entry->kind = kind;
	return entry;
}

/* the entry of the same kind for the same queue, found or made */
static Entry *
queue_entry(EntryKind kind, int counter, const QueueKey *queue)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Entry	   *entry;

	for (int i = nentries - 1; i >= 0 && i >= nentries - MERGE_WINDOW; i--)
		if (entries[i].kind == kind && entries[i].counter == counter &&
			entries[i].subid == subid &&
			entries[i].queue.hash == queue->hash)
			return &entries[i];
	entry = add_entry(kind);
	entry->counter = counter;
	entry->queue = *queue;
	return entry;
}

/* likewise for a lane */
static Entry *
lane_entry(EntryKind kind, const LaneKey *lane)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Entry	   *entry;

	for (int i = nentries - 1; i >= 0 && i >= nentries - MERGE_WINDOW; i--)
		if (entries[i].kind == kind && entries[i].subid == subid &&
			memcmp(&entries[i].key.lane, lane, sizeof(LaneKey)) == 0)
			return &entries[i];
	entry = add_entry(kind);
	entry->key.lane = *lane;
	return entry;
}

/* likewise for a span of time */
static Entry *
delay_entry(const QueueKey *queue, const DelayKey *delay)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Entry	   *entry;

	for (int i = nentries - 1; i >= 0 && i >= nentries - MERGE_WINDOW; i--)
		if (entries[i].kind == ENTRY_DELAYED && entries[i].subid == subid &&
			memcmp(&entries[i].key.delay, delay, sizeof(DelayKey)) == 0)
			return &entries[i];
	entry = add_entry(ENTRY_DELAYED);
	entry->queue = *queue;
	entry->key.delay = *delay;
	return entry;
}

/* the offset of a name that an entry has to bring along */
static int
remember_name(const text *name)
{
	int			length = VARSIZE_ANY_EXHDR(name);

	if (names == NULL)
	{
		names = few_names;
		max_names = FEW_NAMES;
	}
	for (int i = nentries - 1; i >= 0 && i >= nentries - MERGE_WINDOW; i--)
		if (entries[i].name_length == length &&
			memcmp(names + entries[i].name, VARDATA_ANY(name), length) == 0)
			return entries[i].name;
	if (names_used + length > max_names)
	{
		int			size = Max(max_names * 2, names_used + length);
		char	   *larger = MemoryContextAllocHuge(TopTransactionContext, size);

		memcpy(larger, names, names_used);
		if (names != few_names)
			pfree(names);
		names = larger;
		max_names = size;
	}
	memcpy(names + names_used, VARDATA_ANY(name), length);
	names_used += length;
	return names_used - length;
}

/* the entry of a queue that it may make known, so it brings the name along */
static Entry *
named_entry(EntryKind kind, int counter, const text *task_queue)
{
	QueueKey	key = queue_key(task_queue);
	Entry	   *entry = queue_entry(kind, counter, &key);

	if (entry->name_length == 0)
	{
		int			name = remember_name(task_queue);

		entry->name = name;
		entry->name_length = VARSIZE_ANY_EXHDR(task_queue);
	}
	return entry;
}

/* ledger_count: n more events of a counter. */
void
ledger_count(const text *task_queue, int counter, int n)
{
	named_entry(ENTRY_COUNT, counter, task_queue)->n += n;
}

/*
 * ledger_duration: one more sample of a histogram, whose buckets are the
 * counters from "first" on; in microseconds.
 */
void
ledger_duration(const text *task_queue, int first, int64 duration)
{
	int			bucket = 0;

	while (bucket < HISTOGRAM_BUCKETS - 1 &&
		   duration >= (INT64CONST(1000) << bucket))
		bucket++;
	ledger_count(task_queue, first + bucket, 1);
}

/*
 * ledger_open: n more activities (or fewer) are in that state, if it is one in
 * which no attempt is in progress.
 */
void
ledger_open(const Activity *activity, State state, int n)
{
	const text *task_queue = activity->options.task_queue;
	int			level = valid_level(activity->level);
	QueueKey	queue;
	Entry	   *entry;
	DelayKey	delay;

	if (state == STATE_PAUSED)
		named_entry(ENTRY_PAUSED, 0, task_queue)->n += n;
	if (state != STATE_SCHEDULED)
		return;
	entry = named_entry(ENTRY_WAITING, level, task_queue);
	entry->n += n;
	queue = entry->queue;
	if (delay_key(&delay, &queue, level, activity_waits_since(activity),
				  activity->dispatch_time))
		delay_entry(&queue, &delay)->n += n;
	else
		entry->due = Max(entry->due, activity->dispatch_time);
}

/* ledger_reserved: n attempts may be started (negative: fewer than said). */
void
ledger_reserved(const text *task_queue, int n)
{
	QueueKey	key = queue_key(task_queue);

	queue_entry(ENTRY_RESERVED, 0, &key)->n += n;
}

/* ledger_started: n attempts were started without a reservation. */
void
ledger_started(const text *task_queue, int n)
{
	QueueKey	key = queue_key(task_queue);

	queue_entry(ENTRY_STARTED, 0, &key)->n += n;
}

/* ledger_ended: an attempt that was taken from the queue has ended. */
void
ledger_ended(const text *task_queue)
{
	QueueKey	key = queue_key(task_queue);

	queue_entry(ENTRY_ENDED, 0, &key)->n++;
}

/* ledger_tokens: that part of what the queue's limiter can hold was taken. */
void
ledger_tokens(const QueueKey *key, double part)
{
	queue_entry(ENTRY_TOKENS, 0, key)->amount += part;
}

/* ledger_lane_tokens: likewise for a fairness key. */
void
ledger_lane_tokens(const LaneKey *key, double part)
{
	lane_entry(ENTRY_LANE_TOKENS, key)->amount += part;
}

/* ledger_lane_time: the virtual time of a lane, and of its level, has moved. */
void
ledger_lane_time(const QueueKey *queue, const LaneKey *key, double amount,
				 double ahead)
{
	Entry	   *entry = lane_entry(ENTRY_LANE_TIME, key);

	entry->queue = *queue;
	entry->amount += amount;
	entry->ahead += ahead;
}

/* ------------------------------------------------------------------------
 * End of a transaction or subtransaction
 * ------------------------------------------------------------------------
 */

/* does anything happen to it at commit? */
static bool
is_for_commit(const Entry *entry)
{
	return entry->kind != ENTRY_TOKENS && entry->kind != ENTRY_LANE_TOKENS &&
		entry->kind != ENTRY_LANE_TIME;
}

/* or at abort, of all or of that subtransaction? */
static bool
is_for_abort(const Entry *entry, SubTransactionId subid)
{
	return (entry->kind == ENTRY_RESERVED || !is_for_commit(entry)) &&
		(subid == InvalidSubTransactionId || entry->subid == subid);
}

/* the part of shared memory that the entry is about, as a bit */
static uint32
part_of(const Entry *entry)
{
	return part_bit(entry->kind == ENTRY_LANE_TOKENS ?
					lane_state_part(&entry->key.lane) :
					queue_state_part(&entry->queue));
}

static void
lock_for_commit(void)
{
	uint32		parts = 0;

	for (int i = 0; i < nentries; i++)
		if (is_for_commit(&entries[i]))
			parts |= part_of(&entries[i]);
	queue_state_lock_parts(parts, LW_EXCLUSIVE);
}

static void
lock_for_abort(SubTransactionId subid)
{
	uint32		parts = 0;

	for (int i = 0; i < nentries; i++)
		if (is_for_abort(&entries[i], subid))
			parts |= part_of(&entries[i]);
	queue_state_lock_parts(parts, LW_EXCLUSIVE);
}

/* does the commit change how many activities of the queue are open? */
static bool
moves_number(const Entry *entry)
{
	switch (entry->kind)
	{
		case ENTRY_RESERVED:
		case ENTRY_STARTED:
		case ENTRY_ENDED:
		case ENTRY_WAITING:
		case ENTRY_DELAYED:
		case ENTRY_PAUSED:
			return entry->n != 0;
		default:
			return false;
	}
}

/* the queue of an entry at commit; NULL when there is none, and no room */
static QueueState *
state_of(const Entry *entry, TimestampTz now)
{
	QueueState *state = queue_state_find(&entry->queue);

	if (state != NULL)
		state->last_used = now;
	else if (entry->name_length > 0)
		state = queue_state_make(&entry->queue, names + entry->name,
								 entry->name_length, EVICT_ANY);
	return state;
}

/* spans of time get a new chance when no task is left */
static void
retry_delays(QueueState *state)
{
	for (int i = 0; i < LEVELS; i++)
		if (state->waiting[i] != 0)
			return;
	if (!counts_others_commit())
		state->delays_known = true;
}

static void
carry_over(QueueState *state, const Entry *entry, TimestampTz now)
{
	switch (entry->kind)
	{
		case ENTRY_COUNT:
			queue_state_count(state, entry->counter, entry->n, now);
			break;
		case ENTRY_RESERVED:
			state->reserved = Max(state->reserved - entry->n, 0);
			state->started += entry->n;
			break;
		case ENTRY_STARTED:
			state->started += entry->n;
			break;
		case ENTRY_ENDED:
			state->started -= entry->n;
			break;
		case ENTRY_WAITING:
			if (!state->delays_known)
				retry_delays(state);
			state->waiting[entry->counter - 1] += entry->n;
			state->latest_due = Max(state->latest_due, entry->due);
			break;
		case ENTRY_DELAYED:
			delays_add(state, &entry->key.delay, entry->n, clock_now());
			break;
		case ENTRY_PAUSED:
			state->paused += entry->n;
			break;
		default:
			break;
	}
}

static void
take_back(const Entry *entry)
{
	QueueState *state;
	LaneState  *lane;

	switch (entry->kind)
	{
		case ENTRY_RESERVED:
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				state->reserved = Max(state->reserved - entry->n, 0);
			break;
		case ENTRY_TOKENS:
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				limiter_give_back(&state->limiter, entry->amount);
			break;
		case ENTRY_LANE_TOKENS:
			lane = lane_state_find(&entry->key.lane);
			if (lane != NULL)
				limiter_give_back(&lane->limiter, entry->amount);
			break;
		case ENTRY_LANE_TIME:
			lane = lane_state_find(&entry->key.lane);
			if (lane != NULL)
				lane->time -= entry->amount;
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				state->level_time[entry->key.lane.level - 1] -= entry->ahead;
			break;
		default:
			break;
	}
}

/* ledger_commit: cannot fail. */
void
ledger_commit(void)
{
	if (nentries > 0)
	{
		TimestampTz now = GetCurrentTimestamp();
		QueueState *state = NULL;

		lock_for_commit();
		for (int i = 0; i < nentries; i++)
		{
			if (!is_for_commit(&entries[i]))
				continue;
			if (state == NULL || state->key.hash != entries[i].queue.hash)
				state = state_of(&entries[i], now);
			if (state != NULL)
				carry_over(state, &entries[i], now);
			else if (moves_number(&entries[i]))
				counts_lost();
		}
		queue_state_unlock();
	}
	forget();
}

/* ledger_abort: cannot fail. */
void
ledger_abort(void)
{
	if (nentries > 0)
	{
		lock_for_abort(InvalidSubTransactionId);
		for (int i = 0; i < nentries; i++)
			take_back(&entries[i]);
		queue_state_unlock();
	}
	forget();
}

/*
 * ledger_prepare: the transaction is prepared, whether it commits is open.
 * Counters are given up; queues whose numbers it moves are not known from now
 * on.
 */
void
ledger_prepare(void)
{
	lock_for_commit();
	for (int i = 0; i < nentries; i++)
	{
		QueueState *state;

		if (!moves_number(&entries[i]))
			continue;
		state = queue_state_find(&entries[i].queue);
		if (state == NULL)
			counts_lost();
		else
		{
			if (entries[i].kind == ENTRY_RESERVED)
				state->reserved = Max(state->reserved - entries[i].n, 0);
			state->known = false;
			state->being_counted = false;	/* not by this count */
		}
	}
	queue_state_unlock();
	forget();
}

/* ledger_subtransaction: entries of a savepoint that ends. */
void
ledger_subtransaction(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent)
{
	int			kept = 0;

	if (nentries == 0)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (int i = 0; i < nentries; i++)
			if (entries[i].subid == mine)
				entries[i].subid = parent;
		return;
	}
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	lock_for_abort(mine);
	for (int i = 0; i < nentries; i++)
		if (entries[i].subid == mine)
			take_back(&entries[i]);
		else
			entries[kept++] = entries[i];
	queue_state_unlock();
	nentries = kept;
}

/*
 * ledger_any: is there anything to carry over, or at least to forget?  Entries
 * may be gone with a savepoint while their memory is that of the transaction.
 */
bool
ledger_any(void)
{
	return entries != NULL;
}

/* ledger_moves_numbers: will the commit change how many are open? */
bool
ledger_moves_numbers(void)
{
	for (int i = 0; i < nentries; i++)
		if (moves_number(&entries[i]))
			return true;
	return false;
}

/*
 * ledger_backlog: how many tasks of the queue the transaction has added so far.
 * *delayed: some of them, or of those that it took away, are due later.
 */
int64
ledger_backlog(const QueueKey *queue, TimestampTz now, bool *delayed)
{
	int64		tasks = 0;

	*delayed = false;
	for (int i = 0; i < nentries; i++)
	{
		const Entry *entry = &entries[i];

		if (entry->queue.hash != queue->hash)
			continue;
		if (entry->kind == ENTRY_WAITING)
			tasks += entry->n;
		else if (entry->kind == ENTRY_DELAYED && entry->n != 0 &&
				 !delay_has_passed(&entry->key.delay, now))
			*delayed = true;
	}
	return tasks;
}
