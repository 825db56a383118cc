/*
 * effects.c
 *		What a transaction tells the rest of the server when it ends.
 *
 * While a transaction runs, its calls note here what others should hear of:
 * new alarms and started attempts (for the timers), tasks that are due (for
 * listeners), attempts that were touched (for their workers).  When it
 * commits, a callback hands that to shared memory; when it aborts, only the
 * tasks that it gives back are told.  At that point nothing may fail, so the
 * callback neither allocates nor looks anything up.
 *
 * All of it is a hint.  What an aborted subtransaction noted is told, too:
 * whoever hears it looks at the row.  A transaction that is prepared writes
 * the deadlines of its attempts into their rows, since nobody will call back
 * at COMMIT PREPARED; the utility hook tells the worker to look again then.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "clock.h"
#include "compat.h"
#include "counts.h"
#include "cursors.h"
#include "effects.h"
#include "heartbeat.h"
#include "heartbeat_log.h"
#include "ledger.h"
#include "listen.h"
#include "shmem.h"
#include "store.h"
#include "timers.h"
#include "wait.h"

/* queues that a transaction can tell of one by one; more = all of them */
#define MAX_QUEUES		32

typedef struct QueueEffect
{
	uint64		hash;
	TimestampTz due;			/* earliest, DT_NOEND = none scheduled */
	int			tasks;			/* how many become due */
	int			polled;			/* tasks that come back at an abort */
} QueueEffect;

typedef struct WorkerEffect
{
	uint64		hash;
	int64		run_id;
	int			attempt;
	WorkerEvent event;
} WorkerEffect;

/* Of the transaction in progress. */
static struct
{
	bool		any;
	DatabaseSlot *slot;
	int			reserved;		/* timer hints promised to us */
	TimerHint  *hints;			/* in TopTransactionContext */
	int			nhints;
	int			max_hints;
	TimestampTz alarm;			/* earliest written */
	QueueEffect queues[MAX_QUEUES];
	int			nqueues;
	bool		all_queues;
	WorkerEffect *events;		/* in TopTransactionContext */
	int			nevents;
	int			max_events;
	int64	   *closed;			/* in TopTransactionContext */
	int			nclosed;
	int			max_closed;
	bool		committing;		/* counts_enter_commit() was called */
	bool		rows_changed;	/* by others than taskq's calls */
}			pending;

static void
forget(void)
{
	memset(&pending, 0, sizeof(pending));
}

static void
begin(void)
{
	if (pending.any)
		return;
	forget();
	pending.any = true;
	pending.alarm = DT_NOEND;
	pending.slot = shmem_my_slot();
}

static QueueEffect *
queue_effect(const text *task_queue)
{
	uint64		hash = listen_hash(VARDATA_ANY(task_queue),
								   VARSIZE_ANY_EXHDR(task_queue), false);
	QueueEffect *effect;

	begin();
	for (int i = 0; i < pending.nqueues; i++)
		if (pending.queues[i].hash == hash)
			return &pending.queues[i];
	if (pending.nqueues == MAX_QUEUES)
	{
		pending.all_queues = true;
		return NULL;
	}
	effect = &pending.queues[pending.nqueues++];
	effect->hash = hash;
	effect->due = DT_NOEND;
	effect->tasks = 0;
	effect->polled = 0;
	return effect;
}

/*
 * effects_tasks_due: n tasks of the queue are due from "due" on.
 */
void
effects_tasks_due(const text *task_queue, TimestampTz due, int n)
{
	QueueEffect *effect = queue_effect(task_queue);

	if (effect == NULL)
		return;
	effect->due = Min(effect->due, due);
	effect->tasks += n;
}

/* effects_task_due: one task is. */
void
effects_task_due(const text *task_queue, TimestampTz due)
{
	effects_tasks_due(task_queue, due, 1);
}

/* effects_all_queues: something changed for all queues of the database. */
void
effects_all_queues(void)
{
	begin();
	pending.all_queues = true;
}

/*
 * effects_polled: n tasks of the queue come back if the transaction aborts.
 */
void
effects_polled(const text *task_queue, int n)
{
	QueueEffect *effect = queue_effect(task_queue);

	if (effect != NULL)
		effect->polled += n;
}

