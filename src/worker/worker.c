/*
 * worker.c
 *		The background worker of one database: a loop over chores.
 *
 * Started by the launcher, one per database.  It claims the slot of the
 * database before it connects, so that there is never a second one: who finds
 * the slot taken, held or gone, leaves.  When its process ends, for whatever
 * reason, a before_shmem_exit callback gives the slot back with the state that
 * tells the launcher what to do next (see launcher.c).
 *
 * An error in a chore is logged, and that chore is put off for a while, later
 * and later: nobody's timeout waits because a table could not be truncated or
 * the NOTIFY queue was full.  What chores do about their errors, and about
 * DROP EXTENSION, is in chore.c.  When the process ends, the launcher starts
 * another that begins by reading the tables.
 *
 * The latch is reset before the chores look at their hints, and who publishes
 * a hint sets the latch after it: none is missed.  Sleep is bounded, because
 * clocks are set.
 *
 * The worker runs as the bootstrap superuser and executes nothing but taskq's
 * own constant statements.  Settings that somebody may have made for the
 * database and that could stop it are overridden.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/basics.h"
#include "base/clock.h"
#include "base/compat.h"
#include "shared/directory.h"
#include "shared/leaf_hints.h"
#include "shared/timer_ring.h"
#include "shared/waiter_debts.h"
#include "worker/chore.h"
#include "worker/cursor_check.h"
#include "worker/function_supervisor.h"
#include "worker/heartbeat_flush.h"
#include "worker/history_retention.h"
#include "worker/inboxes.h"
#include "worker/instance_check.h"
#include "worker/notify.h"
#include "worker/notify_listeners.h"
#include "worker/notify_runs.h"
#include "worker/put_off.h"
#include "worker/recount.h"
#include "worker/retention.h"
#include "worker/timers.h"
#include "worker/worker.h"

/* longest sleep */
#define MAX_SLEEP_MS		60000

/* a worker that lived that long starts a new count of failures */
#define HEALTHY_MS			60000

/* longest back-off of a chore that fails */
#define CHORE_BACK_OFF_S	60

/* In the order in which they are run. */
static const Chore chores[] = {
	{"timers", timers_run},
	{"inboxes", inboxes_run},
	{"instance", instance_run},
	{"counts", recount_run},
	{"waiters", wait_run},
	{"functions", function_supervise},
	{"notify", listen_run},
	{"listeners", notify_listeners_run},
	{"watched runs", notify_runs_run},
	{"heartbeats", heartbeat_flush_run},
	{"retention", retention_run},
	{"histories", history_retention_run},
	{"cursors", cursor_check_run},
};

#define TIMERS				0	/* the one that may not be slept over */

#define CHORES				((int) lengthof(chores))

/* What the loop knows of a chore. */
typedef struct ChoreState
{
	int			failures;		/* in a row */
	TimestampTz not_before;		/* real clock; put off until then */
} ChoreState;

static ChoreState chore_state[lengthof(chores)];

/* this process */
static DatabaseSlot *my_slot = NULL;
static TimestampTz started_at;
static volatile sig_atomic_t told_to_end = false;

/* for messages */
static const char *database_name = NULL;
static const char *chore_name = NULL;

/*
 * add_context: error context callback.
 */
static void
add_context(void *arg)
{
	if (database_name == NULL)
		errcontext("taskq worker for database %u",
				   DatumGetObjectId(*(Datum *) arg));
	else if (chore_name == NULL)
		errcontext("taskq worker for database \"%s\"", database_name);
	else
		errcontext("taskq worker for database \"%s\", chore \"%s\"",
				   database_name, chore_name);
}

/*
 * end_on_request: SIGTERM.  That is no failure, after which another worker
 * would have to wait.
 */
static void
end_on_request(SIGNAL_ARGS)
{
	told_to_end = true;
	die(postgres_signal_arg);
}

/*
 * leave_slot: before_shmem_exit callback.  Says in the slot how it ended.
 */
