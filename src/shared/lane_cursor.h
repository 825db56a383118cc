/*
 * lane_cursor.h
 *		Where live work begins in one lane, and what comes next there.
 */
#ifndef TASKQ_LANE_CURSOR_H
#define TASKQ_LANE_CURSOR_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "storage/spin.h"

/* A place in a lane: (dispatch time, run_id), as in the index open_ready. */
typedef struct ReadyKey
{
	TimestampTz dispatch_time;
	int64		run_id;
} ReadyKey;

#define READY_KEY_FIRST		((ReadyKey) {DT_NOBEGIN, PG_INT64_MIN})
#define READY_KEY_LAST		((ReadyKey) {DT_NOEND, PG_INT64_MAX})

static inline bool
ready_key_before(ReadyKey a, ReadyKey b)
{
	return a.dispatch_time < b.dispatch_time ||
		(a.dispatch_time == b.dispatch_time && a.run_id < b.run_id);
}

static inline ReadyKey
ready_key_least(ReadyKey a, ReadyKey b)
{
	return ready_key_before(b, a) ? b : a;
}

/* The place of a task, and where its row is, or was. */
typedef struct Candidate
{
	ReadyKey	place;
	ItemPointerData tid;		/* invalid = not known */
} Candidate;

/* Candidates that a lane remembers. */
#define MAX_CANDIDATES		16

/* What a walk along a lane has found out. */
typedef struct WalkEnd
{
	ReadyKey	end;			/* nothing can be started before it */
	Candidate  *candidates;		/* all entries from there ... */
	int			ncandidates;
	ReadyKey	beyond;			/* ... to here */
} WalkEnd;

/* Announcements that a lane remembers: the least of each of so many blocks. */
#define RECENT_BLOCKS		8
#define BLOCK_SIZE			16

/* In shared memory. */
typedef struct LaneCursor
{
	slock_t		mutex;			/* of all that follows */
	ReadyKey	from;			/* nothing can be started before it */
	ReadyKey	beyond;			/* up to here the candidates are all there is */
	int			ncandidates;
	Candidate	candidates[MAX_CANDIDATES]; /* in order, from "from" on */
	uint64		announced;		/* so many, ever */
	ReadyKey	recent[RECENT_BLOCKS];
} LaneCursor;

extern void lane_cursor_init(LaneCursor *lane, ReadyKey from);
extern void lane_cursor_read(LaneCursor *lane, ReadyKey *from,
							 uint64 *announced);
extern void lane_cursor_hear(LaneCursor *lane, const Candidate *candidate);
extern int	lane_cursor_take(LaneCursor *lane, TimestampTz now,
							 Candidate *candidates, int n);
extern bool lane_cursor_peek(LaneCursor *lane, uint64 announced,
							 TimestampTz now, Candidate *candidates, int *n,
							 ReadyKey *behind);
extern void lane_cursor_advance(LaneCursor *lane, uint64 announced,
								const WalkEnd *walk);
extern void lane_cursor_moved(LaneCursor *lane);
extern void lane_cursor_scramble(LaneCursor *lane);

#endif							/* TASKQ_LANE_CURSOR_H */
