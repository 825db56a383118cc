/*
 * wait.c
 *		CALL taskq.wait_for_task, CALL taskq.wait_for_close.
 *
 * A waiter commits before it sleeps, so that it holds no snapshot and no lock,
 * and sleeps on its latch until somebody wakes it, the next task becomes due,
 * the next rate token can be had, or its time is up.  That takes a procedure
 * called outside a transaction block.
 *
 * Each backend has one place in shared memory; those that wait for the same
 * thing are chained in the order in which they came.  Whoever commits n due
 * tasks wakes the first n.  A waiter enters the list before it looks at the
 * tables: what is committed before is seen, what is committed later wakes it.
 * It leaves when it returns.  If there is more to be had, or it is cancelled, it
 * wakes the next one.  If there is more to come later, it tells the next one
 * when, who may not know of that: he sleeps on until then.
 *
 * Locks: control->waiter_lock covers places and chains.  It is held for memory
 * work only, also in commit callbacks.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "args.h"
#include "catalog.h"
#include "clock.h"
#include "compat.h"
#include "ledger.h"
#include "listen.h"
#include "limits.h"
#include "options.h"
#include "poll.h"
#include "shmem.h"
#include "wait.h"

#define BUCKETS			1024
#define NOBODY			(-1)

/* waiters woken in one hold of the lock */
#define WAKE_AT_ONCE	64

/* Longest sleep: a lost hint costs no more than that. */
#define MAX_SLEEP_MS	30000L

/* The place of one backend. */
typedef struct Waiter
{
	bool		waiting;
	bool		signalled;
	TimestampTz until;			/* look then, says somebody who has left */
	Oid			database;
	uint64		key;
	PGPROC	   *proc;
	int			next;
	int			previous;
} Waiter;

typedef struct WaitState
{
	int			waiting;		/* read without lock, to return fast */
	int			first[BUCKETS];
	int			last[BUCKETS];
	Waiter		waiters[FLEXIBLE_ARRAY_MEMBER];
} WaitState;

static WaitState *state = NULL;

/* the queue whose pollers list says that we wait */
static bool is_listed = false;
static QueueKey listed_queue;

static void list_waiting(const QueueKey *key);
static void unlist_waiting(void);

/* wait_shmem_size: for the request hook; one place per backend. */
Size
wait_shmem_size(void)
{
	return add_size(offsetof(WaitState, waiters),
					mul_size(MaxBackends, sizeof(Waiter)));
}

/* wait_shmem_init: caller holds AddinShmemInitLock. */
void
wait_shmem_init(void)
{
	bool		found;

	state = ShmemInitStruct("taskq waiters", wait_shmem_size(), &found);
	if (found)
		return;
	memset(state, 0, wait_shmem_size());
	for (int i = 0; i < BUCKETS; i++)
		state->first[i] = state->last[i] = NOBODY;
}

static int
bucket_of(uint64 key)
{
	return (int) (key % BUCKETS);
}

/* ------------------------------------------------------------------------
 * Waking
 * ------------------------------------------------------------------------
 */

/* wait_run_key: what those who wait for the close of a run wait on. */
uint64
wait_run_key(int64 run_id)
{
	return hash_bytes_extended((unsigned char *) &run_id, sizeof(run_id), 1);
}

/* wait_anybody: is it worth while to wake? */
bool
wait_anybody(void)
{
	if (state == NULL)
		return false;
	/* what was committed has to be visible before we look */
	pg_memory_barrier();
	return state->waiting > 0;
}

/*
 * Mark the first n, at most "max", that wait on the key and were not woken yet.
 * Their latches are set when the lock is released: who is woken comes for it,
 * and may come at once.
 */
static int
signal_first(uint64 key, int n, PGPROC **procs, int max)
{
	int			found = 0;

	LWLockAcquire(control->waiter_lock, LW_EXCLUSIVE);
	for (int i = state->first[bucket_of(key)];
		 i != NOBODY && found < Min(n, max); i = state->waiters[i].next)
	{
		Waiter	   *waiter = &state->waiters[i];

		if (waiter->key != key || waiter->database != MyDatabaseId ||
			waiter->signalled)
			continue;
		waiter->signalled = true;
		procs[found++] = waiter->proc;
	}
	LWLockRelease(control->waiter_lock);
	return found;
}