/* effects_closed: those who wait for the close of the run can go on. */
void
effects_closed(int64 run_id)
{
	begin();
	if (pending.nclosed == pending.max_closed)
	{
		int			size = Max(16, pending.max_closed * 2);

		if (pending.closed == NULL)
			pending.closed = MemoryContextAlloc(TopTransactionContext,
												size * sizeof(int64));
		else
			pending.closed = repalloc(pending.closed, size * sizeof(int64));
		pending.max_closed = size;
	}
	pending.closed[pending.nclosed++] = run_id;
}

/* effects_alarm: an alarm was written. */
void
effects_alarm(TimestampTz alarm)
{
	begin();
	pending.alarm = Min(pending.alarm, alarm);
}

/*
 * effects_reserve_timer: will the worker hear of the deadline of one more
 * attempt?  If not, it has to be written into the row.
 */
bool
effects_reserve_timer(void)
{
	begin();
	if (pending.reserved > pending.nhints)
		return true;
	if (pending.slot == NULL || !timers_reserve(pending.slot, 1))
		return false;
	pending.reserved++;
	return true;
}

/*
 * effects_attempt_started: an attempt for which a timer was reserved.
 */
void
effects_attempt_started(int64 run_id, TimestampTz deadline)
{
	Assert(pending.nhints < pending.reserved);
	if (pending.nhints == pending.max_hints)
	{
		int			size = Max(16, pending.max_hints * 2);

		if (pending.hints == NULL)
			pending.hints = MemoryContextAlloc(TopTransactionContext,
											   size * sizeof(TimerHint));
		else
			pending.hints = repalloc(pending.hints, size * sizeof(TimerHint));
		pending.max_hints = size;
	}
	pending.hints[pending.nhints].run_id = run_id;
	pending.hints[pending.nhints].deadline = deadline;
	pending.nhints++;
}

/*
 * effects_worker_event: something happened to an attempt that "worker" holds.
 */
void
effects_worker_event(const text *worker, int64 run_id, int attempt,
					 WorkerEvent event)
{
	WorkerEffect *effect;

	begin();
	if (pending.nevents == pending.max_events)
	{
		int			size = Max(16, pending.max_events * 2);

		if (pending.events == NULL)
			pending.events = MemoryContextAlloc(TopTransactionContext,
												size * sizeof(WorkerEffect));
		else
			pending.events = repalloc(pending.events,
									  size * sizeof(WorkerEffect));
		pending.max_events = size;
	}
	effect = &pending.events[pending.nevents++];
	effect->hash = listen_hash(VARDATA_ANY(worker), VARSIZE_ANY_EXHDR(worker),
							   true);
	effect->run_id = run_id;
	effect->attempt = attempt;
	effect->event = event;
}

/* ------------------------------------------------------------------------
 * End of transaction
 * ------------------------------------------------------------------------
 */

/* how many waiters are to look at the queue */
static int
wakes_of(const QueueEffect *effect)
{
	return effect->due <= clock_now() ? effect->tasks : 1;
}

static void
wake_waiters(void)
{
	if (!wait_anybody())
		return;
	if (pending.all_queues)
		wait_wake_all();
	for (int i = 0; i < pending.nqueues; i++)
		if (pending.queues[i].due != DT_NOEND)
			wait_wake(pending.queues[i].hash, wakes_of(&pending.queues[i]));
	for (int i = 0; i < pending.nclosed; i++)
		wait_wake(wait_run_key(pending.closed[i]), PG_INT32_MAX);
}

/* rows of taskq.open have changed, and nobody knows which */
static void
look_everywhere(void)
{
	DatabaseSlot *slot = shmem_my_slot();

	if (slot == NULL)
		return;
	cursors_forget_database(MyDatabaseId);
	timers_rescan(slot);
	listen_all_queues();
	wait_wake_all();
}

