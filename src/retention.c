/*
 * retention.c
 *		Rotation of the leaves that keep closed activities, and expiry.
 *
 * Closed activities are appended to one of eight tables, the current leaf.
 * Their rows say when they expire, and readers do not see what has; so all
 * that is left to do here is to give the space back, without haste.  After an
 * eighth of taskq.retention the next leaf becomes the current one, provided
 * that it is empty; otherwise the current one goes on.  A leaf that is not
 * current and of which every row has expired is emptied by TRUNCATE.  An idle
 * system ends up with all leaves empty, since the current one is rotated away
 * as well when it holds anything.  Rows that are to be kept longer than
 * taskq.retention are in closed_long, which is emptied by DELETE in batches.
 *
 * The truth about the current leaf is in taskq.instance; slot->current_leaf is
 * the hint that writers use.  A writer may still use the old leaf just after a
 * rotation: its row was closed before that, so it expires no later than rows
 * of that leaf do, and is found there like any other.
 *
 * Is everything expired?  A leaf may be large, and timeouts wait while the
 * worker reads it.  It is read in pieces, one per round, each piece once: what
 * matters is the greatest expire_time so far, and only after that has passed
 * does reading go on.  The last page is looked at first, and mostly tells.
 * Before the TRUNCATE, under a lock that keeps writers out, the last piece is
 * read again, and the table must not have grown.
 *
 * No lock is ever waited for: a TRUNCATE that waits blocks every reader behind
 * it, and the worker has timeouts to fire.  What is not free now is tried again
 * a little later.
 *
 * An error here only puts this chore off.  What this file remembers of a leaf
 * can be read again; a new worker does.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "clock.h"
#include "guc.h"
#include "retention.h"
#include "shmem.h"
#include "taskq.h"
#include "worker.h"

#define CHORE			"retention"

/* rounds are an eighth of taskq.retention apart, within these bounds */
#define MIN_ROUND		USECS_PER_SEC
#define MAX_ROUND		(60 * USECS_PER_SEC)

/* blocks of a leaf that are read in one go: 32 MB */
#define PIECE_BLOCKS	4096

/* rows of closed_long that are deleted in one transaction */
#define LONG_BATCH		1000

/* What this worker knows of a leaf. */
typedef struct Leaf
{
	bool		empty;			/* as of this round */
	BlockNumber blocks_read;	/* from the beginning */
	TimestampTz latest;			/* greatest expire_time seen */
	TimestampTz look_at;		/* no use in looking before */
} Leaf;

static Leaf leaves[CLOSED_LEAVES];

static int	current = -1;		/* leaf being filled; as of this round */
static TimestampTz filled_since;	/* the first row came after that */

static TimestampTz next_round = DT_NOBEGIN;

/*
 * share: an eighth of taskq.retention, for which a leaf is filled.
 */
static TimestampTz
share(void)
{
	return Max(taskq_retention * USECS_PER_SEC / CLOSED_LEAVES, MIN_ROUND);
}

/*
 * round_length: time between two rounds, and before something is tried again.
 */
static TimestampTz
round_length(void)
{
	return Min(share(), MAX_ROUND);
}

/*
 * forget_leaf: the leaf was emptied, or is filled from now on.
 */
static void
forget_leaf(Leaf *leaf)
{
	leaf->blocks_read = 0;
	leaf->latest = DT_NOBEGIN;
	leaf->look_at = DT_NOBEGIN;
}

/*
 * lock_leaf: take a lock on a table if that is possible without waiting.
 */
static bool
lock_leaf(int number, LOCKMODE mode)
{
	return ConditionalLockRelationOid(catalog()->closed[number], mode);
}

/*
 * leaf_blocks: size of a table, which the caller has locked.
 */
