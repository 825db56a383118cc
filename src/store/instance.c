/*
 * instance.c
 *		The one row of taskq.instance.
 *
 * The row with the keys is made when the first token is needed, not by the
 * install script: a dump restores them together with the tokens' rows.  The
 * worker makes it, in a transaction of its own, so that the first poll does
 * not keep others waiting for its commit; without a worker the poll does.
 *
 * Sessions remember the keys.  When others come by COPY, or by hand, they hear
 * of it by the relation cache, as they do of settings of queues.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "shared/leaf_hints.h"
#include "store/catalog.h"
#include "store/instance.h"
#include "store/row.h"
#include "store/write.h"

/* how long a poll waits for the worker to make the row */
#define AWAIT_US		(2 * USECS_PER_SEC)

/* columns of taskq.instance, zero-based */
enum
{
	COL_ID,
	COL_TOKEN_KEY,
	COL_NODE,
	COL_LEAF,
	COL_LEAF_SINCE,
	COL_EPOCH,
	COL_RUN_PREFIX,
	COL_HISTORY_LEAF,
	COL_HISTORY_LEAF_SINCE,
	COLUMNS
};

static InstanceKeys cached_keys;
static Oid	cached_for = InvalidOid;	/* taskq.instance it was read from */
static bool callback_registered = false;

/* the row, newest version; NULL when there is none yet */
static HeapTuple
read_instance(Datum *values, bool *nulls)
{
	Relation	table = catalog_open_table(catalog()->instance, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(1));
	tuple = index_fetch(table, INSTANCE_PKEY, snapshot, &key, 1,
						ForwardScanDirection);
	UnregisterSnapshot(snapshot);
	StaticAssertStmt(COLUMNS == INSTANCE_COLUMNS, "all columns are known");
	Assert(RelationGetDescr(table)->natts == COLUMNS);
	if (tuple != NULL)
		heap_deform_tuple(tuple, RelationGetDescr(table), values, nulls);
	table_close(table, NoLock);
	return tuple;
}

/* instance_random: what nobody can guess, for the keys and for nonces. */
void
instance_random(void *buffer, size_t length)
{
	if (!pg_strong_random(buffer, length))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number for a task token")));
}

/* instance_make: make the row unless somebody else does. */
void
instance_make(void)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	bytea	   *key = palloc(VARHDRSZ + INSTANCE_KEY_LENGTH);
	int64		run_prefix;

	SET_VARSIZE(key, VARHDRSZ + INSTANCE_KEY_LENGTH);
	instance_random(VARDATA(key), INSTANCE_KEY_LENGTH);
	instance_random(&run_prefix, sizeof(run_prefix));
	values[COL_ID] = Int32GetDatum(1);
	values[COL_TOKEN_KEY] = PointerGetDatum(key);
	values[COL_NODE] = Int32GetDatum(0);
	values[COL_LEAF] = Int32GetDatum(0);
	values[COL_LEAF_SINCE] = TimestampTzGetDatum(clock_now());
	values[COL_EPOCH] = Int64GetDatum(1);
	values[COL_RUN_PREFIX] = Int64GetDatum(run_prefix);
	values[COL_HISTORY_LEAF] = Int32GetDatum(0);
	values[COL_HISTORY_LEAF_SINCE] = values[COL_LEAF_SINCE];
	(void) target_insert_unless_duplicate(catalog()->instance, INSTANCE_PKEY,
										  values, nulls);
}

/* instance_is_made: is the row there? */
bool
instance_is_made(void)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	return read_instance(values, nulls) != NULL;
}

/* have the worker make the row, and wait for it a moment */
static HeapTuple
ask_worker(Datum *values, bool *nulls)
{
	DatabaseSlot *slot = directory_my_slot();
	TimestampTz until = GetCurrentTimestamp() + AWAIT_US;
	HeapTuple	tuple;

	if (slot == NULL || slot->worker_pid == 0)
		return NULL;
	(void) errand_ask(slot, &slot->instance);
	directory_wake_worker(slot);
	ConditionVariablePrepareToSleep(&slot->answered);
	while ((tuple = read_instance(values, nulls)) == NULL &&
		   slot->worker_pid != 0)
		if (!directory_await(slot, until, custom_wait_event("TaskqInstance")))
			break;
	ConditionVariableCancelSleep();
	return tuple;
}

/* relcache callback */
static void
forget_keys(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == cached_for)
		cached_for = InvalidOid;
}

static void
remember_keys(const InstanceKeys *keys)
{
	if (!callback_registered)
		CacheRegisterRelcacheCallback(forget_keys, (Datum) 0);
	callback_registered = true;
	cached_keys = *keys;
	cached_for = catalog()->instance;
}

/*
 * instance_keys: the keys of tokens and of uuids of runs.  False when there are
 * none and none are to be made.  Only what is committed is remembered: what this
 * transaction has made may be rolled back.
 */
bool
instance_keys(InstanceKeys *keys, bool make)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	HeapTuple	tuple;
	bytea	   *stored;

	if (cached_for == catalog()->instance)
	{
		*keys = cached_keys;
		return true;
	}
	tuple = read_instance(values, nulls);
	if (tuple == NULL && make)
		tuple = ask_worker(values, nulls);
	if (tuple == NULL && make)
	{
		instance_make();
		tuple = read_instance(values, nulls);
	}
	if (tuple == NULL)
		return false;
	stored = DatumGetByteaPP(values[COL_TOKEN_KEY]);
	memset(keys, 0, sizeof(InstanceKeys));
	memcpy(keys->token_key, VARDATA_ANY(stored),
		   Min(VARSIZE_ANY_EXHDR(stored), INSTANCE_KEY_LENGTH));
	keys->run_prefix = (uint64) DatumGetInt64(values[COL_RUN_PREFIX]);
	if (!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
		remember_keys(keys);
	return true;
}

/*
 * The leaf to append to.  A hint is enough: the worker gives it as soon as it has
 * looked, before that it is read here.
 */
static int
current_leaf(LeafKind kind, int column)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	int			leaf = leaf_hints_current(kind);
	uint32		told;

	if (leaf >= 0)
		return leaf;
	told = leaf_hints_told();
	if (read_instance(values, nulls) == NULL)
		return 0;
	leaf = DatumGetInt32(values[column]);
	leaf_hints_suggest(kind, leaf, told);
	return leaf;
}

/* instance_current_leaf: the tables of what has closed to append to. */
int
instance_current_leaf(void)
{
	return current_leaf(LEAVES_CLOSED, COL_LEAF);
}

/* instance_history_leaf: likewise the table of histories. */
int
instance_history_leaf(void)
{
	return current_leaf(LEAVES_HISTORIES, COL_HISTORY_LEAF);
}

/*
 * instance_leaf_limit: how long, in seconds, an activity may be kept in that
 * table: what the setting says, here and to the worker that fills it.
 */
int
instance_leaf_limit(void)
{
	const DatabaseSlot *slot = directory_my_slot();
	int			known = slot == NULL ? -1 : slot->leaves.limit;

	return known < 0 ? taskq_retention : Min(known, taskq_retention);
}
