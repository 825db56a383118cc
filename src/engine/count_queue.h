/*
 * count_queue.h
 *		Counting the open activities of a queue.
 */
#ifndef TASKQ_COUNT_QUEUE_H
#define TASKQ_COUNT_QUEUE_H

#include "shared/queue_state.h"
#include "store/open_row.h"
#include "task/queue_keys.h"

/* What the table holds of one queue. */
typedef struct QueueCount
{
	int64		started;
	int64		paused;
	int64		waiting[LEVELS];
	TimestampTz latest_due;		/* of those that were never delayed */
} QueueCount;

extern bool count_row(QueueCount *count, const QueueKey *queue,
					  const OpenCount *row, DelayKey *delay);
extern void count_from_zero(QueueState *state, int counter);
extern void count_add(QueueState *state, const QueueCount *count);
extern bool count_queue(const QueueRef *queue);

#endif							/* TASKQ_COUNT_QUEUE_H */
