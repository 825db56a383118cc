/*
 * catalog.c
 *		OIDs of taskq's own relations and types, and the few ways in which the
 *		store touches tables.
 *
 * OIDs are looked up once per session and again after the schema was dropped
 * or created, as the syscache tells.
 *
 * Writes go through the table access method with an explicit tuple id and
 * return instead of raising when somebody else was faster; under REPEATABLE
 * READ and SERIALIZABLE that is a serialization failure.  After each write
 * the command counter moves, so that what follows in the same statement sees
 * it.  Relations stay locked until the end of the transaction.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
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
	cached.reuse_failed_only = enum_oid(reuse, "allow_duplicate_failed_only");
	cached.reuse_reject = enum_oid(reuse, "reject_duplicate");
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
 * Writing
 * ------------------------------------------------------------------------
 */

/* A table opened for writing, its index machinery made when it is needed. */
typedef struct Target
{
	Relation	relation;
	EState	   *estate;
	ResultRelInfo *info;
	TupleTableSlot *slot;
} Target;

/* open a table and put a row into the target's slot */
static void
target_begin(Target *target, Oid relation, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	memset(target, 0, sizeof(Target));
	target->relation = table_open(relation, RowExclusiveLock);
	if (values == NULL)
		return;
	desc = RelationGetDescr(target->relation);
	target->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	memcpy(target->slot->tts_values, values, desc->natts * sizeof(Datum));
	memcpy(target->slot->tts_isnull, nulls, desc->natts * sizeof(bool));
	ExecStoreVirtualTuple(target->slot);
	target->slot->tts_tableOid = relation;
}

/*
 * Range table index 0: there is no query.  The executor then takes every
 * index for unchanged by an update, which only invites it to clean up old
 * versions before it splits a page.
 */
static void
open_indexes(Target *target, bool speculative)
{
	target->estate = CreateExecutorState();
	target->info = makeNode(ResultRelInfo);
	InitResultRelInfo(target->info, target->relation, 0, NULL, 0);
	ExecOpenIndices(target->info, speculative);
}

/* close the table; its lock stays */
static void
target_end(Target *target)
{
	if (target->info != NULL)
	{
		ExecCloseIndices(target->info);
		FreeExecutorState(target->estate);
	}
	if (target->slot != NULL)
		ExecDropSingleTupleTableSlot(target->slot);
	table_close(target->relation, NoLock);
}

/*
 * target_insert: insert one row and its index entries.
 */
void
target_insert(Oid relation, Datum *values, bool *nulls)
{
	Target		target;

	target_begin(&target, relation, values, nulls);
	open_indexes(&target, false);
	table_tuple_insert(target.relation, target.slot,
					   GetCurrentCommandId(true), 0, NULL);
	compat_insert_index_tuples(target.info, target.slot, target.estate,
							   false, false, NULL, NIL, false);
	target_end(&target);
	CommandCounterIncrement();
}

/*
 * target_insert_unless_duplicate: insert unless a row with the same key of
 * the unique index exists; false then.  An uncommitted rival is waited for.
 */
bool
target_insert_unless_duplicate(Oid relation, Oid unique_index, Datum *values,
							   bool *nulls)
{
	Target		target;
	List	   *arbiters = list_make1_oid(unique_index);
	bool		inserted = false;

	target_begin(&target, relation, values, nulls);
	open_indexes(&target, true);
	for (;;)
	{
		ItemPointerData rival;
		uint32		token;
		bool		conflict = false;

		CHECK_FOR_INTERRUPTS();
		if (!compat_check_index_constraints(target.info, target.slot,
											target.estate, &rival, arbiters))
			break;
		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
		table_tuple_insert_speculative(target.relation, target.slot,
									   GetCurrentCommandId(true), 0, NULL,
									   token);
		compat_insert_index_tuples(target.info, target.slot, target.estate,
								   false, true, &conflict, arbiters, false);
		table_tuple_complete_speculative(target.relation, target.slot, token,
										 !conflict);
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
		if (!conflict)
		{
			inserted = true;
			break;
		}
	}
	target_end(&target);
	CommandCounterIncrement();
	return inserted;
}

