/*
 * report.c
 *		What workers report: complete, fail, fail_with, report_canceled, heartbeat, by
 *		token and by id; release, by token.  Batches are in report_batch.c.
 *
 * A call by token reaches the attempt of that token only; a call by id reaches
 * whatever attempt runs.  What a report means is in attempt_report.c.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/settings.h"
#include "calls/args.h"
#include "calls/report.h"
#include "engine/refusal.h"
#include "engine/run_deliver.h"
#include "model/failure.h"
#include "model/failure_given.h"
#include "store/catalog.h"

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------
 */

/* a cause has to be a failure itself, and so has the cause of that */
static Jsonb *
arg_cause(FunctionCallInfo fcinfo, int n)
{
	Jsonb	   *cause = arg_jsonb(fcinfo, n);

	if (cause != NULL && !failure_is_chain(&cause->root))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cause must be a failure"),
				 errdetail("A failure is a JSON object with keys such as \"message\" and \"type\".")));
	return cause;
}

/*
 * A text of a failure, without what is beyond taskq.max_payload_size, on a
 * character boundary: it is too large as it is, and larger ones than jsonb can
 * hold would be an error.
 */
static char *
arg_failure_text(FunctionCallInfo fcinfo, int n)
{
	text	   *value = arg_text(fcinfo, n);

	if (value == NULL)
		return NULL;
	return pnstrdup(VARDATA_ANY(value),
					pg_mbcliplen(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
								 taskq_max_payload_size * 1024));
}

/*
 * report_arg_failure: a failure; the arguments are those of taskq.fail and its
 * kin, with that of the identity at "identity".  All NULL = "no failure".
 */
void
report_arg_failure(Report *report, FunctionCallInfo fcinfo, int identity)
{
	char	   *message = arg_failure_text(fcinfo, FAIL_MESSAGE);
	char	   *type = arg_failure_text(fcinfo, FAIL_ERROR_TYPE);
	Jsonb	   *details = arg_jsonb(fcinfo, FAIL_DETAILS);
	bool		non_retryable = arg_bool(fcinfo, FAIL_NON_RETRYABLE);
	char	   *stack_trace = arg_failure_text(fcinfo, FAIL_STACK_TRACE);
	Jsonb	   *cause = arg_cause(fcinfo, FAIL_CAUSE);
	struct varlena *checkpoint = arg_varlena(fcinfo,
											 FAIL_LAST_HEARTBEAT_DETAILS);
	int64		next_retry_delay = arg_delay(fcinfo, FAIL_NEXT_RETRY_DELAY,
											 "next_retry_delay");
	Jsonb	   *failure = NULL;

	if (message || type || details || non_retryable || stack_trace || cause)
		failure = failure_application(message, type, details, non_retryable,
									  stack_trace, cause);
	report_failure(report, failure, next_retry_delay, checkpoint,
				   arg_identity(fcinfo, identity));
}

/*
 * The same of taskq.fail_with and its kin: the failure is whole, at 1, and
 * the delay and the checkpoint come behind it.
 */
static void
report_arg_whole_failure(Report *report, FunctionCallInfo fcinfo, int identity)
{
	const char *fault;
	Jsonb	   *failure = failure_given(arg_jsonb(fcinfo, 1), &fault);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", fault)));
	report_failure(report, failure, arg_delay(fcinfo, 2, "next_retry_delay"),
				   arg_varlena(fcinfo, 3), arg_identity(fcinfo, identity));
}

/* ------------------------------------------------------------------------
 * Reports, and answers
 * ------------------------------------------------------------------------
 */

static Verdict
call_by_token(FunctionCallInfo fcinfo, Report *report, Activity *activity)
{
	Verdict		verdict = report_by_token(report, PG_GETARG_DATUM(0), activity);

	if (verdict.answer == ANSWER_NOT_FOUND)
		report_stale_token(ERROR, PG_GETARG_DATUM(0));
	raise_refusal(&verdict, activity, 0);
	run_deliver_closes();
	return verdict;
}

static Verdict
call_by_id(FunctionCallInfo fcinfo, int run_id_arg, Report *report,
		   Activity *activity)
{
	text	   *activity_id = arg_text(fcinfo, 0);
	int64		run_id = resolve_open_run(activity_id,
										  !PG_ARGISNULL(run_id_arg),
										  PG_ARGISNULL(run_id_arg) ? 0 :
										  PG_GETARG_INT64(run_id_arg));
	Verdict		verdict = report_by_run(report, run_id, activity);

	if (verdict.answer == ANSWER_NOT_FOUND)
		raise_no_attempt(run_id);
	raise_refusal(&verdict, activity, run_id);
	run_deliver_closes();
	return verdict;
}

static Datum
return_flags(FunctionCallInfo fcinfo, Flags flags)
{
	Datum		values[3];
	bool		nulls[3] = {false};

	values[0] = BoolGetDatum(flags.cancel_requested);
	values[1] = BoolGetDatum(flags.activity_paused);
	values[2] = BoolGetDatum(flags.activity_reset);
	begin_result(fcinfo);
	put_row(fcinfo, values, nulls, lengthof(values));
	return (Datum) 0;
}

