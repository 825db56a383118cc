/*
 * cursors.h
 *		Where live work begins in each lane of a queue.
 */
#ifndef TASKQ_CURSORS_H
#define TASKQ_CURSORS_H

#include "activity.h"
#include "lane_cursor.h"
#include "queue_state.h"

/* A lane, for shared memory. */
typedef struct LaneName
{
	LaneKey		key;
	uint16		length;
	char		fairness_key[MAX_FAIRNESS_KEY_LENGTH];
} LaneName;

typedef struct LaneEntry LaneEntry;

/* A lane as a look at its queue found it. */
typedef struct KnownLane
{
	int16		level;
	text	   *fairness_key;
	ReadyKey	from;			/* no task before it can be started */
	uint64		announced;		/* how much had been announced */
	LaneEntry  *entry;			/* valid for the look's generation; or NULL */
} KnownLane;

/* What one look at a queue got to know. */
typedef struct CursorLook
{
	QueueKey	queue;
	TimestampTz now;			/* what is due by then is wanted */
	uint64		generation;		/* 0 = there is no memory for this queue */
	bool		complete;		/* all lanes are known */
	bool		may_tell;		/* what the snapshot shows is of now */
	TimestampTz next_due;		/* least of the lanes left out */
	KnownLane  *lanes;			/* complete: those due, by level; else all, in
								 * order */
	int			nlanes;
} CursorLook;

/* cursors.c */
extern Size cursors_shmem_size(void);
extern void cursors_shmem_init(void);
extern bool cursors_name_lane(const QueueKey *queue, int level,
							  const text *fairness_key, LaneName *name);
extern void cursors_announce(const LaneName *name, const Candidate *candidate);
extern void cursors_look(const text *task_queue, TimestampTz now,
						 CursorLook *look);
extern const KnownLane *cursors_known(const CursorLook *look, int16 level,
									  text *fairness_key);
extern void cursors_learn(const CursorLook *look, const KnownLane *found,
						  int n);
extern int	cursors_take(const CursorLook *look, const KnownLane *known,
						 TimestampTz now, Candidate *candidates, int n);
extern bool cursors_peek(const CursorLook *look, const KnownLane *known,
						 TimestampTz now, Candidate *candidates, int *n,
						 ReadyKey *behind);
extern void cursors_advance(const CursorLook *look, const KnownLane *known,
							const WalkEnd *walk);
extern QueueKey *cursors_queues(int *n);
extern void cursors_prune(const QueueKey *key);
extern void cursors_forget_queue(const QueueKey *key);
extern void cursors_forget_database(Oid database);
extern void cursors_scramble(void);

/* cursor_notes.c */
extern void cursor_notes_comes(const Activity *activity,
							   const ItemPointerData *tid);
extern void cursor_notes_goes(const text *task_queue, int level,
							  const text *fairness_key, ReadyKey place);
extern void cursor_notes_announce(const QueueKey *queue);
extern bool cursor_notes_any(const QueueKey *queue);
extern void cursor_notes_commit(void);
extern void cursor_notes_abort(void);
extern void cursor_notes_abort_sub(void);
extern void cursor_notes_forget(void);

/* cursor_check.c */
extern TimestampTz cursor_check_run(void);

#endif							/* TASKQ_CURSORS_H */
