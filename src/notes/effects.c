/*
 * effects.c
 *		What a transaction tells the rest of the server when it ends.
 *
 * While a transaction runs, its calls note here what others should hear of:
 * new alarms and started attempts (for the timers), tasks that are due (for
 * listeners), attempts that were touched (for their workers).  When it
 * commits, a callback (transaction.c) hands that to shared memory; when it
 * aborts, only the tasks that it gives back are told.  At that point nothing may
 * fail, so that neither allocates nor looks anything up.
 *
 * Those who wait for a queue whose settings were changed have to find the new
 * ones when they are woken.  Backends hear of those by invalidations, which are
 * sent after the commit callbacks, so a transaction that has changed any tells
 * all that it has to tell when its locks are released, a moment later.
 *
 * All of it is a hint.  What an aborted subtransaction noted is told, too:
 * whoever hears it looks at the row.  Only what comes back at an abort, and what
 * runs have become, is noted for each savepoint: one that is rolled back tells
 * what it gives back itself, and has changed no run.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "base/grow.h"
#include "notes/effects.h"
#include "notes/marks.h"
#include "shared/channel_marks.h"
#include "shared/channels.h"
#include "shared/counts.h"
#include "shared/cursor_table.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "shared/tell.h"
#include "shared/timer_ring.h"
#include "shared/waiters.h"
#include "shared/watched_runs.h"
#include "task/queue_keys.h"
#include "task/task.h"

/* queues that a transaction can tell of one by one; more = all of them */
#define MAX_QUEUES		32

/* What most transactions need, so that they need not allocate. */
#define FEW_POLLED		8		/* queues */
#define FEW_RUNS		8
#define FEW_ATTEMPTS	8		/* started */

/* how many of them back the same one is looked for */
#define MERGE_WINDOW	8

typedef struct QueueEffect
{
	uint64		hash;
	TimestampTz due;			/* earliest, DT_NOEND = none scheduled */
	int64		tasks;			/* how many become due */
	bool		configured;		/* all who wait look again */
} QueueEffect;

/* Tasks of a queue that come back at an abort. */
typedef struct Polled
{
	uint64		hash;
	int64		n;
} Polled;

typedef struct WorkerEffect
{
	uint64		hash;
	int64		run_id;
	int64		nonce;
	int			attempt;
	WorkerEvent event;
} WorkerEffect;

/* Of the transaction in progress. */
static struct
{
	bool		any;
	DatabaseSlot *slot;
	int			reserved;		/* timer hints promised to us */
	TimerHint  *hints;			/* few_hints, or in TopTransactionContext */
	int64	   *nonces;			/* of the same attempts, likewise */
	int			nhints;
	int			max_hints;
	int			max_nonces;
	TimestampTz alarm;			/* earliest written */
	int			nqueues;
	bool		all_queues;
	WorkerEffect *events;		/* in TopTransactionContext */
	int			nevents;
	int			max_events;
	RunChange  *runs;			/* what they became; few_runs, or in
								 * TopTransactionContext; the last ones are
								 * those of the innermost savepoint */
	int			nruns;
	int			max_runs;
	bool		rows_changed;	/* by others than taskq's calls */
	bool		functions;		/* other ones are registered */
	bool		mail;			/* in inboxes of runs */
	bool		configured;		/* some queue: tell when locks are released */
}			pending;

static QueueEffect queues[MAX_QUEUES];	/* the first pending.nqueues are used */
static TimerHint few_hints[FEW_ATTEMPTS];
static int64 few_nonces[FEW_ATTEMPTS];
static RunChange few_runs[FEW_RUNS];

/* likewise; the last ones are those of the innermost savepoint */
static Polled few_polled[FEW_POLLED];
static Polled *polled = few_polled; /* or in TopTransactionContext */
static int	npolled = 0;
static int	max_polled = FEW_POLLED;
static Marks polled_marks;
static Marks run_marks;

static void
forget_effects(void)
{
	memset(&pending, 0, sizeof(pending));
	marks_forget(&polled_marks);
	marks_forget(&run_marks);
	polled = few_polled;
	npolled = 0;
	max_polled = FEW_POLLED;
}

