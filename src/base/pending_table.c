/*
 * pending_table.c
 *		Tables of fixed size in shared memory for what somebody wants to hear of:
 *		entries, and for which of them there is something to be told.
 *
 * A shared_table.c, and a bit for each of its places.  Transactions set bits,
 * the worker goes through those that are set: a few cache lines, however large
 * the table.
 *
 * When the table is full, those go that nobody wants to hear of any more; to
 * look for them takes a walk over all, and is done once a second at most.  Else
 * places are taken from one after the other, round and round, so that mostly
 * the oldest entry goes.
 *
 * Locks: the caller's, one for the whole table.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/pending_table.h"

#define BITS			64		/* of a word */

typedef struct PendingState
{
	TimestampTz swept_at;		/* real clock */
	int			hand;			/* the place to be taken next */
	uint64		bits[FLEXIBLE_ARRAY_MEMBER];
} PendingState;

static int
words_for(int entries)
{
	return (entries + BITS - 1) / BITS;
}

static Size
state_size(int entries)
{
	return offsetof(PendingState, bits) + sizeof(uint64) * words_for(entries);
}

/* pending_table_size: bytes of shared memory; for the request hook. */
Size
pending_table_size(int entries, Size entry_size)
{
	return add_size(shared_table_size(entries, entry_size),
					MAXALIGN(state_size(entries)));
}

/*
 * pending_table_init: make the table, or find the one that is there.  Caller
 * holds AddinShmemInitLock.
 */
void
pending_table_init(PendingTable *table, const char *name, int entries,
				   Size key_size, Size entry_size)
{
	char		of_state[NAMEDATALEN];
	bool		found;

	Assert(LWLockHeldByMeInMode(AddinShmemInitLock, LW_EXCLUSIVE));
	snprintf(of_state, sizeof(of_state), "%s, pending", name);
	table->entries = shared_table_init(name, entries, key_size, entry_size);
	table->state = ShmemInitStruct(of_state, state_size(entries), &found);
	if (!found)
		memset(table->state, 0, state_size(entries));
}

static int
part_of(const void *key, Size key_size)
{
	return (int) (hash_bytes_extended(key, (int) key_size, 1) % TABLE_PARTS);
}

/* pending_find: NULL when there is none. */
void *
pending_find(const PendingTable *table, const void *key, Size key_size)
{
	return shared_table_find(table->entries, part_of(key, key_size), key);
}

/*
 * pending_add: a new entry, zero but for its key, which the table must not have;
 * NULL when the table is full.
 */
void *
pending_add(const PendingTable *table, const void *key, Size key_size)
{
	return shared_table_add(table->entries, part_of(key, key_size), key);
}

/* pending_remove: nobody wants to hear of it. */
void
pending_remove(const PendingTable *table, void *entry)
{
	pending_clear(table, entry);
	shared_table_remove(table->entries, entry);
}

/* pending_is_full: is there no room for one more? */
bool
pending_is_full(const PendingTable *table)
{
	return shared_table_used(table->entries) ==
		shared_table_size_of(table->entries);
}

/* pending_swept: all that are over were removed just now. */
void
pending_swept(const PendingTable *table, TimestampTz real_now)
{
	table->state->swept_at = real_now;
}

/* pending_sweep: remove all that are over; how many those were. */
int
pending_sweep(const PendingTable *table, PendingOver over,
			  TimestampTz real_now)
{
	int			n = 0;

	pending_swept(table, real_now);
	for (int i = 0; i < shared_table_size_of(table->entries); i++)
	{
		void	   *entry = shared_table_at(table->entries, i);

		if (entry == NULL || !over(entry, real_now))
			continue;
		pending_remove(table, entry);
		n++;
	}
	return n;
}

/* pending_may_sweep: has that not been done for so many microseconds? */
bool
pending_may_sweep(const PendingTable *table, TimestampTz real_now,
				  int64 interval)
{
	return real_now < table->state->swept_at || /* the clock was set back */
		real_now - table->state->swept_at >= interval;
}

/* pending_oldest: of a full table, the entry that is to go next. */
void *
pending_oldest(const PendingTable *table)
{
	int			places = shared_table_size_of(table->entries);
	void	   *entry = NULL;

	Assert(shared_table_used(table->entries) > 0);
	while (entry == NULL)
	{
		entry = shared_table_at(table->entries, table->state->hand);
		table->state->hand = (table->state->hand + 1) % places;
	}
	return entry;
}

/* pending_set: there is something to be told of the entry. */
void
pending_set(const PendingTable *table, const void *entry)
{
	int			i = shared_table_place(table->entries, entry);

	table->state->bits[i / BITS] |= UINT64CONST(1) << i % BITS;
}

/* pending_clear: there is not. */
void
pending_clear(const PendingTable *table, const void *entry)
{
	int			i = shared_table_place(table->entries, entry);

	table->state->bits[i / BITS] &= ~(UINT64CONST(1) << i % BITS);
}

/*
 * pending_next: the entry that is pending at the first place from *place on,
 * which becomes the place behind it; NULL when there is none.
 */
void *
pending_next(const PendingTable *table, int *place)
{
	int			words = words_for(shared_table_size_of(table->entries));
	int			word = *place / BITS;
	uint64		rest;

	if (word >= words)
		return NULL;
	rest = table->state->bits[word] & (~UINT64CONST(0) << *place % BITS);
	while (rest == 0)
	{
		if (++word >= words)
			return NULL;
		rest = table->state->bits[word];
	}
	*place = word * BITS + pg_rightmost_one_pos64(rest) + 1;
	return shared_table_at(table->entries, *place - 1);
}

/*
 * pending_any: has the table any entry?  What was committed has been seen by who
 * is told that there is none.
 */
bool
pending_any(const PendingTable *table)
{
	if (table->entries == NULL)
		return false;
	pg_memory_barrier();
	return shared_table_used(table->entries) > 0;
}
