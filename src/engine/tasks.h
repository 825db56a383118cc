/*
 * tasks.h
 *		What is written of a task of any kind, and what follows from it.
 */
#ifndef TASKQ_TASKS_H
#define TASKQ_TASKS_H

#include "task/kinds.h"
#include "task/queue_keys.h"
#include "task/store_result.h"

/* The queues that a change is about; mostly one. */
typedef struct TaskQueues
{
	QueueRef	before;
	QueueRef	after;
	QueueRef	taken_from;		/* by the attempt in progress before */
} TaskQueues;

extern bool task_ends_attempt(const Task *before, const Task *task);
extern PGDLLEXPORT void task_queues(TaskQueues *queues, Task *before,
									const Task *task);

extern PGDLLEXPORT void task_scheduled(const QueueRef *queue, const Task *task,
									   int n);
extern void task_attempt_ended(const QueueRef *taken_from);
extern StoreResult task_update(Task *task, const Task *before,
							   const TaskQueues *queues, bool wait);
extern StoreResult task_touch(Task *task, const QueueRef *queue, bool wait);
extern PGDLLEXPORT StoreResult task_delete(const Task *before, int state,
										   const TaskQueues *queues,
										   bool wait);

#endif							/* TASKQ_TASKS_H */
