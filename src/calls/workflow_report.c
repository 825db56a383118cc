/*
 * workflow_report.c
 *		What workers of workflows report: complete_workflow_task, its batch,
 *		fail_workflow_task, release_workflow_task; worker_gone, reset_sticky.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/resowner.h"
#include "utils/uuid.h"
#include "access/xact.h"

#include "base/json.h"
#include "base/proto_check.h"
#include "base/shown.h"
#include "calls/args.h"
#include "calls/poll.h"
#include "calls/workflow_args.h"
#include "calls/workflow_report.h"
#include "calls/workflow_task.h"
#include "common/proto_commands.h"
#include "common/proto_enums.h"
#include "common/proto_parts.h"
#include "engine/run_complete.h"
#include "engine/run_refusal.h"
#include "engine/run_sticky.h"
#include "engine/run_token.h"
#include "engine/token.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "store/find_run.h"

/* ------------------------------------------------------------------------
 * Completion
 * ------------------------------------------------------------------------
 */

static bool
token_of(Datum token, int64 *run_id, int64 *nonce)
{
	return run_token_read(DatumGetUUIDP(token), run_id, nonce);
}

/* an eager activity, as the worker would have polled it */
static Jsonb *
eager_activity(const Activity *activity)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_text(&builder, "task_token",
				  DatumGetCString(DirectFunctionCall1(uuid_out,
													  UUIDPGetDatum(token_make(activity->task.run_id, activity->task.nonce)))));
	json_add_text(&builder, "run_id", psprintf(INT64_FORMAT, activity->task.run_id));
	json_add_text(&builder, "activity_id", text_to_cstring(activity->activity_id));
	json_add_text(&builder, "activity_type", text_to_cstring(activity->activity_type));
	json_add_text(&builder, "task_queue", text_to_cstring(activity->task.queue));
	json_add_event_id(&builder, "scheduled_event_id", activity->scheduled_event_id);
	json_add_int64(&builder, "attempt", activity->task.attempt);
	if (activity->input != NULL)
		json_add(&builder, "input", DatumGetJsonbP(PointerGetDatum(activity->input)));
	if (activity->header != NULL)
		json_add(&builder, "header", DatumGetJsonbP(PointerGetDatum(activity->header)));
	json_add_text(&builder, "scheduled_time", proto_instant_text(activity->task.schedule_time));
	json_add_text(&builder, "started_time", proto_instant_text(activity->task.started_time));
	if (activity->options.schedule_to_close > 0)
		json_add_duration(&builder, "schedule_to_close_timeout", activity->options.schedule_to_close);
	if (activity->options.start_to_close > 0)
		json_add_duration(&builder, "start_to_close_timeout", activity->options.start_to_close);
	if (activity->options.heartbeat_timeout > 0)
		json_add_duration(&builder, "heartbeat_timeout", activity->options.heartbeat_timeout);
	return json_end(&builder);
}

static Jsonb *
eager_activities(const RunWritten *written)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < written->neager; i++)
	{
		JsonbValue	value;

		JsonbToJsonbValue(eager_activity(&written->eager[i]), &value);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* completion_values: what becomes of a completion, as columns. */
void
completion_values(const CompletionAnswer *answer, bool sticky, Datum *values, bool *nulls)
{
	memset(nulls, false, COMPLETION_FIELDS * sizeof(bool));
	nulls[0] = answer->failed_cause == NULL;
	if (answer->failed_cause != NULL)
		values[0] = CStringGetTextDatum(answer->failed_cause);
	nulls[COMPLETION_MESSAGE] = answer->failed_message == NULL;
	if (answer->failed_message != NULL)
		values[COMPLETION_MESSAGE] = CStringGetTextDatum(answer->failed_message);
	values[2] = BoolGetDatum(answer->closed);
	nulls[3] = !answer->has_new_task;
	if (answer->has_new_task)
		values[3] = workflow_task_datum(&answer->new_task, sticky);
	nulls[4] = answer->written.neager == 0;
	if (answer->written.neager > 0)
		values[4] = PointerGetDatum(eager_activities(&answer->written));
}

/* A command without a type: which one?  The message is the protocol's. */
static void
check_types(Jsonb *list)
{
	for (int i = 0; i < (int) JB_ROOT_COUNT(list); i++)
	{
		JsonbValue *command = getIthJsonbValueFromContainer(&list->root, i);
		JsonbValue	type;

		if (getKeyJsonValueFromContainer(command->val.binary.data, "commandType",
										 strlen("commandType"), &type) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown command type: 0"),
					 errdetail("commands[%d].commandType: not set.", i)));
	}
}

/*
 * completion_commands: checked against their shapes.  Raises 22023; 22004 for NULL, which
 * is what || and jsonb_agg() give who did not mean to say that there are none.
 */
void
completion_commands(Jsonb *list, RunCommands *commands)
{
	if (list == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("commands is not set"),
				 errhint("An empty array, [], means no commands.")));
	list = proto_check_list("commands", &proto_command, list);
	check_types(list);
	run_commands_read(list, commands);
}

/*
 * completion_refuse_later: what a later version takes has to be empty, lest something
 * be lost unseen.  Raises 0A000.
 */
void
completion_refuse_later(Jsonb *given, const char *name)
{
	if (given != NULL && (JB_ROOT_IS_SCALAR(given) || JB_ROOT_COUNT(given) > 0))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is not supported yet", name)));
}

/* completion_metadata: what else the event of the completion is to have, checked; NULL = nothing.  Raises 22023. */
void
completion_metadata(TaskCompletion *completion, Jsonb *sdk_metadata, Jsonb *extra)
{
	if (sdk_metadata != NULL)
		completion->sdk_metadata =
			proto_check("sdk_metadata", &proto_workflow_task_completed_metadata, sdk_metadata);
	if (extra != NULL)
		completion->extra = proto_check("extra", &proto_workflow_task_completed_extra, extra);
}

