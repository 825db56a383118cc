/*
 * write_known.c
 *		What is kept of tables that are written to.
 *
 * Index entries are made by the executor's routine, whichever indexes the
 * table has, those that an administrator has added included.  What it needs
 * of them (columns, compiled predicates) is kept from call to call, and made
 * again when the relation cache tells that the table or one of its indexes
 * has changed: it does so before the lock on the table is granted.  Only of
 * B-trees is anything kept: other access methods hold things of their own
 * while they insert, so a table is prepared anew after a call that made an
 * entry of such an index.
 *
 * An entry belongs to one write at a time, and is not emptied before that is
 * over.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "store/catalog.h"
#include "store/write_known.h"

/* more tables than taskq has */
#define MAX_KNOWN		48

static Known known[MAX_KNOWN];

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

/* an error has ended the writes of this level, and of those below */
static void
release_all(int level)
{
	for (int i = 0; i < MAX_KNOWN; i++)
		if (known[i].level >= level)
			known[i].in_use = false;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		release_all(0);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		release_all(GetCurrentTransactionNestLevel());
}

static void
register_callbacks(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	registered = true;
}

/* the first entry that nobody uses and that is of no use, else any that nobody uses */
static Known *
choose_entry(void)
{
	Known	   *chosen = NULL;

	for (int i = 0; i < MAX_KNOWN; i++)
	{
		Known	   *entry = &known[i];

		if (entry->in_use)
			continue;
		if (!entry->complete || entry->stale)
			return entry;
		chosen = entry;
	}
	if (chosen == NULL)
		elog(ERROR, "more than %d writes in one another", MAX_KNOWN);
	return chosen;
}

static Known *
empty_entry(void)
{
	Known	   *entry = choose_entry();
	MemoryContext context = entry->context;

	Assert(!entry->in_use);
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
	if (index->rd_rel->relam == BTREE_AM_OID && info->ii_Unique)
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

	register_callbacks();
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

/*
 * known_take: what is known of a table that was opened, and so locked, for
 * writing.  It is the caller's until known_give_back(), or an error: a write
 * that begins meanwhile, since an index calls a function that writes, gets
 * another.
 */
Known *
known_take(Relation relation)
{
	Known	   *entry = NULL;

	for (int i = 0; i < MAX_KNOWN && entry == NULL; i++)
		if (known[i].relation == RelationGetRelid(relation) &&
			known[i].complete && !known[i].stale && !known[i].in_use)
			entry = &known[i];
	if (entry == NULL)
		entry = learn(relation);
	entry->in_use = true;
	entry->level = GetCurrentTransactionNestLevel();
	return entry;
}

/* known_index_used: an entry will be made of an index of the table. */
void
known_index_used(Known *entry, Relation index)
{
	if (index->rd_rel->relam != BTREE_AM_OID)
		entry->stale = true;	/* as soon as it is given back */
}

/* known_give_back: the write is over. */
void
known_give_back(Known *entry)
{
	Assert(entry->in_use);
	entry->in_use = false;
}
