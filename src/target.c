/*
 * target.c
 *		How rows of taskq's tables are written.
 *
 * Writes go through the table access method with an explicit tuple id and
 * return instead of raising when somebody else was faster; under REPEATABLE
 * READ and SERIALIZABLE that is a serialization failure.  After each write
 * the command counter moves, so that what follows in the same statement sees
 * it.  Relations and indexes stay locked until the end of the transaction.
 *
 * Index entries are made by the executor's routine, whichever indexes the
 * table has, those that an administrator has added included.  What it needs
 * of them (columns, compiled predicates) is kept from call to call, and made
 * again when the relation cache tells that the table or one of its indexes
 * has changed: it does so before the lock on the table is granted.  An index
 * whose predicate is false is not even opened.  Only of B-trees is anything
 * kept: other access methods hold things of their own while they insert, and
 * a table that has such an index is prepared anew at each call.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "compat.h"
#include "target.h"

/* What is kept of a table. */
typedef struct Known
{
	Oid			relation;		/* InvalidOid = unused */
	bool		complete;
	bool		stale;			/* something has changed since */
	MemoryContext context;		/* of all below */
	TupleTableSlot *slot;
	EState	   *estate;
	ResultRelInfo *info;		/* its relations are open during calls only */
	int			nindexes;
	Oid		   *indexes;
} Known;

/* more tables than taskq has */
#define MAX_KNOWN		16

static Known known[MAX_KNOWN];
static bool callback_registered = false;

/* A table that is being written to. */
typedef struct Target
{
	Relation	relation;
	Known	   *known;
} Target;

/* ------------------------------------------------------------------------
 * What is kept of tables
 * ------------------------------------------------------------------------
 */

/* relcache callback: may come in the middle of a write, so nothing is freed */
static void
forget_relation(Datum arg, Oid relation)
{
	for (int i = 0; i < MAX_KNOWN; i++)
	{
		Known	   *entry = &known[i];

		if (relation == InvalidOid || relation == entry->relation)
			entry->stale = true;
		for (int j = 0; j < entry->nindexes && !entry->stale; j++)
			entry->stale = entry->indexes[j] == relation;
	}
}

/* an entry that is not of use any more, else the last one, emptied */
static Known *
empty_entry(void)
{
	Known	   *entry = &known[0];
	MemoryContext context;

	while (entry < &known[MAX_KNOWN - 1] && entry->complete && !entry->stale)
		entry++;
	context = entry->context;
	memset(entry, 0, sizeof(Known));
	if (context != NULL)
		MemoryContextDelete(context);
	return entry;
}

/* columns and predicate of one index */
static IndexInfo *
learn_index(Known *entry, Relation index)
{
	IndexInfo  *info = BuildIndexInfo(index);

	if (info->ii_Predicate != NIL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate,
												  entry->estate);
	if (index->rd_rel->relam != BTREE_AM_OID)
		entry->stale = true;	/* for this one call only */
	else if (info->ii_Unique)
		BuildSpeculativeIndexInfo(index, info);
	return info;
}

/*
 * Range table index 0: there is no query.  The executor then takes every
 * index for unchanged by an update, which only invites it to clean up old
 * versions before it splits a page.
 */
static void
learn_indexes(Known *entry, Relation relation)
{
	List	   *indexes = RelationGetIndexList(relation);
	int			n = list_length(indexes);
	ResultRelInfo *info = makeNode(ResultRelInfo);

	InitResultRelInfo(info, relation, 0, NULL, 0);
	info->ri_IndexRelationDescs = palloc0(n * sizeof(Relation));
	info->ri_IndexRelationInfo = palloc0(n * sizeof(IndexInfo *));
	info->ri_NumIndices = n;
	entry->info = info;
	entry->indexes = palloc(n * sizeof(Oid));
	for (int i = 0; i < n; i++)
	{
		Relation	index;

		entry->indexes[entry->nindexes++] = list_nth_oid(indexes, i);
		index = index_open(entry->indexes[i], RowExclusiveLock);
		info->ri_IndexRelationInfo[i] = learn_index(entry, index);
		index_close(index, NoLock);
	}
}

static Known *
learn(Relation relation)
{
	Known	   *entry = empty_entry();
	MemoryContext old_context;
	TupleDesc	desc;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		callback_registered = true;
	}
	entry->context = AllocSetContextCreate(CacheMemoryContext, "taskq target",
										   ALLOCSET_SMALL_SIZES);
	entry->relation = RelationGetRelid(relation);	/* changes count from here */
	old_context = MemoryContextSwitchTo(entry->context);
	desc = CreateTupleDescCopy(RelationGetDescr(relation));
	entry->slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	entry->estate = CreateExecutorState();
	learn_indexes(entry, relation);
	MemoryContextSwitchTo(old_context);
	entry->complete = true;
	return entry;
}

