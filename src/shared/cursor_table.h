/*
 * cursor_table.h
 *		The tables of what shared memory knows of lanes.
 */
#ifndef TASKQ_CURSOR_TABLE_H
#define TASKQ_CURSOR_TABLE_H

#include "port/atomics.h"
#include "storage/lwlock.h"

#include "common/lengths.h"
#include "shared/lane_cursor.h"
#include "task/queue_keys.h"

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

typedef struct QueueCursors
{
	QueueKey	key;
	uint64		generation;
	Oid			file;			/* of taskq.open, that of all tuple ids below */
	bool		complete;
	pg_atomic_uint64 announced; /* to any lane */
	TimestampTz crowded_until;	/* real clock */
	TimestampTz last_used;		/* real clock */
	LaneEntry  *first;
} QueueCursors;

extern LWLock *cursor_lock;

extern Size cursors_shmem_size(void);
extern void cursors_shmem_init(LWLockPadded *locks);

extern bool cursors_name_lane(const QueueKey *queue, int level,
							  const text *fairness_key, LaneName *name);

/* caller holds cursor_lock, exclusively where something is made */
extern QueueCursors *cursors_find_queue(const QueueKey *key);
extern QueueCursors *cursors_make_queue(const QueueKey *key);
extern LaneEntry *cursors_find_lane(const LaneName *name);
extern void cursors_make_lane(QueueCursors *queue, const LaneKey *key,
							  const char *fairness_key, int key_length,
							  ReadyKey from);
extern void cursors_crowd(QueueCursors *queue);

extern QueueKey *cursors_queues(int *n);
extern void cursors_prune(const QueueKey *key);
extern void cursors_forget_queue(const QueueKey *key);
extern void cursors_forget_database(Oid database);
extern void cursors_scramble(void);

#endif							/* TASKQ_CURSOR_TABLE_H */
