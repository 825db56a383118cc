/*
 * wait.c
 *		CALL taskq.wait_for_task, wait_for_tasks and wait_for_close.
 *
 * A waiter commits before it sleeps, so that it holds no snapshot and no lock,
 * and sleeps on its latch (waiters.c) until somebody wakes it, the next task
 * becomes due, the next rate token can be had, its client is gone, or its time
 * is up.  That takes a procedure called outside a transaction block, and not
 * by a DO block or another procedure, whose work would be committed too.
 *
 * Every look takes a lock on the extension first, as any DDL on it would:
 * whoever waits when it is dropped is woken and finds that out.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/texts.h"
#include "calls/args.h"
#include "calls/poll.h"
#include "engine/claim.h"
#include "engine/refusal.h"
#include "model/options.h"
#include "shared/waiter_state.h"
#include "shared/waiters.h"
#include "store/catalog.h"
#include "store/closed.h"
#include "store/extension.h"
#include "store/find.h"
#include "task/queue_keys.h"

/* Longest sleep: a lost hint costs no more than that. */
#define MAX_SLEEP_MS	30000L

/* What a call waits for: a task of one of these queues. */
typedef struct QueueWait
{
	int			n;
	QueueRef	queues[MAX_WAIT_PLACES];
	uint64		keys[MAX_WAIT_PLACES];	/* their hashes */
	TimestampTz next[MAX_WAIT_PLACES];	/* a task is due, as far as we know */
} QueueWait;

/* The run whose close a call waits for. */
typedef struct CloseWait
{
	text	   *activity_id;	/* NULL = not told */
	bool		has_run_id;
	int64		run_id;
} CloseWait;

/* ------------------------------------------------------------------------
 * Looking and sleeping
 * ------------------------------------------------------------------------
 */

/* the extension that this call is of; InvalidOid = has not looked yet */
static Oid	waits_in = InvalidOid;

/*
 * Raise 25001 unless the call may commit: what it would commit has to be its
 * own transaction and nobody else's, whether it comes to a sleep or not.
 */
static void
require_own_transactions(FunctionCallInfo fcinfo, const char *call)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic ||
		SPI_inside_nonatomic_context())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot wait inside a transaction block, function, procedure, or DO block",
						call),
				 errhint("CALL it on its own, with autocommit on.")));
	PreventInTransactionBlock(true, call);
	waits_in = InvalidOid;
}

static TimestampTz
arg_deadline(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be NULL")));
	return instant_add(clock_now(), arg_duration(fcinfo, n, "timeout"));
}

/* end the transaction of a look, so that the sleep holds nothing */
static void
end_look(void)
{
	SPI_commit();
	InvalidateCatalogSnapshot();
}

/*
 * Whatever is committed by now is seen: a transaction that has its snapshot from
 * the beginning of the CALL is ended first.  The extension may have been dropped,
 * or even made again, while we slept.
 */
static void
begin_look(void)
{
	Oid			extension;

	if (IsolationUsesXactSnapshot() && FirstSnapshotSet)
		end_look();
	extension = extension_lock();
	if (!OidIsValid(waits_in))
		waits_in = extension;
	if (!OidIsValid(extension) || extension != waits_in)
		raise_dropped();
	EnsurePortalSnapshotExists();
}

/* can the system tell us that the client is gone? */
static bool
client_is_watched(void)
{
	return FeBeWaitSet != NULL && WaitEventSetCanReportClosed();
}

/*
 * End the session if its client is gone: as if it had never waited.
 */
static void
check_client(void)
{
	if (!client_is_watched() || pq_check_connection())
		return;
	wait_leave(true);
	ClientConnectionLost = 1;
	InterruptPending = 1;
	CHECK_FOR_INTERRUPTS();
}

/* sleep until the latch is set, the client goes, or the time is up */
static void
sleep_ms(long ms, uint32 wait_event)
{
	WaitEvent	event;

	if (!client_is_watched())
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ms, wait_event);
	else
	{
		ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED,
						NULL);
		if (WaitEventSetWait(FeBeWaitSet, ms, &event, 1, wait_event) > 0 &&
			(event.events & WL_POSTMASTER_DEATH))
			proc_exit(1);
	}
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	check_client();
}

/* sleep until woken or "until"; no snapshot and no lock is held */
static void
sleep_unless_woken(TimestampTz until, uint32 wait_event)
{
	Assert(!ActiveSnapshotSet());
	until = Min(until, instant_add(clock_now(),
								   MAX_SLEEP_MS * INT64CONST(1000)));
	while (wait_until(&until))
	{
		long		ms = clock_ms_until(until, MAX_SLEEP_MS);

		if (ms == 0)
			break;
		sleep_ms(ms, wait_event);
	}
}

static Datum
return_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* ------------------------------------------------------------------------
 * Tasks
 * ------------------------------------------------------------------------
 */

