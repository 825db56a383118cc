/*
 * tasks.c
 *		What is written of a task of any kind, and what follows from it: the
 *		numbers of its queue, and who has to hear of it.
 *
 * "before" is the task as it was read; what is written is written over that
 * version.  Nothing is done unless the result is STORE_OK; with wait false a row
 * that somebody else holds is STORE_BUSY.  All of it takes effect when the
 * transaction commits.
 */
#include "postgres.h"

#include "engine/queue_config.h"
#include "engine/tasks.h"
#include "notes/effects.h"
#include "notes/ledger.h"
#include "shared/queue_state.h"
#include "store/open.h"

/* task_ends_attempt: was one in progress, and is not any more? */
bool
task_ends_attempt(const Task *before, const Task *task)
{
	return state_in_progress(before->state) && !state_in_progress(task->state);
}

/* task_queues: the queues that a change from "before" to "task" is about. */
void
task_queues(TaskQueues *queues, Task *before, const Task *task)
{
	queues->before = queue_ref(before->queue);
	queues->after = queue_ref(task->queue);
	queues->taken_from = queue_ref(kind_of(before)->taken_from(before));
}

/*
 * task_attempt_ended: an attempt taken from the queue is over; where max_started counts,
 * the next one can start.
 */
void
task_attempt_ended(const QueueRef *taken_from)
{
	const QueueConfig *config = queue_config(taken_from);

	ledger_ended(taken_from);
	if (config != NULL && config->max_started > 0)
		effects_task_due(&taken_from->key, DT_NOBEGIN);
}

/* the task is not any more what it was before */
static void
leave(const Task *before, const QueueRef *queue)
{
	ledger_open(queue, before, before->state, -1);
	if (before->state == STATE_SCHEDULED)
		effects_polled(&queue->key, 1); /* back at an abort */
}

/* task_scheduled: n tasks like this one are new in the queue. */
void
task_scheduled(const QueueRef *queue, const Task *task, int n)
{
	ledger_open(queue, task, task->state, n);
	ledger_count(queue, COUNT_SCHEDULED, n);
	ledger_count(queue, COUNT_ADDED, n);
	effects_tasks_due(&queue->key, task->dispatch_time, n);
	if (task->alarm != DT_NOEND)
		effects_alarm(task->alarm);
}

/* task_update: the task goes on, changed. */
StoreResult
task_update(Task *task, const Task *before, const TaskQueues *queues, bool wait)
{
	StoreResult result = task_touch(task, &queues->after, wait);

	Assert(!state_is_closed(task->state));
	if (result != STORE_OK)
		return result;
	leave(before, &queues->before);
	ledger_open(&queues->after, task, task->state, 1);
	if (task->state != before->state || task->attempt != before->attempt)
		effects_run_changed(task->run_id, task->state);
	if (task->state == STATE_SCHEDULED)
		ledger_count(&queues->after, COUNT_ADDED, 1);
	if (task_ends_attempt(before, task))
		task_attempt_ended(&queues->taken_from);
	if (task->alarm != DT_NOEND && task->alarm != before->alarm)
		effects_alarm(task->alarm);
	return result;
}

/*
 * task_touch: the row is written, but nothing has happened to the task.  Who
 * looks for tasks may have passed it meanwhile.
 */
StoreResult
task_touch(Task *task, const QueueRef *queue, bool wait)
{
	StoreResult result = store_update(task, wait);

	if (result == STORE_OK && task->state == STATE_SCHEDULED)
		effects_task_due(&queue->key, task->dispatch_time);
	return result;
}

/*
 * task_delete: it is no open task any more, but closed as "state" says, or gone
 * (RUN_DELETED); "before" is as it was read.
 */
StoreResult
task_delete(const Task *before, int state, const TaskQueues *queues, bool wait)
{
	StoreResult result = store_delete(before, wait);

	if (result != STORE_OK)
		return result;
	leave(before, &queues->before);
	if (state_in_progress(before->state))
		task_attempt_ended(&queues->taken_from);
	effects_run_changed(before->run_id, state);
	return result;
}
