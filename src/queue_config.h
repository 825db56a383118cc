/*
 * queue_config.h
 *		Configuration of task queues.
 */
#ifndef TASKQ_QUEUE_CONFIG_H
#define TASKQ_QUEUE_CONFIG_H

#include "postgres.h"

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
	bool		paused;
	int			max_started;	/* 0 = no limit */
	int			max_backlog;	/* 0 = no limit */
	int64		retention;		/* us */
	int			nweights;
	WeightOverride *weights;
} QueueConfig;

extern const QueueConfig *queue_config(const text *task_queue);
extern int64 queue_config_retention(const text *task_queue);
extern double queue_config_weight(const QueueConfig *config, const text *key,
								  double task_weight);

#endif							/* TASKQ_QUEUE_CONFIG_H */
