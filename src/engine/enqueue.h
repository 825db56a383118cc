/*
 * enqueue.h
 *		Scheduling activities.
 */
#ifndef TASKQ_ENQUEUE_H
#define TASKQ_ENQUEUE_H

#include "model/activity.h"

typedef enum ReusePolicy
{
	REUSE_ALLOW,
	REUSE_FAILED_ONLY,
	REUSE_REJECT
} ReusePolicy;

typedef enum ConflictPolicy
{
	CONFLICT_FAIL,
	CONFLICT_USE_EXISTING
} ConflictPolicy;

/* What a call asks for. */
typedef struct ScheduleCall
{
	Activity	activity;		/* without id, input and run_id */
	TimestampTz start_at;		/* DT_NOBEGIN = not given */
	ReusePolicy reuse;
	ConflictPolicy conflict;
} ScheduleCall;

/* The answer to one request. */
typedef struct ScheduledRun
{
	int64		run_id;
	text	   *activity_id;	/* NULL = none */
	bool		created;		/* by this call */
} ScheduledRun;

/* One of many runs to schedule. */
typedef struct NewRun
{
	struct varlena *input;
	text	   *activity_id;
	int64		new_run_id;		/* if it is created */
	int64		run_id;			/* of that, or of the run that serves ... */
	bool		created;
	bool		attach;			/* ... and has to remember the request */
} NewRun;

extern void enqueue_run(ScheduleCall *call, ScheduledRun *run);
extern void enqueue_many(ScheduleCall *call, bool named, NewRun *items,
						 int count);
extern void enqueue_again(const Activity *closed, ScheduledRun *again);
extern int	enqueue_compare_ids(const text *x, const text *y);

#endif							/* TASKQ_ENQUEUE_H */