static BlockNumber
leaf_blocks(int number)
{
	Relation	relation = table_open(catalog()->closed[number], NoLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(relation);

	table_close(relation, NoLock);
	return blocks;
}

/*
 * run_sql: execute a statement through SPI, with parameters of the given
 * types.  The caller is connected, and has the result in SPI_tuptable.
 */
static void
run_sql(const char *sql, int expected, int nargs, Oid *types, Datum *values)
{
	int			code = SPI_execute_with_args(sql, nargs, types, values, NULL,
											  /* read_only */ false,
											  /* all rows */ 0);

	if (code != expected)
		elog(ERROR, "unexpected result %d of statement: %s", code, sql);
}

/*
 * latest_expiry: the greatest expire_time in blocks [from, to) of a leaf,
 * -infinity when there is no row.
 */
static TimestampTz
latest_expiry(int number, BlockNumber from, BlockNumber to)
{
	ItemPointerData first;
	ItemPointerData end;
	Oid			types[2] = {TIDOID, TIDOID};
	Datum		values[2] = {PointerGetDatum(&first), PointerGetDatum(&end)};
	TimestampTz latest = DT_NOBEGIN;
	Datum		value;
	bool		isnull;

	ItemPointerSet(&first, from, 0);
	ItemPointerSet(&end, to, 0);

	SPI_connect();
	run_sql(psprintf("SELECT pg_catalog.max(expire_time) FROM taskq.closed_%d "
					 "WHERE ctid OPERATOR(pg_catalog.>=) $1 "
					 "AND ctid OPERATOR(pg_catalog.<) $2", number),
			SPI_OK_SELECT, 2, types, values);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						  &isnull);
	if (!isnull)
		latest = DatumGetTimestampTz(value);
	SPI_finish();
	return latest;
}

/*
 * read_on: read another piece of a leaf, if that is of use.  True when all of
 * it was read and has expired.
 */
static bool
read_on(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	BlockNumber blocks = leaf_blocks(number);
	TimestampTz latest;

	if (blocks < leaf->blocks_read)
		forget_leaf(leaf);
	if (leaf->blocks_read == 0 && leaf->latest == DT_NOBEGIN && blocks > 0)
		leaf->latest = latest_expiry(number, blocks - 1, blocks);

	if (leaf->latest <= now && leaf->blocks_read < blocks)
	{
		BlockNumber end = Min(blocks, leaf->blocks_read + PIECE_BLOCKS);

		latest = latest_expiry(number, leaf->blocks_read, end);
		leaf->latest = Max(leaf->latest, latest);
		leaf->blocks_read = end;
	}

	if (leaf->latest > now)
		leaf->look_at = leaf->latest;
	else if (leaf->blocks_read == blocks)
		return true;
	else
		next_round = now;		/* go on after the other chores */
	return false;
}

/*
 * truncate_leaf: empty a leaf that read_on() found expired, unless somebody
 * uses it or it has changed.
 */
static void
truncate_leaf(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	BlockNumber blocks = leaf->blocks_read;
	BlockNumber tail = blocks > PIECE_BLOCKS ? blocks - PIECE_BLOCKS : 0;

	leaf->look_at = now + round_length();
	if (!lock_leaf(number, ShareRowExclusiveLock) ||
		leaf_blocks(number) != blocks ||
		latest_expiry(number, tail, blocks) > now)
	{
		leaf->blocks_read = tail;
		return;
	}
	if (!lock_leaf(number, AccessExclusiveLock))
		return;

	SPI_connect();
	run_sql(psprintf("TRUNCATE taskq.closed_%d", number),
			SPI_OK_UTILITY, 0, NULL, NULL);
	SPI_finish();
	forget_leaf(leaf);
	leaf->empty = true;
	ereport(DEBUG1,
			(errmsg_internal("emptied taskq.closed_%d", number)));
}

/*
 * tend_leaf: do what can be done for a leaf that is not empty nor current.
 */
static void
tend_leaf(int number, TimestampTz now)
{
	worker_begin(CHORE);
	if (!lock_leaf(number, AccessShareLock))
		leaves[number].look_at = now + round_length();
	else if (read_on(number, now))
		truncate_leaf(number, now);
	worker_commit();
}

/*
 * publish: tell writers which leaf to fill.
 */
static void
publish(int number)
{
	DatabaseSlot *slot = shmem_my_slot();

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->current_leaf = number;
	SpinLockRelease(&slot->mutex);
}

/*
 * survey: read which leaf is current, and which leaves are empty; one that is
 * locked counts as not empty.  False when nothing was closed yet, ever: the
 * row of the instance is not there.
 */