static void
add_queue(QueueWait *wait, text *task_queue)
{
	wait->queues[wait->n] = queue_ref(check_queue_name(task_queue));
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

/* CALL taskq.wait_for_task(task_queue, timeout, INOUT ready) */
Datum
taskq_wait_for_task(PG_FUNCTION_ARGS)
{
	QueueWait	wait = {0};
	TimestampTz deadline;
	Datum		value;
	bool		null = false;

	begin_writing("taskq.wait_for_task()");
	require_arg(fcinfo, 0, "task_queue");
	add_queue(&wait, arg_text(fcinfo, 0));
	deadline = arg_deadline(fcinfo, 1);
	require_own_transactions(fcinfo, "taskq.wait_for_task()");
	value = BoolGetDatum(run_wait(&wait, deadline) >= 0);
	return return_row(fcinfo, &value, &null);
}

static void
arg_waited_queues(FunctionCallInfo fcinfo, int n, QueueWait *wait)
{
	int			count;
	Datum	   *queues = arg_elements(fcinfo, n, TEXTOID, "task_queues", &count);

	if (count < 1 || count > MAX_WAIT_PLACES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task_queues must have between 1 and %d elements",
						MAX_WAIT_PLACES),
				 errdetail("It has %d.", count)));
	for (int i = 0; i < count; i++)
		add_queue(wait, DatumGetTextPP(queues[i]));
}

PG_FUNCTION_INFO_V1(taskq_wait_for_tasks);

/* CALL taskq.wait_for_tasks(task_queues, timeout, INOUT task_queue) */
Datum
taskq_wait_for_tasks(PG_FUNCTION_ARGS)
{
	QueueWait	wait = {0};
	TimestampTz deadline;
	Datum		value = (Datum) 0;
	int			found;
	bool		null;

	begin_writing("taskq.wait_for_tasks()");
	arg_waited_queues(fcinfo, 0, &wait);
	deadline = arg_deadline(fcinfo, 1);
	require_own_transactions(fcinfo, "taskq.wait_for_tasks()");
	found = run_wait(&wait, deadline);
	null = found < 0;
	if (!null)
		value = PointerGetDatum(wait.queues[found].name);
	return return_row(fcinfo, &value, &null);
}

/* ------------------------------------------------------------------------
 * The close of a run
 * ------------------------------------------------------------------------
 */

static bool
find_open_or_closed(int64 run_id, Activity *activity)
{
	return store_find(run_id, activity) || store_find_closed(run_id, activity);
}

/* is it a run of that activity id? */
static bool
has_activity_id(int64 run_id, const text *activity_id)
{
	Activity	activity;

	return find_open_or_closed(run_id, &activity) &&
		text_equal(activity.activity_id, activity_id);
}

/* the run that the call means: of an activity id the latest */
static int64
run_meant(const CloseWait *wait)
{
	Activity	activity;

	if (wait->activity_id == NULL)
		return wait->run_id;
	if (wait->has_run_id)
	{
		if (!has_activity_id(wait->run_id, wait->activity_id))
			raise_not_found(wait->activity_id, &wait->run_id);
		return wait->run_id;
	}
	if (!store_find_by_activity_id(wait->activity_id, &activity) &&
		!store_find_closed_by_activity_id(wait->activity_id, &activity))
		raise_not_found(wait->activity_id, NULL);
	return activity.task.run_id;
}

/* false when the run is not known; what *activity points to is palloc'd */
static bool
wait_for_run(int64 run_id, TimestampTz deadline, Activity *activity)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "taskq wait",
												  ALLOCSET_SMALL_SIZES);
	uint64		key = wait_run_key(run_id);

	for (;;)
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);
		bool		found;

		wait_enter(&key, 1);
		begin_look();
		found = find_open_or_closed(run_id, activity);
		MemoryContextSwitchTo(old_context);
		if (!found || state_is_closed(activity->task.state) ||
			clock_now() >= deadline)
		{
			check_client();
			wait_leave(false);
			return found;
		}
		MemoryContextReset(context);
		end_look();
		sleep_unless_woken(deadline, custom_wait_event("TaskqWaitForClose"));
	}
}

static void
arg_close(FunctionCallInfo fcinfo, int run, int id, CloseWait *wait)
{
	wait->activity_id = arg_text(fcinfo, id);
	check_name_length(wait->activity_id, "activity_id");
	wait->has_run_id = !PG_ARGISNULL(run);
	wait->run_id = wait->has_run_id ? PG_GETARG_INT64(run) : 0;
}

PG_FUNCTION_INFO_V1(taskq_wait_for_close);

/*
 * CALL taskq.wait_for_close(run_id, timeout, INOUT status, result, failure,
 *							 activity_id)
 */
Datum
taskq_wait_for_close(PG_FUNCTION_ARGS)
{
	CloseWait	wait;
	TimestampTz deadline;
	Activity	activity;
	int64		run_id;
	Datum		values[3];
	bool		nulls[3] = {false};
	Datum		row;

	begin_writing("taskq.wait_for_close()");
	require_run(fcinfo, 5, 0);
	arg_close(fcinfo, 0, 5, &wait);
	deadline = arg_deadline(fcinfo, 1);
	require_own_transactions(fcinfo, "taskq.wait_for_close()");

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	begin_look();
	run_id = run_meant(&wait);
	if (!wait_for_run(run_id, deadline, &activity))
		raise_not_found(wait.activity_id,
						wait.has_run_id ? &run_id : NULL);
	values[0] = ObjectIdGetDatum(catalog_status(activity.task.state));
	values[1] = PointerGetDatum(activity.result);
	nulls[1] = activity.result == NULL;
	values[2] = PointerGetDatum(activity.failure);
	nulls[2] = activity.failure == NULL;
	row = return_row(fcinfo, values, nulls);
	row = SPI_datumTransfer(row, false, -1);
	SPI_finish();
	return row;
}
