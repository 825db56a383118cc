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

#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "catalog.h"
#include "compat.h"
#include "target.h"

/* more tables than taskq has */
#define MAX_KNOWN		16

/* rows, and bytes of them, that are inserted in one go */
#define TARGET_BATCH		64
#define TARGET_BATCH_BYTES	65536

/* What is kept of a table. */
typedef struct Known
{
	Oid			relation;		/* InvalidOid = unused */
	bool		complete;
	bool		stale;			/* something has changed since */
	bool		transient;		/* rows do not stay long */
	MemoryContext context;		/* of all below */
	TupleTableSlot *slots[TARGET_BATCH];	/* beyond the first when needed */
	EState	   *estate;
	ResultRelInfo *info;		/* its relations are open during calls only */
	int			nindexes;
	Oid		   *indexes;
} Known;

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
 * index for unchanged by an update, which only invites it to clean up what is
 * dead before it splits a page.  That is what is wanted for all rows of a
 * table where they do not stay long, so inserts there count as updates, too:
 * most entries of a full page belong to rows that are gone already, and the
 * index keeps its size between two vacuums.  Not so when many rows come at
 * once: then most of a full page has just been inserted.
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

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		callback_registered = true;
	}
	entry->context = AllocSetContextCreate(CacheMemoryContext, "taskq target",
										   ALLOCSET_SMALL_SIZES);
	entry->relation = RelationGetRelid(relation);	/* changes count from here */
	entry->transient = entry->relation == catalog()->open;
	old_context = MemoryContextSwitchTo(entry->context);
	entry->slots[0] =
		MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(relation)),
								 &TTSOpsHeapTuple);
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

/*
 * Put a row into a slot.  It is made into a tuple at once, but its columns stay
 * at hand for the indexes: they have to be valid as long as the slot is used.
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
	ExecMaterializeSlot(slot);
	memcpy(slot->tts_values, values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, natts * sizeof(bool));
	slot->tts_nvalid = natts;
}

/* open a table */
static void
open_table(Target *target, Oid relation)
{
	Known	   *entry;

	target->relation = table_open(relation, RowExclusiveLock);
	target->known = entry = know(target->relation);
	entry->info->ri_RelationDesc = target->relation;
	memset(entry->info->ri_IndexRelationDescs, 0,
		   entry->nindexes * sizeof(Relation));	/* left by an error */
}

/* open a table and put a row into the target's slot */
static void
target_begin(Target *target, Oid relation, const Datum *values,
			 const bool *nulls)
{
	open_table(target, relation);
	fill_slot(target->known->slots[0], target->relation, values, nulls);
}

/* open those indexes that get an entry for the row and are not open yet */
static void
open_indexes(Target *target, TupleTableSlot *slot)
{
	Known	   *entry = target->known;
	ResultRelInfo *info = entry->info;
	ExprContext *econtext = GetPerTupleExprContext(entry->estate);

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < entry->nindexes; i++)
		if (info->ri_IndexRelationDescs[i] == NULL &&
			ExecQual(info->ri_IndexRelationInfo[i]->ii_PredicateState, econtext))
			info->ri_IndexRelationDescs[i] = index_open(entry->indexes[i],
														RowExclusiveLock);
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
	ExecClearTuple(target->known->slots[0]);
	table_close(target->relation, NoLock);
}

/* index entries of a row that was written */
static void
insert_index_entries(Target *target, TupleTableSlot *slot, bool update,
					 bool only_summarizing)
{
	open_indexes(target, slot);
	(void) compat_insert_index_tuples(target->known->info, slot,
									  target->known->estate, update, false,
									  NULL, NIL, only_summarizing);
}

/*
 * Rows that are gone make room on the page that the next row goes to, so that
 * the table keeps its size between two vacuums, too.
 */
static void
clean_target_page(Relation relation)
{
	BlockNumber block = RelationGetTargetBlock(relation);
	Buffer		buffer;

	if (block == InvalidBlockNumber)
		return;
	buffer = ReadBuffer(relation, block);
	heap_page_prune_opt(relation, buffer);
	ReleaseBuffer(buffer);
}

/*
 * target_insert: insert one row and its index entries.  Who gives a tid gets
 * that of the row.
 */
