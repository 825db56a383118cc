/*
 * schedule_args.h
 *		Arguments of taskq.schedule, taskq.schedule_many and taskq.execute.
 */
#ifndef TASKQ_SCHEDULE_ARGS_H
#define TASKQ_SCHEDULE_ARGS_H

#include "fmgr.h"

#include "engine/enqueue.h"

/* arguments of all; the third and fourth are arrays in schedule_many */
enum
{
	ARG_TASK_QUEUE,
	ARG_ACTIVITY_TYPE,
	ARG_INPUT,
	ARG_ACTIVITY_ID,
	ARG_SCHEDULE_TO_CLOSE,
	ARG_SCHEDULE_TO_START,
	ARG_START_TO_CLOSE,
	ARG_HEARTBEAT_TIMEOUT,
	ARG_RETRY_POLICY,
	ARG_START_DELAY,
	ARG_PRIORITY,
	ARG_FAIRNESS_KEY,
	ARG_FAIRNESS_WEIGHT,
	ARG_ID_REUSE_POLICY,
	ARG_ID_CONFLICT_POLICY,
	ARG_REQUEST_ID,
	ARG_HEADER,
	ARG_SUMMARY,
	ARG_SEARCH_ATTRIBUTES,
	ARG_IDENTITY,
	ARG_START_AT,
	SCHEDULE_ARGS
};

extern void schedule_read_call(FunctionCallInfo fcinfo, ScheduleCall *call,
							   bool many);
extern void check_activity_id_set(const text *activity_id);
extern void check_input(Datum input, bool null);

#endif							/* TASKQ_SCHEDULE_ARGS_H */
