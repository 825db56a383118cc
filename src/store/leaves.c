/*
 * leaves.c
 *		The tables that keep what has closed, as a whole, for retention.c; and which
 *		leaves are filled.
 *
 * By statements, through SPI: none of it has to be fast.  No lock is waited for
 * if the caller has taken those that leaf_lock() takes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/itemptr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/catalog.h"
#include "store/leaf_table.h"
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

/*
 * leaf_lock: take a lock on the tables of a leaf and their TOAST tables if that is
 * possible without waiting.  If it is not, some of them may be locked until the
 * end of the transaction.
 */
bool
leaf_lock(int number, LOCKMODE mode)
{
	for (LeafPart part = 0; part < LEAF_PARTS; part++)
		if (!leaf_table_lock(table_of(number, part), mode))
			return false;
	return true;
}

/*
 * leaf_blocks: size of a table, which the caller has locked, and the file that
 * it is in.
 */
BlockNumber
leaf_blocks(int number, LeafPart part, Oid *file)
{
	return leaf_table_blocks(table_of(number, part), file);
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

	Assert(leaf_table_is_locked(table_of(number, part), RowExclusiveLock));
	ItemPointerSet(&first, from, 0);
	ItemPointerSet(&end, to, 0);

	SPI_connect();
	leaf_table_sql(psprintf("SELECT pg_catalog.max(expire_time) FROM %s_%d "
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
	Assert(leaf_table_is_locked(table_of(number, LEAF_ACTIVITIES), AccessExclusiveLock) &&
		   leaf_table_is_locked(table_of(number, LEAF_RUNS), AccessExclusiveLock));
	SPI_connect();
	leaf_table_sql(psprintf("TRUNCATE %s_%d, %s_%d", name_of(LEAF_ACTIVITIES), number,
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

	Assert(leaf_table_is_locked(table_of(CLOSED_LONG, part), RowExclusiveLock));
	SPI_connect();
	leaf_table_sql(psprintf("WITH expired AS MATERIALIZED ("
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

/* the column of the table that says which leaf is filled; with _since, since when */
static const char *
column_of(LeafKind kind)
{
	return kind == LEAVES_HISTORIES ? "history_leaf" : "leaf";
}

/*
 * leaf_read_current: which leaf is current, and since when; -1 when the row of
 * the instance is not there, since nothing was closed yet, or it is locked.
 */
int
leaf_read_current(LeafKind kind, TimestampTz *since)
{
	int			number = -1;
	bool		isnull;

	if (!lock_instance())
		return -1;
	SPI_connect();
	leaf_table_sql(psprintf("SELECT %s, %s_since FROM taskq.instance",
							column_of(kind), column_of(kind)),
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
leaf_change_current(LeafKind kind, int before, int number, TimestampTz now)
{
	Oid			types[3] = {INT4OID, TIMESTAMPTZOID, INT4OID};
	Datum		values[3] = {Int32GetDatum(number), TimestampTzGetDatum(now),
	Int32GetDatum(before)};
	const char *column = column_of(kind);
	bool		done;

	if (!lock_instance())
		return false;
	SPI_connect();
	leaf_table_sql(psprintf("WITH unlocked AS ("
							" SELECT id FROM taskq.instance"
							" WHERE %s OPERATOR(pg_catalog.=) $3"
							" FOR NO KEY UPDATE SKIP LOCKED) "
							"UPDATE taskq.instance AS i SET %s = $1, %s_since = $2,"
							" epoch = i.epoch OPERATOR(pg_catalog.+) 1 "
							"FROM unlocked WHERE i.id OPERATOR(pg_catalog.=) unlocked.id",
							column, column, column),
				   SPI_OK_UPDATE, 3, types, values);
	done = SPI_processed > 0;
	SPI_finish();
	return done;
}