static void
leave_slot(int code, Datum arg)
{
	recount_stop();
	listen_stop();
	notify_listeners_stop();
	notify_runs_stop();
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	if (my_slot->worker_pid == MyProcPid)
	{
		my_slot->worker_pid = 0;
		my_slot->worker_proc = NULL;
		if (TimestampDifferenceExceeds(started_at, GetCurrentTimestamp(),
									   HEALTHY_MS))
			my_slot->failures = 0;

		if (my_slot->held_by != 0)
			my_slot->state = WORKER_UNKNOWN;
		else if (chore_extension_is_gone() && !my_slot->look_again)
			my_slot->state = WORKER_ABSENT;
		else if (code == 0 || told_to_end)
			my_slot->state = WORKER_UNKNOWN;
		else
			directory_worker_failed(my_slot);
	}
	LWLockRelease(control->lock);
	directory_answered(my_slot);	/* nobody will */
	directory_wake_launcher();
}

/*
 * flush_at_exit: before_shmem_exit callback, for an end by SIGTERM, which may
 * be that of the server.  An error is fatal here, but whatever is registered is
 * called all the same: so this is, again.
 */
static void
flush_at_exit(int code, Datum arg)
{
	if (code == 0 || !chore_serves() || my_slot->held_by != 0)
		return;
	before_shmem_exit(flush_at_exit, arg);
	heartbeat_flush_at_exit();
	cancel_before_shmem_exit(flush_at_exit, arg);
}

/*
 * claim_slot: become the worker of the database.  Leaves when it has one, or must
 * have none.
 */
static void
claim_slot(Oid database)
{
	bool		mine = false;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	my_slot = directory_slot(database, /* create */ false);
	if (my_slot != NULL && my_slot->worker_pid == 0)
	{
		mine = my_slot->held_by == 0;
		if (mine)
		{
			my_slot->worker_pid = MyProcPid;
			my_slot->worker_proc = MyProc;
			my_slot->state = WORKER_STARTING;
			my_slot->look_again = false;
		}
		else if (my_slot->state == WORKER_STARTING)
			my_slot->state = WORKER_UNKNOWN;
	}
	LWLockRelease(control->lock);

	if (!mine)
		proc_exit(0);
	before_shmem_exit(leave_slot, (Datum) 0);
}

/*
 * override_settings: undo what ALTER DATABASE, ALTER ROLE or the configuration
 * say where it could stop the worker or change what its statements mean.
 * synchronous_commit is the administrator's.
 */
static void
override_settings(void)
{
	static const char *const settings[][2] = {
		{"role", "none"},
		{"search_path", ""},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1],
						PGC_SUSET, PGC_S_OVERRIDE);
	if (HAVE_TRANSACTION_TIMEOUT)
		SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * set_up: everything between the start of the process and the loop.
 */
static void
set_up(Oid database)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, end_on_request);
	started_at = GetCurrentTimestamp();
	claim_slot(database);
	BackgroundWorkerUnblockSignals();
	CHECK_FOR_INTERRUPTS();

	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	pgstat_report_appname("taskq worker");
	override_settings();

	chore_start();
	chore_begin("start");
	database_name = MemoryContextStrdup(TopMemoryContext,
										get_database_name(database));
	chore_commit();
	set_ps_display(database_name);
}

/*
 * look_for_extension: the extension was created or dropped.  Does not return
 * when it is not the one that this process serves.
 */
static void
look_for_extension(void)
{
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	my_slot->look_again = false;
	LWLockRelease(control->lock);

	chore_begin("look");
	chore_commit();
}

/*
 * enter_service: the extension is there.
 */
