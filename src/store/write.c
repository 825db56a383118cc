/*
 * write.c
 *		How rows of taskq's tables are written.
 *
 * Writes go through the table access method with an explicit tuple id and
 * return instead of raising when somebody else was faster; under REPEATABLE
 * READ and SERIALIZABLE that is a serialization failure.  After each write
 * the command counter moves, so that what follows in the same statement sees
 * it.  Tables, and indexes that get entries, stay locked until the
 * end of the transaction.
 *
 * Index entries are made by the executor's routine, with what write_known.c
 * keeps.  An index whose predicate is false is not even opened.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/catalog.h"
#include "store/row.h"
#include "store/write.h"
#include "store/write_known.h"
#include "task/store_result.h"

/* bytes of rows that are inserted in one go */
#define STORE_BATCH_BYTES	65536

/* A table that is being written to. */
typedef struct Target
{
	Relation	relation;
	Known	   *known;
} Target;

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

	target->relation = catalog_open_table(relation, RowExclusiveLock);
	target->known = entry = known_take(target->relation);
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
		{
			info->ri_IndexRelationDescs[i] = index_open(entry->indexes[i],
														RowExclusiveLock);
			known_index_used(entry, info->ri_IndexRelationDescs[i]);
		}
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
	known_give_back(target->known);
	table_close(target->relation, NoLock);
}