void
target_insert(Oid relation, Datum *values, bool *nulls, ItemPointer tid)
{
	Target		target;
	TupleTableSlot *slot;

	target_begin(&target, relation, values, nulls);
	slot = target.known->slots[0];
	if (target.known->transient)
		clean_target_page(target.relation);
	table_tuple_insert(target.relation, slot, GetCurrentCommandId(true), 0,
					   NULL);
	if (tid != NULL)
		*tid = slot->tts_tid;
	insert_index_entries(&target, slot, target.known->transient, false);
	close_indexes(&target);
	target_end(&target);
	CommandCounterIncrement();
}

/* one try to insert speculatively; false when a rival was faster */
static bool
insert_speculatively(Target *target, List *arbiters)
{
	TupleTableSlot *slot = target->known->slots[0];
	uint32		token;
	bool		conflict = false;

	token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
	table_tuple_insert_speculative(target->relation, slot,
								   GetCurrentCommandId(true), 0, NULL, token);
	(void) compat_insert_index_tuples(target->known->info, slot,
									  target->known->estate, false, true,
									  &conflict, arbiters, false);
	table_tuple_complete_speculative(target->relation, slot, token, !conflict);
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
	open_indexes(&target, target.known->slots[0]);
	while (!inserted)
	{
		ItemPointerData rival;

		CHECK_FOR_INTERRUPTS();
		if (!compat_check_index_constraints(target.known->info,
											target.known->slots[0],
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

/* ------------------------------------------------------------------------
 * Many rows
 * ------------------------------------------------------------------------
 */

/* Rows on their way into a table. */
struct TargetBatch
{
	Target		target;
	MemoryContext context;		/* of one go */
	int			n;
	Size		bytes;
};

/*
 * target_begin_many: insert many rows into a table, by target_put().  Nothing
 * else may be written to the table before target_end_many().
 */
TargetBatch *
target_begin_many(Oid relation)
{
	TargetBatch *batch = palloc0(sizeof(TargetBatch));

	open_table(&batch->target, relation);
	batch->context = AllocSetContextCreate(CurrentMemoryContext,
										   "taskq batch insert",
										   ALLOCSET_DEFAULT_SIZES);
	return batch;
}

/* insert what was collected */
static void
insert_collected(TargetBatch *batch)
{
	TupleTableSlot **slots = batch->target.known->slots;
	MemoryContext old_context = MemoryContextSwitchTo(batch->context);

	if (batch->n > 0)
		table_multi_insert(batch->target.relation, slots, batch->n,
						   GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < batch->n; i++)
	{
		insert_index_entries(&batch->target, slots[i], false, false);
		ExecClearTuple(slots[i]);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(batch->context);
	batch->n = 0;
	batch->bytes = 0;
}

/*
 * target_put: one more row.  By-reference values have to be valid until
 * target_end_many().
 */
void
target_put(TargetBatch *batch, const Datum *values, const bool *nulls)
{
	Known	   *entry = batch->target.known;
	TupleTableSlot **slot = &entry->slots[batch->n++];

	if (*slot == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(entry->context);

		*slot = MakeSingleTupleTableSlot(entry->slots[0]->tts_tupleDescriptor,
										 &TTSOpsHeapTuple);
		MemoryContextSwitchTo(old_context);
	}
	fill_slot(*slot, batch->target.relation, values, nulls);
	batch->bytes += ((HeapTupleTableSlot *) *slot)->tuple->t_len;
	if (batch->n == TARGET_BATCH || batch->bytes >= TARGET_BATCH_BYTES)
		insert_collected(batch);
}

/* target_end_many: all rows are in. */
void
target_end_many(TargetBatch *batch)
{
	insert_collected(batch);
	close_indexes(&batch->target);
	target_end(&batch->target);
	MemoryContextDelete(batch->context);
	CommandCounterIncrement();
}

/* ------------------------------------------------------------------------
 * Updates and deletes
 * ------------------------------------------------------------------------
 */

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
 * target_update: replace the row version at *tid, which becomes the tid of the
 * new one.
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
		result = table_tuple_update(target.relation, tid,
									target.known->slots[0],
									GetCurrentCommandId(true), InvalidSnapshot,
									InvalidSnapshot, wait, &failure, &mode,
									&update_indexes);
	while (only_locked_by_us(result, &failure, &wait));
	if (result == TM_Ok && update_indexes != COMPAT_UPDATE_NO_INDEXES)
	{
		insert_index_entries(&target, target.known->slots[0], true,
							 compat_only_summarizing(update_indexes));
		close_indexes(&target);
	}
	if (result == TM_Ok)
		*tid = target.known->slots[0]->tts_tid;
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
