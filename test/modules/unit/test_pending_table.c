/*
 * test_pending_table.c
 *		Tests of pending_table.c.
 */
#include "unit.h"

#include "storage/lwlock.h"

#include "base/pending_table.h"

#include "fakes.h"

#define ROOM		200			/* more than three words of bits */

typedef struct Wish
{
	uint64		key;
	bool		over;
} Wish;

static PendingTable table;

static void
new_table(int entries)
{
	fake_memory_lost();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pending_table_init(&table, "wishes", entries, sizeof(uint64), sizeof(Wish));
	LWLockRelease(AddinShmemInitLock);
}

static Wish *
find(uint64 key)
{
	return pending_find(&table, &key, sizeof(key));
}

static Wish *
add(uint64 key)
{
	return pending_add(&table, &key, sizeof(key));
}

/* the sum of the keys of those that are pending */
static uint64
pending_keys(void)
{
	uint64		sum = 0;
	int			place = 0;
	Wish	   *wish;

	while ((wish = pending_next(&table, &place)) != NULL)
		sum += wish->key;
	return sum;
}

static bool
is_over(const void *entry, TimestampTz real_now)
{
	return ((const Wish *) entry)->over;
}

static void
entries(void)
{
	Wish	   *wish;

	new_table(10);
	ok(!pending_any(&table) && find(7) == NULL, "an empty table has nothing");
	wish = add(7);
	ok(pending_any(&table) && find(7) == wish && wish->key == 7, "what was added is found");
	is_int(pending_keys(), 0, "nothing is pending at first");
	pending_set(&table, wish);
	pending_set(&table, add(8));
	is_int(pending_keys(), 15, "what is set is pending");
	pending_clear(&table, wish);
	is_int(pending_keys(), 8, "... until it is cleared");
	pending_remove(&table, find(8));
	is_int(pending_keys(), 0, "what is removed is not pending");
	(void) add(9);
	is_int(pending_keys(), 0, "... nor what comes to its place");
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pending_table_init(&table, "wishes", 10, sizeof(uint64), sizeof(Wish));
	LWLockRelease(AddinShmemInitLock);
	ok(find(7) != NULL && find(9) != NULL, "another process finds the same table");
}

static void
full(void)
{
	uint64		first;

	new_table(ROOM);
	for (uint64 key = 1; key <= ROOM; key++)
		pending_set(&table, add(key));
	ok(pending_is_full(&table) && add(1000) == NULL, "a full table takes no more");
	is_int(pending_keys(), ROOM * (ROOM + 1) / 2, "all can be pending");
	first = ((Wish *) pending_oldest(&table))->key;
	for (int i = 1; i < ROOM; i++)
		(void) pending_oldest(&table);
	is_int(((Wish *) pending_oldest(&table))->key, first, "all have their turn to go before one has it again");
	for (uint64 key = 1; key <= ROOM; key += 2)
		find(key)->over = true;
	ok(pending_may_sweep(&table, 100, 10), "never swept");
	is_int(pending_sweep(&table, is_over, 100), ROOM / 2, "those that are over are swept");
	ok(find(1) == NULL && find(2) != NULL && !pending_is_full(&table), "... and no others");
	ok(!pending_may_sweep(&table, 109, 10) && pending_may_sweep(&table, 110, 10), "not again for so long");
	ok(pending_may_sweep(&table, 50, 10), "... unless the clock was set back");
	ok(fake_memory_intact(), "within its memory");
}

static void
at_random(void)
{
	bool		there[ROOM] = {false};
	bool		set[ROOM] = {false};

	new_table(ROOM);
	for (int step = 0; step < 20000 && faultless(); step++)
	{
		uint64		key = (uint64) random_int(0, ROOM - 1);
		uint64		sum = 0;

		if (!there[key])
			(void) add(key);
		else if (random_int(0, 2) == 0)
			pending_remove(&table, find(key));
		else if (set[key])
			pending_clear(&table, find(key));
		else
			pending_set(&table, find(key));
		set[key] = there[key] && find(key) != NULL && !set[key];
		there[key] = find(key) != NULL;
		if (step % 100 != 0)
			continue;
		for (int i = 0; i < ROOM; i++)
			sum += set[i] ? (uint64) i : 0;
		if (pending_keys() != sum)
			fault("step %d", step);
	}
	no_fault("20000 times added, removed, set and cleared");
	ok(fake_memory_intact(), "... within its memory");
}

UNIT(unit_pending_table, entries, full, at_random);
