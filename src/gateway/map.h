/*
 * map.h
 *		Things by their key: bytes that are part of the thing.
 */
#ifndef TASKQ_GATEWAY_MAP_H
#define TASKQ_GATEWAY_MAP_H

#include <stddef.h>
#include <stdint.h>

/* The link of one thing.  Lives in its struct; all zeros is in no map. */
typedef struct MapLink
{
	struct MapLink *next;
	const void *key;
	size_t		length;
	uint64_t	hash;
} MapLink;

/* All zeros is empty. */
typedef struct Map
{
	MapLink   **buckets;
	size_t		size;			/* a power of two */
	size_t		count;
} Map;

extern MapLink *map_find(const Map *map, const void *key, size_t length);
extern MapLink *map_next(const MapLink *link);
extern void map_add(Map *map, MapLink *link, const void *key, size_t length);
extern void map_remove(Map *map, MapLink *link);
extern uint64_t map_hash(const void *key, size_t length);

#endif
