/*
 * leaf_table.c
 *		One table that is filled and emptied in turn with others.
 *
 * A statement locks more than its table: planning it locks the indexes, which
 * REINDEX has, and TRUNCATE the TOAST table, which may be vacuumed.  So what is
 * only read is locked as for writing, too, which does not go together with
 * REINDEX, and a table's TOAST table with the table.
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

#include "store/catalog.h"
#include "store/leaf_table.h"

/*
 * leaf_table_lock: take a lock on a table and its TOAST table if that is possible
 * without waiting.  If it is not, one of them may be locked until the end of the
 * transaction.
 */
bool
leaf_table_lock(Oid table, LOCKMODE mode)
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

/* leaf_table_is_locked: do we hold that lock on the table, or a stronger one? */
bool
leaf_table_is_locked(Oid table, LOCKMODE mode)
{
	Relation	relation = table_open(table, NoLock);
	bool		locked = CheckRelationLockedByMe(relation, mode, true);

	table_close(relation, NoLock);
	return locked;
}

/*
 * leaf_table_blocks: size of a table, which the caller has locked, and the file
 * that it is in.
 */
BlockNumber
leaf_table_blocks(Oid table, Oid *file)
{
	Relation	relation = catalog_open_table(table, NoLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(relation);

	*file = relation->rd_rel->relfilenode;
	table_close(relation, NoLock);
	return blocks;
}

/*
 * leaf_table_sql: execute a statement through SPI, with parameters of the given
 * types.  The caller is connected, and has the result in SPI_tuptable.
 */
void
leaf_table_sql(const char *sql, int expected, int nargs, Oid *types, Datum *values)
{
	int			code = SPI_execute_with_args(sql, nargs, types, values, NULL,
											  /* read_only */ false,
											  /* all rows */ 0);

	if (code != expected)
		elog(ERROR, "unexpected result %d of statement: %s", code, sql);
}
