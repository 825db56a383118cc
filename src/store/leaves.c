/*
 * leaves.c
 *		The tables that keep closed activities, as a whole, for retention.c.
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

/*
 * leaf_lock: take a lock on a table and its TOAST table if that is possible
 * without waiting.  If it is not, one of them may be locked until the end of the
 * transaction.
 */
bool
leaf_lock(int number, LOCKMODE mode)
{
	Relation	relation;
	Oid			toast;

	if (!ConditionalLockRelationOid(catalog()->closed[number], mode))
		return false;
	relation = catalog_open_table(catalog()->closed[number], NoLock);
	toast = relation->rd_rel->reltoastrelid;
	table_close(relation, NoLock);
	return !OidIsValid(toast) || ConditionalLockRelationOid(toast, mode);
}

/* for assertions: do we hold that lock on the table, or a stronger one? */
static bool pg_attribute_unused()
is_locked(int number, LOCKMODE mode)
{
	Relation	relation = table_open(catalog()->closed[number], NoLock);
	bool		locked = CheckRelationLockedByMe(relation, mode, true);

	table_close(relation, NoLock);
	return locked;
}

/*
 * leaf_blocks: size of a table, which the caller has locked, and the file that
 * it is in.
 */
BlockNumber
leaf_blocks(int number, Oid *file)
{
	Relation	relation = catalog_open_table(catalog()->closed[number], NoLock);
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
 * leaf_latest_expiry: the greatest expire_time in blocks [from, to) of a leaf,
 * which the caller has locked as for writing; -infinity when there is no row.
 */
TimestampTz
leaf_latest_expiry(int number, BlockNumber from, BlockNumber to)
{
	ItemPointerData first;
	ItemPointerData end;
	Oid			types[2] = {TIDOID, TIDOID};
	Datum		values[2] = {PointerGetDatum(&first), PointerGetDatum(&end)};
	TimestampTz latest = DT_NOBEGIN;
	Datum		value;
	bool		isnull;

	Assert(is_locked(number, RowExclusiveLock));
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
 * leaf_truncate: empty a leaf, which the caller has locked exclusively.
 */
void
leaf_truncate(int number)
{
	Assert(is_locked(number, AccessExclusiveLock));
	SPI_connect();
	run_sql(psprintf("TRUNCATE taskq.closed_%d", number),
			SPI_OK_UTILITY, 0, NULL, NULL);
	SPI_finish();
}

/*
 * leaf_delete_expired: delete up to "limit" rows of closed_long, which the
 * caller has locked, that have expired by "now"; how many there were.
 */
int64
leaf_delete_expired(TimestampTz now, int64 limit)
{
	Oid			types[2] = {TIMESTAMPTZOID, INT8OID};
	Datum		values[2] = {TimestampTzGetDatum(now), Int64GetDatum(limit)};
	int64		deleted;

	Assert(is_locked(CLOSED_LONG, RowExclusiveLock));
	SPI_connect();
	run_sql("WITH expired AS MATERIALIZED ("
			" SELECT ctid FROM taskq.closed_long"
			" WHERE expire_time OPERATOR(pg_catalog.<=) $1"
			" ORDER BY expire_time LIMIT $2"
			" FOR UPDATE SKIP LOCKED) "
			"DELETE FROM taskq.closed_long AS l USING expired"
			" WHERE l.ctid OPERATOR(pg_catalog.=) expired.ctid",
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
