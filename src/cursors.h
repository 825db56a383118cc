/*
 * cursors.h
 *		Where live work begins in each lane of a queue.
 */
#ifndef TASKQ_CURSORS_H
#define TASKQ_CURSORS_H

#include "activity.h"
#include "queue_state.h"

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

/* A lane as a look at its queue found it. */
typedef struct KnownLane
{
	int16		level;
	text	   *fairness_key;
	ReadyKey	from;			/* no task before it can be started */
	uint64		announced;		/* how much had been announced */
	struct LaneCursor *cursor;	/* valid for the look's generation; or NULL */
} KnownLane;

/* What one look at a queue got to know. */
typedef struct CursorLook
{
	QueueKey	queue;
	uint64		generation;		/* 0 = there is no memory for this queue */
	bool		complete;		/* all lanes are known */
	bool		may_tell;		/* what the snapshot shows is of now */
	TimestampTz next_due;		/* least of the lanes left out */
	KnownLane  *lanes;			/* complete: those due, ordered; else all */
	int			nlanes;
} CursorLook;

extern Size cursors_shmem_size(void);
extern void cursors_shmem_init(void);

extern void cursors_look(const text *task_queue, TimestampTz now,
						 CursorLook *look);
extern const KnownLane *cursors_known(const CursorLook *look, int16 level,
									  text *fairness_key);
extern void cursors_learn(const CursorLook *look, const KnownLane *found,
						  int n);
extern void cursors_advance(const CursorLook *look, const KnownLane *known,
							ReadyKey end);

extern void cursors_task_comes(const Activity *activity);
extern void cursors_task_goes(int64 run_id, const LanePlace *place);

extern void cursors_commit(void);
extern void cursors_abort(void);
extern void cursors_abort_sub(void);
extern void cursors_prepare(void);

extern QueueKey *cursors_queues(int *n);
extern void cursors_correct(const CursorLook *look, const KnownLane *known,
							ReadyKey place);
extern void cursors_prune(const QueueKey *key);
extern void cursors_forget_queue(const QueueKey *key);
extern void cursors_forget_database(Oid database);
extern void cursors_scramble(void);

/* cursor_check.c */
extern TimestampTz cursor_check_run(void);

#endif							/* TASKQ_CURSORS_H */
