/*
 * launcher.c
 *		Starts a worker for every database that has the extension.
 *
 * One static background worker per server, connected to the shared catalogs
 * only.  It cannot see whether a database has the extension, so it starts a
 * worker in each that accepts connections; a worker that finds nothing leaves
 * and says so (WORKER_ABSENT), and the database is not tried again until it
 * makes itself known: the install script does at commit (lifecycle.c), and so
 * does the first call of a function there.  Whenever it is woken, and every
 * taskq.launcher_naptime, the launcher lists the databases and compares.
 *
 * Life of a slot (all under control->lock):
 *
 *	UNKNOWN  --registered-->  STARTING  --finds the extension-->  RUNNING
 *	STARTING --finds nothing--> ABSENT   (slot freed, database remembered here)
 *	STARTING, RUNNING --error, SIGTERM, no process--> FAILED
 *	FAILED   --restart_at has come--> STARTING
 *	any      --held_by set, worker gone--> UNKNOWN, and stays until released
 *
 * Workers end for good as far as the postmaster is concerned; starting them
 * again, ever later after failures in a row, is done here.  What has to
 * survive the launcher is in shared memory: when it is restarted, after an
 * error or a signal, running workers are left alone.  A worker that its
 * predecessor registered and that has not come up yet is registered again: of
 * two, one finds the slot taken and leaves.  After a crash of the server
 * everything starts from nothing.
 *
 * The launcher starts after recovery, so on a standby after promotion.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "shared/directory.h"
#include "shared/layout.h"
#include "shared/sizes.h"
#include "worker/launcher.h"

/* seconds until a launcher that ended is started again */
#define LAUNCHER_RESTART_S	1

/*
 * Workers that may be on their way at a time, so that a look at the databases
 * of a server with many of them does not take all its worker processes.
 */
#define MAX_STARTING		4

/* how soon to ask again for a process when the server had none */
#define NO_ROOM_RETRY_S		1

/* how often to look whether the holder of a slot lives */
#define HOLD_CHECK_S		1

/* pg_database.datconnlimit of a database whose DROP was interrupted */
#define CONNLIMIT_INVALID	(-2)

/* A worker that this launcher registered; by number of its slot. */
typedef struct Registered
{
	Oid			database;
	BackgroundWorkerHandle *handle;
} Registered;

static Registered *registered;

/* databases known to be without the extension; in launcher_context */
static List *absent = NIL;

static MemoryContext launcher_context;
static MemoryContext round_context; /* reset after each round */

/*
 * describe_process: fill in what launcher and workers have in common.
 */
static void
describe_process(BackgroundWorker *process, const char *type,
				 const char *function)
{
	memset(process, 0, sizeof(*process));
	process->bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	process->bgw_start_time = BgWorkerStart_RecoveryFinished;
	strlcpy(process->bgw_name, type, BGW_MAXLEN);
	strlcpy(process->bgw_type, type, BGW_MAXLEN);
	strlcpy(process->bgw_library_name, "taskq", BGW_MAXLEN);
	strlcpy(process->bgw_function_name, function, BGW_MAXLEN);
}

/*
 * launcher_register: have the postmaster run the launcher.
 */
void
launcher_register(void)
{
	BackgroundWorker process;

	describe_process(&process, "taskq launcher", "taskq_launcher_main");
	process.bgw_restart_time = LAUNCHER_RESTART_S;
	RegisterBackgroundWorker(&process);
}

/*
 * list_databases: oids of the databases that accept connections, templates
 * left out (a worker in one would be in the way of CREATE DATABASE).
 */
static List *
list_databases(void)
{
	List	   *databases = NIL;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();

	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (form->datistemplate || !form->datallowconn ||
			form->datconnlimit == CONNLIMIT_INVALID)
			continue;
		old = MemoryContextSwitchTo(round_context);
		databases = lappend_oid(databases, form->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);

	CommitTransactionCommand();
	MemoryContextSwitchTo(round_context);
	return databases;
}

/*
 * check_arrival: notice a worker that was registered and ended, or was never
 * started, without claiming its slot.  Caller holds control->lock exclusively.
 */
static void
check_arrival(DatabaseSlot *slot, const Registered *mine)
{
	pid_t		pid;

	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	if (slot->state != WORKER_STARTING || slot->worker_pid != 0)
		return;
	if (mine->handle == NULL || mine->database != slot->database)
		slot->state = WORKER_UNKNOWN;	/* a former launcher's */
	else if (GetBackgroundWorkerPid(mine->handle, &pid) == BGWH_STOPPED)
		directory_worker_failed(slot);
}

