/*
 * catalog.c
 *		taskq's own relations and types.
 *
 * OIDs are looked up once per session, and again when the caches tell that
 * something has happened to one of the relations.  The OID of a table or a type
 * stays as long as the extension does.  That of an index does not: REINDEX
 * CONCURRENTLY puts another in its place.  So it is given only to who has locked
 * the table: the lock brings the news of what has happened, and from then on
 * every index that the table had stays, until the lock goes.
 *
 * For the same reason a snapshot is taken after the table is locked: who waits
 * for the lock may have waited for a command that writes the table anew, and
 * an older snapshot shows nothing of that.
 *
 * Rows are read (row.c) and written (write.c) through the table and index
 * access methods, on the index that is meant: no statistics can change that.
 * Privileges are not checked there; whoever may call a function of taskq may do
 * what it does.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/basics.h"
#include "base/compat.h"
#include "common/statuses.h"
#include "store/catalog.h"
#include "store/extension.h"
#include "task/task.h"

#define HOW_TO_MEND \
	"Create the index as it was; docs/operations.md has the definitions."

static Catalog cached;
static bool cached_valid = false;
static bool callback_registered = false;
static Oid	indexes[TASKQ_INDEXES]; /* InvalidOid = to be looked up */

static void
forget_catalog(Datum arg, int cacheid, uint32 hashvalue)
{
	cached_valid = false;
	memset(indexes, 0, sizeof(indexes));
}

/* the tables and the sequences, with the place of each one's OID and its columns */
static const struct
{
	const char *name;
	Oid		   *oid;
	int			columns;
}			relations[] =
{
	{"open", &cached.open, OPEN_COLUMNS},
	{"heartbeat_state", &cached.heartbeat, HEARTBEAT_COLUMNS},
	{"queue_config", &cached.queue_config, QUEUE_CONFIG_COLUMNS},
	{"registered_function", &cached.registered_function, FUNCTION_COLUMNS},
	{"instance", &cached.instance, INSTANCE_COLUMNS},
	{"run_id_seq", &cached.run_id_seq, SEQUENCE_COLUMNS},
	{"closed_0", &cached.closed[0], CLOSED_COLUMNS},
	{"closed_1", &cached.closed[1], CLOSED_COLUMNS},
	{"closed_2", &cached.closed[2], CLOSED_COLUMNS},
	{"closed_3", &cached.closed[3], CLOSED_COLUMNS},
	{"closed_4", &cached.closed[4], CLOSED_COLUMNS},
	{"closed_5", &cached.closed[5], CLOSED_COLUMNS},
	{"closed_6", &cached.closed[6], CLOSED_COLUMNS},
	{"closed_7", &cached.closed[7], CLOSED_COLUMNS},
	{"closed_long", &cached.closed[CLOSED_LONG], CLOSED_COLUMNS},
	{"closed_run_0", &cached.closed_run[0], CLOSED_RUN_COLUMNS},
	{"closed_run_1", &cached.closed_run[1], CLOSED_RUN_COLUMNS},
	{"closed_run_2", &cached.closed_run[2], CLOSED_RUN_COLUMNS},
	{"closed_run_3", &cached.closed_run[3], CLOSED_RUN_COLUMNS},
	{"closed_run_4", &cached.closed_run[4], CLOSED_RUN_COLUMNS},
	{"closed_run_5", &cached.closed_run[5], CLOSED_RUN_COLUMNS},
	{"closed_run_6", &cached.closed_run[6], CLOSED_RUN_COLUMNS},
	{"closed_run_7", &cached.closed_run[7], CLOSED_RUN_COLUMNS},
	{"closed_run_long", &cached.closed_run[CLOSED_LONG], CLOSED_RUN_COLUMNS},
	{"history_0", &cached.history[0], HISTORY_COLUMNS},
	{"history_1", &cached.history[1], HISTORY_COLUMNS},
	{"history_2", &cached.history[2], HISTORY_COLUMNS},
	{"history_3", &cached.history[3], HISTORY_COLUMNS},
	{"history_4", &cached.history[4], HISTORY_COLUMNS},
	{"history_5", &cached.history[5], HISTORY_COLUMNS},
	{"history_6", &cached.history[6], HISTORY_COLUMNS},
	{"history_7", &cached.history[7], HISTORY_COLUMNS},
	{"history_long", &cached.history[HISTORY_LONG], HISTORY_COLUMNS},
	{"run_inbox", &cached.run_inbox, INBOX_COLUMNS},
	{"run_inbox_seq", &cached.run_inbox_seq, SEQUENCE_COLUMNS},
	{"run_timer", &cached.run_timer, TIMER_COLUMNS},
	{"run_request", &cached.run_request, REQUEST_COLUMNS},
	{"search_attribute", &cached.search_attribute, SEARCH_ATTRIBUTE_COLUMNS},
};

