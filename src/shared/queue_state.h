/*
 * queue_state.h
 *		What shared memory knows of task queues: limiters, virtual time,
 *		counters, pollers.
 */
#ifndef TASKQ_QUEUE_STATE_H
#define TASKQ_QUEUE_STATE_H

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "base/rate_limiter.h"
#include "common/lengths.h"
#include "task/queue_keys.h"
#include "task/task.h"

/* Counters of taskq.stat_task_queues, those before ADDED in the order of its columns. */
typedef enum QueueCounter
{
	COUNT_SCHEDULED,
	COUNT_STARTED,
	COUNT_COMPLETED,
	COUNT_FAILED,
	COUNT_RETRIED,
	COUNT_CANCELED,
	COUNT_TERMINATED,
	COUNT_TIMED_OUT_SCHEDULE_TO_START,
	COUNT_TIMED_OUT_START_TO_CLOSE,
	COUNT_TIMED_OUT_SCHEDULE_TO_CLOSE,
	COUNT_TIMED_OUT_HEARTBEAT,
	COUNT_HEARTBEATS,
	COUNT_EMPTY_POLLS,
	COUNT_ADDED,				/* entered the queue, retries included */
	COUNT_RELEASED,				/* attempts handed back */
	QUEUE_COUNTERS
} QueueCounter;

/* Histograms: bucket i counts what took less than 1 ms << i, the last the rest. */
#define HISTOGRAM_BUCKETS	24
#define COUNT_SCHEDULE_TO_START_FIRST	QUEUE_COUNTERS
#define COUNT_EXECUTION_FIRST	(QUEUE_COUNTERS + HISTOGRAM_BUCKETS)
#define ALL_COUNTERS			(QUEUE_COUNTERS + 2 * HISTOGRAM_BUCKETS)

/* Rates: buckets of RATE_BUCKET seconds, of which the full ones count. */
#define RATE_BUCKET			5
#define RATE_BUCKETS		7	/* six full ones and the current one */

typedef struct QueueState
{
	QueueKey	key;
	TimestampTz last_used;

	/* rate limits */
	bool		limited;		/* goes last when there is no room */
	double		worker_rate;	/* asked for by the last poll, 0 = none */
	Limiter		limiter;
	TimestampTz limited_at;		/* a task was held back then */
	bool		refused;		/* somebody was, since tokens or room came back */

	/* open activities, as committed; see counts.c */
	bool		known;			/* the numbers are right */
	bool		being_counted;
	int			counted_by;		/* by a poll: its process number + 1; 0 = by the
								 * worker */
	TimestampTz counted_since;	/* real clock */
	bool		delays_known;	/* so is "delays"; see delays.c */
	int64		started;		/* attempts in progress, taken from here */
	int64		reserved;		/* attempts, by polls in progress */
	int64		paused;
	int64		waiting[LEVELS];	/* scheduled, due or not */
	TimestampTz latest_due;		/* of those that were never delayed */
	TimestampTz delays_from;	/* those due before are not in "delays" */
	TimestampTz delays_cleaned; /* when those past were dropped */
	dlist_head	delays;

	/* fairness */
	double		level_time[LEVELS]; /* virtual time of the last dispatch */
	uint64		level_round[LEVELS];	/* counts polls with several lanes */

	/* statistics */
	TimestampTz stats_reset;
	uint64		counters[ALL_COUNTERS];
	int64		bucket_start[RATE_BUCKETS]; /* in units of RATE_BUCKET */
	uint32		added[RATE_BUCKETS];
	uint32		dispatched[RATE_BUCKETS];

	/* last: who looks for an entry that may go reads what is before */
	uint16		name_length;
	char		name[MAX_QUEUE_NAME_LENGTH];
} QueueState;

StaticAssertDecl(MAX_QUEUE_NAME_LENGTH <= PG_UINT16_MAX,
				 "name_length has room for it");

typedef struct LaneState
{
	LaneKey		key;
	double		time;			/* virtual time */
	uint64		round;			/* last one in which it had a task */
	bool		weight_known;
	double		weight;			/* of the task seen last, 0 = unset */
	Limiter		limiter;
	TimestampTz last_used;
} LaneState;

#define POLLER_IDENTITY		200
#define POLLER_LIFETIME		(5 * 60 * USECS_PER_SEC)

typedef struct PollerState
{
	PollerKey	key;
	TimestampTz last_access;
	double		rate;			/* 0 = none asked for */
	int			waiting;		/* sessions in wait_for_task */
	char		identity[POLLER_IDENTITY + 1];
} PollerState;

#endif							/* TASKQ_QUEUE_STATE_H */