/* wait_wake: wake the first n that wait on the key and were not woken yet. */
void
wait_wake(uint64 key, int n)
{
	PGPROC	   *procs[WAKE_AT_ONCE];
	int			found;

	do
	{
		found = signal_first(key, n, procs, WAKE_AT_ONCE);
		for (int i = 0; i < found; i++)
			SetLatch(&procs[i]->procLatch);
		n -= found;
	} while (n > 0 && found == WAKE_AT_ONCE);
}

/* have the first one on the key that was not woken look at "when" */
static void
hand_on(uint64 key, TimestampTz when)
{
	LWLockAcquire(control->waiter_lock, LW_EXCLUSIVE);
	for (int i = state->first[bucket_of(key)]; i != NOBODY;
		 i = state->waiters[i].next)
	{
		Waiter	   *waiter = &state->waiters[i];

		if (waiter->key != key || waiter->database != MyDatabaseId ||
			waiter->signalled)
			continue;
		if (when < waiter->until)
		{
			waiter->until = when;
			SetLatch(&waiter->proc->procLatch);
		}
		break;
	}
	LWLockRelease(control->waiter_lock);
}

/* wait_wake_all: wake all that wait in this database. */
void
wait_wake_all(void)
{
	if (!wait_anybody())
		return;
	LWLockAcquire(control->waiter_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MaxBackends; i++)
	{
		Waiter	   *waiter = &state->waiters[i];

		if (!waiter->waiting || waiter->database != MyDatabaseId)
			continue;
		waiter->signalled = true;
		SetLatch(&waiter->proc->procLatch);
	}
	LWLockRelease(control->waiter_lock);
}

/* ------------------------------------------------------------------------
 * Entering and leaving
 * ------------------------------------------------------------------------
 */

/* take our place, or stay in it; a wake from now on is not lost */
static void
enter(uint64 key)
{
	int			me = compat_my_proc_number();
	Waiter	   *waiter = &state->waiters[me];
	int			bucket = bucket_of(key);

	LWLockAcquire(control->waiter_lock, LW_EXCLUSIVE);
	waiter->signalled = false;
	waiter->until = DT_NOEND;
	if (!waiter->waiting)
	{
		waiter->waiting = true;
		waiter->database = MyDatabaseId;
		waiter->key = key;
		waiter->proc = MyProc;
		waiter->next = NOBODY;
		waiter->previous = state->last[bucket];
		if (state->last[bucket] != NOBODY)
			state->waiters[state->last[bucket]].next = me;
		else
			state->first[bucket] = me;
		state->last[bucket] = me;
		state->waiting++;
	}
	LWLockRelease(control->waiter_lock);
}

static void
unlink_waiter(Waiter *waiter)
{
	int			bucket = bucket_of(waiter->key);

	if (waiter->previous != NOBODY)
		state->waiters[waiter->previous].next = waiter->next;
	else
		state->first[bucket] = waiter->next;
	if (waiter->next != NOBODY)
		state->waiters[waiter->next].previous = waiter->previous;
	else
		state->last[bucket] = waiter->previous;
	waiter->waiting = false;
	state->waiting--;
}

/*
 * wait_leave: give our place back, if we have one, and wake the next one when
 * "pass_on", or when we were woken since we looked.  Also called when a
 * transaction is aborted, whatever it did.
 */
void
wait_leave(bool pass_on)
{
	Waiter	   *waiter;
	bool		signalled;

	if (state == NULL || MyProc == NULL)
		return;
	unlist_waiting();
	waiter = &state->waiters[compat_my_proc_number()];
	if (!waiter->waiting)
		return;
	LWLockAcquire(control->waiter_lock, LW_EXCLUSIVE);
	unlink_waiter(waiter);
	signalled = waiter->signalled;
	LWLockRelease(control->waiter_lock);
	if (pass_on || signalled)
		wait_wake(waiter->key, 1);
}

static bool
was_signalled(void)
{
	/* our own flag: set before our latch */
	return state->waiters[compat_my_proc_number()].signalled;
}

/* sleep until woken or "until"; no snapshot and no lock is held */
static void
sleep_until(TimestampTz until, uint32 wait_event)
{
	const volatile Waiter *me = &state->waiters[compat_my_proc_number()];
	TimestampTz longest = instant_add(clock_now(),
									  MAX_SLEEP_MS * INT64CONST(1000));

	while (!was_signalled())
	{
		long		ms = clock_ms_until(Min(Min(until, me->until), longest),
										MAX_SLEEP_MS);

		if (ms == 0)
			break;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ms, wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ------------------------------------------------------------------------
 * The procedures
 * ------------------------------------------------------------------------
 */

static void
require_own_transactions(FunctionCallInfo fcinfo, const char *call)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot wait inside a transaction block", call),
				 errhint("CALL it on its own, with autocommit on.")));
	PreventInTransactionBlock(true, call);
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

