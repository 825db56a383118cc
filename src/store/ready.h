/*
 * ready.h
 *		The next tasks of a queue: its lanes in open_ready, and where to begin.
 */
#ifndef TASKQ_READY_H
#define TASKQ_READY_H

#include "datatype/timestamp.h"

#include "shared/cursors.h"
#include "shared/lane_cursor.h"
#include "store/open_row.h"
#include "task/queue_keys.h"

typedef struct ReadyScan ReadyScan;

typedef struct Lane
{
	ReadyScan  *ready;
	int16		level;
	text	   *fairness_key;	/* empty, not NULL, when unset */
	KnownLane	known;
	bool		opened;			/* for claim.c: it was looked at */
	bool		has_candidate;
	ReadyKey	place;			/* of the candidate; before, not after it */
	double		fairness_weight;	/* of the candidate, 0 = unset; before, that
									 * of the task seen last if it is known */
	bool		weight_known;
	double		pass;			/* for fairness.c: virtual time ... */
	double		weight_override;	/* ... and by the queue's settings, 0 = none */
	bool		fair;			/* it counts */
	bool		exhausted;		/* the walk has seen all that is due */
	ReadyKey	end;			/* nothing can be started before, but what was
								 * passed */
	struct Offers *offers;		/* to be looked at first, or NULL */
	struct LaneKeys *keys;
	struct IndexScanDescData *scan;
	struct TupleTableSlot *slot;
} Lane;

extern ReadyScan *ready_look(const QueueRef *queue, TimestampTz now);
extern bool ready_is_empty(const ReadyScan *ready);
extern bool ready_is_listed(const ReadyScan *ready);
extern void ready_open(ReadyScan *ready, int wanted, bool start_all);
extern TimestampTz ready_now(const ReadyScan *ready);
extern void ready_end(ReadyScan *ready);
extern bool ready_news(const ReadyScan *ready);
extern TimestampTz ready_next_due(const ReadyScan *ready);
extern Lane *ready_next_lane(ReadyScan *ready, const Lane *previous);

/* for round.c: lanes where they are not listed */
extern bool ready_lane_behind(ReadyScan *ready, int16 level,
							  text *fairness_key, bool itself,
							  KnownLane *lane, OpenPlace *first);
extern bool ready_level_behind(ReadyScan *ready, int16 level,
							   KnownLane *lane);
extern Lane *ready_make_lane(ReadyScan *ready,
							 const KnownLane *known);

#endif							/* TASKQ_READY_H */