/* index entries of a row that was written */
static void
insert_index_entries(Target *target, TupleTableSlot *slot, bool update,
					 bool only_summarizing)
{
	Assert(target->known->in_use &&
		   target->known->relation == RelationGetRelid(target->relation));
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
 * that of the row, which is one of the file that is returned.
 */
Oid
target_insert(Oid relation, Datum *values, bool *nulls, ItemPointer tid)
{
	Target		target;
	TupleTableSlot *slot;
	Oid			file;

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
	file = target.relation->rd_rel->relfilenode;
	target_end(&target);
	CommandCounterIncrement();
	return file;
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
 * The indexes that keep the key unique.  While REINDEX CONCURRENTLY makes one
 * anew there are two, and a rival may be met in either.
 */
static List *
find_arbiters(Target *target, TaskqIndex unique)
{
	Known	   *entry = target->known;
	Oid			main = catalog_index(target->relation, unique);
	IndexInfo **infos = entry->info->ri_IndexRelationInfo;
	IndexInfo  *wanted = NULL;
	List	   *arbiters = NIL;

	for (int i = 0; i < entry->nindexes; i++)
		if (entry->indexes[i] == main)
			wanted = infos[i];
	for (int i = 0; wanted != NULL && i < entry->nindexes; i++)
		if (infos[i]->ii_Unique &&
			infos[i]->ii_NumIndexKeyAttrs == wanted->ii_NumIndexKeyAttrs &&
			memcmp(infos[i]->ii_IndexAttrNumbers, wanted->ii_IndexAttrNumbers,
				   wanted->ii_NumIndexKeyAttrs * sizeof(AttrNumber)) == 0)
			arbiters = lappend_oid(arbiters, entry->indexes[i]);
	return arbiters;
}

/*
 * target_insert_unless_duplicate: insert unless a row with the same key of
 * the unique index exists; false then.  An uncommitted rival is waited for.
 */
bool
target_insert_unless_duplicate(Oid relation, TaskqIndex unique, Datum *values,
							   bool *nulls)
{
	Target		target;
	List	   *arbiters;
	bool		inserted = false;

	target_begin(&target, relation, values, nulls);
	arbiters = find_arbiters(&target, unique);
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

/*
 * target_try_insert: likewise, but an uncommitted rival is taken for a row
 * instead of waited for.
 */
bool
target_try_insert(Oid relation, TaskqIndex unique, Datum *values, bool *nulls)
{
	Target		target;
	List	   *arbiters;
	bool		inserted;

	target_begin(&target, relation, values, nulls);
	arbiters = find_arbiters(&target, unique);
	open_indexes(&target, target.known->slots[0]);
	inserted = insert_speculatively(&target, arbiters);
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

	Assert(batch->n <= STORE_BATCH);
	if (*slot == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(entry->context);

		*slot = MakeSingleTupleTableSlot(entry->slots[0]->tts_tupleDescriptor,
										 &TTSOpsHeapTuple);
		MemoryContextSwitchTo(old_context);
	}
	fill_slot(*slot, batch->target.relation, values, nulls);
	batch->bytes += ((HeapTupleTableSlot *) *slot)->tuple->t_len;
	if (batch->n == STORE_BATCH || batch->bytes >= STORE_BATCH_BYTES)
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
				raise_concurrent_update();
			return STORE_CHANGED;
		case TM_SelfModified:
			return STORE_CHANGED;
		default:
			elog(ERROR, "unexpected tuple status: %u", result);
	}
	return STORE_CHANGED;		/* keep compiler quiet */
}

/*
 * Lock the row version at "tid" until the end of the transaction.  What our own
 * transaction has locked well enough is not locked again.
 */
static TM_Result
lock_version(Relation table, ItemPointer tid, LockTupleMode mode, bool wait)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TM_FailureData failure;
	TM_Result	result;

	Assert(HaveRegisteredOrActiveSnapshot());	/* or it could be pruned */
	result = table_tuple_lock(table, tid, InvalidSnapshot, slot,
							  GetCurrentCommandId(true), mode,
							  wait ? LockWaitBlock : LockWaitSkip, 0, &failure);
	ExecDropSingleTupleTableSlot(slot);
	return result;
}

/*
 * Replace the row version at "tid" by what is in the slot.  Who does not wait
 * locks it first, for there is no update that does not wait.  A claim does
 * without, see compat.h.
 */
static TM_Result
update_version(Relation table, ItemPointer tid, TupleTableSlot *slot,
			   TargetWait wait, CompatUpdateIndexes *update_indexes)
{
	TM_FailureData failure;
	LockTupleMode mode;
	TM_Result	result;

	Assert(HaveRegisteredOrActiveSnapshot());	/* or it could be pruned */
	if (wait == TARGET_CLAIM)
		return compat_update_nowait(table, tid, slot, update_indexes);
	if (wait == TARGET_NO_WAIT)
	{
		result = lock_version(table, tid, LockTupleNoKeyExclusive, false);
		if (result != TM_Ok)
			return result;
	}
	return table_tuple_update(table, tid, slot, GetCurrentCommandId(true),
							  InvalidSnapshot, InvalidSnapshot, true,
							  &failure, &mode, update_indexes);
}

/*
 * target_update: replace the row version at *tid, which becomes the tid of the
 * new one.
 */
StoreResult
target_update(Oid relation, ItemPointer tid, Datum *values, bool *nulls,
			  TargetWait wait)
{
	Target		target;
	TM_Result	result;
	CompatUpdateIndexes update_indexes = COMPAT_UPDATE_NO_INDEXES;

	target_begin(&target, relation, values, nulls);
	result = update_version(target.relation, tid, target.known->slots[0], wait,
							&update_indexes);
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
 * target_delete: delete the row version at "tid".  Whoever else holds it, be it
 * by a lock that an update would get along with, keeps it from being deleted;
 * our own transaction does not.
 */
StoreResult
target_delete(Oid relation, ItemPointer tid, bool wait)
{
	Relation	table = catalog_open_table(relation, RowExclusiveLock);
	TM_FailureData failure;
	TM_Result	result;

	Assert(HaveRegisteredOrActiveSnapshot());
	result = table_tuple_delete(table, tid, GetCurrentCommandId(true),
								InvalidSnapshot, InvalidSnapshot, wait,
								&failure, false);
	if (result == TM_BeingModified &&
		lock_version(table, tid, LockTupleExclusive, false) == TM_Ok)
		result = table_tuple_delete(table, tid, GetCurrentCommandId(true),
									InvalidSnapshot, InvalidSnapshot, true,
									&failure, false);
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
	Relation	table = catalog_open_table(relation, RowExclusiveLock);
	TM_Result	result = lock_version(table, tid, LockTupleNoKeyExclusive, wait);

	table_close(table, NoLock);
	return judge(result);
}

/*
 * target_lock_to_delete: likewise against everything, as whoever is about to delete the
 * row: who keeps it from that is waited for, or makes it busy.
 */
StoreResult
target_lock_to_delete(Oid relation, ItemPointer tid, bool wait)
{
	Relation	table = catalog_open_table(relation, RowExclusiveLock);
	TM_Result	result = lock_version(table, tid, LockTupleExclusive, wait);

	table_close(table, NoLock);
	return judge(result);
}

/*
 * Keep the row version at "tid", and those that follow it, from being deleted.
 * The lock goes together with an update in progress, which would leave it on
 * another version than the newest one; so it is put on that, too.  That may wait
 * for the update's transaction, if it has deleted the row since: who does not
 * wait counts a row that is being changed as busy, and does not try, since who has
 * the lock on one version is not given that on the others.
 */
static TM_Result
share_version(Relation table, ItemPointer tid, bool wait)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TM_FailureData failure;
	TM_Result	result = TM_BeingModified;

	Assert(HaveRegisteredOrActiveSnapshot());
	if (wait || !table_tuple_fetch_row_version(table, tid, SnapshotAny, slot) ||
		row_holder(slot) != ROW_CHANGED)
		result = table_tuple_lock(table, tid, InvalidSnapshot, slot,
								  GetCurrentCommandId(true), LockTupleKeyShare,
								  wait ? LockWaitBlock : LockWaitSkip,
								  TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS,
								  &failure);
	ExecDropSingleTupleTableSlot(slot);
	return result;
}

/*
 * target_share: keep others from deleting the row whose version is at "tid"
 * until the end of the transaction; they may change it meanwhile.
 */
StoreResult
target_share(Oid relation, ItemPointer tid, bool wait)
{
	Relation	table = catalog_open_table(relation, RowExclusiveLock);
	TM_Result	result = share_version(table, tid, wait);

	table_close(table, NoLock);
	return judge(result);
}
