/*
 * recent.h
 *		What this session knew last: a small cache from a number to a number.
 *
 * Each key has four places side by side; a fifth one pushes out the one that was
 * there first.  So of some thousand keys most are there.  Key 0 is never there.
 */
#ifndef TASKQ_RECENT_H
#define TASKQ_RECENT_H

#define RECENT_BITS			11
#define RECENT_WAYS			4

typedef struct RecentEntry
{
	uint64		key;			/* 0 = unused */
	uint64		value;
} RecentEntry;

/* All zero = empty. */
typedef struct Recent
{
	RecentEntry entries[1 << RECENT_BITS][RECENT_WAYS];
} Recent;

static inline RecentEntry *
recent_line(Recent *recent, uint64 key)
{
	return recent->entries[(key * UINT64CONST(0x9E3779B97F4A7C15)) >> (64 - RECENT_BITS)];
}

/* recent_find: NULL when the key is not known. */
static inline const uint64 *
recent_find(Recent *recent, uint64 key)
{
	RecentEntry *line = recent_line(recent, key);

	if (key == 0)
		return NULL;			/* or unused places would be found */
	for (int i = 0; i < RECENT_WAYS; i++)
		if (line[i].key == key)
			return &line[i].value;
	return NULL;
}

/* recent_put: the key, unless it is 0, has this value from now on. */
static inline void
recent_put(Recent *recent, uint64 key, uint64 value)
{
	RecentEntry *line = recent_line(recent, key);
	int			last = 0;

	if (key == 0)
		return;
	while (last < RECENT_WAYS - 1 && line[last].key != key)
		last++;
	memmove(&line[1], &line[0], last * sizeof(RecentEntry));
	line[0].key = key;
	line[0].value = value;
}

#endif							/* TASKQ_RECENT_H */
