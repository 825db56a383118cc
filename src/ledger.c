/*
 * ledger.c
 *		What a transaction has done to the state of queues.
 *
 * Limiters and virtual time are charged at once, since the next poll has to
 * see them, and given back when the transaction or savepoint that polled is
 * rolled back.  Counters, and the number of attempts that run, move only at
 * commit.  Each entry remembers its subtransaction.  All of it is carried
 * over under one acquisition of the queues' lock, without allocating.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "ledger.h"
#include "queue_state.h"
#include "shmem.h"

typedef enum EntryKind
{
	ENTRY_COUNT,				/* at commit: counter += n */
	ENTRY_RESERVED,				/* at commit: reserved becomes started */
	ENTRY_STARTED,				/* at commit: started += n */
	ENTRY_ENDED,				/* at commit: started -= n */
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
	QueueKey	queue;
	LaneKey		lane;
	int			name;			/* offset in names, of COUNT */
	int			name_length;
} Entry;

/* Of the transaction in progress, in TopTransactionContext. */
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
	int			size = Max(32, max_entries * 2);

	if (nentries + n <= max_entries)
		return;
	if (entries == NULL)
		entries = MemoryContextAlloc(TopTransactionContext,
									 size * sizeof(Entry));
	else
		entries = repalloc_huge(entries, size * sizeof(Entry));
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
			memcmp(&entries[i].lane, lane, sizeof(LaneKey)) == 0)
			return &entries[i];
	entry = add_entry(kind);
	entry->lane = *lane;
	return entry;
}

/* counters make queues known, so they bring the name along */
static int
remember_name(const text *name)
{
	int			length = VARSIZE_ANY_EXHDR(name);

	for (int i = nentries - 1; i >= 0 && i >= nentries - MERGE_WINDOW; i--)
		if (entries[i].kind == ENTRY_COUNT &&
			entries[i].name_length == length &&
			memcmp(names + entries[i].name, VARDATA_ANY(name), length) == 0)
			return entries[i].name;
	if (names_used + length > max_names)
	{
		int			size = Max(max_names * 2, names_used + length + 256);

		if (names == NULL)
			names = MemoryContextAlloc(TopTransactionContext, size);
		else
			names = repalloc(names, size);
		max_names = size;
	}
	memcpy(names + names_used, VARDATA_ANY(name), length);
	names_used += length;
	return names_used - length;
}

/* ledger_count: n more events of a counter. */
void
ledger_count(const text *task_queue, int counter, int n)
{
	QueueKey	key = queue_key(task_queue);
	Entry	   *entry = queue_entry(ENTRY_COUNT, counter, &key);

	if (entry->n == 0)
	{
		int			name = remember_name(task_queue);

		entry->name = name;
		entry->name_length = VARSIZE_ANY_EXHDR(task_queue);
	}
	entry->n += n;
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
 * End of a transaction or subtransaction.  The caller holds the lock.
 * ------------------------------------------------------------------------
 */

static void
carry_over(const Entry *entry)
{
	QueueState *state;

	switch (entry->kind)
	{
		case ENTRY_COUNT:
			state = queue_state_get(&entry->queue, names + entry->name,
									entry->name_length);
			if (state != NULL)
				queue_state_count(state, entry->counter, entry->n);
			break;
		case ENTRY_RESERVED:
			state = queue_state_find(&entry->queue);
			if (state != NULL)
			{
				state->reserved = Max(state->reserved - entry->n, 0);
				state->started += entry->n;
			}
			break;
		case ENTRY_STARTED:
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				state->started += entry->n;
			break;
		case ENTRY_ENDED:
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				state->started -= entry->n;
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
			lane = lane_state_find(&entry->lane);
			if (lane != NULL)
				limiter_give_back(&lane->limiter, entry->amount);
			break;
		case ENTRY_LANE_TIME:
			lane = lane_state_find(&entry->lane);
			if (lane != NULL)
				lane->time -= entry->amount;
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				state->level_time[entry->lane.level - 1] -= entry->ahead;
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
		queue_state_lock(LW_EXCLUSIVE);
		for (int i = 0; i < nentries; i++)
			carry_over(&entries[i]);
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
		queue_state_lock(LW_EXCLUSIVE);
		for (int i = 0; i < nentries; i++)
			take_back(&entries[i]);
		queue_state_unlock();
	}
	forget();
}

/* does the commit change how many attempts of the entry's queue run? */
static bool
moves_started(const Entry *entry)
{
	return (entry->kind == ENTRY_RESERVED || entry->kind == ENTRY_STARTED ||
			entry->kind == ENTRY_ENDED) && entry->n != 0;
}

/*
 * ledger_prepare: the transaction is prepared, whether it commits is open.
 * Counters are given up; queues whose running attempts it changes are not
 * known from now on.  True when there are such.
 */
bool
ledger_prepare(void)
{
	bool		unknown = false;

	queue_state_lock(LW_EXCLUSIVE);
	for (int i = 0; i < nentries; i++)
		if (moves_started(&entries[i]))
		{
			QueueState *state = queue_state_find(&entries[i].queue);

			if (state != NULL)
			{
				if (entries[i].kind == ENTRY_RESERVED)
					state->reserved = Max(state->reserved - entries[i].n, 0);
				state->started_known = false;
				state->being_counted = false;	/* not by this count */
				unknown = true;
			}
		}
	queue_state_unlock();
	forget();
	return unknown;
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
	queue_state_lock(LW_EXCLUSIVE);
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

/* ledger_moves_started: will the commit change how many attempts run? */
bool
ledger_moves_started(void)
{
	for (int i = 0; i < nentries; i++)
		if (moves_started(&entries[i]))
			return true;
	return false;
}