static void
begin_noting(void)
{
	if (pending.any)
		return;
	pending.any = true;
	pending.alarm = DT_NOEND;
	pending.slot = directory_my_slot();
	pending.hints = few_hints;
	pending.max_hints = FEW_ATTEMPTS;
	pending.nonces = few_nonces;
	pending.max_nonces = FEW_ATTEMPTS;
	pending.runs = few_runs;
	pending.max_runs = FEW_RUNS;
}

static void tell_when_released(void);

static QueueEffect *
queue_effect(const QueueKey *queue)
{
	QueueEffect *effect;

	begin_noting();
	for (int i = 0; i < pending.nqueues; i++)
		if (queues[i].hash == queue->hash)
			return &queues[i];
	if (pending.nqueues == MAX_QUEUES)
	{
		pending.all_queues = true;
		return NULL;
	}
	effect = &queues[pending.nqueues++];
	effect->hash = queue->hash;
	effect->due = DT_NOEND;
	effect->tasks = 0;
	effect->configured = false;
	return effect;
}

/*
 * effects_tasks_due: n tasks of the queue are due from "due" on.
 */
void
effects_tasks_due(const QueueKey *queue, TimestampTz due, int n)
{
	QueueEffect *effect = queue_effect(queue);

	if (effect == NULL)
		return;
	effect->due = Min(effect->due, due);
	effect->tasks += n;
}

/* effects_task_due: one task is. */
void
effects_task_due(const QueueKey *queue, TimestampTz due)
{
	effects_tasks_due(queue, due, 1);
}

/* effects_all_queues: something changed for all queues of the database. */
void
effects_all_queues(void)
{
	begin_noting();
	pending.all_queues = true;
}

/* effects_configured: the settings of a queue were changed. */
void
effects_configured(const QueueKey *queue)
{
	QueueEffect *effect = queue_effect(queue);

	if (effect != NULL)
	{
		effect->due = DT_NOBEGIN;
		effect->configured = true;
	}
	tell_when_released();
}

/* effects_all_configured: of any queue; nobody knows of which. */
void
effects_all_configured(void)
{
	effects_all_queues();
	tell_when_released();
}

/* add to one of the last, from "first" on, or behind them, where there is room */
static void
add_polled(int first, uint64 hash, int64 n)
{
	for (int i = npolled - 1; i >= Max(npolled - MERGE_WINDOW, first); i--)
		if (polled[i].hash == hash)
		{
			polled[i].n += n;
			return;
		}
	polled[npolled].hash = hash;
	polled[npolled].n = n;
	npolled++;
}

/*
 * effects_polled: n tasks of the queue, or so, come back if the transaction
 * aborts.  Less than none: that many do not.
 */
void
effects_polled(const QueueKey *queue, int n)
{
	begin_noting();
	marks_note(&polled_marks, npolled);
	polled = grow(polled, few_polled, &max_polled, npolled + 1, sizeof(Polled),
				  TopTransactionContext);
	add_polled(marks_current(&polled_marks, npolled), queue->hash, n);
}

/*
 * effects_run_changed: a run has another state than before, or is not there any
 * more (RUN_DELETED): those who watch it, or wait for its close, hear of it.
 */
void
effects_run_changed(int64 run_id, int state)
{
	begin_noting();
	marks_note(&run_marks, pending.nruns);
	pending.runs = grow(pending.runs, few_runs, &pending.max_runs,
						pending.nruns + 1, sizeof(RunChange),
						TopTransactionContext);
	pending.runs[pending.nruns].run_id = run_id;
	pending.runs[pending.nruns].state = state;
	pending.nruns++;
}

/* effects_alarm: an alarm was written. */
void
effects_alarm(TimestampTz alarm)
{
	begin_noting();
	pending.alarm = Min(pending.alarm, alarm);
}

/*
 * effects_reserve_timer: will the worker hear of the deadline of one more
 * attempt?  If not, it has to be written into the row.
 */
bool
effects_reserve_timer(void)
{
	begin_noting();
	if (pending.reserved > pending.nhints)
		return true;
	if (pending.slot == NULL || !timers_reserve(pending.slot, 1))
		return false;
	pending.reserved++;
	return true;
}

