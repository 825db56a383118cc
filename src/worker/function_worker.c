/*
 * function_worker.c
 *		The process that runs functions as activities.
 *
 * It is connected as the role that the functions run as, and to one database,
 * from its start to its end: so whatever a function does, it does as a session of
 * that role could.  There is no user to come back to, no context to restore.  What
 * the function leaves in the session is thrown away after each task.
 *
 * The worker of the database has put it into a slot (function_pool.c) and
 * registered it with the postmaster.  When it ends with an attempt in hand, that
 * worker fails the attempt (function_supervisor.c).
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/settings.h"
#include "engine/own_attempt.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "worker/function_claim.h"
#include "worker/function_run.h"
#include "worker/function_worker.h"

/* before_shmem_exit callback: say how it ended, and what is left behind */
static void
detach(int code, Datum arg)
{
	FunctionWorker *me = function_worker_me;
	bool		left_behind;

	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	left_behind = me->current.run_id != 0 || me->next.run_id != 0;
	me->failed = code != 0 && !me->leave;
	me->pid = 0;
	me->proc = NULL;
	me->state = left_behind || me->failed ? FUNCTION_WORKER_ENDED : FUNCTION_WORKER_NONE;
	(void) function_pool_used();
	LWLockRelease(function_pool_lock);
	function_worker_me = NULL;
	for (int i = 0; i < control->databases; i++)
		if (control->slots[i].functions_wait ||
			control->slots[i].database == MyDatabaseId)
			directory_wake_worker(&control->slots[i]);
}

/* is somebody about to be alone with the database? */
static bool
is_held(Oid database)
{
	DatabaseSlot *slot = directory_slot_of(database);

	return slot == NULL || slot->held_by != 0;
}

/*
 * Take the slot that we were started for; leave when it is not ours any more.
 * Where to connect to becomes *database and *role.
 */
static void
attach(Datum main_arg, Oid *database, Oid *role)
{
	int			number = DatumGetUInt32(main_arg);
	uint32		generation;
	FunctionWorker *slot;

	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	slot = function_worker_at(number);
	if (slot->state == FUNCTION_WORKER_STARTING &&
		slot->generation == generation && slot->pid == 0)
	{
		function_worker_me = slot;
		slot->pid = MyProcPid;
		slot->proc = MyProc;
		*database = slot->database;
		*role = slot->role;
	}
	LWLockRelease(function_pool_lock);
	if (function_worker_me == NULL)
		proc_exit(0);
	before_shmem_exit(detach, (Datum) 0);
	if (is_held(*database))
	{
		function_worker_me->leave = true;
		proc_exit(0);
	}
}

/* a function that wants more gets "out of memory" */
static void
limit_memory(void)
{
	struct rlimit limit;

	if (taskq_function_memory == 0 || getrlimit(RLIMIT_DATA, &limit) != 0)
		return;
	limit.rlim_cur = (rlim_t) taskq_function_memory * 1024 * 1024;
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	(void) setrlimit(RLIMIT_DATA, &limit);
}

/*
 * The session is as after DISCARD ALL, but for cached plans: they say nothing of
 * the task, and each function would be planned anew for each task.
 */
static void
discard_all(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());	/* to delete from catalogs */
	PortalHashTableDeleteAll();
	SetPGVariable("session_authorization", NIL, false);
	ResetAllOptions();
	DropAllPreparedStatements();
	Async_UnlistenAll();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetTempTableNamespace();
	ResetSequenceCaches();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_appname("taskq function worker");
}

static void
connect_as_role(Oid database, Oid role)
{
	BackgroundWorkerInitializeConnectionByOid(database, role, 0);
	pgstat_report_appname("taskq function worker");
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	function_worker_me->state = FUNCTION_WORKER_RUNNING;
	LWLockRelease(function_pool_lock);
}

/* when to leave if nothing comes */
static TimestampTz
idle_until(void)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									   (int64) taskq_function_idle_timeout * 1000);
}

/*
 * taskq_function_worker_main: the process; main_arg is the number of its slot.
 */
void
taskq_function_worker_main(Datum main_arg)
{
	Oid			database = InvalidOid;
	Oid			role = InvalidOid;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	attach(main_arg, &database, &role);
	BackgroundWorkerUnblockSignals();
	CHECK_FOR_INTERRUPTS();
	connect_as_role(database, role);
	limit_memory();
	HOLD_CANCEL_INTERRUPTS();

	while (function_wait(idle_until()))
		while (own_attempt() != NULL)
		{
			function_run();
			discard_all();
		}
	function_worker_me->leave = true;
	proc_exit(0);
}
