/*
 * ready_count.h
 *		How many tasks of a queue wait, and until when: reading open_ready.
 */
#ifndef TASKQ_READY_COUNT_H
#define TASKQ_READY_COUNT_H

#include "datatype/timestamp.h"

#include "shared/lane_cursor.h"
#include "task/queue_keys.h"

extern int	store_count_due(const QueueRef *queue, TimestampTz now,
							int limit);
extern bool store_any_due(const QueueRef *queue, TimestampTz now);
extern TimestampTz store_next_due(const QueueRef *queue, TimestampTz now);
extern int64 store_count_between(const QueueRef *queue, int level,
								 TimestampTz after, TimestampTz before,
								 bool committed);
extern void store_oldest_due(const QueueRef *queue, TimestampTz now,
							 TimestampTz *oldest);

/* How far a check of a queue's cursors has come; zero = at the beginning. */
typedef struct CheckPlace
{
	int			lane;
	ReadyKey	from;
} CheckPlace;

extern void ready_check_again(void);
extern bool ready_check(const QueueRef *queue, CheckPlace *at, int *budget);

#endif							/* TASKQ_READY_COUNT_H */
