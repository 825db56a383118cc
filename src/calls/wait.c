/*
 * wait.c
 *		CALL taskq.wait_for_task and wait_for_tasks.
 *
 * A waiter sleeps (sleep.c) until somebody wakes it, the next task becomes due,
 * the next rate token can be had, or its time is up.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/texts.h"
#include "calls/args.h"
#include "calls/poll.h"
#include "calls/queue_kinds.h"
#include "calls/sleep.h"
#include "engine/claim.h"
#include "shared/waiter_state.h"
#include "shared/waiters.h"
#include "task/queue_keys.h"

/* What a call waits for: a task of one of these queues. */
typedef struct QueueWait
{
	int			n;
	QueueRef	queues[MAX_WAIT_PLACES];
	uint64		keys[MAX_WAIT_PLACES];	/* their hashes */
	TimestampTz next[MAX_WAIT_PLACES];	/* a task is due, as far as we know */
} QueueWait;

/* a queue, by its name inside; one that is named twice counts once */
static void
add_queue(QueueWait *wait, text *task_queue)
{
	for (int i = 0; i < wait->n; i++)
		if (text_equal(wait->queues[i].name, task_queue))
			return;
	wait->queues[wait->n] = queue_ref(task_queue);
	wait->keys[wait->n] = wait->queues[wait->n].key.hash;
	wait->next[wait->n] = DT_NOEND;
	wait->n++;
}

/*
 * Look at the queues in their order.  Returns the number of the first that has
 * a task, and in *ready how many (2 for more); -1 when none has.
 */
static int
look_at_queues(QueueWait *wait, int *ready)
{
	for (int i = 0; i < wait->n; i++)
	{
		*ready = claim_ready(&wait->queues[i], &wait->next[i]);
		if (*ready > 0)
			return i;
		wait_saw_nothing(i);
	}
	return -1;
}

/* give our places back, and tell the next ones what we know */
static void
leave_queues(QueueWait *wait, int found, int ready)
{
	check_client();
	if (found >= 0)
		wait_leave_ready(found, ready > 1);
	else
		wait_leave(false);
	for (int i = 0; i < wait->n; i++)
		if (i != found || ready == 1)
			wait_hand_on(wait->keys[i], wait->next[i]);
}

/* look and sleep until a task can be had or the time is up; -1 then */
static int
wait_for_queues(QueueWait *wait, TimestampTz deadline)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "taskq wait",
												  ALLOCSET_SMALL_SIZES);
	int			ready = 0;
	int			found;

	for (;;)
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);
		TimestampTz until = deadline;

		wait_enter(wait->keys, wait->n);
		begin_look();
		found = look_at_queues(wait, &ready);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(context);
		if (found >= 0 || clock_now() >= deadline)
			break;
		end_look();
		for (int i = 0; i < wait->n; i++)
			until = Min(until, wait->next[i]);
		sleep_unless_woken(until, custom_wait_event("TaskqWaitForTask"));
	}
	leave_queues(wait, found, ready);
	return found;
}

/* the whole of a call; the arguments are checked */
static int
run_wait(QueueWait *wait, TimestampTz deadline)
{
	int			found;

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	for (int i = 0; i < wait->n; i++)
		wait_list(&wait->queues[i].key, poll_last_identity());
	found = wait_for_queues(wait, deadline);
	SPI_finish();
	return found;
}

PG_FUNCTION_INFO_V1(taskq_wait_for_task);

/* CALL taskq.wait_for_task(task_queue, timeout, INOUT ready, kind, sticky_for) */
Datum
taskq_wait_for_task(PG_FUNCTION_ARGS)
{
	QueueWait	wait = {0};
	TimestampTz deadline;
	Datum		value;
	bool		null = false;

	begin_writing("taskq.wait_for_task()");
	add_queue(&wait, arg_worker_queue(fcinfo, 0, 3, 4));
	deadline = arg_deadline(fcinfo, 1);
	require_own_transactions(fcinfo, "taskq.wait_for_task()");
	value = BoolGetDatum(run_wait(&wait, deadline) >= 0);
	return return_row(fcinfo, &value, &null);
}

static void
arg_waited_queues(FunctionCallInfo fcinfo, QueueWait *wait)
{
	int			count;
	text	  **queues = arg_worker_queues(fcinfo, 0, QUEUE_OF_ACTIVITIES, 3, 4, &count);

	if (count < 1 || count > MAX_WAIT_PLACES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task_queues must have between 1 and %d elements",
						MAX_WAIT_PLACES),
				 errdetail("It has %d.", count)));
	for (int i = 0; i < count; i++)
		add_queue(wait, queues[i]);
}

PG_FUNCTION_INFO_V1(taskq_wait_for_tasks);

/* CALL taskq.wait_for_tasks(task_queues, timeout, INOUT task_queue, kinds, normal_names) */
Datum
taskq_wait_for_tasks(PG_FUNCTION_ARGS)
{
	QueueWait	wait = {0};
	TimestampTz deadline;
	Datum		value = (Datum) 0;
	int			found;
	bool		null;

	begin_writing("taskq.wait_for_tasks()");
	arg_waited_queues(fcinfo, &wait);
	deadline = arg_deadline(fcinfo, 1);
	require_own_transactions(fcinfo, "taskq.wait_for_tasks()");
	found = run_wait(&wait, deadline);
	null = found < 0;
	if (!null)
		value = PointerGetDatum(queue_shown(wait.queues[found].name));
	return return_row(fcinfo, &value, &null);
}
