/*
 * history_leaves.h
 *		The tables of histories, as a whole, for history_retention.c.
 */
#ifndef TASKQ_HISTORY_LEAVES_H
#define TASKQ_HISTORY_LEAVES_H

#include "datatype/timestamp.h"
#include "storage/block.h"
#include "storage/lockdefs.h"

/* A run that has appends in a leaf. */
typedef struct LeafRun
{
	int64		run_id;
	TimestampTz expire_time;	/* of its history; DT_NOEND = not known */
	bool		ends_there;		/* it is known there ... */
	bool		is_whole;		/* ... and all of the history is there */
} LeafRun;

extern bool history_leaf_lock(int leaf, LOCKMODE mode);
extern bool history_leaves_lock(void);
extern BlockNumber history_leaf_blocks(int leaf);
extern TimestampTz history_leaf_filled(int leaf);
extern int	history_leaf_runs(int leaf, int64 before, LeafRun *runs, int limit);
extern void history_find_expiry(const bool *leaves, LeafRun *runs, int n);
extern bool history_leaf_clear(int leaf, const LeafRun *run, bool keep,
							   int64 *budget);
extern bool history_leaf_has_readers(int leaf, TransactionId since);
extern void history_leaf_truncate(int leaf);

#endif							/* TASKQ_HISTORY_LEAVES_H */
