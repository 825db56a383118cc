/*
 * lifecycle.c
 *		What DDL on databases and on the extension means for workers.
 *
 * A worker is connected to its database, and core refuses to drop, rename,
 * move or copy a database that somebody is connected to.  Nobody should have
 * to know that.  So a ProcessUtility hook looks at DROP DATABASE, ALTER
 * DATABASE ... RENAME TO, ALTER DATABASE ... SET TABLESPACE and CREATE
 * DATABASE, which copies one, and when the user is allowed to do that, by the
 * checks that core makes too, it *holds* the database: slot->held_by is this
 * backend, the worker leaves, and no other is started.  Whatever becomes of
 * the command, error and termination of the backend included, the hold ends
 * with it and the launcher starts the worker again; when a DROP is committed
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
 * being, and the worker and those who wait of an extension that goes, but only
 * when that is committed: flags, consumed by transaction callbacks that cannot
 * fail.  That the extension goes is seen by an object access hook, since many
 * commands can drop it.  PREPARE forgets the flags.  So the first call of a
 * function makes a database known, too, and a worker that was not told finds
 * out by its next chore.
 *
 * COMMIT PREPARED and ROLLBACK PREPARED are seen here as well, on behalf of
 * effects.c, and LISTEN and UNLISTEN, on behalf of listen_commands.c.
 *
 * The hooks are installed only when the library is preloaded.  On a standby the
 * commands fail before anything is held, since there is no worker.
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
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

#include "base/basics.h"
#include "base/compat.h"
#include "notes/effects.h"
#include "shared/counts.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "shared/heartbeat_slots.h"
#include "shared/layout.h"
#include "shared/tell.h"
#include "shared/waiters.h"
#include "worker/lifecycle.h"
#include "worker/listen_commands.h"

/* patience with a worker: until it gets a signal, and until we go on anyway */
#define POLITE_MS		500
#define GIVE_UP_MS		5000
#define CHECK_MS		5

static ProcessUtility_hook_type prev_process_utility = NULL;

static object_access_hook_type prev_object_access = NULL;

/* what others must hear of when this transaction commits */
static bool database_made = false;
static Oid	database_dropped = InvalidOid;

/* the outermost subtransaction that made or dropped the extension */
static SubTransactionId extension_changed = InvalidSubTransactionId;

static void release_hold(int code, Datum arg);
static void forget_database(Oid database);

/*
 * note_extension_changed: the extension is made or dropped, if the current
 * subtransaction commits.  One outside it that has done so before says more:
 * what is rolled back here does not undo that.
 */
static void
note_extension_changed(void)
{
	if (extension_changed == InvalidSubTransactionId)
		extension_changed = GetCurrentSubTransactionId();
}

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
		note_extension_changed();
	PG_RETURN_VOID();
}

/*
 * tell_extension_changed: what is known of it is of no use any more, and who
 * waits has to find out.
 */
static void
tell_extension_changed(void)
{
	directory_extension_changed();
	counts_forget();
	heartbeat_slots_drop(MyDatabaseId);
	wait_wake_all();
}

/*
 * at_transaction_end: transaction callback.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (extension_changed != InvalidSubTransactionId)
				tell_extension_changed();
			if (OidIsValid(database_dropped))
				forget_database(database_dropped);
			if (database_made)
				directory_wake_launcher();
			break;
		case XACT_EVENT_ABORT:
			if (OidIsValid(database_dropped))
				release_hold(0, ObjectIdGetDatum(database_dropped));
			break;
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	extension_changed = InvalidSubTransactionId;
	database_dropped = InvalidOid;
	database_made = false;
}

/*
 * at_subtransaction_end: subtransaction callback.
 */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (extension_changed != mine)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		extension_changed = parent;
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		extension_changed = InvalidSubTransactionId;
}

/*
 * object_access: object_access_hook.  Sees the extension go, whatever the
 * command: DROP EXTENSION, DROP SCHEMA, DROP OWNED, or of anything that it
 * depends on.
 */
static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub,
			  void *arg)
{
	if (prev_object_access)
		prev_object_access(access, class, object, sub, arg);
	if (access == OAT_DROP && class == ExtensionRelationId &&
		object == get_extension_oid(TASKQ_EXTENSION, /* missing_ok */ true))
		note_extension_changed();
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
			database = get_database_oid(name ? name : "template1",
										/* missing_ok */ true);
			if (!OidIsValid(database) || !may_create_from(database))
				return InvalidOid;
			return database;

		default:
			return InvalidOid;
	}
}

/*
 * take_hold: from now on no worker is started for the database, also if the
 * launcher has not seen it yet.  Returns the process of the one that is there,
 * and asks it to leave; 0 when there is none.
 */
static pid_t
take_hold(Oid database)
{
	DatabaseSlot *slot;
	pid_t		pid = 0;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	slot = directory_slot(database, /* create */ true);
	if (slot != NULL)
	{
		slot->held_by = MyProcPid;
		pid = slot->worker_pid;
		directory_wake_worker(slot);
	}
	LWLockRelease(control->lock);
	function_pool_leave(database, false);
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
	slot = directory_slot(DatumGetObjectId(arg), /* create */ false);
	if (slot != NULL && slot->held_by == MyProcPid)
		slot->held_by = 0;
	LWLockRelease(control->lock);
	directory_wake_launcher();
}

