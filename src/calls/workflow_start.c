/*
 * workflow_start.c
 *		Starting workflows: start_workflow, signal_with_start_workflow, and their
 *		forms that take a request.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/proto_check.h"
#include "calls/args.h"
#include "calls/workflow_args.h"
#include "common/proto_enums.h"
#include "common/proto_parts.h"
#include "common/proto_requests.h"
#include "engine/run_open.h"
#include "engine/run_search.h"
#include "model/duration.h"
#include "model/options.h"
#include "model/proto_json.h"
#include "model/search_values.h"
#include "store/catalog.h"

/* arguments of start_workflow, in order */
enum
{
	ARG_TASK_QUEUE,
	ARG_WORKFLOW_TYPE,
	ARG_INPUT,
	ARG_WORKFLOW_ID,
	ARG_EXECUTION_TIMEOUT,
	ARG_RUN_TIMEOUT,
	ARG_TASK_TIMEOUT,
	ARG_RETRY_POLICY,
	ARG_START_DELAY,
	ARG_CRON_SCHEDULE,
	ARG_PRIORITY,
	ARG_FAIRNESS_KEY,
	ARG_FAIRNESS_WEIGHT,
	ARG_ID_REUSE_POLICY,
	ARG_ID_CONFLICT_POLICY,
	ARG_REQUEST_ID,
	ARG_HEADER,
	ARG_MEMO,
	ARG_SEARCH_ATTRIBUTES,
	ARG_USER_METADATA,
	ARG_IDENTITY,
	ARG_SIGNAL_NAME,			/* from here on: signal_with_start_workflow */
	ARG_SIGNAL_INPUT
};

/* ------------------------------------------------------------------------
 * Typed arguments as a request
 * ------------------------------------------------------------------------
 */

static char *
new_id(void)
{
	LOCAL_FCINFO(call, 0);

	InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
	return DatumGetCString(DirectFunctionCall1(uuid_out, gen_random_uuid(call)));
}

static void
add_priority(JsonBuilder *builder, FunctionCallInfo fcinfo)
{
	JsonBuilder priority;

	json_begin(&priority);
	if (!arg_is_null(fcinfo, ARG_PRIORITY) && PG_GETARG_INT32(ARG_PRIORITY) != 0)
		json_add_int64(&priority, "priorityKey", PG_GETARG_INT32(ARG_PRIORITY));
	add_text_arg(&priority, "fairnessKey", fcinfo, ARG_FAIRNESS_KEY);
	if (!arg_is_null(fcinfo, ARG_FAIRNESS_WEIGHT))
		json_add_float8(&priority, "fairnessWeight", PG_GETARG_FLOAT8(ARG_FAIRNESS_WEIGHT));
	if (!priority.empty)
		json_add(builder, "priority", json_end(&priority));
}

static void
add_search_attributes(JsonBuilder *builder, FunctionCallInfo fcinfo)
{
	Jsonb	   *values = arg_jsonb(fcinfo, ARG_SEARCH_ATTRIBUTES);
	JsonBuilder message;

	if (values == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(values))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("search_attributes must be a JSON object")));
	json_begin(&message);
	json_add(&message, "indexedFields", search_values_exact(values, run_search_type));
	json_add(builder, "searchAttributes", json_end(&message));
}

/* {"summary": …, "details": …}, of which each is a payload of its own */
static void
add_user_metadata(JsonBuilder *builder, FunctionCallInfo fcinfo)
{
	Jsonb	   *metadata = arg_jsonb(fcinfo, ARG_USER_METADATA);

	if (metadata == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(metadata))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("user_metadata must be a JSON object"),
				 errhint("Its keys are \"summary\" and \"details\".")));
	json_add(builder, "userMetadata",
			 proto_check("user_metadata", &proto_user_metadata, search_values_exact(metadata, NULL)));
}

/* raise 22023 for intervals that are given and that the protocol cannot hold */
static void
check_intervals(Datum composite, int maximum_attempts)
{
	static const struct
	{
		int			field;
		const char *name;
	}			intervals[] = {
		{1, "initial_interval set on retry policy"},
		{3, "maximum_interval set on retry policy"},
	};

	for (int i = 0; i < (int) lengthof(intervals); i++)
	{
		bool		is_null;
		Datum		value = GetAttributeByNum(DatumGetHeapTupleHeader(composite),
											  intervals[i].field, &is_null);

		if (!is_null)
			(void) check_proto_duration(retry_policy_duration(DatumGetIntervalP(value), intervals[i].name,
															  maximum_attempts),
										intervals[i].name);
	}
}

static void
add_retry_policy(JsonBuilder *builder, FunctionCallInfo fcinfo)
{
	RetryPolicy policy;

	if (arg_is_null(fcinfo, ARG_RETRY_POLICY))
		return;
	retry_policy_from_datum(PG_GETARG_DATUM(ARG_RETRY_POLICY), &policy);
	check_intervals(PG_GETARG_DATUM(ARG_RETRY_POLICY), policy.maximum_attempts);
	json_add(builder, "retryPolicy", json_retry_policy(&policy));
}

