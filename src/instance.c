/*
 * instance.c
 *		The one row of taskq.instance, and task tokens.
 *
 * A task token is a uuid: node (2 bytes, in clear), the low 48 bits of the
 * run_id masked with a hash of key and nonce (6 bytes), nonce (8 bytes).  The
 * nonce is random, drawn at each start and kept in the activity's row: that is
 * what makes the token valid for one attempt only.  The mask hides the run_id.
 *
 * The row with the key is made when the first token is needed, not by the
 * install script: a dump restores the key together with the tokens' rows.  The
 * worker makes it, in a transaction of its own, so that the first poll does
 * not keep others waiting for its commit; without a worker the poll does.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "catalog.h"
#include "clock.h"
#include "compat.h"
#include "instance.h"
#include "recent.h"
#include "shmem.h"
#include "worker.h"

#define KEY_LENGTH		32

/* nonces that are drawn at once, and kept by the backend */
#define NONCES_DRAWN	64

/* how long a poll waits for the worker to make the row */
#define AWAIT_MS		2000

/* columns of taskq.instance, zero-based */
enum
{
	COL_ID,
	COL_TOKEN_KEY,
	COL_NODE,
	COL_LEAF,
	COL_LEAF_SINCE,
	COL_EPOCH,
	COLUMNS
};

static char cached_key[KEY_LENGTH];
static Oid	cached_for = InvalidOid;	/* taskq.instance it was read from */

/* what hides the run_id in the token of a nonce; with the cached key */
static Recent masks;

/* the row, newest version; NULL when there is none yet */
static HeapTuple
read_instance(Datum *values, bool *nulls)
{
	Oid			pkey = get_relname_relid("instance_pkey", catalog()->namespace);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	HeapTuple	tuple;
	Relation	relation;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(1));
	tuple = index_fetch_one(catalog()->instance, pkey, snapshot, &key, 1,
							ForwardScanDirection);
	UnregisterSnapshot(snapshot);
	if (tuple == NULL)
		return NULL;
	relation = table_open(catalog()->instance, NoLock);
	heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
	table_close(relation, NoLock);
	return tuple;
}

static void
strong_random(void *buffer, size_t length)
{
	if (!pg_strong_random(buffer, length))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number for a task token")));
}

/* make the row unless somebody else does */
static void
make_instance(void)
{
	Oid			pkey = get_relname_relid("instance_pkey", catalog()->namespace);
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	bytea	   *key = palloc(VARHDRSZ + KEY_LENGTH);

	SET_VARSIZE(key, VARHDRSZ + KEY_LENGTH);
	strong_random(VARDATA(key), KEY_LENGTH);
	values[COL_ID] = Int32GetDatum(1);
	values[COL_TOKEN_KEY] = PointerGetDatum(key);
	values[COL_NODE] = Int32GetDatum(0);
	values[COL_LEAF] = Int32GetDatum(0);
	values[COL_LEAF_SINCE] = TimestampTzGetDatum(clock_now());
	values[COL_EPOCH] = Int64GetDatum(1);
	(void) target_insert_unless_duplicate(catalog()->instance, pkey, values,
										  nulls);
}

/* have the worker make the row, and wait for it a moment */
static HeapTuple
ask_worker(Datum *values, bool *nulls)
{
	DatabaseSlot *slot = shmem_my_slot();
	HeapTuple	tuple = NULL;

	if (slot == NULL || slot->worker_pid == 0)
		return NULL;
	SpinLockAcquire(&slot->mutex);
	slot->instance_wanted = true;
	SpinLockRelease(&slot->mutex);
	shmem_wake_worker(slot);
	for (int i = 0; i < AWAIT_MS && slot->worker_pid != 0; i++)
	{
		tuple = read_instance(values, nulls);
		if (tuple != NULL)
			break;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000L);
	}
	return tuple;
}

/*
 * instance_run: chore of the worker; makes the row when a poll asks for it.
 */
TimestampTz
instance_run(void)
{
	DatabaseSlot *slot = shmem_my_slot();
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	bool		wanted;

	SpinLockAcquire(&slot->mutex);
	wanted = slot->instance_wanted;
	slot->instance_wanted = false;
	SpinLockRelease(&slot->mutex);
	if (!wanted)
		return DT_NOEND;
	worker_begin("instance");
	if (read_instance(values, nulls) == NULL)
		make_instance();
	worker_commit();
	return DT_NOEND;
}

/*
 * The token key.  Only a key that is committed is remembered: one that this
 * transaction has made may be rolled back.
 */
