/*
 * catalog.c
 *		OIDs of taskq's own relations and types, and how single rows are read.
 *
 * OIDs are looked up once per session and again after the schema was dropped
 * or created, as the syscache tells.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_namespace.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "compat.h"
#include "machine.h"
#include "shmem.h"

static Catalog cached;
static bool cached_valid = false;
static bool callback_registered = false;

static void
forget_catalog(Datum arg, int cacheid, uint32 hashvalue)
{
	cached_valid = false;
}

/* DROP EXTENSION leaves the schema, but not its tables */
static void
forget_relation(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == cached.open)
		cached_valid = false;
}

static Oid
relation_oid(const char *name)
{
	Oid			oid = get_relname_relid(name, cached.namespace);

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", TASKQ_SCHEMA, name),
				 errhint("Drop and create the extension \"%s\" again.",
						 TASKQ_EXTENSION)));
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

	cached.status_running = enum_oid(status, "running");
	cached.status_paused = enum_oid(status, "paused");
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
	cached.namespace = get_namespace_oid(TASKQ_SCHEMA, false);
	cached.open = relation_oid("open");
	cached.open_pkey = relation_oid("open_pkey");
	cached.open_ready = relation_oid("open_ready");
	cached.open_alarm = relation_oid("open_alarm");
	cached.open_activity_id = relation_oid("open_activity_id");
	cached.heartbeat = relation_oid("heartbeat_state");
	cached.heartbeat_pkey = relation_oid("heartbeat_state_pkey");
	for (int i = 0; i <= CLOSED_LONG; i++)
	{
		char	   *name = i == CLOSED_LONG ? "closed_long" :
			psprintf("closed_%d", i);

		cached.closed[i] = relation_oid(name);
		cached.closed_pkey[i] = relation_oid(psprintf("%s_pkey", name));
		cached.closed_activity_id[i] =
			relation_oid(psprintf("%s_activity_id", name));
	}
	cached.instance = relation_oid("instance");
	cached.run_id_seq = relation_oid("run_id_seq");
	cached.retry_policy = type_oid("retry_policy");
	load_enums();
}

/*
 * catalog: the OIDs.  Raises 55000 when taskq is not preloaded.
 */
const Catalog *
catalog(void)
{
	if (likely(cached_valid))
		return &cached;

	shmem_require();
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

/* catalog_status: the label of taskq.activity_status that users see. */
Oid
catalog_status(State state)
{
	if (state_is_closed(state))
		return catalog()->status[state];
	return state == STATE_PAUSED ? catalog()->status_paused :
		catalog()->status_running;
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

/*
 * fresh_snapshot: what is committed now (or the transaction's snapshot, under
 * the isolation levels that have one), registered: the caller unregisters.
 */
Snapshot
fresh_snapshot(void)
{
	return RegisterSnapshot(GetTransactionSnapshot());
}

/* index_copy_found: a copy of the row in a slot, with its tid. */
HeapTuple
index_copy_found(TupleTableSlot *slot)
{
	HeapTuple	tuple = ExecCopySlotHeapTuple(slot);

	tuple->t_self = slot->tts_tid;
	return tuple;
}

/*
 * index_fetch: a copy of the first row that an index of the table finds, or
 * NULL.
 */
HeapTuple
index_fetch(Relation table, Oid index, Snapshot snapshot, ScanKey keys,
			int nkeys, ScanDirection direction)
{
	Relation	idx = index_open(index, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	IndexScanDesc scan = compat_index_beginscan(table, idx, snapshot, nkeys);
	HeapTuple	tuple = NULL;

	index_rescan(scan, keys, nkeys, NULL, 0);
	if (index_getnext_slot(scan, direction, slot))
		tuple = index_copy_found(slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(idx, NoLock);
	return tuple;
}

/* index_fetch_one: likewise, of a table that is opened for this. */
HeapTuple
index_fetch_one(Oid relation, Oid index, Snapshot snapshot, ScanKey keys,
				int nkeys, ScanDirection direction)
{
	Relation	table = table_open(relation, AccessShareLock);
	HeapTuple	tuple = index_fetch(table, index, snapshot, keys, nkeys,
									direction);

	table_close(table, NoLock);
	return tuple;
}
