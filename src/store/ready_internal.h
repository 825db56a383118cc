/*
 * ready_internal.h
 *		Walks along lanes; for the files of the store only.
 */
#ifndef TASKQ_READY_INTERNAL_H
#define TASKQ_READY_INTERNAL_H

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "shared/cursors.h"
#include "store/ready.h"

/* Keys of a walk, which have to live as long as it does. */
typedef struct LaneKeys
{
	ScanKeyData keys[4];
	ScanKeyData members[2];
} LaneKeys;

/* Candidates of a lane that shared memory knew. */
typedef struct Offers
{
	bool		ours;			/* what is not passed has to be announced again */
	LaneName	lane;			/* set if they are */
	int			n;
	int			next;			/* the first one not looked at */
	int			kept;			/* ours: the first so many were left */
	Candidate	candidates[MAX_CANDIDATES];
	ReadyKey	behind;			/* where a walk goes on */
	struct IndexFetchTableData *fetch;
} Offers;

struct ReadyScan
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	QueueRef	queue;
	TimestampTz now;
	CursorLook	look;
	KnownLane  *lanes;			/* all that are to be walked, in order, ... */
	int			nlanes;			/* ... or -1: find them in the index */
	int			next_lane;
	int			wanted;			/* tasks to be started, 0 = none */
	Offers	   *offers;			/* of the first lane, which are ours; or NULL */
	TimestampTz next_due;		/* of what was found not to be due yet */
	TupleTableSlot *slot;		/* for discovery */
};

extern ReadyScan *ready_look_until(const QueueRef *queue, TimestampTz now,
								   TimestampTz until);
extern void ready_open_relations(ReadyScan *ready, LOCKMODE lock);
extern void ready_find_lanes(ReadyScan *ready);
extern IndexScanDesc ready_walk(const ReadyScan *ready, const KnownLane *lane,
								ReadyKey from, LaneKeys *keys,
								bool want_index_tuple);
extern ReadyKey ready_place(IndexScanDesc scan);

#endif							/* TASKQ_READY_INTERNAL_H */