static bool
is_cached(Oid relation)
{
	for (int i = 0; i < (int) lengthof(relations); i++)
		if (*relations[i].oid == relation)
			return true;
	return false;
}

/* something has happened to a relation, or to any */
static void
forget_relation(Datum arg, Oid relation)
{
	if (relation == InvalidOid || is_cached(relation))
		cached_valid = false;	/* it may be gone, and the extension too */
	for (int i = 0; i < TASKQ_INDEXES; i++)
		if (relation == InvalidOid || relation == indexes[i])
			indexes[i] = InvalidOid;
}

static void
raise_missing(const char *name, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("relation \"%s.%s\" does not exist", TASKQ_SCHEMA, name),
			 errhint("%s", hint)));
}

static Oid
relation_oid(const char *name)
{
	Oid			oid = get_relname_relid(name, cached.namespace);

	if (!OidIsValid(oid))
		raise_missing(name, HOW_TO_GET_BACK);
	return oid;
}

static Oid
type_oid(const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum(name),
						   ObjectIdGetDatum(cached.namespace));
}

static Oid
enum_oid(Oid type, const char *label)
{
	HeapTuple	tuple = SearchSysCache2(ENUMTYPOIDNAME,
										ObjectIdGetDatum(type),
										CStringGetDatum(label));
	Oid			oid;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "enum %u has no label \"%s\"", type, label);
	oid = ((Form_pg_enum) GETSTRUCT(tuple))->oid;
	ReleaseSysCache(tuple);
	return oid;
}

static void
load_workflow_enums(void)
{
	static const char *const statuses[] = {
		[RUN_STATUS_RUNNING] = STATUS_RUNNING,
		[RUN_STATUS_COMPLETED] = STATUS_COMPLETED,
		[RUN_STATUS_FAILED] = STATUS_FAILED,
		[RUN_STATUS_CANCELED] = STATUS_CANCELED,
		[RUN_STATUS_TERMINATED] = STATUS_TERMINATED,
		[RUN_STATUS_CONTINUED_AS_NEW] = "continued_as_new",
		[RUN_STATUS_TIMED_OUT] = STATUS_TIMED_OUT,
	};
	Oid			status = type_oid("workflow_status");
	Oid			conflict = type_oid("workflow_id_conflict_policy");
	Oid			kind = type_oid("task_kind");

	StaticAssertStmt(lengthof(statuses) == lengthof(cached.workflow_status),
					 "each has a name");
	for (int i = 0; i <= RUN_STATUS_LAST; i++)
		cached.workflow_status[i] = enum_oid(status, statuses[i]);
	cached.workflow_conflict_fail = enum_oid(conflict, "fail");
	cached.workflow_conflict_use_existing = enum_oid(conflict, "use_existing");
	cached.conflict_terminate_existing = enum_oid(conflict, "terminate_existing");
	cached.task_kind[0] = enum_oid(kind, "activity");
	cached.task_kind[1] = enum_oid(kind, "workflow");
}

