/*
 * verdict.h
 *		What the end of a command means for its attempt.
 */
#ifndef TASKQ_VERDICT_H
#define TASKQ_VERDICT_H

#include "cli/attempt.h"

/* What the database is to be told of an attempt that has ended. */
typedef enum ReportKind
{
	REPORT_NOTHING,
	REPORT_COMPLETE,
	REPORT_FAIL,
	REPORT_RELEASE,
	REPORT_CANCELED,
	REPORT_LOOK					/* nobody knows whether it has been told: look */
} ReportKind;

/* Texts that are NULL are not there.  Owned by the report. */
typedef struct Report
{
	struct Report *next;
	ReportKind	kind;
	char	   *token;
	char	   *run_id;
	char	   *result;			/* of a completion; details of a cancellation */
	bool		result_is_text; /* as the command wrote it, if it should be no JSON */
	char	   *message;
	char	   *type;
	char	   *details;
	char	   *stack_trace;
	char	   *delay;			/* until the next attempt */
	char	   *safe_delay;		/* if that is none */
	bool		non_retryable;
	char	   *heartbeat_details;	/* not sent yet */
	int			refusals;
	bool		is_single;		/* the batch that it was in was refused */
	bool		may_be_done;	/* the connection was lost while it was told */
} Report;

extern Report *verdict(Attempt *attempt, size_t longest_output, const char *snooze);
extern Report *verdict_release(Attempt *attempt, const char *delay);
extern Report *verdict_failure(Attempt *attempt, const char *type, const char *message);
extern Report *verdict_completion(Attempt *attempt);
extern bool verdict_cannot_run(const Attempt *attempt);
extern void report_refuse(Report *report, const char *sqlstate, const char *message);
extern void report_free(Report *report);

#endif							/* TASKQ_VERDICT_H */
