/*
 * map.c
 *		Things by their key, in chains, as many of them as there are things.
 */
#include "gateway/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/memory.h"

#define SMALLEST_MAP	64

/*
 * FNV-1a with a start that nobody outside knows: clients choose many of the
 * keys.
 */
uint64_t
map_hash(const void *key, size_t length)
{
	static uint64_t start = 0;
	const unsigned char *bytes = key;
	uint64_t	hash;

	while (start == 0)
		if (getrandom(&start, sizeof(start), 0) != sizeof(start))
			start = 0;
	hash = start;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

/* The first of a chain that has the key. */
static MapLink *
match(MapLink *link, const void *key, size_t length, uint64_t hash)
{
	for (; link != NULL; link = link->next)
		if (link->hash == hash && link->length == length && memcmp(link->key, key, length) == 0)
			return link;
	return NULL;
}

/* NULL when there is none. */
MapLink *
map_find(const Map *map, const void *key, size_t length)
{
	uint64_t	hash;

	if (map->size == 0)
		return NULL;
	hash = map_hash(key, length);
	return match(map->buckets[hash & (map->size - 1)], key, length, hash);
}

/* The next with the same key. */
MapLink *
map_next(const MapLink *link)
{
	return match(link->next, link->key, link->length, link->hash);
}

static void
grow(Map *map)
{
	size_t		size = map->size > 0 ? map->size * 2 : SMALLEST_MAP;
	MapLink   **buckets = memory_new(size * sizeof(MapLink *));

	for (size_t i = 0; i < map->size; i++)
	{
		MapLink    *next;

		for (MapLink *link = map->buckets[i]; link != NULL; link = next)
		{
			MapLink   **bucket = &buckets[link->hash & (size - 1)];

			next = link->next;
			link->next = *bucket;
			*bucket = link;
		}
	}
	free(map->buckets);
	map->buckets = buckets;
	map->size = size;
}

/* The key has to stay where it is. There may be several things with the same key. */
void
map_add(Map *map, MapLink *link, const void *key, size_t length)
{
	MapLink   **bucket;

	if (map->count >= map->size)
		grow(map);
	link->key = key;
	link->length = length;
	link->hash = map_hash(key, length);
	bucket = &map->buckets[link->hash & (map->size - 1)];
	link->next = *bucket;
	*bucket = link;
	map->count++;
}

/* It has to be there. */
void
map_remove(Map *map, MapLink *link)
{
	MapLink   **place = &map->buckets[link->hash & (map->size - 1)];

	while (*place != link)
		place = &(*place)->next;
	*place = link->next;
	map->count--;
}
