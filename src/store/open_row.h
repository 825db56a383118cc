/*
 * open_row.h
 *		A row of taskq.open: between columns and the Activity struct.
 */
#ifndef TASKQ_OPEN_ROW_H
#define TASKQ_OPEN_ROW_H

#include "access/htup.h"
#include "executor/tuptable.h"

#include "model/activity.h"
#include "model/retry_policy.h"
#include "shared/lane_cursor.h"
#include "shared/timer_ring.h"

/* The little of an open activity that a heartbeat has to know. */
typedef struct OpenGlance
{
	State		state;
	int64		nonce;
	text	   *task_queue;		/* copied */
	bool		locked;			/* somebody else locks, writes, has written it */
} OpenGlance;

/* Where a row stands in its lane, and with what weight. */
typedef struct OpenPlace
{
	ReadyKey	key;
	double		fairness_weight;	/* 0 = unset */
} OpenPlace;

/* What the views of queues count of an open activity. */
typedef struct OpenCount
{
	const text *task_queue;		/* for an attempt, that it was taken from */
	int			level;
	State		state;
	TimestampTz dispatch_time;	/* DT_NOEND = none */
	TimestampTz since;			/* activity_waits_since() */
} OpenCount;

extern struct varlena *row_control(Activity *activity);
extern void row_set_retry_policy(Datum *value, bool *null,
								 const RetryPolicy *policy);
extern void row_get_retry_policy(Datum value, bool null, RetryPolicy *policy);

extern void row_open_columns(Activity *activity, Datum *values, bool *nulls);
extern void row_open_set_run(Datum *values, bool *nulls, int64 run_id,
							 struct varlena *input);
extern void row_open_activity(HeapTuple tuple, TupleDesc desc,
							  Activity *activity);
extern bool row_open_is_ready(TupleTableSlot *slot, TimestampTz now);
extern void row_open_glance(TupleTableSlot *slot, OpenGlance *glance);
extern void row_open_place(TupleTableSlot *slot, OpenPlace *place);
extern bool row_open_in_lane(TupleTableSlot *slot, const text *task_queue,
							 int16 level, const text *fairness_key);
extern void row_open_lane_key(TupleTableSlot *slot, int16 *level,
							  text **fairness_key);
extern bool row_open_waits(TupleTableSlot *slot);
extern bool row_open_in_progress(TupleTableSlot *slot);
extern void row_open_count(TupleTableSlot *slot, OpenCount *row);
extern bool row_open_timer(TupleTableSlot *slot, TimerHint *hint);
extern void row_open_alarm(TupleTableSlot *slot, TimerHint *hint);

#endif							/* TASKQ_OPEN_ROW_H */