static const char *
reuse_policy_name(Oid label)
{
	if (label == catalog()->reuse_failed_only)
		return "WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY";
	return label == catalog()->reuse_reject ? "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE" :
		"WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE";
}

static const char *
conflict_policy_name(Oid label)
{
	if (label == catalog()->workflow_conflict_use_existing)
		return "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING";
	return label == catalog()->conflict_terminate_existing ?
		"WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING" : "WORKFLOW_ID_CONFLICT_POLICY_FAIL";
}

static void
add_policies(JsonBuilder *builder, FunctionCallInfo fcinfo, bool with_signal)
{
	require_arg(fcinfo, ARG_ID_REUSE_POLICY, "id_reuse_policy");
	json_add_text(builder, "workflowIdReusePolicy",
				  reuse_policy_name(PG_GETARG_OID(ARG_ID_REUSE_POLICY)));
	if (arg_is_null(fcinfo, ARG_ID_CONFLICT_POLICY) && !with_signal)
		require_arg(fcinfo, ARG_ID_CONFLICT_POLICY, "id_conflict_policy");
	if (!arg_is_null(fcinfo, ARG_ID_CONFLICT_POLICY))
		json_add_text(builder, "workflowIdConflictPolicy",
					  conflict_policy_name(PG_GETARG_OID(ARG_ID_CONFLICT_POLICY)));
}

/* the request that the typed arguments are */
static Jsonb *
request_of_args(FunctionCallInfo fcinfo, bool with_signal)
{
	JsonBuilder builder;
	char	   *identity = arg_identity(fcinfo, ARG_IDENTITY);

	require_arg(fcinfo, ARG_TASK_QUEUE, "task_queue");
	require_arg(fcinfo, ARG_WORKFLOW_TYPE, "workflow_type");
	json_begin(&builder);
	add_text_arg(&builder, "workflowId", fcinfo, ARG_WORKFLOW_ID);
	add_named(&builder, "workflowType", "name", text_to_cstring(arg_text(fcinfo, ARG_WORKFLOW_TYPE)));
	add_named(&builder, "taskQueue", "name",
			  text_to_cstring(check_queue_name(arg_text(fcinfo, ARG_TASK_QUEUE))));
	add_payloads_arg(&builder, "input", fcinfo, ARG_INPUT);
	add_duration_arg(&builder, "workflowExecutionTimeout", fcinfo, ARG_EXECUTION_TIMEOUT, "execution_timeout");
	add_duration_arg(&builder, "workflowRunTimeout", fcinfo, ARG_RUN_TIMEOUT, "run_timeout");
	add_duration_arg(&builder, "workflowTaskTimeout", fcinfo, ARG_TASK_TIMEOUT, "task_timeout");
	add_retry_policy(&builder, fcinfo);
	add_duration_arg(&builder, "workflowStartDelay", fcinfo, ARG_START_DELAY, "start_delay");
	add_text_arg(&builder, "cronSchedule", fcinfo, ARG_CRON_SCHEDULE);
	add_priority(&builder, fcinfo);
	add_policies(&builder, fcinfo, with_signal);
	add_text_arg(&builder, "requestId", fcinfo, ARG_REQUEST_ID);
	add_map_arg(&builder, "header", fcinfo, ARG_HEADER);
	add_map_arg(&builder, "memo", fcinfo, ARG_MEMO);
	add_search_attributes(&builder, fcinfo);
	add_user_metadata(&builder, fcinfo);
	json_add_text(&builder, "identity", identity == NULL ? default_identity() : identity);
	if (with_signal)
	{
		require_arg(fcinfo, ARG_SIGNAL_NAME, "signal_name");
		add_text_arg(&builder, "signalName", fcinfo, ARG_SIGNAL_NAME);
		add_payloads_arg(&builder, "signalInput", fcinfo, ARG_SIGNAL_INPUT);
	}
	return json_end(&builder);
}

/* ------------------------------------------------------------------------
 * A request carried out
 * ------------------------------------------------------------------------
 */

static int
policy_of(Jsonb *request, const char *key, const ProtoEnum *names)
{
	char	   *name = json_get_text(request, key);
	int32_t		number = 0;

	if (name != NULL)
		(void) proto_number(names, slice_of(name), &number);
	return number;
}

