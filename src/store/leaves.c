/*
 * leaves.c
 *		The tables that keep what has closed, as a whole, for retention.c.
 *
 * By statements, through SPI: none of it has to be fast.  No lock is waited for
 * if the caller has taken those that leaf_lock() takes.  A statement locks more
 * than its table: planning it locks the indexes, which REINDEX has, and TRUNCATE
 * the TOAST table, which may be vacuumed.  So what is only read is locked as for
 * writing, too, which does not go together with REINDEX, and a table's TOAST
 * table with the table.
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

#include "store/catalog.h"
#include "store/leaves.h"

static Oid
table_of(int number, LeafPart part)
{
	return part == LEAF_RUNS ? catalog()->closed_run[number] :
		catalog()->closed[number];
}

/* what comes before the number in the name of the table */
static const char *
name_of(LeafPart part)
{
	return part == LEAF_RUNS ? "taskq.closed_run" : "taskq.closed";
}

static bool
lock_table(Oid table, LOCKMODE mode)
{
	Relation	relation;
	Oid			toast;

	if (!ConditionalLockRelationOid(table, mode))
		return false;
	relation = catalog_open_table(table, NoLock);
	toast = relation->rd_rel->reltoastrelid;
	table_close(relation, NoLock);
	return !OidIsValid(toast) || ConditionalLockRelationOid(toast, mode);
}

/*
 * leaf_lock: take a lock on the tables of a leaf and their TOAST tables if that is
 * possible without waiting.  If it is not, some of them may be locked until the
 * end of the transaction.
 */
bool
leaf_lock(int number, LOCKMODE mode)
{
	for (LeafPart part = 0; part < LEAF_PARTS; part++)
		if (!lock_table(table_of(number, part), mode))
			return false;
	return true;
}

/* for assertions: do we hold that lock on the table, or a stronger one? */
static bool pg_attribute_unused()
is_locked(int number, LeafPart part, LOCKMODE mode)
{
	Relation	relation = table_open(table_of(number, part), NoLock);
	bool		locked = CheckRelationLockedByMe(relation, mode, true);

	table_close(relation, NoLock);
	return locked;
}

/*
 * leaf_blocks: size of a table, which the caller has locked, and the file that
 * it is in.
 */
BlockNumber
leaf_blocks(int number, LeafPart part, Oid *file)
{
	Relation	relation = catalog_open_table(table_of(number, part), NoLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(relation);

	*file = relation->rd_rel->relfilenode;
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
 * leaf_latest_expiry: the greatest expire_time in blocks [from, to) of a table,
 * which the caller has locked as for writing; -infinity when there is no row.
 */
TimestampTz
leaf_latest_expiry(int number, LeafPart part, BlockNumber from, BlockNumber to)
{
	ItemPointerData first;
	ItemPointerData end;
	Oid			types[2] = {TIDOID, TIDOID};
	Datum		values[2] = {PointerGetDatum(&first), PointerGetDatum(&end)};
	TimestampTz latest = DT_NOBEGIN;
	Datum		value;
	bool		isnull;

	Assert(is_locked(number, part, RowExclusiveLock));
	ItemPointerSet(&first, from, 0);
	ItemPointerSet(&end, to, 0);

	SPI_connect();
	run_sql(psprintf("SELECT pg_catalog.max(expire_time) FROM %s_%d "
					 "WHERE ctid OPERATOR(pg_catalog.>=) $1 "
					 "AND ctid OPERATOR(pg_catalog.<) $2", name_of(part), number),
			SPI_OK_SELECT, 2, types, values);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						  &isnull);
	if (!isnull)
		latest = DatumGetTimestampTz(value);
	SPI_finish();
	return latest;
}

/*
 * leaf_truncate: empty a leaf, which the caller has locked exclusively.
 */
void
leaf_truncate(int number)
{
	Assert(is_locked(number, LEAF_ACTIVITIES, AccessExclusiveLock) &&
		   is_locked(number, LEAF_RUNS, AccessExclusiveLock));
	SPI_connect();
	run_sql(psprintf("TRUNCATE %s_%d, %s_%d", name_of(LEAF_ACTIVITIES), number,
					 name_of(LEAF_RUNS), number),
			SPI_OK_UTILITY, 0, NULL, NULL);
	SPI_finish();
}

/*
 * leaf_delete_expired: delete up to "limit" rows of a table for long, which the
 * caller has locked, that have expired by "now"; how many there were.
 */
int64
leaf_delete_expired(LeafPart part, TimestampTz now, int64 limit)
{
	Oid			types[2] = {TIMESTAMPTZOID, INT8OID};
	Datum		values[2] = {TimestampTzGetDatum(now), Int64GetDatum(limit)};
	int64		deleted;

	Assert(is_locked(CLOSED_LONG, part, RowExclusiveLock));
	SPI_connect();
	run_sql(psprintf("WITH expired AS MATERIALIZED ("
					 " SELECT ctid FROM %s_long"
					 " WHERE expire_time OPERATOR(pg_catalog.<=) $1"
					 " ORDER BY expire_time LIMIT $2"
					 " FOR UPDATE SKIP LOCKED) "
					 "DELETE FROM %s_long AS l USING expired"
					 " WHERE l.ctid OPERATOR(pg_catalog.=) expired.ctid",
					 name_of(part), name_of(part)),
			SPI_OK_DELETE, 2, types, values);
	deleted = SPI_processed;
	SPI_finish();
	return deleted;
}

/*
 * lock_instance: likewise the table that says which leaf is current.
 */
static bool
lock_instance(void)
{
	return ConditionalLockRelationOid(catalog()->instance, RowExclusiveLock);
}

/*
 * leaf_read_current: which leaf is current, and since when; -1 when the row of
 * the instance is not there, since nothing was closed yet, or it is locked.
 */
int
leaf_read_current(TimestampTz *since)
{
	int			number = -1;
	bool		isnull;

	if (!lock_instance())
		return -1;
	SPI_connect();
	run_sql("SELECT leaf, leaf_since FROM taskq.instance",
			SPI_OK_SELECT, 0, NULL, NULL);
	if (SPI_processed > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;

		number = DatumGetInt32(SPI_getbinval(row, desc, 1, &isnull));
		*since = DatumGetTimestampTz(SPI_getbinval(row, desc, 2, &isnull));
	}
	SPI_finish();
	return number;
}

/*
 * leaf_change_current: write down that from now on "number" is filled instead
 * of "before"; false when the row is locked, or says that another one was.
 */
bool
leaf_change_current(int before, int number, TimestampTz now)
{
	Oid			types[3] = {INT4OID, TIMESTAMPTZOID, INT4OID};
	Datum		values[3] = {Int32GetDatum(number), TimestampTzGetDatum(now),
	Int32GetDatum(before)};
	bool		done;

	if (!lock_instance())
		return false;
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
	return done;
}