static void
load_enums(void)
{
	static const char *const retry_states[] = {
		[RETRY_IN_PROGRESS] = "in_progress",
		[RETRY_NON_RETRYABLE_FAILURE] = "non_retryable_failure",
		[RETRY_TIMEOUT] = "timeout",
		[RETRY_MAXIMUM_ATTEMPTS_REACHED] = "maximum_attempts_reached",
		[RETRY_POLICY_NOT_SET] = "retry_policy_not_set",
		[RETRY_INTERNAL_SERVER_ERROR] = "internal_server_error",
		[RETRY_CANCEL_REQUESTED] = "cancel_requested",
	};
	Oid			status = type_oid("activity_status");
	Oid			retry_state = type_oid("retry_state");
	Oid			reuse = type_oid("id_reuse_policy");
	Oid			conflict = type_oid("id_conflict_policy");

	StaticAssertStmt(lengthof(retry_states) == RETRY_STATE_LAST + 1,
					 "each has a name");
	StaticAssertStmt(lengthof(cached.retry_state) == RETRY_STATE_LAST + 1 &&
					 lengthof(cached.status) == STATE_LAST + 1,
					 "each has an OID");
	cached.status_running = enum_oid(status, STATUS_RUNNING);
	cached.status_paused = enum_oid(status, STATUS_PAUSED);
	for (State state = STATE_COMPLETED; state <= STATE_LAST; state++)
		cached.status[state] = enum_oid(status, state_name(state));
	for (int i = RETRY_IN_PROGRESS; i <= RETRY_STATE_LAST; i++)
		cached.retry_state[i] = enum_oid(retry_state, retry_states[i]);
	cached.reuse_allow = enum_oid(reuse, "allow_duplicate");
	cached.reuse_failed_only = enum_oid(reuse, "allow_duplicate_failed_only");
	cached.reuse_reject = enum_oid(reuse, "reject_duplicate");
	cached.conflict_fail = enum_oid(conflict, "fail");
	cached.conflict_use_existing = enum_oid(conflict, "use_existing");
}

static void
load_catalog(void)
{
	cached.namespace = extension_schema();
	StaticAssertStmt(CLOSED_LONG == 8 && HISTORY_LONG == 8, "each leaf is listed");
	for (int i = 0; i < (int) lengthof(relations); i++)
		*relations[i].oid = relation_oid(relations[i].name);
	cached.retry_policy = type_oid("retry_policy");
	cached.history_event = type_oid("history_event");
	load_enums();
	load_workflow_enums();
}

/*
 * catalog: the OIDs.  Also where taskq is not preloaded, for the views.
 */
const Catalog *
catalog(void)
{
	if (likely(cached_valid))
		return &cached;

	if (!callback_registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_catalog, (Datum) 0);
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		callback_registered = true;
	}
	load_catalog();
	cached_valid = true;
	return &cached;
}

/*
 * catalog_exists: is there something to look up?  The transaction may have
 * dropped the extension.
 */
bool
catalog_exists(void)
{
	return cached_valid ||
		OidIsValid(get_extension_oid(TASKQ_EXTENSION, /* missing_ok */ true));
}

/*
 * catalog_missing: the name of a table of taskq, or of a sequence, that is not in
 * its schema, so that catalog() raises; NULL when all are.  Waits for no lock.
 */
const char *
catalog_missing(void)
{
	Oid			schema = extension_schema();

	for (int i = 0; i < (int) lengthof(relations); i++)
		if (!OidIsValid(get_relname_relid(relations[i].name, schema)))
			return relations[i].name;
	return NULL;
}

/* catalog_status: the label of taskq.activity_status that users see. */
Oid
catalog_status(State state)
{
	if (state_is_closed(state))
		return catalog()->status[state];
	return state == STATE_PAUSED ? catalog()->status_paused :
		catalog()->status_running;
}

/* the table that the index of a leaf is of */
static Oid
leaf_of(TaskqIndex which)
{
	if (which >= HISTORY_PKEY)
		return cached.history[which - HISTORY_PKEY];
	if (which >= CLOSED_RUN_WORKFLOW_ID)
		return cached.closed_run[which - CLOSED_RUN_WORKFLOW_ID];
	if (which >= CLOSED_RUN_PKEY)
		return cached.closed_run[which - CLOSED_RUN_PKEY];
	if (which >= CLOSED_ACTIVITY_ID)
		return cached.closed[which - CLOSED_ACTIVITY_ID];
	return cached.closed[which - CLOSED_PKEY];
}

