/*
 * report.c
 *		What workers report: complete, fail, report_canceled, heartbeat; by
 *		token and by id.  Batches are in report_batch.c.
 *
 * A call by token reaches the attempt of that token only; a call by id reaches
 * whatever attempt runs.  Payloads above taskq.max_payload_size do not raise:
 * the work is done and the worker would only try again, so the attempt is
 * failed for good instead, with a WARNING.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "args.h"
#include "catalog.h"
#include "compat.h"
#include "failure.h"
#include "guc.h"
#include "heartbeat.h"
#include "instance.h"
#include "options.h"
#include "poll.h"
#include "report.h"

/* ------------------------------------------------------------------------
 * What is reported
 * ------------------------------------------------------------------------
 */

static bool
oversized(const void *payload)
{
	return payload != NULL &&
		toast_raw_datum_size(PointerGetDatum(payload)) >
		(Size) taskq_max_payload_size * 1024;
}

static void
warn_oversized(const char *message)
{
	ereport(WARNING,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s", message),
			 errdetail("taskq.max_payload_size is %d kB.",
					   taskq_max_payload_size),
			 errhint("Store large payloads elsewhere and pass a reference.")));
}

/* the attempt is failed by the server instead of what was reported */
static void
fail_instead(Report *report, const char *message)
{
	warn_oversized(message);
	report->event = EVENT_FAIL;
	report->data.failure = failure_server(message, true, NULL);
	report->data.next_retry_delay = 0;
	report->checkpoint.given = false;
}

/* report_complete: success, with the worker's result. */
void
report_complete(Report *report, bool by_id, struct varlena *result,
				const char *identity)
{
	memset(report, 0, sizeof(Report));
	report->event = by_id ? EVENT_COMPLETE_BY_ID : EVENT_COMPLETE;
	report->data.identity = identity;
	report->data.result = result;
	if (oversized(result))
		fail_instead(report, "Complete result exceeds size limit.");
}

/* report_heartbeat: alive, with details for the next attempt. */
void
report_heartbeat(Report *report, struct varlena *details,
				 const char *identity)
{
	memset(report, 0, sizeof(Report));
	report->event = EVENT_HEARTBEAT;
	report->data.identity = identity;
	report->checkpoint.given = true;
	report->checkpoint.details = details;
	if (oversized(details))
		fail_instead(report, "Heartbeat details exceed size limit.");
}

static void
report_canceled(Report *report, struct varlena *details, const char *identity)
{
	memset(report, 0, sizeof(Report));
	report->event = EVENT_REPORT_CANCELED;
	report->data.identity = identity;
	if (oversized(details))
		fail_instead(report, "Cancel details exceed size limit.");
	else if (details != NULL)
		report->data.details = DatumGetJsonbP(PointerGetDatum(details));
}

/* a cause has to be a failure itself */
static Jsonb *
arg_cause(FunctionCallInfo fcinfo, int n)
{
	Jsonb	   *cause = arg_jsonb(fcinfo, n);

	if (cause != NULL && !JB_ROOT_IS_OBJECT(cause))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cause must be a failure"),
				 errdetail("A failure is a JSON object with keys such as \"message\" and \"type\".")));
	return cause;
}

static int64
arg_retry_delay(FunctionCallInfo fcinfo, int n)
{
	int64		delay = 0;
	const char *problem = PG_ARGISNULL(n) ? NULL :
		duration_check(PG_GETARG_INTERVAL_P(n), &delay);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("NextRetryDelay is not a valid duration"),
				 errdetail("It %s.", problem)));
	return delay;
}

/*
 * report_failure: no success; the arguments from "first" on are those of
 * taskq.fail after the token.  All NULL = "no failure".
 */
void
report_failure(Report *report, FunctionCallInfo fcinfo, int first)
{
	char	   *message = arg_cstring(fcinfo, first);
	char	   *type = arg_cstring(fcinfo, first + 1);
	Jsonb	   *details = arg_jsonb(fcinfo, first + 2);
	bool		non_retryable = arg_bool(fcinfo, first + 3);
	char	   *stack_trace = arg_cstring(fcinfo, first + 5);
	Jsonb	   *cause = arg_cause(fcinfo, first + 6);
	struct varlena *checkpoint = arg_varlena(fcinfo, first + 7);

	memset(report, 0, sizeof(Report));
	report->event = EVENT_FAIL;
	report->data.next_retry_delay = arg_retry_delay(fcinfo, first + 4);
	if (message || type || details || non_retryable || stack_trace || cause)
		report->data.failure = failure_application(message, type, details,
												   non_retryable, stack_trace,
												   cause);
	if (oversized(report->data.failure))
	{
		warn_oversized("Failure exceeds size limit.");
		report->data.failure =
			failure_truncated(report->data.failure,
							  (Size) taskq_max_payload_size * 1024, true);
	}
	if (oversized(checkpoint))
		warn_oversized("Last heartbeat details exceed size limit.");
	else if (checkpoint != NULL)
	{
		report->checkpoint.given = true;
		report->checkpoint.details = checkpoint;
	}
}

