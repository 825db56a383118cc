/*
 * admission.h
 *		How many tasks a poll may take: rates, max_started, pauses.
 */
#ifndef TASKQ_ADMISSION_H
#define TASKQ_ADMISSION_H

#include "model/queue_settings.h"
#include "task/queue_keys.h"

/* What a poll may do. */
typedef struct Admission
{
	QueueRef	queue;
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

extern RateSource admission_rate(const QueueConfig *config, double worker_rate,
								 double *rate);
extern void admission_grant(Admission *admission, const QueueRef *queue,
							char *const *identities, int nidentities,
							int wanted, double worker_rate);
extern bool admission_at_once(Admission *admission, const QueueRef *queue, int ending);
extern void admission_settle(Admission *admission, int claimed);
extern bool admission_would_grant(const QueueRef *queue, TimestampTz *when);

#endif							/* TASKQ_ADMISSION_H */
