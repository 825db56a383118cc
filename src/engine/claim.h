/*
 * claim.h
 *		Handing attempts to workers.
 */
#ifndef TASKQ_CLAIM_H
#define TASKQ_CLAIM_H

#include "task/queue_keys.h"
#include "task/task.h"

/* What a poll asks for. */
typedef struct ClaimRequest
{
	QueueRef	queue;
	char	   *identity;
	char	  **identities;		/* of each task that may be claimed, in order;
								 * NULL = all are for "identity" */
	int			max_tasks;
	double		max_tasks_per_second;	/* 0 = not given */
} ClaimRequest;

/* Takes one task that was claimed, of the queue's kind. */
typedef void (*TaskSink) (void *arg, const Task *task, bool started_before);

extern PGDLLEXPORT void claim_tasks(const ClaimRequest *request, TaskSink sink,
									void *sink_arg);
extern int	claim_ready(const QueueRef *queue, TimestampTz *next);

#endif							/* TASKQ_CLAIM_H */