/* the table that the index is of */
static Oid
table_of(TaskqIndex which)
{
	static const Oid *const tables[] = {
		[OPEN_PKEY] = &cached.open,
		[OPEN_READY] = &cached.open,
		[OPEN_ALARM] = &cached.open,
		[OPEN_ACTIVITY_ID] = &cached.open,
		[HEARTBEAT_PKEY] = &cached.heartbeat,
		[INSTANCE_PKEY] = &cached.instance,
		[QUEUE_CONFIG_PKEY] = &cached.queue_config,
		[FUNCTION_PKEY] = &cached.registered_function,
		[INBOX_PKEY] = &cached.run_inbox,
		[TIMER_PKEY] = &cached.run_timer,
		[TIMER_FIRE_TIME] = &cached.run_timer,
		[REQUEST_PKEY] = &cached.run_request,
		[SEARCH_ATTRIBUTE_PKEY] = &cached.search_attribute,
	};

	StaticAssertStmt(lengthof(tables) == CLOSED_PKEY, "each has a table");
	return which < CLOSED_PKEY ? *tables[which] : leaf_of(which);
}

/*
 * catalog_broken_index: the name of an index that is missing, not valid, or
 * not as the install script makes it; NULL when all are there.  Waits for no
 * lock.
 */
const char *
catalog_broken_index(void)
{
	(void) catalog();
	for (TaskqIndex which = 0; which < TASKQ_INDEXES; which++)
	{
		bool		valid;
		Oid			oid = shape_find_index(which, cached.namespace, &valid);

		if (!valid || !shape_is_ours(oid, table_of(which), which))
			return shape_index_name(which);
	}
	return NULL;
}

static bool
is_unlogged(Oid relation)
{
	return get_rel_persistence(relation) != RELPERSISTENCE_PERMANENT;
}

/*
 * catalog_unlogged: a table of taskq, or a sequence, that a crash would
 * empty; InvalidOid when there is none.  Waits for no lock.
 */
Oid
catalog_unlogged(void)
{
	(void) catalog();
	for (int i = 0; i < (int) lengthof(relations); i++)
		if (is_unlogged(*relations[i].oid))
			return *relations[i].oid;
	return InvalidOid;
}

/*
 * catalog_idle_trigger: the name of a trigger of taskq that does not fire always,
 * and of its table; NULL when all do.  Waits for no lock.
 */
const char *
catalog_idle_trigger(const char **table)
{
	static const struct
	{
		const char *table;
		const char *name;
		const Oid  *oid;
	}			triggers[] = {
		{"open", "rows_changed", &cached.open},
		{"run_inbox", "inbox_changed", &cached.run_inbox},
		{"instance", "instance_changed", &cached.instance},
		{"queue_config", "queue_config_changed", &cached.queue_config},
		{"registered_function", "functions_changed", &cached.registered_function},
	};

	(void) catalog();
	for (int i = 0; i < (int) lengthof(triggers); i++)
	{
		*table = triggers[i].table;
		if (shape_trigger_enabled(*triggers[i].oid,
								  triggers[i].name) != TRIGGER_FIRES_ALWAYS)
			return triggers[i].name;
	}
	return NULL;
}

static int
expected_columns(Oid table)
{
	int			i = 0;

	while (i < (int) lengthof(relations) - 1 && *relations[i].oid != table)
		i++;
	return relations[i].columns;
}

/* a table went while we waited for its lock: alone, or with the extension? */
static void
raise_gone(void)
{
	cached_valid = false;
	if (OidIsValid(get_extension_oid(TASKQ_EXTENSION, /* missing_ok */ true)))
		(void) catalog();		/* raises 42P01 when it is missing */
	raise_dropped();
}

