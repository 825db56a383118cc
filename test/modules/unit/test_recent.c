/*
 * test_recent.c
 *		Tests of recent.h.
 */
#include "unit.h"

#include "base/recent.h"

static Recent *
new_recent(void)
{
	return palloc0(sizeof(Recent));
}

/* keys of the line of key 1, in turn */
static uint64
key_beside(Recent *recent, uint64 previous)
{
	do
		previous++;
	while (recent_line(recent, previous) != recent_line(recent, 1));
	return previous;
}

static void
one_line(void)
{
	Recent	   *recent = new_recent();
	uint64		keys[RECENT_WAYS + 1] = {1};

	for (int i = 1; i <= RECENT_WAYS; i++)
		keys[i] = key_beside(recent, keys[i - 1]);
	ok(recent_find(recent, 1) == NULL, "nothing is known at first");
	for (int i = 0; i < RECENT_WAYS; i++)
		recent_put(recent, keys[i], 10 + i);
	is_int(*recent_find(recent, 1), 10, "what was put first is still there");
	recent_put(recent, keys[1], 99);
	is_int(*recent_find(recent, keys[1]), 99, "what is put again has the new value");
	is_int(*recent_find(recent, 1), 10, "... and pushes nothing out");
	recent_put(recent, keys[RECENT_WAYS], 5);
	ok(recent_find(recent, 1) == NULL, "one too many pushes out the one put first");
	is_int(*recent_find(recent, keys[1]), 99, "... and no other");
	is_int(*recent_find(recent, keys[RECENT_WAYS]), 5, "... and is there");
}

static void
many(void)
{
	Recent	   *recent = new_recent();
	int			known = 0;

	for (uint64 key = 1; key <= 2000; key++)
		recent_put(recent, key * 1000, key);
	for (uint64 key = 1; key <= 2000; key++)
	{
		const uint64 *value = recent_find(recent, key * 1000);

		if (value != NULL && *value != key)
			fault("%d", (int) key);
		known += value != NULL;
	}
	no_fault("what is found is what was put");
	ok(known > 1900, "of some thousand most are there");
}

/* 0 marks what is unused, and is looked for all the same */
static void
key_zero(void)
{
	Recent	   *recent = new_recent();

	ok(recent_find(recent, 0) == NULL, "unused places are not those of key 0");
	recent_put(recent, 0, 7);
	ok(recent_find(recent, 0) == NULL, "it is not kept");
	recent_put(recent, 1, 1);
	is_int(*recent_find(recent, 1), 1, "others are");
}

UNIT(unit_recent, one_line, many, key_zero);
