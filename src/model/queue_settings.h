/*
 * queue_settings.h
 *		The settings of a task queue, out of the jsonb in which they are stored.
 */
#ifndef TASKQ_QUEUE_SETTINGS_H
#define TASKQ_QUEUE_SETTINGS_H

#include "utils/jsonb.h"

/* Weight of a fairness key that the queue overrides. */
typedef struct WeightOverride
{
	char	   *key;
	double		weight;
} WeightOverride;

/* What somebody configured for a queue; negative numbers = not set. */
typedef struct QueueConfig
{
	double		rate_limit;		/* tasks per second, 0 = none is dispatched */
	double		key_rate_limit; /* of each fairness key, times its weight */
	bool		unreadable;		/* what is stored; the rest are defaults */
	bool		paused;			/* or unreadable */
	int			max_started;	/* 0 = no limit */
	int			max_backlog;	/* 0 = no limit */
	int64		retention;		/* us */
	int			nweights;
	WeightOverride *weights;	/* shorter keys first, then by their bytes */
} QueueConfig;

extern void queue_settings_defaults(QueueConfig *config);
extern void queue_settings_parse(Jsonb *object, QueueConfig *config);

#endif							/* TASKQ_QUEUE_SETTINGS_H */
