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
 * Every transaction is opened by worker_begin(), which locks the extension
 * against being dropped, and leaves when it is gone; DROP EXTENSION therefore
 * waits for at most one transaction of a chore.
 *
 * An error in a vital chore ends the process; the launcher starts another that
 * begins by reading the tables.  An error in any other chore is logged, and
 * that chore is put off for a while, later and later: nobody's timeout waits
 * because a table could not be truncated or the NOTIFY queue was full.
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

#include "access/xact.h"
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
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "counts.h"
#include "cursors.h"
#include "extension.h"
#include "heartbeat.h"
#include "launcher.h"
#include "instance.h"
#include "listen.h"
#include "recount.h"
#include "retention.h"
#include "shmem.h"
#include "taskq.h"
#include "timers.h"
#include "worker.h"

/* longest sleep */
#define MAX_SLEEP_MS		60000

/* a worker that lived that long starts a new count of failures */
#define HEALTHY_MS			60000

/* back-off of a chore that fails: 1 s, doubled up to a minute */
#define MAX_BACK_OFF_S		60
#define MAX_DOUBLINGS		6

/* In the order in which they are run. */
static const Chore chores[] = {
	{"timers", timers_run, true},
	{"instance", instance_run, false},
	{"counts", recount_run, false},
	{"notify", listen_run, false},
	{"heartbeats", heartbeat_flush_run, false},
	{"retention", retention_run, false},
	{"cursors", cursor_check_run, false},
};

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
static Oid	my_extension = InvalidOid;	/* that this process serves */
static bool extension_gone = false;
static MemoryContext worker_context;
static MemoryContext round_context; /* reset when all chores had their turn */

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
 * give_back: before_shmem_exit callback.  Says in the slot how it ended.
 */
static void
give_back(int code, Datum arg)
{
	recount_stop();
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
		else if (extension_gone && !my_slot->look_again)
			my_slot->state = WORKER_ABSENT;
		else if (code == 0)
			my_slot->state = WORKER_UNKNOWN;
		else
			launcher_worker_failed(my_slot);
	}
	LWLockRelease(control->lock);
	shmem_wake_launcher();
}

/*
 * flush_at_exit: before_shmem_exit callback, for an end by SIGTERM, which may
 * be that of the server.
 */
static void
flush_at_exit(int code, Datum arg)
{
	if (code != 0 && OidIsValid(my_extension) && my_slot->held_by == 0)
		heartbeat_flush_at_exit();
}

/*
 * claim: become the worker of the database.  Leaves when it has one, or must
 * have none.
 */
static void
claim(Oid database)
{
	bool		mine = false;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	my_slot = shmem_slot(database, /* create */ false);
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
	before_shmem_exit(give_back, (Datum) 0);
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
 * worker_begin: open a transaction of a chore, with an active snapshot that
 * was taken after the extension was found and locked.  Does not return when
 * the extension is gone.  Nor when it was dropped and made again: nothing that
 * this process remembers is of use then, the next one will do.
 */
void
worker_begin(const char *chore)
{
	Oid			extension;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = extension_lock();
	if (!OidIsValid(my_extension))
		my_extension = extension;
	if (!OidIsValid(extension) || extension != my_extension)
	{
		CommitTransactionCommand();
		extension_gone = !OidIsValid(extension);
		counts_forget();
		proc_exit(0);
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, chore);
}

/*
 * worker_commit: close what worker_begin() opened.
 */
void
worker_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(round_context);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * set_up: everything between the start of the process and the loop.
 */
static void
set_up(Oid database)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	started_at = GetCurrentTimestamp();
	claim(database);
	BackgroundWorkerUnblockSignals();
	CHECK_FOR_INTERRUPTS();

	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	pgstat_report_appname("taskq worker");
	override_settings();

	worker_context = AllocSetContextCreate(TopMemoryContext, "taskq worker",
										   ALLOCSET_DEFAULT_SIZES);
	round_context = AllocSetContextCreate(worker_context,
										  "taskq worker round",
										  ALLOCSET_DEFAULT_SIZES);

	worker_begin("start");
	database_name = MemoryContextStrdup(worker_context,
										get_database_name(database));
	worker_commit();
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

	worker_begin("look");
	worker_commit();
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
	SpinLockAcquire(&my_slot->mutex);
	my_slot->current_leaf = -1; /* the extension may have been made again */
	SpinLockRelease(&my_slot->mutex);
	shmem_wake_launcher();		/* another database may have its turn */

	ereport(LOG,
			(errmsg("taskq worker for database \"%s\" started",
					database_name),
			 errhidecontext(true)));
	chore_name = chores[0].name;
	heartbeat_start();
	before_shmem_exit(flush_at_exit, (Datum) 0);
	timers_start();
}

/*
 * put_off: clean up after a chore that failed, and note when to try again.
 * The error has been caught and is being reported.
 */
static void
put_off(ChoreState *state)
{
	int			seconds = MAX_BACK_OFF_S;

	HOLD_INTERRUPTS();
	EmitErrorReport();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	FlushErrorState();
	MemoryContextSwitchTo(round_context);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();

	if (state->failures < MAX_DOUBLINGS)
		seconds = Min(1 << state->failures, MAX_BACK_OFF_S);
	state->failures++;
	state->not_before = GetCurrentTimestamp() + seconds * USECS_PER_SEC;
}

/*
 * run_chore: run chore "i".  Returns when it wants to be run again.
 */
static TimestampTz
run_chore(int i)
{
	ChoreState *state = &chore_state[i];
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = TIMESTAMP_NEVER;

	if (state->failures > 0 && now < state->not_before &&
		state->not_before - now <= MAX_BACK_OFF_S * USECS_PER_SEC)
		return clock_now() + (state->not_before - now);

	chore_name = chores[i].name;
	if (chores[i].vital)
		return chores[i].run();

	PG_TRY();
	{
		next = chores[i].run();
		state->failures = 0;
	}
	PG_CATCH();
	{
		put_off(state);
		next = clock_now() + (state->not_before - GetCurrentTimestamp());
	}
	PG_END_TRY();
	return next;
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

		MemoryContextSwitchTo(round_context);
		wanted = run_chore(i);
		next = Min(next, wanted);
		CHECK_FOR_INTERRUPTS();
	}
	chore_name = NULL;
	MemoryContextReset(round_context);
	return next;
}

/*
 * sleep_until: wait for the latch, or for that instant.
 */
static void
sleep_until(TimestampTz when)
{
	long		ms = clock_ms_until(when, MAX_SLEEP_MS);

	if (ms <= 0 || !timers_may_sleep_until(when))
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

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
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

		timers_awake();
		next = run_chores();
		sleep_until(next);
	}
}
