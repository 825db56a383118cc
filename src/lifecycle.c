/*
 * lifecycle.c
 *		What DDL on databases and on the extension means for workers.
 *
 * A worker is connected to its database, and core refuses to drop, rename,
 * move or copy a database that somebody is connected to.  Nobody should have
 * to know that.  So a ProcessUtility hook looks at DROP DATABASE, ALTER
 * DATABASE ... RENAME TO, ALTER DATABASE ... SET TABLESPACE and CREATE
 * DATABASE ... TEMPLATE, and when the user is allowed to do that, by the
 * checks that core makes too, it *holds* the database: slot->held_by is this
 * backend, the worker leaves, and no other is started.  Whatever becomes of
 * the command, error and termination of the backend included, the hold ends
 * with it and the launcher starts the worker again; after a successful DROP
 * the slot is freed instead.  When the user may not, or the command is wrong
 * in some other way, nothing is stopped and core raises its own error.
 *
 * Two commands on one database: the later takes the hold over, and the earlier
 * does not end it.  By then the earlier one has seen the database unused and
 * has it locked, and so has a worker that comes back wait in its connection
 * start.  Should a holder vanish without a trace, the launcher notices.
 *
 * The worker is asked to leave by its latch first, and with SIGTERM when it
 * does not soon, being in the middle of something.
 *
 * The launcher also has to hear of databases and extensions that come into
 * being, and the worker of an extension that goes, but only when that is
 * committed: flags, consumed by a transaction callback that cannot fail.
 * PREPARE forgets them.  So the first call of a function makes a database
 * known, too, and a worker that was not told finds out by its next chore.
 *
 * COMMIT PREPARED and ROLLBACK PREPARED are seen here as well, on behalf of
 * effects.c.
 *
 * The hook is installed only when the library is preloaded.  On a standby the
 * commands fail before anything is held, since there is no worker.
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "channel.h"
#include "compat.h"
#include "counts.h"
#include "effects.h"
#include "heartbeat_slots.h"
#include "lifecycle.h"
#include "queue_state.h"
#include "shmem.h"
#include "taskq.h"

/* patience with a worker: until it gets a signal, and until we go on anyway */
#define POLITE_MS		500
#define GIVE_UP_MS		5000
#define CHECK_MS		5

static ProcessUtility_hook_type prev_process_utility = NULL;

/* what the launcher must hear of when this transaction commits */
static bool database_made = false;
static bool extension_changed = false;

PG_FUNCTION_INFO_V1(taskq_installed);

/*
 * taskq_installed: called once, by the install script.
 */
Datum
taskq_installed(PG_FUNCTION_ARGS)
{
	if (control == NULL)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("taskq is not in shared_preload_libraries"),
				 errdetail("Its functions will raise an error."),
				 errhint("Add taskq to shared_preload_libraries in postgresql.conf (shared_preload_libraries = 'taskq') and restart the server.")));
	else
		extension_changed = true;
	PG_RETURN_VOID();
}

/*
 * tell_launcher: transaction callback.
 */
static void
tell_launcher(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (extension_changed)
			{
				shmem_extension_changed();
				counts_forget();
				heartbeat_slots_drop(MyDatabaseId);
			}
			if (database_made)
				shmem_wake_launcher();
			/* FALLTHROUGH */
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			extension_changed = false;
			database_made = false;
			break;
		default:
			break;
	}
}

/*
 * may_create_databases: is the caller a superuser, or has CREATEDB?  Core's own
 * test is not exported by every minor version.
 */
static bool
may_create_databases(void)
{
	HeapTuple	tuple;
	bool		may;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(tuple))
		return false;
	may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return may;
}

/*
 * may_create_from: may the user copy this database?  A template may be copied
 * by all who may create databases.
 */
static bool
may_create_from(Oid database)
{
	HeapTuple	tuple;
	bool		is_template;

	if (!may_create_databases())
		return false;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (!HeapTupleIsValid(tuple))
		return false;
	is_template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return is_template || database_ownercheck(database, GetUserId());
}

/*
 * may_move_to: may the user put databases into this tablespace?
 */
