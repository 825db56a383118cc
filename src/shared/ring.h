/*
 * ring.h
 *		Whose turn it is where a level has more lanes than a poll can look at.
 */
#ifndef TASKQ_RING_H
#define TASKQ_RING_H

#include "shared/cursor_table.h"
#include "task/queue_keys.h"

/* Lanes of a level that a poll looks at in vain before it gives up. */
#define RING_SLICE		256

extern int	ring_few_lanes(void);
extern void ring_read(const QueueKey *key, int level, Ring *ring);
extern bool ring_move(const QueueKey *key, int level, Ring *ring);
extern bool ring_is_large(const QueueKey *key, int level);
extern void ring_found_large(const QueueKey *key, int level);

#endif							/* TASKQ_RING_H */
