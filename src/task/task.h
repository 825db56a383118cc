/*
 * task.h
 *		What every kind of task has: a queue, a priority level, a state, and
 *		attempts.
 *
 * Varlena fields are NULL when the column is; they may point into a tuple, and
 * may be toasted unless a comment says otherwise.
 */
#ifndef TASKQ_TASK_H
#define TASKQ_TASK_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

/* Priority levels: 1 is dispatched first, DEFAULT_LEVEL when not given. */
#define LEVELS					5
#define DEFAULT_LEVEL			3

StaticAssertDecl(DEFAULT_LEVEL >= 1 && DEFAULT_LEVEL <= LEVELS,
				 "the default is one of them");

/* a row that was changed by hand may hold any number */
static inline int
valid_level(int level)
{
	return Max(1, Min(level, LEVELS));
}

/*
 * States of a task, as stored in open.state.  The closed ones are never
 * stored in "open": a closed row lives in a leaf of the closed tables, under
 * its public status.
 */
typedef enum State
{
	STATE_NONE = 0,
	STATE_SCHEDULED = 1,
	STATE_STARTED,
	STATE_CANCEL_REQUESTED,
	STATE_PAUSE_REQUESTED,
	STATE_RESET_REQUESTED,
	STATE_PAUSED,
	STATE_NO_TASK,				/* a run of a workflow that has no task */
	STATE_COMPLETED,
	STATE_FAILED,
	STATE_CANCELED,
	STATE_TERMINATED,
	STATE_TIMED_OUT
} State;

#define STATE_LAST				STATE_TIMED_OUT

StaticAssertDecl(STATE_SCHEDULED == 1 && STATE_STARTED == 2 &&
				 STATE_CANCEL_REQUESTED == 3 && STATE_PAUSE_REQUESTED == 4 &&
				 STATE_RESET_REQUESTED == 5 && STATE_PAUSED == 6 &&
				 STATE_NO_TASK == 7,
				 "the constraint of \"open\" and the views know these numbers");
StaticAssertDecl(STATE_COMPLETED == STATE_NO_TASK + 1,
				 "open states come before closed ones");

static inline bool
state_is_closed(State state)
{
	return state >= STATE_COMPLETED;
}

/* A worker holds the attempt, and its token is valid. */
static inline bool
state_in_progress(State state)
{
	return state >= STATE_STARTED && state <= STATE_RESET_REQUESTED;
}

/* Where the version read waits for a poll. */
typedef struct LanePlace
{
	text	   *task_queue;		/* NULL = nowhere */
	text	   *fairness_key;	/* NULL = unset */
	int16		level;
	TimestampTz dispatch_time;
} LanePlace;

/* The struct of a kind of task begins with this. */
typedef struct Task
{
	ItemPointerData tid;		/* of the version read, in open */
	LanePlace	place;			/* likewise */

	int64		run_id;
	text	   *queue;			/* detoasted */
	text	   *fairness_key;	/* detoasted, NULL = unset */
	double		fairness_weight;	/* 0 = unset */
	TimestampTz schedule_time;
	TimestampTz last_complete_time; /* DT_NOBEGIN = none */
	TimestampTz alarm;			/* DT_NOEND = none */
	TimestampTz dispatch_time;	/* DT_NOEND = none (paused) */

	TimestampTz started_time;	/* DT_NOBEGIN = never */
	int64		nonce;			/* of the attempt in progress */
	int32		transitions;
	int32		attempt;
	int16		level;
	State		state;
	text	   *worker;
	struct varlena *control;	/* as stored */
} Task;

/* A time-out and when it fires. */
typedef struct Deadline
{
	int			type;			/* one of the kind's own, 0 = none */
	TimestampTz when;			/* DT_NOEND = no timer is live */
	int64		renewal;		/* us by which a sign of life moves it; 0 = it stays */
} Deadline;

extern const char *state_name(State state);
extern TimestampTz task_waits_since(const Task *task);

#endif							/* TASKQ_TASK_H */