/*
 * effects_attempt_started: the attempt with that nonce, for which a timer was
 * reserved.
 */
void
effects_attempt_started(int64 run_id, int64 nonce, TimestampTz deadline)
{
	Assert(pending.nhints < pending.reserved);
	pending.hints = grow(pending.hints, few_hints, &pending.max_hints,
						 pending.nhints + 1, sizeof(TimerHint),
						 TopTransactionContext);
	pending.nonces = grow(pending.nonces, few_nonces, &pending.max_nonces,
						  pending.nhints + 1, sizeof(int64),
						  TopTransactionContext);
	pending.hints[pending.nhints].run_id = run_id;
	pending.hints[pending.nhints].deadline = deadline;
	pending.nonces[pending.nhints] = nonce;
	pending.nhints++;
}

/* effects_attempts: how many were started. */
int
effects_attempts(void)
{
	return pending.nhints;
}

/* effects_attempt: the i-th of them; its nonce becomes *nonce. */
const TimerHint *
effects_attempt(int i, int64 *nonce)
{
	Assert(i >= 0 && i < pending.nhints && pending.nhints <= pending.reserved);
	*nonce = pending.nonces[i];
	return &pending.hints[i];
}

/*
 * effects_worker_event: something happened to the attempt in progress, which its
 * worker has to hear of.
 */
void
effects_worker_event(const Task *attempt, WorkerEvent event)
{
	const text *worker = attempt->worker;
	WorkerEffect *effect;

	begin_noting();
	pending.events = grow(pending.events, NULL, &pending.max_events,
						  pending.nevents + 1, sizeof(WorkerEffect),
						  TopTransactionContext);
	effect = &pending.events[pending.nevents++];
	effect->hash = name_hash(VARDATA_ANY(worker), VARSIZE_ANY_EXHDR(worker),
							 NAME_OF_WORKER);
	effect->run_id = attempt->run_id;
	effect->nonce = attempt->nonce;
	effect->attempt = attempt->attempt;
	effect->event = event;
}

/* effects_functions: other functions are registered. */
void
effects_functions(void)
{
	begin_noting();
	pending.functions = true;
	tell_when_released();
}

/* effects_mail: an inbox of a run has mail, that nobody may come for. */
void
effects_mail(void)
{
	begin_noting();
	pending.mail = true;
}

/*
 * effects_rows_changed: rows of taskq.open were changed by others than taskq's
 * calls.
 */
void
effects_rows_changed(void)
{
	begin_noting();
	pending.rows_changed = true;
}

/* ------------------------------------------------------------------------
 * End of transaction
 * ------------------------------------------------------------------------
 */

/* effects_any: was anything noted? */
bool
effects_any(void)
{
	return pending.any;
}

/* as many tasks as can be told of */
static int
at_most(int64 n)
{
	return (int) Min(n, PG_INT32_MAX);
}

static void
tell_queues(void)
{
	if (pending.all_queues)
		tell_all_queues();
	for (int i = 0; i < pending.nqueues; i++)
		if (queues[i].due != DT_NOEND)
			tell_queue(queues[i].hash, queues[i].due,
					   queues[i].configured ? PG_INT32_MAX : at_most(queues[i].tasks));
}

/*
 * Those who watch the runs of attempts that were started.  Whoever has done
 * anything else to such a run has noted that it changed, and that comes later.
 */
static void
tell_of_starts(void)
{
	for (int i = 0; i < pending.nhints && watched_runs_any(); i++)
	{
		RunChange	change = {pending.hints[i].run_id, STATE_STARTED};

		watched_runs_changed(&change, 1);
	}
}

/* those who watch runs or wait for their close, and the workers of attempts */
static void
tell_of_runs(void)
{
	for (int i = 0; i < pending.nruns && wait_anybody(); i++)
		if (pending.runs[i].state == RUN_DELETED ||
			state_is_closed(pending.runs[i].state))
			wait_wake(wait_run_key(pending.runs[i].run_id), PG_INT32_MAX);
	tell_of_starts();
	watched_runs_changed(pending.runs, pending.nruns);
	for (int i = 0; i < pending.nevents && channels_anybody(); i++)
		channels_worker_event(pending.events[i].hash, pending.events[i].run_id,
							  pending.events[i].attempt,
							  pending.events[i].event);
	for (int i = 0; i < pending.nevents && function_pool_any(); i++)
		function_pool_stop(pending.events[i].run_id, pending.events[i].nonce,
						   pending.events[i].event);
}