/*
 * forget_database: the database was dropped.
 */
static void
forget_database(Oid database)
{
	DatabaseSlot *slot;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	slot = directory_slot(database, /* create */ false);
	if (slot != NULL && slot->worker_pid == 0)
		directory_free_slot(slot);
	LWLockRelease(control->lock);
	shared_forget_database(database);
}

/*
 * signal_worker: SIGTERM the worker of a database, if it is still that one.
 */
static void
signal_worker(Oid database, pid_t pid)
{
	DatabaseSlot *slot;

	LWLockAcquire(control->lock, LW_SHARED);
	slot = directory_slot(database, /* create */ false);
	if (pid != 0 && slot != NULL && slot->worker_pid == pid)
		(void) kill(pid, SIGTERM);
	LWLockRelease(control->lock);
	function_pool_leave(database, true);
}

/*
 * is_there: is that process connected to the database, or about to be?
 */
static bool
is_there(Oid database, pid_t pid)
{
	DatabaseSlot *slot;
	bool		claimed;

	LWLockAcquire(control->lock, LW_SHARED);
	slot = directory_slot(database, /* create */ false);
	claimed = pid != 0 && slot != NULL && slot->worker_pid == pid;
	LWLockRelease(control->lock);
	return claimed || (pid != 0 && BackendPidGetProc(pid) != NULL) ||
		function_pool_has(database);
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

	while (is_there(database, pid))
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

/* A utility command, as ProcessUtility gets it. */
typedef struct Command
{
	PlannedStmt *pstmt;
	const char *text;
	bool		read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *environment;
	DestReceiver *dest;
	QueryCompletion *completion;
} Command;

/*
 * run_next: what ProcessUtility would do without us.
 */
static void
run_next(const Command *command)
{
	ProcessUtility_hook_type next = prev_process_utility ?
		prev_process_utility : standard_ProcessUtility;

	next(command->pstmt, command->text, command->read_only_tree,
		 command->context, command->params, command->environment,
		 command->dest, command->completion);
}

/*
 * run_alone: run_next() while no worker is connected to the database.
 */
static void
run_alone(Oid database, const Command *command)
{
	bool		dropped = IsA(command->pstmt->utilityStmt, DropdbStmt);

	PG_ENSURE_ERROR_CLEANUP(release_hold, ObjectIdGetDatum(database));
	{
		wait_until_gone(database, take_hold(database));
		run_next(command);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_hold, ObjectIdGetDatum(database));

	if (dropped)
		database_dropped = database;	/* held until that is committed */
	else
		release_hold(0, ObjectIdGetDatum(database));
}

/*
 * run_database_command: one of the statements that want to be alone.  Inside a
 * transaction block all but RENAME fail, and nothing is stopped for them; a
 * database never is alone with the user's own session in it.
 */
static void
run_database_command(const Command *command)
{
	Node	   *statement = command->pstmt->utilityStmt;
	bool		top_level = command->context == PROCESS_UTILITY_TOPLEVEL;
	bool		makes_one = IsA(statement, CreatedbStmt);
	Oid			database = InvalidOid;

	if (IsA(statement, RenameStmt) || !IsInTransactionBlock(top_level))
		database = needs_alone(statement);

	if (OidIsValid(database) && database != MyDatabaseId)
		run_alone(database, command);
	else
		run_next(command);

	if (makes_one)
		database_made = true;
}

/* What a utility command means for taskq. */
typedef enum Concern
{
	NOTHING,
	DATABASE,					/* wants to be alone with a database, or makes one */
	PREPARED,					/* ends a prepared transaction */
	CHANNELS					/* may begin or end to listen */
} Concern;

static Concern
concern_of(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
		case T_CreatedbStmt:
			return DATABASE;
		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_DATABASE ?
				DATABASE : NOTHING;
		case T_TransactionStmt:
			return
				((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED ||
				((TransactionStmt *) statement)->kind == TRANS_STMT_ROLLBACK_PREPARED ?
				PREPARED : NOTHING;
		case T_ListenStmt:
		case T_UnlistenStmt:
		case T_DiscardStmt:
			return CHANNELS;
		default:
			return NOTHING;
	}
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
	Command		command = {
		.pstmt = pstmt,
		.text = queryString,
		.read_only_tree = readOnlyTree,
		.context = context,
		.params = params,
		.environment = queryEnv,
		.dest = dest,
		.completion = qc,
	};
	Concern		concern = concern_of(pstmt->utilityStmt);

	if (concern == DATABASE)
		run_database_command(&command);
	else
		run_next(&command);

	if (concern == PREPARED)
		tell_rows_changed();
	else if (concern == CHANNELS)
		listen_command(pstmt->utilityStmt);
}

/*
 * lifecycle_install_hook: from _PG_init, when preloaded.
 */
void
lifecycle_install_hook(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
