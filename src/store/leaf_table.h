/*
 * leaf_table.h
 *		One table that is filled and emptied in turn with others; for the files of
 *		the store only.
 */
#ifndef TASKQ_LEAF_TABLE_H
#define TASKQ_LEAF_TABLE_H

#include "postgres_ext.h"
#include "storage/block.h"
#include "storage/lockdefs.h"

extern bool leaf_table_lock(Oid table, LOCKMODE mode);
extern bool leaf_table_is_locked(Oid table, LOCKMODE mode);
extern BlockNumber leaf_table_blocks(Oid table, Oid *file);
extern void leaf_table_sql(const char *sql, int expected, int nargs, Oid *types,
						   Datum *values);

#endif							/* TASKQ_LEAF_TABLE_H */