static void
read_policies(RunStartCall *call, bool with_signal)
{
	int			reuse = policy_of(call->request, "workflowIdReusePolicy",
								  &proto_workflow_id_reuse_policy);
	int			conflict = policy_of(call->request, "workflowIdConflictPolicy",
									 &proto_workflow_id_conflict_policy);

	call->reuse = reuse == WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY ? REUSE_FAILED_ONLY :
		reuse == WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE ? REUSE_REJECT : REUSE_ALLOW;
	if (reuse == WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING && conflict != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy.")));
	if (with_signal && conflict == WORKFLOW_ID_CONFLICT_POLICY_FAIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation."),
				 errhint("A start with a signal signals the run that is open. Leave id_conflict_policy out, or say use_existing or terminate_existing.")));
	if (reuse == WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING ||
		conflict == WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING)
		call->conflict = RUN_CONFLICT_TERMINATE_EXISTING;
	else if (conflict == WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING || with_signal)
		call->conflict = RUN_CONFLICT_USE_EXISTING;
	else
		call->conflict = RUN_CONFLICT_FAIL;
}

/* a workflow has an id, given or not */
static Jsonb *
with_id(Jsonb *request)
{
	JsonBuilder builder;

	if (json_get_text(request, "workflowId") != NULL)
		return request;
	json_begin(&builder);
	json_add_members(&builder, request, NULL);
	json_add_text(&builder, "workflowId", new_id());
	return json_end(&builder);
}

static void
put_started(FunctionCallInfo fcinfo, const RunStartCall *call, const RunStarted *started)
{
	Datum		values[6];
	bool		nulls[lengthof(values)] = {false};

	values[0] = CStringGetTextDatum(json_get_text(call->request, "workflowId"));
	values[1] = Int64GetDatum(started->run_id);
	values[2] = BoolGetDatum(started->created);
	values[3] = Int64GetDatum(started->first_run_id);
	values[4] = ObjectIdGetDatum(catalog()->workflow_status[started->status]);
	values[5] = BoolGetDatum(started->same_request);
	begin_result(fcinfo);
	put_row(fcinfo, values, nulls, lengthof(values));
}

/* the signal that comes along, as an event */
static void
make_signal(Jsonb *request, RunMail *mail)
{
	JsonBuilder builder;
	Jsonb	   *input = json_get_object(request, "signalInput");
	Jsonb	   *header = json_get_object(request, "header");

	if (json_get_text(request, "signalName") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("SignalName is not set on request.")));
	check_name_length(cstring_to_text(json_get_text(request, "signalName")), "SignalName");
	check_message_size(input, "signalInput");
	json_begin(&builder);
	json_add_text(&builder, "signalName", json_get_text(request, "signalName"));
	if (input != NULL)
		json_add(&builder, "input", input);
	json_add_text(&builder, "identity", json_get_text(request, "identity"));
	if (header != NULL)
		json_add(&builder, "header", header);
	json_add_text(&builder, "requestId", json_get_text(request, "requestId"));
	memset(mail, 0, sizeof(RunMail));
	mail->type = EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED;
	mail->time = clock_now();
	mail->attributes = json_end(&builder);
}

static Datum
start(FunctionCallInfo fcinfo, Jsonb *request, bool with_signal)
{
	RunStartCall call = {0};
	RunStarted	started;
	RunMail		mail;
	char	   *request_id = json_get_text(request, "requestId");

	call.request = with_id(request);
	call.identity = json_get_text(request, "identity");
	read_policies(&call, with_signal);
	if (with_signal)
	{
		make_signal(call.request, &mail);
		call.signal = &mail;
		call.signal_request_id = request_id == NULL ? NULL : cstring_to_text(request_id);
	}
	run_open(&call, &started);
	put_started(fcinfo, &call, &started);
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(taskq_start_workflow);

/* taskq.start_workflow(task_queue, workflow_type, input, workflow_id, ...) returns one row */
Datum
taskq_start_workflow(PG_FUNCTION_ARGS)
{
	begin_writing("taskq.start_workflow()");
	return start(fcinfo, request_of_args(fcinfo, false), false);
}

PG_FUNCTION_INFO_V1(taskq_start_workflow_request);

/* taskq.start_workflow_request(request) returns one row */
Datum
taskq_start_workflow_request(PG_FUNCTION_ARGS)
{
	begin_writing("taskq.start_workflow_request()");
	return start(fcinfo, arg_request(fcinfo, &proto_start_workflow_execution_request), false);
}

PG_FUNCTION_INFO_V1(taskq_signal_with_start_workflow);

/* taskq.signal_with_start_workflow(..., signal_name, signal_input) returns one row */
Datum
taskq_signal_with_start_workflow(PG_FUNCTION_ARGS)
{
	begin_writing("taskq.signal_with_start_workflow()");
	return start(fcinfo, request_of_args(fcinfo, true), true);
}

PG_FUNCTION_INFO_V1(taskq_signal_with_start_workflow_request);

/* taskq.signal_with_start_workflow_request(request) returns one row */
Datum
taskq_signal_with_start_workflow_request(PG_FUNCTION_ARGS)
{
	begin_writing("taskq.signal_with_start_workflow_request()");
	return start(fcinfo, arg_request(fcinfo, &proto_signal_with_start_workflow_execution_request), true);
}