PG_FUNCTION_INFO_V1(taskq_complete_workflow_task);

/*
 * taskq.complete_workflow_task(task_token, commands, sticky_task_queue,
 *	 sticky_schedule_to_start_timeout, force_new_task, return_new_task,
 *	 query_results, messages, sdk_metadata, extra, identity) returns one row
 */
Datum
taskq_complete_workflow_task(PG_FUNCTION_ARGS)
{
	TaskCompletion completion = {0};
	CompletionAnswer answer;
	Datum		values[COMPLETION_FIELDS];
	bool		nulls[COMPLETION_FIELDS];
	char	   *identity = arg_identity(fcinfo, 10);

	begin_writing("taskq.complete_workflow_task()");
	require_arg(fcinfo, 0, "task_token");
	completion_refuse_later(arg_jsonb(fcinfo, 6), "query_results");
	completion_refuse_later(arg_jsonb(fcinfo, 7), "messages");
	completion_commands(arg_jsonb(fcinfo, 1), &completion.commands);
	completion.sticky_queue = arg_sticky_queue(fcinfo, 2);
	completion.sticky_timeout = arg_is_null(fcinfo, 3) ? 0 :
		arg_duration(fcinfo, 3, "sticky_schedule_to_start_timeout");
	completion.force_new_task = arg_bool(fcinfo, 4);
	completion.return_new_task = arg_bool(fcinfo, 5);
	completion_metadata(&completion, arg_jsonb(fcinfo, 8), arg_jsonb(fcinfo, 9));
	completion.identity = identity == NULL ? default_identity() : identity;
	if (!token_of(PG_GETARG_DATUM(0), &completion.run_id, &completion.nonce) ||
		!run_complete_task(&completion, &answer))
		report_stale_task(ERROR);
	completion_values(&answer, completion.sticky_queue != NULL, values, nulls);
	begin_result(fcinfo);
	put_row(fcinfo, values, nulls, COMPLETION_FIELDS);
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Failure, release
 * ------------------------------------------------------------------------
 */

/* a failure of the protocol's form, or of the plain one */
static Jsonb *
arg_failure(FunctionCallInfo fcinfo, int n)
{
	Jsonb	   *given = arg_jsonb(fcinfo, n);

	if (given == NULL)
		return NULL;
	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("failure must be a JSON object")));
	if (failure_is_exact(given))
		return proto_check("failure", &proto_failure, given);
	failure_check(given, "failure");
	return failure_exact(given);
}

/* a cause by its name, with or without what all of them begin with */
static const char *
arg_failed_cause(FunctionCallInfo fcinfo, int n)
{
	char	   *name;
	int32_t		number;

	require_arg(fcinfo, n, "cause");
	name = text_to_cstring(arg_text(fcinfo, n));
	if (proto_number(&proto_workflow_task_failed_cause, slice_of(name), &number) ||
		proto_number(&proto_workflow_task_failed_cause,
					 slice_of(psprintf("WORKFLOW_TASK_FAILED_CAUSE_%s", name)), &number))
		return proto_name(&proto_workflow_task_failed_cause, number);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized cause \"%s\"", text_shown(name)),
			 errhint("Causes are those of the protocol, such as WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR.")));
	return NULL;
}

PG_FUNCTION_INFO_V1(taskq_fail_workflow_task);

/* taskq.fail_workflow_task(task_token, cause, failure, identity) returns void */
Datum
taskq_fail_workflow_task(PG_FUNCTION_ARGS)
{
	char	   *identity = arg_identity(fcinfo, 3);
	int64		run_id;
	int64		nonce;

	begin_writing("taskq.fail_workflow_task()");
	require_arg(fcinfo, 0, "task_token");
	if (!token_of(PG_GETARG_DATUM(0), &run_id, &nonce) ||
		!run_fail_task(run_id, nonce, arg_failed_cause(fcinfo, 1), arg_failure(fcinfo, 2),
					   identity == NULL ? default_identity() : identity))
		report_stale_task(ERROR);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_release_workflow_task);

/* taskq.release_workflow_task(task_token) returns void */
Datum
taskq_release_workflow_task(PG_FUNCTION_ARGS)
{
	int64		run_id;
	int64		nonce;

	begin_writing("taskq.release_workflow_task()");
	require_arg(fcinfo, 0, "task_token");
	if (!token_of(PG_GETARG_DATUM(0), &run_id, &nonce) || !run_release_task(run_id, nonce))
		report_stale_task(ERROR);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Sticky queues
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(taskq_worker_gone);

/* taskq.worker_gone(sticky_task_queue) returns void */
Datum
taskq_worker_gone(PG_FUNCTION_ARGS)
{
	begin_writing("taskq.worker_gone()");
	require_arg(fcinfo, 0, "sticky_task_queue");
	run_sticky_gone(check_queue_name(arg_text(fcinfo, 0)));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_reset_sticky);

/* taskq.reset_sticky(workflow_id, run_id) returns void */
Datum
taskq_reset_sticky(PG_FUNCTION_ARGS)
{
	Run			run;

	begin_writing("taskq.reset_sticky()");
	if (arg_is_null(fcinfo, 0) && arg_is_null(fcinfo, 1))
		require_arg(fcinfo, 0, "workflow_id");
	if (!run_sticky_reset(open_run_named(arg_text(fcinfo, 0),
										 arg_run_id(fcinfo, 1), &run)))
		raise_workflow_not_found(arg_text(fcinfo, 0), run.task.run_id);
	PG_RETURN_VOID();
}
