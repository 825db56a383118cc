/*
 * operate.c
 *		What operators do: request_cancel, terminate, pause, unpause, reset,
 *		update_options, delete, retry.
 *
 * Each call is an event for the state machine, for the run that it names.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "base/basics.h"
#include "base/compat.h"
#include "calls/args.h"
#include "calls/operate.h"
#include "calls/schedule.h"
#include "engine/enqueue.h"
#include "engine/execute.h"
#include "engine/refusal.h"
#include "model/options.h"
#include "model/options_json.h"
#include "store/closed.h"
#include "store/find.h"

/* what each call does first that names its run by the first two arguments */
static void
begin_operating(FunctionCallInfo fcinfo, const char *call)
{
	begin_writing(call);
	require_run(fcinfo, 0, 1);
}

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
		raise_not_found(activity_id, has_run_id ? &run_id : NULL);
	return activity.task.run_id;
}

/* the request id, as given, or one that no other call has */
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

/* are the arguments of update_options sound? */
static void
check_update(const EventData *data)
{
	if (data->options != NULL && data->restore_original)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("both options and restore_original are provided")));
	if (data->restore_original)
		return;
	if (data->options == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options are not provided")));
	if (!JB_ROOT_IS_OBJECT(data->options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	if (JB_ROOT_COUNT(data->options) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must have at least one key")));
}

/*
 * operate_arguments: what the arguments from number n on say of the event.  They
 * are the same for one run and for many.
 */
void
operate_arguments(FunctionCallInfo fcinfo, int n, Event event, EventData *data)
{
	memset(data, 0, sizeof(EventData));
	if (event == EVENT_UPDATE_OPTIONS)
	{
		data->options = arg_jsonb(fcinfo, n++);
		data->restore_original = arg_bool(fcinfo, n++);
	}
	else if (event != EVENT_RESET)
		data->reason = arg_reason(fcinfo, n++);
	data->identity = arg_identity(fcinfo, n++);
	data->request_id = arg_request_id(fcinfo, n++);
	if (event == EVENT_UPDATE_OPTIONS)
		check_update(data);
	else if (event == EVENT_UNPAUSE)
	{
		data->jitter = arg_delay(fcinfo, n++, "jitter");
		data->skip_backoff = arg_bool(fcinfo, n);
	}
	else if (event == EVENT_RESET)
	{
		data->keep_paused = arg_bool(fcinfo, n++);
		data->reset_heartbeat = arg_bool(fcinfo, n++);
		data->restore_original = arg_bool(fcinfo, n++);
		data->jitter = arg_delay(fcinfo, n, "jitter");
	}
}

/* apply a control event to the run, open or closed; raises a refusal */
static void
operate(FunctionCallInfo fcinfo, const char *call, Event event,
		Activity *activity)
{
	EventData	data;
	int64		run_id;
	Verdict		verdict;

	begin_operating(fcinfo, call);
	operate_arguments(fcinfo, 2, event, &data);
	run_id = arg_run(fcinfo);
	verdict = execute_control(run_id, event, &data, activity);
	if (verdict.answer == ANSWER_NOT_FOUND)
		raise_not_found(NULL, &run_id);
	raise_refusal(&verdict, activity, run_id);
}

/* likewise, for calls that return nothing */
static Datum
operate_silently(FunctionCallInfo fcinfo, const char *call, Event event)
{
	Activity	activity;

	operate(fcinfo, call, event, &activity);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_request_cancel);

/* taskq.request_cancel(activity_id, run_id, reason, identity, request_id) */
Datum
taskq_request_cancel(PG_FUNCTION_ARGS)
{
	return operate_silently(fcinfo, "taskq.request_cancel()",
							EVENT_REQUEST_CANCEL);
}

PG_FUNCTION_INFO_V1(taskq_terminate);

/* taskq.terminate(activity_id, run_id, reason, identity, request_id) */
Datum
taskq_terminate(PG_FUNCTION_ARGS)
{
	return operate_silently(fcinfo, "taskq.terminate()", EVENT_TERMINATE);
}

PG_FUNCTION_INFO_V1(taskq_pause);

/* taskq.pause(activity_id, run_id, reason, identity, request_id) */
Datum
taskq_pause(PG_FUNCTION_ARGS)
{
	return operate_silently(fcinfo, "taskq.pause()", EVENT_PAUSE);
}

PG_FUNCTION_INFO_V1(taskq_unpause);

/*
 * taskq.unpause(activity_id, run_id, reason, identity, request_id, jitter,
 *	 skip_backoff)
 */
Datum
taskq_unpause(PG_FUNCTION_ARGS)
{
	return operate_silently(fcinfo, "taskq.unpause()", EVENT_UNPAUSE);
}

PG_FUNCTION_INFO_V1(taskq_reset);

/*
 * taskq.reset(activity_id, run_id, identity, request_id, keep_paused,
 *	 reset_heartbeat, restore_original_options, jitter)
 */
Datum
taskq_reset(PG_FUNCTION_ARGS)
{
	return operate_silently(fcinfo, "taskq.reset()", EVENT_RESET);
}

PG_FUNCTION_INFO_V1(taskq_update_options);

/*
 * taskq.update_options(activity_id, run_id, options, restore_original,
 *	 identity, request_id) returns jsonb
 */
Datum
taskq_update_options(PG_FUNCTION_ARGS)
{
	Activity	activity;

	operate(fcinfo, "taskq.update_options()", EVENT_UPDATE_OPTIONS, &activity);
	PG_RETURN_JSONB_P(options_to_jsonb(&activity.options, &activity.task));
}

PG_FUNCTION_INFO_V1(taskq_delete);

/* taskq.delete(activity_id, run_id) returns void */
Datum
taskq_delete(PG_FUNCTION_ARGS)
{
	int64		run_id;
	Activity	activity;
	Verdict		verdict;

	begin_operating(fcinfo, "taskq.delete()");
	run_id = arg_run(fcinfo);
	verdict = execute_delete(run_id, &activity);
	raise_refusal(&verdict, &activity, run_id);
	if (verdict.answer == ANSWER_NOT_FOUND)
		raise_not_found(arg_text(fcinfo, 0),
						PG_ARGISNULL(1) ? NULL : &run_id);
	PG_RETURN_VOID();
}

/*
 * operate_retry: schedule a closed, unsuccessful run again.  "again" becomes the
 * new run.  Raises TQ001, TQ002 when its activity_id is in use, TQ003, TQ004.
 */
void
operate_retry(int64 run_id, ScheduledRun *again)
{
	Activity	activity;

	if (store_find(run_id, &activity) && activity.owner != 0)
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_FAILED_PRECONDITION),
				 errmsg("only its workflow can do that to the activity"),
				 errword(WORD_OF_WORKFLOW),
				 errdetail_internal("%s", facts_of_run(&activity))));
	if (store_find(run_id, &activity))
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_FAILED_PRECONDITION),
				 errmsg("activity execution is still running"),
				 errword(WORD_RUNNING),
				 errdetail_internal("%s", facts_of_run(&activity)),
				 errhint("Use taskq.reset() to start it over.")));
	if (!store_find_closed(run_id, &activity))
		raise_not_found(NULL, &run_id);
	if (activity.task.state == STATE_COMPLETED)
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_FAILED_PRECONDITION),
				 errmsg("activity execution has completed"),
				 errword(WORD_COMPLETED),
				 errdetail_internal("%s", facts_of_run(&activity))));
	enqueue_again(&activity, again);
}

PG_FUNCTION_INFO_V1(taskq_retry);

/* taskq.retry(run_id) returns (run_id, activity_id, created) */
Datum
taskq_retry(PG_FUNCTION_ARGS)
{
	ScheduledRun again;

	begin_writing("taskq.retry()");
	require_arg(fcinfo, 0, "run_id");
	operate_retry(PG_GETARG_INT64(0), &again);
	begin_result(fcinfo);
	put_scheduled(fcinfo, again.run_id, again.activity_id, again.created);
	return (Datum) 0;
}
