/*
 * operate.c
 *		What operators do: request_cancel, terminate, pause, unpause, reset,
 *		update_options, delete, retry.
 *
 * Each call is an event for the state machine.  A run that is closed gets the
 * event too, which then refuses, or recognises the request id of a call that
 * has succeeded before.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "args.h"
#include "clock.h"
#include "compat.h"
#include "effects.h"
#include "guc.h"
#include "heartbeat.h"
#include "json.h"
#include "ledger.h"
#include "options.h"
#include "schedule.h"

/* the run that the first two arguments mean, open or closed */
static int64
arg_run(FunctionCallInfo fcinfo)
{
	text	   *activity_id = arg_text(fcinfo, 0);
	bool		has_run_id = !PG_ARGISNULL(1);
	int64		run_id = has_run_id ? PG_GETARG_INT64(1) : 0;
	Activity	activity;
	bool		found;

	check_name_length(activity_id, "activity ID");
	if (activity_id == NULL && !has_run_id)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("activity ID is required"),
				 errhint("Pass activity_id or run_id.")));
	if (has_run_id)
		found = store_find(run_id, &activity) ||
			store_find_closed(run_id, &activity);
	else
		found = store_find_by_activity_id(activity_id, &activity) ||
			store_find_closed_by_activity_id(activity_id, &activity);
	if (!found ||
		(activity_id != NULL &&
		 (activity.activity_id == NULL ||
		  strcmp(text_to_cstring(activity.activity_id),
				 text_to_cstring(activity_id)) != 0)))
		raise_not_found(activity_id, run_id);
	return activity.run_id;
}

static const char *
arg_reason(FunctionCallInfo fcinfo, int n)
{
	char	   *reason = arg_cstring(fcinfo, n);

	if (reason != NULL && strlen(reason) > (Size) taskq_max_payload_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason exceeds length limit")));
	return reason;
}

/* as given, or one that no other call has */
static const char *
arg_request_id(FunctionCallInfo fcinfo, int n)
{
	text	   *request_id = arg_text(fcinfo, n);
	LOCAL_FCINFO(call, 0);

	check_name_length(request_id, "request ID");
	if (request_id != NULL && VARSIZE_ANY_EXHDR(request_id) > 0)
		return text_to_cstring(request_id);
	InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   gen_random_uuid(call)));
}

/*
 * Apply a control event to a run, open or closed; "activity" holds the run as
 * it then is.
 */
static void
operate(int64 run_id, Event event, EventData *data, Activity *activity)
{
	Address		address = {0};
	Verdict		verdict;

	address.run_id = run_id;
	verdict = execute(&address, event, data, NULL, activity);
	if (verdict.answer == ANSWER_NOT_FOUND)
	{
		if (!store_find_closed(run_id, activity))
			raise_not_found(NULL, run_id);
		data->now = clock_now();
		verdict = machine_apply(activity, event, data);
	}
	raise_refusal(&verdict, activity, run_id);
}

/* request_cancel, terminate and pause have the same arguments */
static Datum
operate_simply(FunctionCallInfo fcinfo, const char *call, Event event)
{
	EventData	data = {0};
	Activity	activity;
	int64		run_id;

	begin_writing(call);
	data.reason = arg_reason(fcinfo, 2);
	data.identity = arg_identity(fcinfo, 3);
	data.request_id = arg_request_id(fcinfo, 4);
	run_id = arg_run(fcinfo);
	operate(run_id, event, &data, &activity);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_request_cancel);

/* taskq.request_cancel(activity_id, run_id, reason, identity, request_id) */
Datum
taskq_request_cancel(PG_FUNCTION_ARGS)
{
	return operate_simply(fcinfo, "taskq.request_cancel()",
						  EVENT_REQUEST_CANCEL);
}

PG_FUNCTION_INFO_V1(taskq_terminate);

/* taskq.terminate(activity_id, run_id, reason, identity, request_id) */
Datum
taskq_terminate(PG_FUNCTION_ARGS)
{
	return operate_simply(fcinfo, "taskq.terminate()", EVENT_TERMINATE);
}

PG_FUNCTION_INFO_V1(taskq_pause);

/* taskq.pause(activity_id, run_id, reason, identity, request_id) */
Datum
taskq_pause(PG_FUNCTION_ARGS)
{
	return operate_simply(fcinfo, "taskq.pause()", EVENT_PAUSE);
}

PG_FUNCTION_INFO_V1(taskq_unpause);

/*
 * taskq.unpause(activity_id, run_id, reason, identity, request_id, jitter,
 *	 skip_backoff)
 */