static void
tell_committed(void)
{
	if (pending.slot != NULL)
	{
		timers_publish(pending.slot, pending.hints, pending.nhints,
					   pending.alarm);
		timers_release(pending.slot, pending.reserved);
	}
	wake_waiters();
	if (pending.rows_changed)
	{
		counts_forget();
		look_everywhere();
	}
	if (!listen_anybody())
		return;
	if (pending.all_queues)
		listen_all_queues();
	for (int i = 0; i < pending.nqueues; i++)
		if (pending.queues[i].due != DT_NOEND)
			listen_task_due(pending.queues[i].hash, pending.queues[i].due);
	for (int i = 0; i < pending.nevents; i++)
		listen_worker_event(pending.events[i].hash, pending.events[i].run_id,
							pending.events[i].attempt,
							pending.events[i].event);
}

/* what was polled is there again */
static void
tell_given_back(void)
{
	for (int i = 0; i < pending.nqueues; i++)
	{
		if (pending.queues[i].polled == 0)
			continue;
		if (wait_anybody())
			wait_wake(pending.queues[i].hash, pending.queues[i].polled);
		if (listen_anybody())
			listen_task_due(pending.queues[i].hash, DT_NOBEGIN);
	}
	if (!pending.all_queues)
		return;
	wait_wake_all();
	listen_all_queues();
}

static void
tell_aborted(void)
{
	if (pending.slot != NULL)
		timers_release(pending.slot, pending.reserved);
	if (pending.rows_changed)
		cursors_forget_database(MyDatabaseId);
	tell_given_back();
}

/* about to be prepared: nothing is told later, so the rows have to tell */
static void
write_alarms(void)
{
	for (int i = 0; i < pending.nhints; i++)
	{
		Activity	activity;

		if (!store_find(pending.hints[i].run_id, &activity))
			continue;
		activity.alarm = Min(activity.alarm, pending.hints[i].deadline);
		(void) store_update(&activity, true);
	}
}

static void
sign_off(void)
{
	if (pending.committing)
		counts_leave_commit();
	pending.committing = false;
}

/* where polls have to look; before anybody is woken to poll */
static void
tell_cursors(XactEvent event)
{
	if (event == XACT_EVENT_COMMIT)
		cursor_notes_commit();
	else if (event == XACT_EVENT_ABORT)
		cursor_notes_abort();
	else if (event == XACT_EVENT_PREPARE)
		cursor_notes_forget();
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	tell_cursors(event);
	if (event == XACT_EVENT_ABORT)
		wait_leave(true);
	heartbeat_transaction(event);
	if (!pending.any && !ledger_any())
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (ledger_moves_numbers())
			{
				counts_enter_commit();
				pending.committing = true;
			}
			break;
		case XACT_EVENT_COMMIT:
			ledger_commit();
			sign_off();
			tell_committed();
			forget();
			break;
		case XACT_EVENT_ABORT:
			ledger_abort();
			sign_off();
			tell_aborted();
			forget();
			break;
		case XACT_EVENT_PRE_PREPARE:
			write_alarms();
			if (ledger_moves_numbers())
			{
				counts_enter_commit();
				pending.committing = true;
			}
			break;
		case XACT_EVENT_PREPARE:
			if (pending.slot != NULL)
				timers_release(pending.slot, pending.reserved);
			ledger_prepare();
			sign_off();
			forget();
			break;
		default:
			break;
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		cursor_notes_abort_sub();
	ledger_subtransaction(event, mine, parent);
	heartbeat_subtransaction(event, mine, parent);
	if (event == SUBXACT_EVENT_ABORT_SUB && pending.any)
		tell_given_back();
}

/*
 * effects_prepared_ended: a prepared transaction has committed or was rolled
 * back, and nothing is known of it.
 */
void
effects_prepared_ended(void)
{
	look_everywhere();
}

PG_FUNCTION_INFO_V1(taskq_rows_changed);

/*
 * taskq.rows_changed(): statement trigger of taskq.open.  taskq's own writes do
 * not fire triggers, so this is a restore, or an administrator.
 */
Datum
taskq_rows_changed(PG_FUNCTION_ARGS)
{
	if (control != NULL)
	{
		begin();
		pending.rows_changed = true;
	}
	return PointerGetDatum(NULL);
}

/* effects_init: once per server (or backend, when not preloaded). */
void
effects_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