/*
 * check_slots: bring the directory up to date, and free the slots of databases
 * that are gone or without the extension.  The latter are written to "without"
 * (room for all slots); returns how many.  Sets *held when somebody holds a
 * slot.
 */
static int
check_slots(const List *databases, Oid *without, bool *held)
{
	int			n = 0;
	Oid		   *gone;
	int			ngone = 0;

	*held = false;
	gone = palloc(control->databases * sizeof(Oid));
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < control->databases; i++)
	{
		DatabaseSlot *slot = &control->slots[i];

		if (!OidIsValid(slot->database))
			continue;

		/* the holder may not have lived to release it */
		if (slot->held_by != 0 && BackendPidGetProc(slot->held_by) == NULL)
			slot->held_by = 0;
		check_arrival(slot, &registered[i]);

		if (slot->held_by != 0)
			*held = true;
		else if (slot->worker_pid != 0 || slot->state == WORKER_STARTING)
			continue;
		else if (!list_member_oid(databases, slot->database))
		{
			gone[ngone++] = slot->database;
			directory_free_slot(slot);
		}
		else if (slot->state == WORKER_ABSENT)
		{
			without[n++] = slot->database;
			directory_free_slot(slot);
		}
	}
	LWLockRelease(control->lock);
	for (int i = 0; i < ngone; i++)
		shared_forget_database(gone[i]);
	pfree(gone);
	return n;
}

/*
 * remember_absent: add the "n" databases of "found" to those known to be
 * without the extension, and forget the ones that do not exist any more.  One
 * that has got the extension meanwhile may stay: it has a slot, and only
 * databases without are looked up here.
 */
static void
remember_absent(const List *databases, const Oid *found, int n)
{
	MemoryContext old = MemoryContextSwitchTo(launcher_context);
	List	   *kept = NIL;
	ListCell   *cell;

	foreach(cell, absent)
	{
		if (list_member_oid(databases, lfirst_oid(cell)))
			kept = lappend_oid(kept, lfirst_oid(cell));
	}
	for (int i = 0; i < n; i++)
		kept = list_append_unique_oid(kept, found[i]);

	list_free(absent);
	absent = kept;
	MemoryContextSwitchTo(old);
}

/* has nobody seen yet whether the extension is there? */
static bool
is_in_doubt(const DatabaseSlot *slot)
{
	return OidIsValid(slot->database) &&
		(slot->state == WORKER_UNKNOWN || slot->state == WORKER_STARTING);
}

/*
 * make_slots: give a slot to every database that may have the extension and
 * has none yet.  False when there are not enough of them, unless some may turn
 * out not to be needed.
 */
static bool
make_slots(const List *databases)
{
	bool		enough = true;
	ListCell   *cell;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	foreach(cell, databases)
	{
		if (!list_member_oid(absent, lfirst_oid(cell)) &&
			directory_slot(lfirst_oid(cell), true) == NULL)
			enough = false;
	}
	for (int i = 0; i < control->databases && !enough; i++)
		enough = is_in_doubt(&control->slots[i]);
	LWLockRelease(control->lock);
	return enough;
}

/*
 * choose_slots: write the numbers of the slots whose worker is to be started
 * now into "chosen" (room for all slots) and mark them STARTING.  Returns how
 * many; lowers *next to the instant when another one's back-off ends.
 *
 * The databases have to be listed after their slots were made: one that was
 * being dropped before cannot have held the slot.
 */
static int
choose_slots(const List *databases, int *chosen, TimestampTz *next)
{
	TimestampTz now = GetCurrentTimestamp();
	int			starting = 0;
	int			n = 0;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < control->databases; i++)
	{
		if (OidIsValid(control->slots[i].database) &&
			control->slots[i].state == WORKER_STARTING)
			starting++;
	}

	for (int i = 0; i < control->databases; i++)
	{
		DatabaseSlot *slot = &control->slots[i];

		if (!OidIsValid(slot->database) || slot->held_by != 0 ||
			slot->worker_pid != 0)
			continue;
		if (slot->state != WORKER_UNKNOWN && slot->state != WORKER_FAILED)
			continue;
		if (!list_member_oid(databases, slot->database))
			continue;
		if (slot->state == WORKER_FAILED &&
			is_ahead(slot->restart_at, now, MAX_BACK_OFF_S * USECS_PER_SEC))
			*next = Min(*next, slot->restart_at);
		else if (starting < MAX_STARTING)
		{
			slot->state = WORKER_STARTING;
			registered[i].database = slot->database;
			chosen[n++] = i;
			starting++;
		}
	}
	LWLockRelease(control->lock);
	return n;
}