static void
enter_service(void)
{
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	my_slot->state = WORKER_RUNNING;
	LWLockRelease(control->lock);
	leaf_hints_forget();		/* the extension may have been made again */
	directory_wake_launcher();	/* another database may have its turn */

	ereport(LOG,
			(errmsg("taskq worker for database \"%s\" started",
					database_name),
			 errhidecontext(true)));
	Assert(chores[TIMERS].run == timers_run);
	chore_name = chores[TIMERS].name;
	put_off_start();
	heartbeat_start();
	before_shmem_exit(flush_at_exit, (Datum) 0);
	timers_start();
}

/*
 * put_chore_off: a chore has failed; note when to try again.
 */
static void
put_chore_off(ChoreState *state)
{
	state->not_before = GetCurrentTimestamp() +
		back_off_s(state->failures++, CHORE_BACK_OFF_S) * USECS_PER_SEC;
}

/*
 * is_put_off: must the chore wait?  Not if the clock was set back.
 */
static bool
is_put_off(const ChoreState *state)
{
	return state->failures > 0 &&
		is_ahead(state->not_before, GetCurrentTimestamp(),
				 CHORE_BACK_OFF_S * USECS_PER_SEC);
}

/* A turn of a chore. */
typedef struct Turn
{
	const Chore *chore;
	TimestampTz next;
} Turn;

static void
take_turn(void *arg)
{
	Turn	   *turn = arg;

	turn->next = turn->chore->run();
}

/*
 * run_chore: run chore "i".  Returns when it wants to be run again.
 */
static TimestampTz
run_chore(int i)
{
	ChoreState *state = &chore_state[i];
	Turn		turn = {&chores[i], TIMESTAMP_NEVER};

	if (!is_put_off(state))
	{
		ErrorData  *error;

		chore_name = chores[i].name;
		error = chore_try(take_turn, &turn);
		if (error == NULL)
		{
			state->failures = 0;
			return turn.next;
		}
		chore_report(error);
		put_chore_off(state);
	}
	return clock_now() + (state->not_before - GetCurrentTimestamp());
}

/*
 * handle_interrupts: between two turns, where there is nothing to cancel.
 */
static void
handle_interrupts(void)
{
	HOLD_CANCEL_INTERRUPTS();
	CHECK_FOR_INTERRUPTS();
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();
}

/*
 * run_chores: run each chore once.  Returns the earliest instant at which one
 * wants to be run again.
 */
static TimestampTz
run_chores(void)
{
	TimestampTz next = TIMESTAMP_NEVER;

	for (int i = 0; i < CHORES; i++)
	{
		TimestampTz wanted;

		chore_enter();
		wanted = run_chore(i);
		next = Min(next, wanted);
		handle_interrupts();
	}
	chore_name = NULL;
	chore_end_round();
	return next;
}

/*
 * sleep_until: wait for the latch, or for that instant.  Not if it was set since
 * there were "wakes", nor while there are hints about timers, unless those have to
 * wait anyway.
 */
static void
sleep_until(TimestampTz when, uint32 wakes)
{
	long		ms = clock_ms_until(when, MAX_SLEEP_MS);

	if (ms <= 0 || directory_wakes(my_slot) != wakes || ConfigReloadPending ||
		(!timers_may_sleep_until(when) && !is_put_off(&chore_state[TIMERS])))
		return;

	pgstat_report_stat(true);
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 custom_wait_event("TaskqWorkerMain"));
}

/*
 * taskq_worker_main: the worker's process; main_arg is the database.
 */
void
taskq_worker_main(Datum main_arg)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = add_context,
		.arg = &main_arg,
	};

	error_context_stack = &context;
	set_up(DatumGetObjectId(main_arg));
	enter_service();

	for (;;)
	{
		TimestampTz next;
		uint32		wakes;

		ResetLatch(MyLatch);
		wakes = directory_wakes(my_slot);
		handle_interrupts();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		/* both are read without lock: who sets one sets the latch after it */
		if (my_slot->held_by != 0)
			proc_exit(0);
		if (my_slot->look_again)
			look_for_extension();

		chore_tick();
		timers_awake();
		next = run_chores();
		sleep_until(next, wakes);
	}
}