/* the table is locked: is it still there? */
static void
require_table(Oid table)
{
	if (unlikely(!cached_valid) &&
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)))
		raise_gone();
}

/*
 * catalog_lock_table: lock one of taskq's tables until the transaction ends.
 * Raises 55000 when it went with the extension while we waited for its lock,
 * 42P01 when it went alone.
 */
void
catalog_lock_table(Oid table, LOCKMODE lock)
{
	LockRelationOid(table, lock);	/* brings the news, if there is any */
	require_table(table);
}

/*
 * catalog_open_table: open one of taskq's tables, which with NoLock the caller
 * has locked.  Raises what catalog_lock_table() does.
 */
Relation
catalog_open_table(Oid table, LOCKMODE lock)
{
	Relation	relation;

	if (lock != NoLock)
		LockRelationOid(table, lock);	/* brings the news, if there is any */
	require_table(table);
	relation = table_open(table, NoLock);
	Assert(CheckRelationLockedByMe(relation, Max(lock, AccessShareLock), true));
	if (unlikely(RelationGetNumberOfAttributes(relation) !=
				 expected_columns(table)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" has other columns than taskq gives it",
						TASKQ_SCHEMA, RelationGetRelationName(relation)),
				 errhint("What taskq stores there is its own; keep other things in tables of your own.")));
	return relation;
}

/* look an index up; see catalog_index() */
static Oid
require_index(TaskqIndex which)
{
	bool		valid;
	Oid			oid;

	(void) catalog();
	oid = shape_find_index(which, cached.namespace, &valid);
	if (!OidIsValid(oid))
		raise_missing(shape_index_name(which), HOW_TO_MEND);
	if (!shape_is_ours(oid, table_of(which), which))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s.%s\" is not as taskq makes it",
						TASKQ_SCHEMA, shape_index_name(which)),
				 errhint(HOW_TO_MEND)));
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s.%s\" is not valid", TASKQ_SCHEMA,
						shape_index_name(which)),
				 errhint("Wait until it is built, or use REINDEX.")));
	return oid;
}

/*
 * catalog_index: the OID of an index of a table that the caller has opened, and
 * locked.  Raises 42P01 when somebody has dropped it, 55000 when another one has
 * its name, or it is not, or not yet, of use.
 */
Oid
catalog_index(Relation table, TaskqIndex which)
{
	Assert(CheckRelationLockedByMe(table, AccessShareLock, true));
	if (unlikely(!OidIsValid(indexes[which])))
		indexes[which] = require_index(which);
	return indexes[which];
}

/*
 * catalog_lock_at_once: lock a table and an index of it, to read, unless that
 * takes waiting; false then, and some may be locked.
 */
bool
catalog_lock_at_once(Oid table, TaskqIndex which)
{
	Relation	relation;
	bool		locked;

	if (!ConditionalLockRelationOid(table, AccessShareLock))
		return false;
	relation = table_open(table, NoLock);
	locked = ConditionalLockRelationOid(catalog_index(relation, which),
										AccessShareLock);
	table_close(relation, NoLock);
	return locked;
}

/* does the index not show all that our snapshot does? */
static bool
too_new(Relation index)
{
	return index->rd_index->indcheckxmin && IsolationUsesXactSnapshot() &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							   TransactionXmin);
}

/*
 * catalog_open_index: open an index to read through it, until
 * catalog_close_index().  Raises what catalog_index() does, and 40001 when the
 * index was made after the transaction's snapshot was taken.
 */
Relation
catalog_open_index(Relation table, TaskqIndex which)
{
	Relation	index = index_open(catalog_index(table, which),
								   AccessShareLock);

	if (unlikely(too_new(index)))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent creation of an index")));
	return index;
}

/*
 * catalog_close_index: the index has been read.  Its lock does not stay, unlike
 * that of the table.  REINDEX keeps writers from the table, and then waits for
 * the locks on the index; a transaction that has read, and waits to write, would
 * be waited for.
 */
void
catalog_close_index(Relation index)
{
	index_close(index, AccessShareLock);
}