/*
 * register_worker: have the postmaster start a worker for mine->database.
 * False when the server has no room for it.
 */
static bool
register_worker(Registered *mine)
{
	BackgroundWorker process;
	MemoryContext old;
	bool		done;

	describe_process(&process, "taskq worker", "taskq_worker_main");
	process.bgw_restart_time = BGW_NEVER_RESTART;
	process.bgw_main_arg = ObjectIdGetDatum(mine->database);
	process.bgw_notify_pid = MyProcPid;

	if (mine->handle != NULL)
		pfree(mine->handle);
	mine->handle = NULL;

	old = MemoryContextSwitchTo(launcher_context);
	done = RegisterDynamicBackgroundWorker(&process, &mine->handle);
	MemoryContextSwitchTo(old);
	if (!done)
		mine->handle = NULL;
	return done;
}

/*
 * start_workers: start the workers of the "n" slots of "chosen".  False when
 * the server had no room for one; those come again a moment later.
 */
static bool
start_workers(const int *chosen, int n, TimestampTz *next)
{
	bool		room = true;

	for (int i = 0; i < n; i++)
	{
		DatabaseSlot *slot = &control->slots[chosen[i]];
		Registered *mine = &registered[chosen[i]];

		if (register_worker(mine))
			continue;

		/* the slot may be gone, with its database */
		room = false;
		LWLockAcquire(control->lock, LW_EXCLUSIVE);
		if (slot->database == mine->database &&
			slot->state == WORKER_STARTING)
		{
			slot->state = WORKER_FAILED;	/* by no fault of its own */
			slot->restart_at = GetCurrentTimestamp() +
				NO_ROOM_RETRY_S * USECS_PER_SEC;
			*next = Min(*next, slot->restart_at);
		}
		LWLockRelease(control->lock);
	}
	return room;
}

/*
 * supervise: one round.  Returns when to look again at the latest.
 */
static TimestampTz
supervise(void)
{
	TimestampTz next;
	List	   *databases = list_databases();
	Oid		   *without = palloc(sizeof(Oid) * control->databases);
	int		   *chosen = palloc(sizeof(int) * control->databases);
	bool		held;
	int			n;

	next = GetCurrentTimestamp() + taskq_launcher_naptime * USECS_PER_SEC;

	n = check_slots(databases, without, &held);
	remember_absent(databases, without, n);
	if (!make_slots(databases))
		size_exceeded(SIZE_DATABASES);
	n = choose_slots(list_databases(), chosen, &next);
	if (!start_workers(chosen, n, &next))
		size_exceeded(SIZE_WORKERS);
	sizes_log();

	if (held)
		next = Min(next, GetCurrentTimestamp() + HOLD_CHECK_S * USECS_PER_SEC);
	return next;
}

/*
 * sign_off: before_shmem_exit callback.
 */
static void
sign_off(int code, Datum arg)
{
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	if (control->launcher_pid == MyProcPid)
	{
		control->launcher_pid = 0;
		control->launcher_proc = NULL;
	}
	LWLockRelease(control->lock);
}

/*
 * sign_on: say who the launcher is, for as long as this process lives.
 */
static void
sign_on(void)
{
	before_shmem_exit(sign_off, (Datum) 0);
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	control->launcher_pid = MyProcPid;
	control->launcher_proc = MyProc;
	if (control->recovered_at == 0)
		control->recovered_at = clock_now();
	LWLockRelease(control->lock);

	launcher_context = AllocSetContextCreate(TopMemoryContext,
											 "taskq launcher",
											 ALLOCSET_DEFAULT_SIZES);
	round_context = AllocSetContextCreate(launcher_context,
										  "taskq launcher round",
										  ALLOCSET_DEFAULT_SIZES);
	registered = MemoryContextAllocZero(launcher_context,
										sizeof(Registered) * control->databases);
}

/*
 * taskq_launcher_main: the launcher's process.  Ends by SIGTERM or an error,
 * with status 1 both times, so that the postmaster starts it again.
 */
void
taskq_launcher_main(Datum main_arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	sign_on();
	ereport(LOG,
			(errmsg("taskq launcher started")));

	for (;;)
	{
		TimestampTz next;
		long		ms;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		MemoryContextSwitchTo(round_context);
		next = supervise();
		MemoryContextReset(round_context);

		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
						 custom_wait_event("TaskqLauncherMain"));
	}
}