static bool
get_key(char *key, bool make)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	HeapTuple	tuple;
	bytea	   *stored;

	if (cached_for == catalog()->instance)
	{
		memcpy(key, cached_key, KEY_LENGTH);
		return true;
	}
	tuple = read_instance(values, nulls);
	if (tuple == NULL && make)
		tuple = ask_worker(values, nulls);
	if (tuple == NULL && make)
	{
		make_instance();
		tuple = read_instance(values, nulls);
	}
	if (tuple == NULL)
		return false;
	stored = DatumGetByteaPP(values[COL_TOKEN_KEY]);
	memset(key, 0, KEY_LENGTH);
	memcpy(key, VARDATA_ANY(stored),
		   Min(VARSIZE_ANY_EXHDR(stored), KEY_LENGTH));
	if (!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
	{
		memcpy(cached_key, key, KEY_LENGTH);
		memset(&masks, 0, sizeof(masks));
		cached_for = catalog()->instance;
	}
	return true;
}

/*
 * instance_current_leaf: the closed table to append to.  A hint is enough; the
 * worker gives it as soon as it has looked, before that it is read here.
 */
int
instance_current_leaf(void)
{
	DatabaseSlot *slot = shmem_my_slot();
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	int			leaf;

	if (slot != NULL && slot->current_leaf >= 0)
		return slot->current_leaf;
	if (read_instance(values, nulls) == NULL)
		return 0;
	leaf = DatumGetInt32(values[COL_LEAF]);
	if (slot != NULL)
	{
		SpinLockAcquire(&slot->mutex);
		if (slot->current_leaf < 0)
			slot->current_leaf = leaf;
		SpinLockRelease(&slot->mutex);
	}
	return leaf;
}

/* ------------------------------------------------------------------------
 * Tokens
 * ------------------------------------------------------------------------
 */

/*
 * token_new_nonce: never 0.  Random numbers are drawn some at a time, since
 * what a draw costs hardly depends on how many.
 */
int64
token_new_nonce(void)
{
	static int64 drawn[NONCES_DRAWN];
	static int	left = 0;
	int64		nonce = 0;

	while (nonce == 0)
	{
		if (left == 0)
		{
			strong_random(drawn, sizeof(drawn));
			left = NONCES_DRAWN;
		}
		nonce = drawn[--left];
	}
	return nonce;
}

/*
 * Six bytes that mask the run_id in a token.  Who makes a token is mostly the
 * one who reads it again, so some of the last ones are kept.
 */
static uint64
mask48(const char *key, int64 nonce)
{
	const uint64 *known = recent_find(&masks, (uint64) nonce);
	union
	{
		bytea		bytes;
		char		data[VARHDRSZ + KEY_LENGTH + 8];
	}			input;
	bytea	   *digest;
	uint64		bits = pg_hton64((uint64) nonce);

	if (known != NULL && cached_for == catalog()->instance)
		return *known;
	SET_VARSIZE(&input, sizeof(input.data));
	memcpy(input.data + VARHDRSZ, key, KEY_LENGTH);
	memcpy(input.data + VARHDRSZ + KEY_LENGTH, &bits, 8);
	digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
												 PointerGetDatum(&input)));
	bits = 0;
	for (int i = 0; i < 6; i++)
		bits = bits << 8 | (unsigned char) VARDATA_ANY(digest)[i];
	if (cached_for == catalog()->instance)
		recent_put(&masks, (uint64) nonce, bits);
	return bits;
}

/*
 * token_make: the token of the attempt with that nonce.
 */
pg_uuid_t *
token_make(int64 run_id, int64 nonce)
{
	pg_uuid_t  *token = palloc(sizeof(pg_uuid_t));
	char		key[KEY_LENGTH];
	uint64		masked;
	uint64		bits = (uint64) nonce;

	for (int i = 0; i < 8; i++)
		token->data[8 + i] = (unsigned char) (bits >> (56 - 8 * i));
	(void) get_key(key, true);
	masked = ((uint64) run_id ^ mask48(key, nonce)) &
		((UINT64CONST(1) << NODE_SHIFT) - 1);
	for (int i = 0; i < 6; i++)
		token->data[2 + i] = (unsigned char) (masked >> (40 - 8 * i));
	token->data[0] = (unsigned char) ((uint64) run_id >> 56);
	token->data[1] = (unsigned char) ((uint64) run_id >> 48);
	return token;
}

/*
 * token_read: the run_id and nonce that a token claims; whether they are true
 * only the row can tell.  False when there is no key, hence no token.
 */
bool
token_read(const pg_uuid_t *token, int64 *run_id, int64 *nonce)
{
	char		key[KEY_LENGTH];
	uint64		masked = 0;
	uint64		bits = 0;
	uint64		node = (uint64) token->data[0] << 8 | token->data[1];

	if (!get_key(key, false))
		return false;
	for (int i = 0; i < 6; i++)
		masked = masked << 8 | token->data[2 + i];
	for (int i = 0; i < 8; i++)
		bits = bits << 8 | token->data[8 + i];
	*nonce = (int64) bits;
	*run_id = (int64) (node << NODE_SHIFT | (masked ^ mask48(key, *nonce)));
	return true;
}
