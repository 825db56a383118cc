/*
 * test_shared_table.c
 *		Tests of shared_table.c.
 */
#include "unit.h"

#include "storage/lwlock.h"

#include "base/shared_table.h"

#include "fakes.h"

typedef struct Thing
{
	uint64		key;
	int			value;
} Thing;

static SharedTable *
init_table(int entries)
{
	SharedTable *table;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	table = shared_table_init("things", entries, sizeof(uint64), sizeof(Thing));
	LWLockRelease(AddinShmemInitLock);
	return table;
}

static SharedTable *
new_table(int entries)
{
	fake_memory_lost();
	return init_table(entries);
}

static Thing *
find(SharedTable *table, int part, uint64 key)
{
	return shared_table_find(table, part, &key);
}

static Thing *
add(SharedTable *table, int part, uint64 key)
{
	return shared_table_add(table, part, &key);
}

static void
an_entry(void)
{
	SharedTable *table = new_table(10);
	Thing	   *thing;

	ok(find(table, 0, 7) == NULL, "an empty table has nothing");
	thing = add(table, 0, 7);
	is_int(thing->key, 7, "an entry begins with its key");
	is_int(thing->value, 0, "... and is zero but for that");
	ok(find(table, 0, 7) == thing, "it is found");
	ok(find(table, 0, 8) == NULL, "another key is not");
	ok(find(table, 1, 7) == NULL, "nor is the key in another part");
	thing->value = 5;
	shared_table_remove(table, thing);
	ok(find(table, 0, 7) == NULL, "once removed it is not found");
	is_int(thing->value, 5, "... but its memory is as it was");
	thing = add(table, 0, 9);
	is_int(thing->value, 0, "what comes into that memory is zero");
}

static void
room(void)
{
	SharedTable *table = new_table(10);

	is_int(shared_table_size_of(table), 10, "there is room for as many as were asked for");
	for (int i = 0; i < 10; i++)
		if (add(table, 3, i) == NULL)
			fault("no room for number %d", i);
	no_fault("one part can take all of it");
	is_int(shared_table_used(table), 10, "... all is used");
	ok(add(table, 0, 99) == NULL, "no part can have more");
	shared_table_remove(table, find(table, 3, 4));
	is_int(shared_table_used(table), 9, "what is removed is free");
	ok(add(table, 0, 99) != NULL, "... for any part");
	ok(fake_memory_intact(), "the table is as large as it said");
}

/* keys of which many begin alike */
static uint64
key_number(int i)
{
	return i % 2 ? (uint64) i : (uint64) i << 32;
}

/* with so many there are several in a chain */
static void
chains(void)
{
	SharedTable *table = new_table(32);

	for (int i = 0; i < 32; i++)
		add(table, 0, key_number(i))->value = i;
	for (int gone = 0; gone < 32; gone++)
	{
		shared_table_remove(table, find(table, 0, key_number(gone)));
		for (int i = 0; i < 32; i++)
		{
			Thing	   *thing = find(table, 0, key_number(i));

			if (i <= gone ? thing != NULL : thing == NULL || thing->value != i)
				fault("without %d: %d", gone, i);
		}
	}
	no_fault("who goes takes nobody along, and nobody is taken for another");
}

static void
walks(void)
{
	SharedTable *table = new_table(40);
	int			seen[4] = {0, 0, 0, 0};
	int			n = 0;

	ok(shared_table_next(table, 2, NULL) == NULL, "a walk over nothing");
	for (int i = 0; i < 40; i++)
		add(table, i % 4, i);
	for (Thing *thing = shared_table_next(table, 2, NULL); thing != NULL; thing = shared_table_next(table, 2, thing))
	{
		seen[thing->key % 4]++;
		if (++n > 40)
			break;
	}
	is_int(seen[2], 10, "a walk meets everybody in the part");
	is_int(n, 10, "... and nobody else");
	ok(shared_table_next(table, TABLE_PARTS - 1, NULL) == NULL, "the last part is empty");
}

static void
places(void)
{
	SharedTable *table = new_table(8);
	Thing	   *thing = add(table, 6, 1);
	int			n = 0;

	add(table, 15, 2);
	for (int i = 0; i < 8; i++)
		if (shared_table_at(table, i) == thing)
			n += 1;
		else if (shared_table_at(table, i) != NULL)
			n += 10;
	is_int(n, 11, "a look at all places meets what is there, once each");
	is_int(shared_table_part(table, thing), 6, "an entry tells its part");
	shared_table_remove(table, thing);
	is_int(shared_table_part(table, thing), -1, "... and that it is free");
}

static void
found_again(void)
{
	SharedTable *table = new_table(8);

	add(table, 1, 1);
	ok(init_table(8) == table,
	   "a second process finds the table");
	ok(find(table, 1, 1) != NULL, "... as it is");
	is_int(shared_table_used(table), 1, "... and as full");
}

/* ---- at random, beside a list of all that should be there ---- */

#define KEYS		30
#define ROOM		40

static Thing *there[TABLE_PARTS][KEYS];

static void
random_step(SharedTable *table, int step, int *n)
{
	int			part = random_int(0, TABLE_PARTS - 1);
	int			key = random_int(0, KEYS - 1);
	Thing	   *thing = find(table, part, key);

	if (thing != there[part][key])
		fault("step %d: part %d has not what it should have of %d", step, part, key);
	else if (thing != NULL)
	{
		shared_table_remove(table, thing);
		there[part][key] = NULL;
		(*n)--;
	}
	else
	{
		thing = add(table, part, key);
		if ((thing == NULL) != (*n == ROOM))
			fault("step %d: %d entries, and %s room", step, *n, thing ? "there is" : "no");
		there[part][key] = thing;
		*n += thing != NULL;
	}
	if (shared_table_used(table) != *n)
		fault("step %d: %d are used, not %d", step, shared_table_used(table), *n);
}

static void
check_walks(SharedTable *table)
{
	for (int part = 0; part < TABLE_PARTS; part++)
	{
		int			missing = 0;

		for (int key = 0; key < KEYS; key++)
			missing += there[part][key] != NULL;
		for (Thing *thing = shared_table_next(table, part, NULL); thing; thing = shared_table_next(table, part, thing))
			missing -= there[part][thing->key] == thing ? 1 : 1000;
		if (missing != 0)
			fault("a walk over part %d: %d", part, missing);
	}
}

static void
at_random(void)
{
	SharedTable *table = new_table(ROOM);
	int			n = 0;

	memset(there, 0, sizeof(there));
	for (int step = 0; step < 20000 && faultless(); step++)
	{
		random_step(table, step, &n);
		if (step % 100 == 0)
			check_walks(table);
	}
	no_fault("20000 times added and removed, beside a list");
	ok(fake_memory_intact(), "... within its memory");
}

UNIT(unit_shared_table, an_entry, room, chains, walks, places, found_again, at_random);