static void
begin_look(void)
{
	EnsurePortalSnapshotExists();
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

static void
list_waiting(const QueueKey *key)
{
	const char *identity = poll_last_identity();
	PollerState *poller;

	queue_state_lock(key, LW_EXCLUSIVE);
	poller = poller_state_get(key, identity);
	if (poller != NULL)
	{
		poller->waiting++;
		is_listed = true;
		listed_queue = *key;
	}
	queue_state_unlock();
}

static void
unlist_waiting(void)
{
	PollerState *poller;

	if (!is_listed)
		return;
	is_listed = false;
	queue_state_lock(&listed_queue, LW_EXCLUSIVE);
	poller = poller_state_find(&listed_queue, poll_last_identity());
	if (poller != NULL)
		poller->waiting = Max(poller->waiting - 1, 0);
	queue_state_unlock();
}

/* look and sleep until a task can be had or the time is up */
static bool
wait_for_task(text *task_queue, TimestampTz deadline)
{
	QueueKey	key = queue_key(task_queue);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "taskq wait",
												  ALLOCSET_SMALL_SIZES);
	TimestampTz next;
	int			ready;

	for (;;)
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);

		enter(key.hash);
		begin_look();
		ready = poll_ready(task_queue, &next);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(context);
		if (ready > 0 || clock_now() >= deadline)
			break;
		end_look();
		sleep_until(Min(next, deadline),
					custom_wait_event("TaskqWaitForTask"));
	}
	wait_leave(ready > 1);
	if (ready <= 1 && next != DT_NOEND)
		hand_on(key.hash, next);
	return ready > 0;
}

PG_FUNCTION_INFO_V1(taskq_wait_for_task);

/* CALL taskq.wait_for_task(task_queue, timeout, INOUT ready) */
Datum
taskq_wait_for_task(PG_FUNCTION_ARGS)
{
	text	   *task_queue;
	TimestampTz deadline;
	QueueKey	key;
	Datum		value;
	bool		null = false;

	begin_writing("taskq.wait_for_task()");
	require_arg(fcinfo, 0, "taskQueue");
	task_queue = check_queue_name(arg_text(fcinfo, 0));
	deadline = arg_deadline(fcinfo, 1);
	require_own_transactions(fcinfo, "taskq.wait_for_task()");

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	key = queue_key(task_queue);
	list_waiting(&key);
	value = BoolGetDatum(wait_for_task(task_queue, deadline));
	SPI_finish();
	return return_row(fcinfo, &value, &null);
}

/* the run as it is; false when it does not exist */
static bool
look_at_run(int64 run_id, Activity *activity)
{
	return store_find(run_id, activity) || store_find_closed(run_id, activity);
}

static bool
wait_for_close(int64 run_id, TimestampTz deadline, Activity *activity)
{
	for (;;)
	{
		bool		found;

		enter(wait_run_key(run_id));
		begin_look();
		found = look_at_run(run_id, activity);
		if (!found || state_is_closed(activity->state) ||
			clock_now() >= deadline)
		{
			wait_leave(false);
			return found;
		}
		end_look();
		sleep_until(deadline, custom_wait_event("TaskqWaitForClose"));
	}
}

PG_FUNCTION_INFO_V1(taskq_wait_for_close);

/* CALL taskq.wait_for_close(run_id, timeout, INOUT status, result, failure) */
Datum
taskq_wait_for_close(PG_FUNCTION_ARGS)
{
	int64		run_id;
	TimestampTz deadline;
	Activity	activity;
	Datum		values[3];
	bool		nulls[3] = {false};
	Datum		row;

	begin_writing("taskq.wait_for_close()");
	require_arg(fcinfo, 0, "run_id");
	run_id = PG_GETARG_INT64(0);
	deadline = arg_deadline(fcinfo, 1);
	require_own_transactions(fcinfo, "taskq.wait_for_close()");

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	if (!wait_for_close(run_id, deadline, &activity))
		raise_not_found(NULL, run_id);
	values[0] = ObjectIdGetDatum(catalog_status(activity.state));
	values[1] = PointerGetDatum(activity.result);
	nulls[1] = activity.result == NULL;
	values[2] = PointerGetDatum(activity.failure);
	nulls[2] = activity.failure == NULL;
	row = return_row(fcinfo, values, nulls);
	row = SPI_datumTransfer(row, false, -1);
	SPI_finish();
	return row;
}
