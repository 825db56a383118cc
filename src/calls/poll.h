/*
 * poll.h
 *		Arguments and results of calls that poll.
 */
#ifndef TASKQ_POLL_H
#define TASKQ_POLL_H

#include "fmgr.h"

#include "engine/claim.h"

/* fields of taskq.activity_task, zero-based */
enum
{
	TASK_TOKEN,
	TASK_RUN_ID,
	TASK_ACTIVITY_ID,
	TASK_ACTIVITY_TYPE,
	TASK_TASK_QUEUE,
	TASK_INPUT,
	TASK_HEADER,
	TASK_HEARTBEAT_DETAILS,
	TASK_ATTEMPT,
	TASK_SCHEDULED_TIME,
	TASK_CURRENT_ATTEMPT_SCHEDULED_TIME,
	TASK_STARTED_TIME,
	TASK_SCHEDULE_TO_CLOSE,
	TASK_START_TO_CLOSE,
	TASK_HEARTBEAT_TIMEOUT,
	TASK_PRIORITY,
	TASK_FAIRNESS_KEY,
	TASK_FIELDS
};

extern double poll_check_rate(double rate);
extern void poll_task_values(const Task *task, bool started_before,
							 Datum *values, bool *nulls);
extern void poll_arguments(FunctionCallInfo fcinfo, int first,
						   ClaimRequest *request);
extern void poll_result(FunctionCallInfo fcinfo, const ClaimRequest *request);
extern void poll_remember_identity(const char *identity);
extern const char *poll_last_identity(void);

#endif							/* TASKQ_POLL_H */