static bool
may_move_to(const char *name)
{
	Oid			tablespace = get_tablespace_oid(name, /* missing_ok */ true);

	return OidIsValid(tablespace) &&
		tablespace_aclcheck(tablespace, GetUserId(), ACL_CREATE) == ACLCHECK_OK;
}

/*
 * option_text: the value of an option of a statement; NULL when it has none.
 */
static const char *
option_text(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/*
 * owned: the database of that name if the user owns it, else InvalidOid.
 */
static Oid
owned(const char *name)
{
	Oid			database = get_database_oid(name, /* missing_ok */ true);

	if (OidIsValid(database) && !database_ownercheck(database, GetUserId()))
		return InvalidOid;
	return database;
}

/*
 * needs_alone: the database that has to be without connections for this
 * statement, provided that the user is allowed to run it; else InvalidOid.
 */
static Oid
needs_alone(Node *statement)
{
	const char *name;
	Oid			database;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return owned(((DropdbStmt *) statement)->dbname);

		case T_RenameStmt:
			if (!may_create_databases())
				return InvalidOid;
			return owned(((RenameStmt *) statement)->subname);

		case T_AlterDatabaseStmt:
			name = option_text(((AlterDatabaseStmt *) statement)->options,
							   "tablespace");
			if (name == NULL || !may_move_to(name))
				return InvalidOid;
			return owned(((AlterDatabaseStmt *) statement)->dbname);

		case T_CreatedbStmt:
			name = option_text(((CreatedbStmt *) statement)->options,
							   "template");
			if (name == NULL)
				return InvalidOid;
			database = get_database_oid(name, /* missing_ok */ true);
			if (!OidIsValid(database) || !may_create_from(database))
				return InvalidOid;
			return database;

		default:
			return InvalidOid;
	}
}

/*
 * take_hold: from now on no worker is started for the database.  Returns the
 * process of the one that is there, and asks it to leave; 0 when there is
 * none.
 */
static pid_t
take_hold(Oid database)
{
	DatabaseSlot *slot;
	pid_t		pid = 0;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	slot = shmem_slot(database, /* create */ false);
	if (slot != NULL)
	{
		slot->held_by = MyProcPid;
		pid = slot->worker_pid;
		shmem_wake_worker(slot);
	}
	LWLockRelease(control->lock);
	return pid;
}

/*
 * release_hold: give a database back to the launcher.  Also runs when the
 * command fails or the backend is terminated.
 */
static void
release_hold(int code, Datum arg)
{
	DatabaseSlot *slot;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	slot = shmem_slot(DatumGetObjectId(arg), /* create */ false);
	if (slot != NULL && slot->held_by == MyProcPid)
		slot->held_by = 0;
	LWLockRelease(control->lock);
	shmem_wake_launcher();
}

/*
 * forget_database: the database was dropped.
 */
static void
forget_database(Oid database)
{
	DatabaseSlot *slot;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	slot = shmem_slot(database, /* create */ false);
	if (slot != NULL && slot->worker_pid == 0)
		shmem_free_slot(slot);
	channel_forget_database(database);
	LWLockRelease(control->lock);
	queue_state_forget_database(database);
	heartbeat_slots_drop(database);
}

/*
 * signal_worker: SIGTERM the worker of a database, if it is still that one.
 */
static void
signal_worker(Oid database, pid_t pid)
{
	DatabaseSlot *slot;

	LWLockAcquire(control->lock, LW_SHARED);
	slot = shmem_slot(database, /* create */ false);
	if (slot != NULL && slot->worker_pid == pid)
		(void) kill(pid, SIGTERM);
	LWLockRelease(control->lock);
}

/*
 * wait_until_gone: return when the process "pid" is no longer connected to
 * the database.  Gives up after a while, and leaves the error to core.
 */
