/*
 * workflow_control.c
 *		What clients do to workflows: signal, request_cancel, terminate, delete;
 *		each typed and, but for delete, as a request.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/clock.h"
#include "calls/args.h"
#include "calls/workflow_args.h"
#include "common/proto_enums.h"
#include "common/proto_requests.h"
#include "engine/run_deliver.h"
#include "engine/run_end.h"
#include "engine/run_refusal.h"
#include "engine/run_uuid.h"
#include "engine/run_world.h"
#include "model/options.h"
#include "model/proto_json.h"
#include "model/run_facts.h"
#include "store/find_run.h"
#include "store/run_requests.h"

/* the message WorkflowExecution of typed arguments */
static void
add_execution(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int id, int run_id)
{
	JsonBuilder execution;

	json_begin(&execution);
	add_text_arg(&execution, "workflowId", fcinfo, id);
	if (!arg_is_null(fcinfo, run_id))
		json_add_text(&execution, "runId", run_uuid_text(arg_run_id(fcinfo, run_id)));
	json_add(builder, key, json_end(&execution));
}

/* the identity of typed arguments */
static void
add_identity(JsonBuilder *builder, FunctionCallInfo fcinfo, int n)
{
	char	   *identity = arg_identity(fcinfo, n);

	json_add_text(builder, "identity", identity == NULL ? default_identity() : identity);
}

/* the run that typed arguments name, by its id, its run_id or both */
static void
require_workflow(FunctionCallInfo fcinfo, int id, int run_id)
{
	if (arg_is_null(fcinfo, id) && arg_is_null(fcinfo, run_id))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("neither workflow_id nor run_id is set")));
}

/* ------------------------------------------------------------------------
 * Signals
 * ------------------------------------------------------------------------
 */

static void
add_given(JsonBuilder *builder, Jsonb *request, const char *key)
{
	JsonbValue *value = json_get(request, key);

	if (value != NULL)
		json_add_value(builder, key, value);
}

static void
signal_run(Jsonb *request)
{
	static const char *const keys[] = {
		"signalName", "input", "identity", "header", "requestId"
	};
	char	   *request_id = json_get_text(request, "requestId");
	RunMail		mail = {0};
	JsonBuilder builder;
	text	   *workflow_id;
	int64		run_id;
	Run			run;

	if (json_get_text(request, "signalName") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("SignalName is not set on request.")));
	check_name_length(cstring_to_text(json_get_text(request, "signalName")), "SignalName");
	check_message_size(json_get_object(request, "input"), "input");
	check_message_size(json_get_object(request, "header"), "header");
	if (request_id != NULL)
		check_name_length(cstring_to_text(request_id), "RequestId");
	execution_of_request(request, &workflow_id, &run_id);
	run_id = open_run_named(workflow_id, run_id, &run);
	check_signals(&run);
	if (request_id != NULL && !run_request_remember(run_id, cstring_to_text(request_id)))
		return;
	json_begin(&builder);
	for (int i = 0; i < (int) lengthof(keys); i++)
		add_given(&builder, request, keys[i]);
	mail.type = EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED;
	mail.time = clock_now();
	mail.attributes = json_end(&builder);
	if (!run_deliver(run_id, &mail))
		raise_workflow_not_found(workflow_id, run_id);
}

PG_FUNCTION_INFO_V1(taskq_signal_workflow);

/* taskq.signal_workflow(workflow_id, signal_name, input, run_id, request_id, header, identity) */
Datum
taskq_signal_workflow(PG_FUNCTION_ARGS)
{
	JsonBuilder builder;

	begin_writing("taskq.signal_workflow()");
	require_workflow(fcinfo, 0, 3);
	require_arg(fcinfo, 1, "signal_name");
	json_begin(&builder);
	add_execution(&builder, "workflowExecution", fcinfo, 0, 3);
	add_text_arg(&builder, "signalName", fcinfo, 1);
	add_payloads_arg(&builder, "input", fcinfo, 2);
	add_text_arg(&builder, "requestId", fcinfo, 4);
	add_map_arg(&builder, "header", fcinfo, 5);
	add_identity(&builder, fcinfo, 6);
	signal_run(json_end(&builder));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_signal_workflow_request);