/* the worker, and the function workers, read again which functions there are */
static void
tell_of_functions(void)
{
	if (pending.slot == NULL)
		return;
	(void) errand_ask(pending.slot, &pending.slot->functions);
	directory_wake_worker(pending.slot);
	function_pool_wake(MyDatabaseId);
}

static void
tell(void)
{
	if (pending.slot != NULL)
	{
		timers_publish(pending.slot, pending.hints, pending.nhints,
					   pending.alarm);
		timers_release(pending.slot, pending.reserved);
	}
	tell_queues();
	tell_of_runs();
	if (pending.functions)
		tell_of_functions();
	if (pending.mail && pending.slot != NULL &&
		errand_ask(pending.slot, &pending.slot->mail))
		directory_wake_worker(pending.slot);
	if (pending.rows_changed)
	{
		counts_forget();
		tell_rows_changed();
	}
	forget_effects();
}

/* effects_commit: the transaction has committed; cannot fail. */
void
effects_commit(void)
{
	if (!pending.configured)
		tell();
}

/* resource release callback: invalidations were sent by now */
static void
at_release(ResourceReleasePhase phase, bool is_commit, bool is_top_level,
		   void *arg)
{
	if (pending.configured && phase == RESOURCE_RELEASE_AFTER_LOCKS &&
		is_commit && is_top_level)
		tell();
}

/* tell at the end of the commit, where it is called */
static void
tell_when_released(void)
{
	static bool registered = false;

	if (!registered)
		RegisterResourceReleaseCallback(at_release, NULL);
	registered = true;
	pending.configured = true;
}

/* what was polled from "first" on is there again */
static void
give_back_from(int first)
{
	for (int i = first; i < npolled; i++, notes_steps++)
		if (polled[i].n > 0)
			tell_queue(polled[i].hash, DT_NOBEGIN, at_most(polled[i].n));
	npolled = first;
}

/*
 * What was polled from "first" on, a few queues, is for the parent to give back,
 * whose begin at "parents".
 */
static void
hand_up(int first, int parents)
{
	Polled		own[MERGE_WINDOW];
	int			n = npolled - first;

	memcpy(own, &polled[first], n * sizeof(Polled));
	npolled = first;
	for (int i = 0; i < n; i++, notes_steps++)
		add_polled(parents, own[i].hash, own[i].n);
}

/*
 * effects_subtransaction: a savepoint ends.  If it is rolled back, what it has
 * polled is there again.  Cannot fail.
 */
void
effects_subtransaction(SubXactEvent event, SubTransactionId mine,
					   SubTransactionId parent)
{
	int			first = marks_end(&polled_marks, event, mine, parent, npolled);
	int			parents = marks_last(&polled_marks);
	int			first_run = marks_end(&run_marks, event, mine, parent,
									  pending.nruns);

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		pending.nruns = first_run;
		give_back_from(first);
	}
	else if (parents < first && npolled - first <= MERGE_WINDOW)
		hand_up(first, parents);
}

/* effects_abort: the transaction was rolled back; cannot fail. */
void
effects_abort(void)
{
	if (pending.slot != NULL)
		timers_release(pending.slot, pending.reserved);
	if (pending.rows_changed)
		cursors_forget_database(MyDatabaseId);
	give_back_from(0);
	forget_effects();
}

/*
 * effects_prepare: the transaction is prepared.  Nobody will know of it when it
 * commits, so the numbers of rows that others have changed are unknown from now
 * on; the worker does not count before it has ended.
 */
void
effects_prepare(void)
{
	if (pending.slot != NULL)
		timers_release(pending.slot, pending.reserved);
	if (pending.rows_changed)
	{
		counts_prepared();
		counts_forget();
	}
	forget_effects();
}
