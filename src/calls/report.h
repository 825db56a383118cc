/*
 * report.h
 *		Arguments and answers of calls that report.
 */
#ifndef TASKQ_REPORT_H
#define TASKQ_REPORT_H

#include "fmgr.h"

#include "engine/attempt_report.h"

/* Arguments of fail, fail_by_id and fail_many, after who has failed. */
enum
{
	FAIL_MESSAGE = 1,
	FAIL_ERROR_TYPE,
	FAIL_DETAILS,
	FAIL_NON_RETRYABLE,
	FAIL_NEXT_RETRY_DELAY,
	FAIL_STACK_TRACE,
	FAIL_CAUSE,
	FAIL_LAST_HEARTBEAT_DETAILS,
	FAIL_IDENTITY,
	/* where fail_by_id has others */
	FAIL_BY_ID_RUN_ID = FAIL_IDENTITY,
	FAIL_BY_ID_IDENTITY
};

extern void report_arg_failure(Report *report, FunctionCallInfo fcinfo,
							   int identity);
extern Datum retry_state_datum(RetryState state);

#endif							/* TASKQ_REPORT_H */