/* ------------------------------------------------------------------------
 * To whom
 * ------------------------------------------------------------------------
 */

/* is it a heartbeat, and was that all there is to do? */
static bool
is_quick(const Report *report, int64 run_id, int64 nonce, Activity *activity,
		 Verdict *verdict)
{
	if (report->event != EVENT_HEARTBEAT ||
		!heartbeat_quickly(run_id, nonce, report->checkpoint.details,
						   &activity->state))
		return false;
	verdict->answer = ANSWER_UNCHANGED;
	verdict->message = NULL;
	verdict->retry_state = RETRY_UNSPECIFIED;
	return true;
}

/*
 * report_by_token: carry the report out for the attempt of a token.  Of the
 * activity only the state is known after a heartbeat.
 */
Verdict
report_by_token(Report *report, Datum token, Activity *activity)
{
	Address		address = {0};
	Verdict		verdict = {ANSWER_NOT_FOUND, NULL, RETRY_UNSPECIFIED};

	address.by_token = true;
	if (!token_read(DatumGetUUIDP(token), &address.run_id, &address.nonce) ||
		is_quick(report, address.run_id, address.nonce, activity, &verdict))
		return verdict;
	return execute(&address, report->event, &report->data,
				   &report->checkpoint, activity);
}

/*
 * What to call the activity of a token that is not valid: its activity id, its
 * run id, or the token itself when nothing is known by it.
 */
static char *
name_of_token(Datum token)
{
	Activity	activity;
	int64		run_id;
	int64		nonce;

	if (!token_read(DatumGetUUIDP(token), &run_id, &nonce) ||
		!(store_find(run_id, &activity) ||
		  store_find_closed(run_id, &activity)))
		return DatumGetCString(DirectFunctionCall1(uuid_out, token));
	if (activity.activity_id != NULL)
		return text_to_cstring(activity.activity_id);
	return psprintf(INT64_FORMAT, run_id);
}

/* report_stale: TQ001, or a warning of that code, for a token that is over. */
void
report_stale(int elevel, Datum token)
{
	ereport(elevel,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("activity not found for ID: %s", name_of_token(token)),
			 errdetail("The attempt of this task token is over, or it never existed.")));
}

static Verdict
call_by_token(FunctionCallInfo fcinfo, Report *report, Activity *activity)
{
	Verdict		verdict = report_by_token(report, PG_GETARG_DATUM(0), activity);

	if (verdict.answer == ANSWER_NOT_FOUND)
		report_stale(ERROR, PG_GETARG_DATUM(0));
	raise_refusal(&verdict, activity, 0);
	return verdict;
}

static Verdict
call_by_id(FunctionCallInfo fcinfo, int run_id_arg, Report *report,
		   Activity *activity)
{
	text	   *activity_id = arg_text(fcinfo, 0);
	Address		address = {0};
	OpenGlance	glance;
	Verdict		verdict;

	address.run_id = resolve_open_run(activity_id, !PG_ARGISNULL(run_id_arg),
									  PG_ARGISNULL(run_id_arg) ? 0 :
									  PG_GETARG_INT64(run_id_arg));
	if (report->event == EVENT_HEARTBEAT &&
		store_glance(address.run_id, &glance) &&
		is_quick(report, address.run_id, glance.nonce, activity, &verdict))
		return verdict;
	verdict = execute(&address, report->event, &report->data,
					  &report->checkpoint, activity);
	if (verdict.answer == ANSWER_NOT_FOUND)
		raise_run_not_found(address.run_id);
	raise_refusal(&verdict, activity, address.run_id);
	return verdict;
}

/* ------------------------------------------------------------------------
 * Answers
 * ------------------------------------------------------------------------
 */

/* report_flags: what the activity tells the worker that reported. */
Flags
report_flags(const Report *report, const Activity *activity)
{
	Flags		flags = {0};

	if (report->event != EVENT_HEARTBEAT)
		flags.cancel_requested = true;	/* failed instead: stop */
	else
	{
		flags.cancel_requested = activity->state == STATE_CANCEL_REQUESTED;
		flags.activity_paused = activity->state == STATE_PAUSE_REQUESTED;
		flags.activity_reset = activity->state == STATE_RESET_REQUESTED;
	}
	return flags;
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
	put_row(fcinfo, values, nulls);
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
	report_failure(&report, fcinfo, 1);
	report.data.identity = arg_identity(fcinfo, 9);
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
	report_canceled(&report, arg_varlena(fcinfo, 1), arg_identity(fcinfo, 2));
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
	report_failure(&report, fcinfo, 1);
	report.data.identity = arg_identity(fcinfo, 10);
	return retry_state_datum(call_by_id(fcinfo, 9, &report,
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
	report_canceled(&report, arg_varlena(fcinfo, 1), arg_identity(fcinfo, 3));
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
	report_heartbeat(&report, arg_varlena(fcinfo, 1), arg_identity(fcinfo, 3));
	(void) call_by_id(fcinfo, 2, &report, &activity);
	return return_flags(fcinfo, report_flags(&report, &activity));
}