/* retry_state_datum: as taskq.retry_state. */
Datum
retry_state_datum(RetryState state)
{
	return ObjectIdGetDatum(catalog()->retry_state[state]);
}

/* ------------------------------------------------------------------------
 * SQL functions: by token
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(taskq_complete);

/* taskq.complete(task_token, result, identity) returns void */
Datum
taskq_complete(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.complete()");
	require_arg(fcinfo, 0, "task_token");
	report_complete(&report, false, arg_varlena(fcinfo, 1),
					arg_identity(fcinfo, 2));
	(void) call_by_token(fcinfo, &report, &activity);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_fail);

/* taskq.fail(task_token, message, ..., identity) returns taskq.retry_state */
Datum
taskq_fail(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.fail()");
	require_arg(fcinfo, 0, "task_token");
	report_arg_failure(&report, fcinfo, FAIL_IDENTITY);
	return retry_state_datum(call_by_token(fcinfo, &report,
										   &activity).retry_state);
}

PG_FUNCTION_INFO_V1(taskq_fail_with);

/*
 * taskq.fail_with(task_token, failure, next_retry_delay,
 *	 last_heartbeat_details, identity) returns taskq.retry_state
 */
Datum
taskq_fail_with(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.fail_with()");
	require_arg(fcinfo, 0, "task_token");
	report_arg_whole_failure(&report, fcinfo, 4);
	return retry_state_datum(call_by_token(fcinfo, &report,
										   &activity).retry_state);
}

PG_FUNCTION_INFO_V1(taskq_report_canceled);

/* taskq.report_canceled(task_token, details, identity) returns void */
Datum
taskq_report_canceled(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.report_canceled()");
	require_arg(fcinfo, 0, "task_token");
	report_cancellation(&report, arg_varlena(fcinfo, 1),
						arg_identity(fcinfo, 2));
	(void) call_by_token(fcinfo, &report, &activity);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_release);

/* taskq.release(task_token, delay, last_heartbeat_details, identity) returns void */
Datum
taskq_release(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.release()");
	require_arg(fcinfo, 0, "task_token");
	report_release(&report, arg_delay(fcinfo, 1, "delay"),
				   arg_varlena(fcinfo, 2), arg_identity(fcinfo, 3));
	(void) call_by_token(fcinfo, &report, &activity);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_heartbeat);

/* taskq.heartbeat(task_token, details, identity) returns flags */
Datum
taskq_heartbeat(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.heartbeat()");
	require_arg(fcinfo, 0, "task_token");
	report_heartbeat(&report, arg_varlena(fcinfo, 1), arg_identity(fcinfo, 2));
	(void) call_by_token(fcinfo, &report, &activity);
	return return_flags(fcinfo, report_flags(&report, &activity));
}

/* ------------------------------------------------------------------------
 * SQL functions: by id
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(taskq_complete_by_id);

/* taskq.complete_by_id(activity_id, result, run_id, identity) returns void */
Datum
taskq_complete_by_id(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.complete_by_id()");
	require_run(fcinfo, 0, 2);
	report_complete(&report, true, arg_varlena(fcinfo, 1),
					arg_identity(fcinfo, 3));
	(void) call_by_id(fcinfo, 2, &report, &activity);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_fail_by_id);

/* taskq.fail_by_id(activity_id, message, ..., run_id, identity) */
Datum
taskq_fail_by_id(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.fail_by_id()");
	require_run(fcinfo, 0, FAIL_BY_ID_RUN_ID);
	report_arg_failure(&report, fcinfo, FAIL_BY_ID_IDENTITY);
	return retry_state_datum(call_by_id(fcinfo, FAIL_BY_ID_RUN_ID, &report,
										&activity).retry_state);
}

PG_FUNCTION_INFO_V1(taskq_fail_with_by_id);

/*
 * taskq.fail_with_by_id(activity_id, failure, next_retry_delay,
 *	 last_heartbeat_details, run_id, identity) returns taskq.retry_state
 */
Datum
taskq_fail_with_by_id(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.fail_with_by_id()");
	require_run(fcinfo, 0, 4);
	report_arg_whole_failure(&report, fcinfo, 5);
	return retry_state_datum(call_by_id(fcinfo, 4, &report,
										&activity).retry_state);
}

PG_FUNCTION_INFO_V1(taskq_report_canceled_by_id);

/* taskq.report_canceled_by_id(activity_id, details, run_id, identity) */
Datum
taskq_report_canceled_by_id(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.report_canceled_by_id()");
	require_run(fcinfo, 0, 2);
	report_cancellation(&report, arg_varlena(fcinfo, 1),
						arg_identity(fcinfo, 3));
	(void) call_by_id(fcinfo, 2, &report, &activity);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_heartbeat_by_id);

/* taskq.heartbeat_by_id(activity_id, details, run_id, identity) */
Datum
taskq_heartbeat_by_id(PG_FUNCTION_ARGS)
{
	Report		report;
	Activity	activity;

	begin_writing("taskq.heartbeat_by_id()");
	require_run(fcinfo, 0, 2);
	report_heartbeat(&report, arg_varlena(fcinfo, 1), arg_identity(fcinfo, 3));
	(void) call_by_id(fcinfo, 2, &report, &activity);
	return return_flags(fcinfo, report_flags(&report, &activity));
}
