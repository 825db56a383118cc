/*
 * leaves.h
 *		The tables that keep what has closed, as a whole.
 */
#ifndef TASKQ_LEAVES_H
#define TASKQ_LEAVES_H

#include "datatype/timestamp.h"
#include "storage/block.h"
#include "storage/lockdefs.h"

#include "shared/directory.h"
#include "store/catalog_shape.h"

/* The tables of a leaf. */
typedef enum LeafPart
{
	LEAF_ACTIVITIES,			/* closed_N */
	LEAF_RUNS,					/* closed_run_N */
	LEAF_PARTS
} LeafPart;

extern bool leaf_lock(int number, LOCKMODE mode);
extern BlockNumber leaf_blocks(int number, LeafPart part, Oid *file);
extern TimestampTz leaf_latest_expiry(int number, LeafPart part,
									  BlockNumber from, BlockNumber to);
extern void leaf_truncate(int number);
extern int64 leaf_delete_expired(LeafPart part, TimestampTz now, int64 limit);
extern int	leaf_read_current(LeafKind kind, TimestampTz *since);
extern bool leaf_change_current(LeafKind kind, int before, int number, TimestampTz now);

#endif							/* TASKQ_LEAVES_H */