static bool
survey(TimestampTz now)
{
	TimestampTz since = now;
	int			number = -1;
	bool		isnull;

	worker_begin(CHORE);
	SPI_connect();
	run_sql("SELECT leaf, leaf_since FROM taskq.instance",
			SPI_OK_SELECT, 0, NULL, NULL);
	if (SPI_processed > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;

		number = DatumGetInt32(SPI_getbinval(row, desc, 1, &isnull));
		since = DatumGetTimestampTz(SPI_getbinval(row, desc, 2, &isnull));
	}
	SPI_finish();

	for (int i = 0; number >= 0 && i < CLOSED_LEAVES; i++)
		leaves[i].empty = lock_leaf(i, AccessShareLock) && leaf_blocks(i) == 0;
	worker_commit();

	if (number < 0 || number >= CLOSED_LEAVES)
		return false;
	if (number != current)
	{
		current = number;
		filled_since = since;
		publish(current);
	}
	if (leaves[current].empty)
		filled_since = now;
	forget_leaf(&leaves[current]);
	return true;
}

/*
 * rotate: have the next leaf filled, which is empty.
 */
static void
rotate(TimestampTz now)
{
	int			next = (current + 1) % CLOSED_LEAVES;
	Oid			types[3] = {INT4OID, TIMESTAMPTZOID, INT4OID};
	Datum		values[3] = {Int32GetDatum(next), TimestampTzGetDatum(now),
	Int32GetDatum(current)};
	bool		done;

	worker_begin(CHORE);
	SPI_connect();
	run_sql("WITH unlocked AS ("
			" SELECT id FROM taskq.instance"
			" WHERE leaf OPERATOR(pg_catalog.=) $3"
			" FOR NO KEY UPDATE SKIP LOCKED) "
			"UPDATE taskq.instance AS i SET leaf = $1, leaf_since = $2,"
			" epoch = i.epoch OPERATOR(pg_catalog.+) 1 "
			"FROM unlocked WHERE i.id OPERATOR(pg_catalog.=) unlocked.id",
			SPI_OK_UPDATE, 3, types, values);
	done = SPI_processed > 0;
	SPI_finish();
	worker_commit();
	if (!done)
		return;

	current = next;
	filled_since = now;
	publish(current);
	next_round = now;			/* what was current may have expired */
}

/*
 * delete_long: delete rows of closed_long that have expired, one batch.
 */
static void
delete_long(TimestampTz now)
{
	Oid			types[2] = {TIMESTAMPTZOID, INT8OID};
	Datum		values[2] = {TimestampTzGetDatum(now), Int64GetDatum(LONG_BATCH)};

	worker_begin(CHORE);
	if (lock_leaf(CLOSED_LONG, RowExclusiveLock) &&
		leaf_blocks(CLOSED_LONG) > 0)
	{
		SPI_connect();
		run_sql("WITH expired AS MATERIALIZED ("
				" SELECT ctid FROM taskq.closed_long"
				" WHERE expire_time OPERATOR(pg_catalog.<=) $1"
				" ORDER BY expire_time LIMIT $2"
				" FOR UPDATE SKIP LOCKED) "
				"DELETE FROM taskq.closed_long AS l USING expired"
				" WHERE l.ctid OPERATOR(pg_catalog.=) expired.ctid",
				SPI_OK_DELETE, 2, types, values);
		if (SPI_processed >= LONG_BATCH)
			next_round = now;
		SPI_finish();
	}
	worker_commit();
}

/*
 * is_due: is it time for another round?  After a step of the clock or a change
 * of taskq.retention, too.
 */
static bool
is_due(TimestampTz now)
{
	static int	retention = -1;
	bool		changed = retention != taskq_retention;

	retention = taskq_retention;
	return changed || now >= next_round || next_round - now > MAX_ROUND;
}

/*
 * retention_run: the chore.
 */
TimestampTz
retention_run(void)
{
	TimestampTz now = clock_now();

	if (!is_due(now))
		return next_round;
	next_round = now + round_length();

	if (!survey(now))
		return next_round;

	for (int i = 0; i < CLOSED_LEAVES; i++)
	{
		if (i != current && !leaves[i].empty && leaves[i].look_at <= now)
			tend_leaf(i, now);
	}
	if (!leaves[current].empty && now - filled_since >= share() &&
		leaves[(current + 1) % CLOSED_LEAVES].empty)
		rotate(now);
	delete_long(now);
	return next_round;
}
