/*
 * claim.h
 *		Handing attempts to workers.
 */
#ifndef TASKQ_CLAIM_H
#define TASKQ_CLAIM_H

#include "model/activity.h"
#include "task/queue_keys.h"

/* What a poll asks for. */
typedef struct ClaimRequest
{
	QueueRef	queue;
	char	   *identity;
	int			max_tasks;
	double		max_tasks_per_second;	/* 0 = not given */
} ClaimRequest;

/* Takes one task that was claimed. */
typedef void (*TaskSink) (void *arg, const Activity *activity,
						  const Heartbeat *heartbeat);

extern void claim_tasks(const ClaimRequest *request, TaskSink sink,
						void *sink_arg);
extern int	claim_ready(const QueueRef *queue, TimestampTz *next);

#endif							/* TASKQ_CLAIM_H */
