/*
 * limits.h
 *		How many tasks a poll may take: rates, max_started, pauses.
 */
#ifndef TASKQ_LIMITS_H
#define TASKQ_LIMITS_H

#include "queue_config.h"
#include "queue_state.h"
#include "store.h"

/* What a poll may do. */
typedef struct Admission
{
	text	   *task_queue;
	QueueKey	key;
	const QueueConfig *config;	/* a copy, NULL = none */
	int			granted;		/* tasks it may start */
	double		spacing;		/* us per token taken, 0 = no rate limit */
	bool		held_back;		/* by a rate: it wanted more */
	bool		reserved;		/* what was granted is reserved */
} Admission;

/* Where the limit of a queue comes from. */
typedef enum RateSource
{
	RATE_NONE,
	RATE_API,
	RATE_WORKER,
	RATE_SYSTEM
} RateSource;

extern RateSource limits_effective_rate(const QueueConfig *config,
										double worker_rate, double *rate);
extern void limits_admit(Admission *admission, text *task_queue,
						 const char *identity, int wanted,
						 double worker_rate);
extern void limits_settle(Admission *admission, int claimed);
extern bool limits_would_admit(text *task_queue, TimestampTz *when);

#endif							/* TASKQ_LIMITS_H */
