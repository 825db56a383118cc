/*
 * cursors.h
 *		Where live work begins in each lane of a queue.
 */
#ifndef TASKQ_CURSORS_H
#define TASKQ_CURSORS_H

#include "common/lengths.h"
#include "shared/cursor_table.h"
#include "shared/lane_cursor.h"
#include "task/queue_keys.h"

/* A lane as a look at its queue found it. */
typedef struct KnownLane
{
	LaneKey		key;
	int16		level;
	text	   *fairness_key;
	ReadyKey	from;			/* no task before it can be started */
	uint64		announced;		/* how much had been announced */
	LaneEntry  *entry;			/* valid for the look's generation; or NULL */
	Candidate	first;			/* found in the index with the lane, which has
								 * none before; or no tuple id */
} KnownLane;

/* What one look at a queue got to know. */
typedef struct CursorLook
{
	QueueKey	queue;
	TimestampTz now;			/* what is due by then is wanted */
	uint64		generation;		/* 0 = there is no memory for this queue */
	Oid			file;			/* of taskq.open, to which tuple ids belong */
	bool		complete;		/* all lanes are known */
	bool		discovering;	/* more are to be found, ... */
	LaneSpot	discovered;		/* ... behind this one */
	bool		counts_news;	/* what is announced to the queue is counted */
	uint64		announced;		/* how much had been announced to the queue */
	bool		may_tell;		/* what the snapshot shows is of now */
	TimestampTz next_due;		/* least of the lanes left out */
	KnownLane  *lanes;			/* complete: those due, by level; else all, in
								 * order */
	int			nlanes;
} CursorLook;

extern void cursors_announce(const LaneName *name, const Candidate *candidate,
							 Oid file);
extern void cursors_look(const QueueKey *queue, TimestampTz now,
						 CursorLook *look);
extern void cursors_settle(CursorLook *look, Oid file);
extern bool cursors_news(const CursorLook *look);
extern const KnownLane *cursors_known(const CursorLook *look, int16 level,
									  text *fairness_key);
extern void cursors_learn(const CursorLook *look, const KnownLane *found,
						  int n, bool all);
extern int	cursors_take(const CursorLook *look, const KnownLane *known,
						 TimestampTz now, Candidate *candidates, int n);
extern bool cursors_peek(const CursorLook *look, const KnownLane *known,
						 TimestampTz now, Candidate *candidates, int *n,
						 ReadyKey *behind);
extern void cursors_advance(const CursorLook *look, const KnownLane *known,
							const WalkEnd *walk);

#endif							/* TASKQ_CURSORS_H */