Datum
taskq_unpause(PG_FUNCTION_ARGS)
{
	EventData	data = {0};
	Activity	activity;
	int64		run_id;

	begin_writing("taskq.unpause()");
	data.reason = arg_reason(fcinfo, 2);
	data.identity = arg_identity(fcinfo, 3);
	data.request_id = arg_request_id(fcinfo, 4);
	data.jitter = arg_duration(fcinfo, 5, "jitter");
	data.skip_backoff = arg_bool(fcinfo, 6);
	run_id = arg_run(fcinfo);
	operate(run_id, EVENT_UNPAUSE, &data, &activity);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_reset);

/*
 * taskq.reset(activity_id, run_id, identity, request_id, keep_paused,
 *	 reset_heartbeat, restore_original_options, jitter)
 */
Datum
taskq_reset(PG_FUNCTION_ARGS)
{
	EventData	data = {0};
	Activity	activity;
	int64		run_id;

	begin_writing("taskq.reset()");
	data.identity = arg_identity(fcinfo, 2);
	data.request_id = arg_request_id(fcinfo, 3);
	data.keep_paused = arg_bool(fcinfo, 4);
	data.reset_heartbeat = arg_bool(fcinfo, 5);
	data.restore_original = arg_bool(fcinfo, 6);
	data.jitter = arg_duration(fcinfo, 7, "jitter");
	run_id = arg_run(fcinfo);
	operate(run_id, EVENT_RESET, &data, &activity);
	PG_RETURN_VOID();
}

static void
check_update(const EventData *data)
{
	if (data->options != NULL && data->restore_original)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Both UpdateMask and RestoreOriginal are provided")));
	if (data->restore_original)
		return;
	if (data->options == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ActivityOptions are not provided")));
	if (!JB_ROOT_IS_OBJECT(data->options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	if (JB_ROOT_COUNT(data->options) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("UpdateMask must specify at least one path")));
}

PG_FUNCTION_INFO_V1(taskq_update_options);

/*
 * taskq.update_options(activity_id, run_id, options, restore_original,
 *	 identity, request_id) returns jsonb
 */
Datum
taskq_update_options(PG_FUNCTION_ARGS)
{
	EventData	data = {0};
	Activity	activity;
	int64		run_id;

	begin_writing("taskq.update_options()");
	data.options = arg_jsonb(fcinfo, 2);
	data.restore_original = arg_bool(fcinfo, 3);
	data.identity = arg_identity(fcinfo, 4);
	data.request_id = arg_request_id(fcinfo, 5);
	check_update(&data);
	run_id = arg_run(fcinfo);
	operate(run_id, EVENT_UPDATE_OPTIONS, &data, &activity);
	PG_RETURN_JSONB_P(options_to_jsonb(&activity.options));
}

/* delete an open run; false when it is not open (any more) */
static bool
delete_open(int64 run_id)
{
	Activity	activity;
	Heartbeat	heartbeat;
	bool		awaited = false;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!store_find(run_id, &activity))
			return false;
		if (!awaited && state_in_progress(activity.state))
			awaited = heartbeat_await(&activity);
	} while (store_delete(&activity, true) != STORE_OK);
	heartbeat_take(&activity, &heartbeat);
	ledger_count(activity.options.task_queue, COUNT_TERMINATED, 1);
	ledger_open(&activity, activity.state, -1);
	effects_closed(run_id);
	if (activity.state == STATE_SCHEDULED)
		effects_polled(activity.options.task_queue, 1);
	if (!state_in_progress(activity.state))
		return true;
	execute_attempt_ended(activity_taken_from(&activity));
	effects_worker_event(activity.worker, run_id, activity.attempt,
							 WORKER_EVENT_DELETED);
	return true;
}

PG_FUNCTION_INFO_V1(taskq_delete);

/* taskq.delete(activity_id, run_id) returns void */
Datum
taskq_delete(PG_FUNCTION_ARGS)
{
	int64		run_id;

	begin_writing("taskq.delete()");
	run_id = arg_run(fcinfo);
	if (!delete_open(run_id) && !store_delete_closed(run_id))
		raise_not_found(arg_text(fcinfo, 0), run_id);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_retry);

/* taskq.retry(run_id) returns (run_id, activity_id, created) */
Datum
taskq_retry(PG_FUNCTION_ARGS)
{
	Activity	activity;
	int64		run_id;

	begin_writing("taskq.retry()");
	require_arg(fcinfo, 0, "run_id");
	run_id = PG_GETARG_INT64(0);
	if (store_find(run_id, &activity))
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_FAILED_PRECONDITION),
				 errmsg("activity execution is still running"),
				 errhint("Use taskq.reset() to start it over.")));
	if (!store_find_closed(run_id, &activity))
		raise_not_found(NULL, run_id);
	if (activity.state == STATE_COMPLETED)
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_FAILED_PRECONDITION),
				 errmsg("activity execution has completed")));
	begin_result(fcinfo);
	schedule_again(fcinfo, &activity);
	return (Datum) 0;
}
