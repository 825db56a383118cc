/*
 * open_row.h
 *		A row of taskq.open: between columns and the struct of a task.
 */
#ifndef TASKQ_OPEN_ROW_H
#define TASKQ_OPEN_ROW_H

#include "access/htup.h"
#include "executor/tuptable.h"

#include "shared/lane_cursor.h"
#include "shared/timer_ring.h"
#include "task/kinds.h"

/* The little of an open task that a heartbeat has to know. */
typedef struct OpenGlance
{
	const Kind *kind;
	State		state;
	int64		nonce;
	text	   *task_queue;		/* copied */
	bool		locked;			/* somebody else locks, writes, has written it */
	bool		changing;		/* ... and may change it, or has */
} OpenGlance;

/* Where a row stands in its lane, and with what weight. */
typedef struct OpenPlace
{
	ReadyKey	key;
	double		fairness_weight;	/* 0 = unset */
} OpenPlace;

/* What the views of queues count of an open task. */
typedef struct OpenCount
{
	const text *task_queue;		/* for an attempt, that it was taken from, ... */
	bool		elsewhere;		/* ... which is another than that of its row */
	int			level;
	State		state;
	TimestampTz dispatch_time;	/* DT_NOEND = none */
	TimestampTz since;			/* as task_waits_since() */
} OpenCount;

extern void row_open_columns(Task *task, Datum *values, bool *nulls);
extern void row_open_set_run(Datum *values, bool *nulls, int64 run_id,
							 struct varlena *input);
extern bool row_open_task(HeapTuple tuple, TupleDesc desc,
						  const Kind *expected, Task *task);
extern bool row_open_is_ready(TupleTableSlot *slot, TimestampTz now);
extern void row_open_glance(TupleTableSlot *slot, OpenGlance *glance);
extern void row_open_place(TupleTableSlot *slot, OpenPlace *place);
extern bool row_open_in_lane(TupleTableSlot *slot, const text *task_queue,
							 int16 level, const text *fairness_key);
extern void row_open_lane_key(TupleTableSlot *slot, int16 *level,
							  text **fairness_key);
extern bool row_open_waits(TupleTableSlot *slot);
extern bool row_open_in_progress(TupleTableSlot *slot);
extern bool row_open_count(TupleTableSlot *slot, OpenCount *row);
extern bool row_open_timer(TupleTableSlot *slot, TimerHint *hint);
extern bool row_open_held(TupleTableSlot *slot, const char *prefix,
						  int64 *run_id, int64 *nonce);
extern void row_open_alarm(TupleTableSlot *slot, TimerHint *hint);

#endif							/* TASKQ_OPEN_ROW_H */