/* what the access method said, in our words */
static StoreResult
judge(TM_Result result)
{
	switch (result)
	{
		case TM_Ok:
			return STORE_OK;
		case TM_BeingModified:
		case TM_WouldBlock:
			return STORE_BUSY;
		case TM_Updated:
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("could not serialize access due to concurrent update")));
			return STORE_CHANGED;
		case TM_SelfModified:
			return STORE_CHANGED;
		default:
			elog(ERROR, "unexpected tuple status: %u", result);
	}
	return STORE_CHANGED;		/* keep compiler quiet */
}

/*
 * A row that our own transaction has locked looks like somebody else's to a
 * write that does not wait.  One that waits knows better, and does not wait.
 */
static bool
only_locked_by_us(TM_Result result, const TM_FailureData *failure, bool *wait)
{
	if (result != TM_BeingModified || *wait ||
		!TransactionIdIsCurrentTransactionId(failure->xmax))
		return false;
	*wait = true;
	return true;
}

/*
 * target_update: replace the row version at "tid".
 */
StoreResult
target_update(Oid relation, ItemPointer tid, Datum *values, bool *nulls,
			  bool wait)
{
	Target		target;
	TM_FailureData failure;
	TM_Result	result;
	LockTupleMode mode;
	CompatUpdateIndexes update_indexes = COMPAT_UPDATE_NO_INDEXES;

	target_begin(&target, relation, values, nulls);
	do
		result = table_tuple_update(target.relation, tid, target.slot,
									GetCurrentCommandId(true), InvalidSnapshot,
									InvalidSnapshot, wait, &failure, &mode,
									&update_indexes);
	while (only_locked_by_us(result, &failure, &wait));
	if (result == TM_Ok && update_indexes != COMPAT_UPDATE_NO_INDEXES)
	{
		open_indexes(&target, false);
		compat_insert_index_tuples(target.info, target.slot, target.estate,
								   true, false, NULL, NIL,
								   compat_only_summarizing(update_indexes));
	}
	target_end(&target);
	if (result == TM_Ok)
		CommandCounterIncrement();
	return judge(result);
}

/*
 * target_delete: delete the row version at "tid".
 */
StoreResult
target_delete(Oid relation, ItemPointer tid, bool wait)
{
	Target		target;
	TM_FailureData failure;
	TM_Result	result;

	target_begin(&target, relation, NULL, NULL);
	do
		result = table_tuple_delete(target.relation, tid,
									GetCurrentCommandId(true), InvalidSnapshot,
									InvalidSnapshot, wait, &failure, false);
	while (only_locked_by_us(result, &failure, &wait));
	target_end(&target);
	if (result == TM_Ok)
		CommandCounterIncrement();
	return judge(result);
}

/*
 * target_lock: lock the row version at "tid" against changes until the end of
 * the transaction.
 */
StoreResult
target_lock(Oid relation, ItemPointer tid, bool wait)
{
	Target		target;
	TM_FailureData failure;
	TM_Result	result;
	TupleTableSlot *slot;

	target_begin(&target, relation, NULL, NULL);
	slot = table_slot_create(target.relation, NULL);
	result = table_tuple_lock(target.relation, tid, InvalidSnapshot, slot,
							  GetCurrentCommandId(true),
							  LockTupleNoKeyExclusive,
							  wait ? LockWaitBlock : LockWaitSkip, 0, &failure);
	ExecDropSingleTupleTableSlot(slot);
	target_end(&target);
	return judge(result);
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

/*
 * index_fetch_one: a copy of the first row that the index finds, or NULL.
 */
HeapTuple
index_fetch_one(Oid relation, Oid index, Snapshot snapshot, ScanKey keys,
				int nkeys, ScanDirection direction)
{
	Relation	table = table_open(relation, AccessShareLock);
	Relation	idx = index_open(index, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	IndexScanDesc scan = compat_index_beginscan(table, idx, snapshot, nkeys);
	HeapTuple	tuple = NULL;

	index_rescan(scan, keys, nkeys, NULL, 0);
	if (index_getnext_slot(scan, direction, slot))
	{
		tuple = ExecCopySlotHeapTuple(slot);
		tuple->t_self = slot->tts_tid;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(idx, NoLock);
	table_close(table, NoLock);
	return tuple;
}
