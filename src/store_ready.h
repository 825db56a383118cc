/*
 * store_ready.h
 *		Walks along lanes; for the files of the store only.
 */
#ifndef TASKQ_STORE_READY_H
#define TASKQ_STORE_READY_H

#include "access/relscan.h"
#include "access/skey.h"
#include "utils/rel.h"

#include "cursors.h"
#include "store.h"

/* Keys of a walk, which have to live as long as it does. */
typedef struct LaneKeys
{
	ScanKeyData keys[4];
	ScanKeyData members[2];
} LaneKeys;

/*
 * Candidates that shared memory knew, which are ours now: what is not passed
 * has to be announced again.
 */
typedef struct TakenCandidates
{
	LaneName	lane;
	int			n;
	int			next;			/* the first one not looked at */
	int			kept;			/* the first so many were left */
	Candidate	candidates[MAX_CANDIDATES];
	struct IndexFetchTableData *fetch;
} TakenCandidates;

struct ReadyScan
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	const text *task_queue;
	TimestampTz now;
	CursorLook	look;
	KnownLane  *lanes;			/* all that are to be walked, in order, ... */
	int			nlanes;			/* ... or -1: find them in the index */
	int			next_lane;
	TakenCandidates *taken;		/* of the first lane, or NULL */
	bool		collect;		/* remember what comes next in a lane */
	TimestampTz next_due;		/* of what was found not to be due yet */
	TupleTableSlot *slot;		/* for discovery */
};

extern IndexScanDesc ready_walk(const ReadyScan *ready, const KnownLane *lane,
								ReadyKey from, LaneKeys *keys,
								bool want_index_tuple);
extern ReadyKey ready_place(IndexScanDesc scan);

#endif							/* TASKQ_STORE_READY_H */