/* taskq.signal_workflow_request(request) */
Datum
taskq_signal_workflow_request(PG_FUNCTION_ARGS)
{
	begin_writing("taskq.signal_workflow_request()");
	signal_run(arg_request(fcinfo, &proto_signal_workflow_execution_request));
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Cancel and terminate
 * ------------------------------------------------------------------------
 */

/* the run of a request that may also tell the first one of its chain; false: it is closed */
static bool
find_named(Jsonb *request, NamedRun *named)
{
	char	   *first = json_get_text(request, "firstExecutionRunId");
	text	   *workflow_id;
	int64		run_id;
	RunFacts	facts;

	execution_of_request(request, &workflow_id, &run_id);
	named->is_open = open_run_look(workflow_id, run_id, &named->run);
	if (named->is_open)
		named->run_id = named->run.task.run_id;
	else
		named_run_find(workflow_id, run_id, named);
	if (first == NULL || first[0] == '\0')
		return named->is_open;
	run_facts_read(named->is_open ? named->run.facts : named->closed.run.facts, &facts);
	if (facts.first_run_id != run_of_uuid_text(first, "FirstExecutionRunId", "firstExecutionRunId"))
		raise_workflow_unknown(workflow_id, run_id);
	return named->is_open;
}

/* the run hears that it is to end; a second time is fine, and so is a closed one */
static void
request_cancel(Jsonb *request)
{
	RunMail		mail = {0};
	JsonBuilder builder;
	NamedRun	named;
	char	   *reason = json_get_text(request, "reason");

	if (!find_named(request, &named) || (named.run.flags & RUN_CANCEL_REQUESTED))
		return;
	json_begin(&builder);
	if (reason != NULL && reason[0] != '\0')
		json_add_text(&builder, "cause", reason);
	add_given(&builder, request, "identity");
	mail.type = EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED;
	mail.time = clock_now();
	mail.attributes = json_end(&builder);
	(void) run_deliver(named.run_id, &mail);
}

static void
terminate(Jsonb *request)
{
	NamedRun	named;

	check_message_size(json_get_object(request, "details"), "details");
	if (!find_named(request, &named))
		raise_workflow_closed(&named.closed);
	if (!run_terminate(named.run_id, json_get_text(request, "reason"),
					   json_get_object(request, "details"),
					   json_get_text(request, "identity")))
		raise_workflow_not_found(NULL, named.run_id);
}

/* what cancel and terminate have in common: workflow_id, run_id, first_run_id, reason */
static void
add_named_run(JsonBuilder *builder, FunctionCallInfo fcinfo)
{
	char	   *reason = arg_reason(fcinfo, 3);

	require_workflow(fcinfo, 0, 1);
	add_execution(builder, "workflowExecution", fcinfo, 0, 1);
	if (!arg_is_null(fcinfo, 2))
		json_add_text(builder, "firstExecutionRunId", run_uuid_text(arg_run_id(fcinfo, 2)));
	json_add_text(builder, "reason", reason);
}

PG_FUNCTION_INFO_V1(taskq_request_cancel_workflow);

/* taskq.request_cancel_workflow(workflow_id, run_id, first_run_id, reason, identity, request_id) */
Datum
taskq_request_cancel_workflow(PG_FUNCTION_ARGS)
{
	JsonBuilder builder;

	begin_writing("taskq.request_cancel_workflow()");
	json_begin(&builder);
	add_named_run(&builder, fcinfo);
	add_identity(&builder, fcinfo, 4);
	add_text_arg(&builder, "requestId", fcinfo, 5);
	request_cancel(json_end(&builder));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_request_cancel_workflow_request);

/* taskq.request_cancel_workflow_request(request) */
Datum
taskq_request_cancel_workflow_request(PG_FUNCTION_ARGS)
{
	begin_writing("taskq.request_cancel_workflow_request()");
	request_cancel(arg_request(fcinfo, &proto_request_cancel_workflow_execution_request));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_terminate_workflow);

/* taskq.terminate_workflow(workflow_id, run_id, first_run_id, reason, details, identity) */
Datum
taskq_terminate_workflow(PG_FUNCTION_ARGS)
{
	JsonBuilder builder;

	begin_writing("taskq.terminate_workflow()");
	json_begin(&builder);
	add_named_run(&builder, fcinfo);
	add_payloads_arg(&builder, "details", fcinfo, 4);
	add_identity(&builder, fcinfo, 5);
	terminate(json_end(&builder));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_terminate_workflow_request);

/* taskq.terminate_workflow_request(request) */
Datum
taskq_terminate_workflow_request(PG_FUNCTION_ARGS)
{
	begin_writing("taskq.terminate_workflow_request()");
	terminate(arg_request(fcinfo, &proto_terminate_workflow_execution_request));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_delete_workflow);

/* taskq.delete_workflow(workflow_id, run_id) returns void */
Datum
taskq_delete_workflow(PG_FUNCTION_ARGS)
{
	NamedRun	named;

	begin_writing("taskq.delete_workflow()");
	require_workflow(fcinfo, 0, 1);
	named_run_find(arg_text(fcinfo, 0), arg_run_id(fcinfo, 1), &named);
	if (!run_delete(named.run_id))
		raise_workflow_not_found(arg_text(fcinfo, 0), named.run_id);
	PG_RETURN_VOID();
}
