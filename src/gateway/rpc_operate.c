/*
 * rpc_operate.c
 *		Clients cancel, terminate, pause, unpause, reset, change and delete
 *		activities.
 */
#include "gateway/rpc_operate.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/memory.h"
#include "gateway/namespaces.h"
#include "gateway/operation.h"
#include "gateway/option_messages.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/runs.h"
#include "gateway/times.h"
#include "google/protobuf/field_mask.pb-c.h"

/* $1 and $2 name the run in each of them */
#define RUN "activity_id => $1, run_id => taskq.run_of($2)"

static const Statement cancel_statement = {
	"request_cancel",
	"SELECT taskq.request_cancel(" RUN ", reason => $3, identity => $4, request_id => $5)", 5, false
};

static const Statement terminate_statement = {
	"terminate",
	"SELECT taskq.terminate(" RUN ", reason => $3, identity => $4, request_id => $5)", 5, false
};

static const Statement pause_statement = {
	"pause",
	"SELECT taskq.pause(" RUN ", reason => $3, identity => $4, request_id => $5)", 5, false
};

static const Statement unpause_statement = {
	"unpause",
	"SELECT taskq.unpause(" RUN ", reason => $3, identity => $4, request_id => $5, jitter => $6)",
	6, false
};

static const Statement reset_statement = {
	"reset",
	"SELECT taskq.reset(" RUN ", identity => $3, request_id => $4, keep_paused => $5,"
	" reset_heartbeat => $6, restore_original_options => $7, jitter => $8)",
	8, false
};

static const Statement update_statement = {
	"update_options",
	"SELECT taskq.update_options(" RUN ", options => $3, restore_original => $4, identity => $5,"
	" request_id => $6)",
	6, false
};

static const Statement delete_statement = {
	"delete",
	"SELECT taskq.delete(" RUN ")", 2, false
};

DEFINE_DONE(canceled, RequestCancelActivityExecutionRequest, request_cancel_activity_execution_response)
DEFINE_DONE(terminated, TerminateActivityExecutionRequest, terminate_activity_execution_response)
DEFINE_DONE(paused, PauseActivityExecutionRequest, pause_activity_execution_response)
DEFINE_DONE(unpaused, UnpauseActivityExecutionRequest, unpause_activity_execution_response)
DEFINE_DONE(was_reset, ResetActivityExecutionRequest, reset_activity_execution_response)
DEFINE_DONE(deleted, DeleteActivityExecutionRequest, delete_activity_execution_response)

/*
 * The method RequestCancelActivityExecution.
 */
void
request_cancel_activity_execution(Call *call)
{
	Temporal__RequestCancelActivityExecutionRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id};

	if (namespace_is_known(call, request->namespace_) &&
		run_is_named(call, request->activity_id, request->run_id))
		operation_run(call, &cancel_statement, (const char *[]) {
			request->activity_id, text_or_null(request->run_id), text_or_null(request->reason),
			text_or_null(request->identity), text_or_null(request->request_id)
		}, &context, canceled);
}

/*
 * The method TerminateActivityExecution.
 */
void
terminate_activity_execution(Call *call)
{
	Temporal__TerminateActivityExecutionRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id,
		.operation = OPERATION_TERMINATE};

	if (namespace_is_known(call, request->namespace_) &&
		run_is_named(call, request->activity_id, request->run_id))
		operation_run(call, &terminate_statement, (const char *[]) {
			request->activity_id, text_or_null(request->run_id), text_or_null(request->reason),
			text_or_null(request->identity), text_or_null(request->request_id)
		}, &context, terminated);
}

/*
 * The method PauseActivityExecution.
 */
void
pause_activity_execution(Call *call)
{
	Temporal__PauseActivityExecutionRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id};

	if (namespace_is_known(call, request->namespace_) &&
		run_is_standalone(call, request->workflow_id, request->activity_id, request->run_id))
		operation_run(call, &pause_statement, (const char *[]) {
			request->activity_id, text_or_null(request->run_id), text_or_null(request->reason),
			text_or_null(request->identity), text_or_null(request->request_id)
		}, &context, paused);
}