/* what is known of a table that was opened, and so locked, for writing */
static Known *
know(Relation relation)
{
	for (int i = 0; i < MAX_KNOWN; i++)
		if (known[i].relation == RelationGetRelid(relation) &&
			known[i].complete && !known[i].stale)
			return &known[i];
	return learn(relation);
}

/* ------------------------------------------------------------------------
 * One write
 * ------------------------------------------------------------------------
 */

static void
fill_slot(TupleTableSlot *slot, Relation relation, const Datum *values,
		  const bool *nulls)
{
	int			natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(relation);
}

/* open a table and put a row into the target's slot */
static void
target_begin(Target *target, Oid relation, const Datum *values,
			 const bool *nulls)
{
	target->relation = table_open(relation, RowExclusiveLock);
	target->known = know(target->relation);
	fill_slot(target->known->slot, target->relation, values, nulls);
}

/* open the indexes that get an entry for the row in the slot */
static void
open_indexes(Target *target)
{
	Known	   *entry = target->known;
	ResultRelInfo *info = entry->info;
	ExprContext *econtext = GetPerTupleExprContext(entry->estate);

	info->ri_RelationDesc = target->relation;
	ResetExprContext(econtext);
	econtext->ecxt_scantuple = entry->slot;
	for (int i = 0; i < entry->nindexes; i++)
		info->ri_IndexRelationDescs[i] =
			ExecQual(info->ri_IndexRelationInfo[i]->ii_PredicateState, econtext) ?
			index_open(entry->indexes[i], RowExclusiveLock) : NULL;
}

static void
close_indexes(Target *target)
{
	ResultRelInfo *info = target->known->info;

	for (int i = 0; i < target->known->nindexes; i++)
	{
		Relation	index = info->ri_IndexRelationDescs[i];

		info->ri_IndexRelationDescs[i] = NULL;
		if (index == NULL)
			continue;
		compat_index_insert_cleanup(index, info->ri_IndexRelationInfo[i]);
		index_close(index, NoLock);
	}
}

/* close the table; its lock stays */
static void
target_end(Target *target)
{
	ExecClearTuple(target->known->slot);
	table_close(target->relation, NoLock);
}

/*
 * target_insert: insert one row and its index entries.
 */
void
target_insert(Oid relation, Datum *values, bool *nulls)
{
	Target		target;
	Known	   *entry;

	target_begin(&target, relation, values, nulls);
	entry = target.known;
	open_indexes(&target);
	table_tuple_insert(target.relation, entry->slot,
					   GetCurrentCommandId(true), 0, NULL);
	(void) compat_insert_index_tuples(entry->info, entry->slot, entry->estate,
									  false, false, NULL, NIL, false);
	close_indexes(&target);
	target_end(&target);
	CommandCounterIncrement();
}

/* one try to insert speculatively; false when a rival was faster */
static bool
insert_speculatively(Target *target, List *arbiters)
{
	Known	   *entry = target->known;
	uint32		token;
	bool		conflict = false;

	token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
	table_tuple_insert_speculative(target->relation, entry->slot,
								   GetCurrentCommandId(true), 0, NULL, token);
	(void) compat_insert_index_tuples(entry->info, entry->slot, entry->estate,
									  false, true, &conflict, arbiters, false);
	table_tuple_complete_speculative(target->relation, entry->slot, token,
									 !conflict);
	SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	return !conflict;
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
	open_indexes(&target);
	while (!inserted)
	{
		ItemPointerData rival;

		CHECK_FOR_INTERRUPTS();
		if (!compat_check_index_constraints(target.known->info,
											target.known->slot,
											target.known->estate,
											&rival, arbiters))
			break;
		inserted = insert_speculatively(&target, arbiters);
	}
	close_indexes(&target);
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
		result = table_tuple_update(target.relation, tid, target.known->slot,
									GetCurrentCommandId(true), InvalidSnapshot,
									InvalidSnapshot, wait, &failure, &mode,
									&update_indexes);
	while (only_locked_by_us(result, &failure, &wait));
	if (result == TM_Ok && update_indexes != COMPAT_UPDATE_NO_INDEXES)
	{
		open_indexes(&target);
		(void) compat_insert_index_tuples(target.known->info,
										  target.known->slot,
										  target.known->estate,
										  true, false, NULL, NIL,
										  compat_only_summarizing(update_indexes));
		close_indexes(&target);
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
	Relation	table = table_open(relation, RowExclusiveLock);
	TM_FailureData failure;
	TM_Result	result;

	do
		result = table_tuple_delete(table, tid, GetCurrentCommandId(true),
									InvalidSnapshot, InvalidSnapshot, wait,
									&failure, false);
	while (only_locked_by_us(result, &failure, &wait));
	table_close(table, NoLock);
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
	Relation	table = table_open(relation, RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(table, tid, InvalidSnapshot, slot,
							  GetCurrentCommandId(true),
							  LockTupleNoKeyExclusive,
							  wait ? LockWaitBlock : LockWaitSkip, 0, &failure);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return judge(result);
}
