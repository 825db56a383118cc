/*
 * cursor_table.h
 *		The tables of what shared memory knows of lanes.
 */
#ifndef TASKQ_CURSOR_TABLE_H
#define TASKQ_CURSOR_TABLE_H

#include "lib/ilist.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "common/lengths.h"
#include "shared/lane_cursor.h"
#include "task/queue_keys.h"
#include "task/task.h"

/* A lane, for shared memory. */
typedef struct LaneName
{
	LaneKey		key;
	uint16		length;
	char		fairness_key[MAX_FAIRNESS_KEY_LENGTH];
} LaneName;

/* A lane of the table; what moves is in its cursor. */
typedef struct LaneEntry
{
	LaneKey		key;
	struct LaneEntry *next;			/* of the queue */
	uint16		key_length;
	char		fairness_key[MAX_FAIRNESS_KEY_LENGTH];
	uint64		checked;		/* announced as of the last check */
	LaneCursor	cursor;
} LaneEntry;

/* A lane of a queue by its name, or the place before the first one. */
typedef struct LaneSpot
{
	int16		level;
	int16		length;			/* BEFORE_FIRST, or that of the key */
	char		fairness_key[MAX_FAIRNESS_KEY_LENGTH];
} LaneSpot;

#define BEFORE_FIRST		(-1)

/* Whose turn it is on a level with many lanes; see ring.c. */
typedef struct Ring
{
	LaneSpot	spot;			/* the lane served last, or passed over */
	int			turns;			/* that it has left */
	uint32		round;			/* how often the last one was passed */
	int			seen;			/* lanes in this round */
	bool		large;			/* more than a poll can look at */
	uint64		moves;			/* ever */
} Ring;

typedef struct QueueCursors
{
	QueueKey	key;
	uint64		generation;
	Oid			file;			/* of taskq.open, that of all tuple ids below */
	bool		complete;
	LaneSpot	discovered;		/* until then: the index was searched up to here */
	int			nlanes;
	slock_t		ring_mutex;		/* of the rings */
	Ring		rings[LEVELS];
	pg_atomic_uint64 announced; /* to any lane */
	TimestampTz crowded_until;	/* real clock */
	dlist_node	turn;			/* in the order in which they may go */
	TimestampTz turn_since;		/* real clock */
	TimestampTz last_used;		/* real clock */
	LaneEntry  *first;
} QueueCursors;

extern LWLock *cursor_lock;

extern Size cursors_shmem_size(void);
extern void cursors_shmem_init(LWLockPadded *locks);

extern bool cursors_name_lane(const QueueKey *queue, int level,
							  const text *fairness_key, LaneName *name);

/* lanes of a queue that are listed; with more of them there are rings */
#define LISTED_LANES		4096

/* caller holds cursor_lock, exclusively where something is made */
extern QueueCursors *cursors_find_queue(const QueueKey *key);
extern QueueCursors *cursors_make_queue(const QueueKey *key);
extern LaneEntry *cursors_find_lane(const LaneName *name);
extern void cursors_make_lane(QueueCursors *queue, const LaneKey *key,
							  const char *fairness_key, int key_length,
							  ReadyKey from);
extern void cursors_crowd(QueueCursors *queue);
extern void lane_spot_set(LaneSpot *spot, int level, const text *fairness_key);
extern text *lane_spot_key(const LaneSpot *spot);

extern QueueKey *cursors_queues(int *n);
extern void cursors_prune(const QueueKey *key);
extern void cursors_forget_queue(const QueueKey *key);
extern void cursors_forget_database(Oid database);
extern void cursors_scramble(void);

#endif							/* TASKQ_CURSOR_TABLE_H */