/* The text of a jitter. false: it is none, and the call is answered. */
static bool
read_jitter(Call *call, const Google__Protobuf__Duration *jitter, char *room, const char **text)
{
	if (duration_to_sql(jitter, room, text))
		return true;
	call_fail(call, STATUS_INVALID_ARGUMENT, "invalid jitter: out of range", NULL);
	return false;
}

/*
 * The method UnpauseActivityExecution.
 */
void
unpause_activity_execution(Call *call)
{
	Temporal__UnpauseActivityExecutionRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id};
	char		room[DURATION_TEXT];
	const char *jitter;

	if (namespace_is_known(call, request->namespace_) &&
		run_is_standalone(call, request->workflow_id, request->activity_id, request->run_id) &&
		read_jitter(call, request->jitter, room, &jitter))
		operation_run(call, &unpause_statement, (const char *[]) {
			request->activity_id, text_or_null(request->run_id), text_or_null(request->reason),
			text_or_null(request->identity), text_or_null(request->request_id), jitter
		}, &context, unpaused);
}

/*
 * The method ResetActivityExecution.
 */
void
reset_activity_execution(Call *call)
{
	Temporal__ResetActivityExecutionRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id,
		.operation = OPERATION_RESET};
	char		room[DURATION_TEXT];
	const char *jitter;

	if (namespace_is_known(call, request->namespace_) &&
		run_is_standalone(call, request->workflow_id, request->activity_id, request->run_id) &&
		read_jitter(call, request->jitter, room, &jitter))
		operation_run(call, &reset_statement, (const char *[]) {
			request->activity_id, text_or_null(request->run_id), text_or_null(request->identity),
			text_or_null(request->request_id), flag(request->keep_paused),
			flag(request->reset_heartbeat), flag(request->restore_original_options), jitter
		}, &context, was_reset);
}

/*
 * The method DeleteActivityExecution.
 */
void
delete_activity_execution(Call *call)
{
	Temporal__DeleteActivityExecutionRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id};

	if (namespace_is_known(call, request->namespace_) &&
		run_is_named(call, request->activity_id, request->run_id))
		operation_run(call, &delete_statement, (const char *[]) {
			request->activity_id, text_or_null(request->run_id)
		}, &context, deleted);
}

/* ------------------------------------------------------------------------
 * Changing options
 * ------------------------------------------------------------------------
 */

static void
updated(Call *call, const PGresult *result)
{
	Temporal__UpdateActivityExecutionOptionsRequest *request = (void *) call->request;
	Temporal__UpdateActivityExecutionOptionsResponse *response;

	response = message_new(&temporal__update_activity_execution_options_response__descriptor);
	response->activity_options = options_from_text(row_jsonb(result, 0, 0));
	run_id_touched(request->run_id);
	answer(call, response);
}

/* What is wrong with the request as a whole, or NULL. */
static const char *
update_problem(const Temporal__UpdateActivityExecutionOptionsRequest *request)
{
	bool		has_mask = request->update_mask != NULL && request->update_mask->n_paths > 0;

	if (request->restore_original)
		return has_mask ? "Both UpdateMask and RestoreOriginal are provided" : NULL;
	if (request->activity_options == NULL)
		return "ActivityOptions are not provided";
	if (request->update_mask == NULL)
		return "UpdateMask is not provided";
	return has_mask ? NULL : "UpdateMask must specify at least one path";
}

/*
 * The method UpdateActivityExecutionOptions.
 */
void
update_activity_execution_options(Call *call)
{
	Temporal__UpdateActivityExecutionOptionsRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id};
	const char *problem = update_problem(request);
	char	   *options = NULL;
	char	   *path_problem = NULL;

	if (!namespace_is_known(call, request->namespace_) ||
		!run_is_standalone(call, request->workflow_id, request->activity_id, request->run_id))
		return;
	if (problem == NULL && !request->restore_original)
		options = options_to_text(request->activity_options, request->update_mask, &path_problem);
	if (problem != NULL || path_problem != NULL)
		call_fail(call, STATUS_INVALID_ARGUMENT, problem != NULL ? problem : path_problem, NULL);
	else
		operation_run(call, &update_statement, (const char *[]) {
			request->activity_id, text_or_null(request->run_id), options,
			flag(request->restore_original), text_or_null(request->identity),
			text_or_null(request->request_id)
		}, &context, updated);
	free(options);
	free(path_problem);
}