static void
wait_until_gone(Oid database, pid_t pid)
{
	TimestampTz since = GetCurrentTimestamp();
	bool		signalled = false;

	while (BackendPidGetProc(pid) != NULL)
	{
		TimestampTz now;

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 CHECK_MS, custom_wait_event("TaskqWorkerStop"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();

		now = GetCurrentTimestamp();
		if (TimestampDifferenceExceeds(since, now, GIVE_UP_MS))
			break;
		if (!signalled && TimestampDifferenceExceeds(since, now, POLITE_MS))
		{
			signal_worker(database, pid);
			signalled = true;
		}
	}
}

/*
 * run_next: what ProcessUtility would do without us.
 */
static void
run_next(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
		 ProcessUtilityContext context, ParamListInfo params,
		 QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	ProcessUtility_hook_type next = prev_process_utility ?
		prev_process_utility : standard_ProcessUtility;

	next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

/*
 * run_alone: run_next() while no worker is connected to the database.
 */
static void
run_alone(Oid database,
		  PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
		  ProcessUtilityContext context, ParamListInfo params,
		  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	bool		dropped = IsA(pstmt->utilityStmt, DropdbStmt);

	PG_ENSURE_ERROR_CLEANUP(release_hold, ObjectIdGetDatum(database));
	{
		pid_t		pid = take_hold(database);

		if (pid != 0)
			wait_until_gone(database, pid);
		run_next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
				 dest, qc);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_hold, ObjectIdGetDatum(database));

	if (dropped)
		forget_database(database);
	else
		release_hold(0, ObjectIdGetDatum(database));
}

/*
 * run_database_command: one of the statements that want to be alone.  Inside a
 * transaction block all but RENAME fail, and nothing is stopped for them; a
 * database never is alone with the user's own session in it.
 */
static void
run_database_command(PlannedStmt *pstmt, const char *queryString,
					 bool readOnlyTree, ProcessUtilityContext context,
					 ParamListInfo params, QueryEnvironment *queryEnv,
					 DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *statement = pstmt->utilityStmt;
	bool		top_level = context == PROCESS_UTILITY_TOPLEVEL;
	bool		makes_one = IsA(statement, CreatedbStmt);
	Oid			database = InvalidOid;

	if (IsA(statement, RenameStmt) || !IsInTransactionBlock(top_level))
		database = needs_alone(statement);

	if (OidIsValid(database) && database != MyDatabaseId)
		run_alone(database, pstmt, queryString, readOnlyTree, context, params,
				  queryEnv, dest, qc);
	else
		run_next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
				 dest, qc);

	if (makes_one)
		database_made = true;
}

/*
 * drops_extension: does this statement drop the extension, if it succeeds?
 */
static bool
drops_extension(DropStmt *statement)
{
	ListCell   *cell;

	if (statement->removeType != OBJECT_EXTENSION &&
		statement->removeType != OBJECT_SCHEMA)
		return false;
	foreach(cell, statement->objects)
	{
		const char *name = strVal(lfirst(cell));

		if (strcmp(name, statement->removeType == OBJECT_EXTENSION ?
				   TASKQ_EXTENSION : TASKQ_SCHEMA) == 0)
			return true;
	}
	return false;
}

/*
 * process_utility: ProcessUtility_hook.
 */
static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest,
				QueryCompletion *qc)
{
	Node	   *statement = pstmt->utilityStmt;
	bool		on_database = false;
	bool		on_extension = false;
	bool		on_prepared = false;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
		case T_CreatedbStmt:
			on_database = true;
			break;
		case T_RenameStmt:
			on_database = ((RenameStmt *) statement)->renameType == OBJECT_DATABASE;
			break;
		case T_DropStmt:
			on_extension = drops_extension((DropStmt *) statement);
			break;
		case T_TransactionStmt:
			on_prepared =
				((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED ||
				((TransactionStmt *) statement)->kind == TRANS_STMT_ROLLBACK_PREPARED;
			break;
		default:
			break;
	}

	if (on_database)
		run_database_command(pstmt, queryString, readOnlyTree, context, params,
							 queryEnv, dest, qc);
	else
		run_next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
				 dest, qc);

	if (on_extension)
		extension_changed = true;
	if (on_prepared)
		effects_prepared_ended();
}

/*
 * lifecycle_install_hook: from _PG_init, when preloaded.
 */
void
lifecycle_install_hook(void)
{
	RegisterXactCallback(tell_launcher, NULL);
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
