/*
 * rpc_report_by_id.c
 *		Reports that name the activity, instead of an attempt by its token.
 */
#include "gateway/rpc_report_by_id.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/failures.h"
#include "gateway/namespaces.h"
#include "gateway/operation.h"
#include "gateway/payloads.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/runs.h"
#include "gateway/times.h"

/* $1 and $2 name the run in each of them */
#define RUN "activity_id => $1, run_id => taskq.run_of($2)"

static const Statement complete_statement = {
	"complete_by_id",
	"SELECT taskq.complete_by_id(" RUN ", result => $3, identity => $4)", 4, false
};

static const Statement fail_statement = {
	"fail_with_by_id",
	"SELECT taskq.fail_with_by_id(" RUN ", failure => $3, next_retry_delay => $4,"
	" last_heartbeat_details => $5, identity => $6)",
	6, false
};

static const Statement canceled_statement = {
	"report_canceled_by_id",
	"SELECT taskq.report_canceled_by_id(" RUN ", details => $3, identity => $4)", 4, false
};

static const Statement heartbeat_statement = {
	"heartbeat_by_id",
	"SELECT h.cancel_requested, h.activity_paused, h.activity_reset"
	" FROM taskq.heartbeat_by_id(" RUN ", details => $3) h",
	3, false
};

DEFINE_DONE(completed, RespondActivityTaskCompletedByIdRequest, respond_activity_task_completed_by_id_response)
DEFINE_DONE(failed, RespondActivityTaskFailedByIdRequest, respond_activity_task_failed_by_id_response)
DEFINE_DONE(canceled, RespondActivityTaskCanceledByIdRequest, respond_activity_task_canceled_by_id_response)

/*
 * The method RespondActivityTaskCompletedById.
 */
void
respond_activity_task_completed_by_id(Call *call)
{
	Temporal__RespondActivityTaskCompletedByIdRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id,
	.by_task_id = true};
	char	   *payloads;

	if (!namespace_is_known(call, request->namespace_) ||
		!run_is_standalone(call, request->workflow_id, request->activity_id, request->run_id))
		return;
	payloads = payloads_to_text(request->result);
	operation_run(call, &complete_statement, (const char *[]) {
		request->activity_id, text_or_null(request->run_id), payloads, text_or_null(request->identity)
	}, &context, completed);
	free(payloads);
}

/*
 * The method RespondActivityTaskFailedById.
 */
void
respond_activity_task_failed_by_id(Call *call)
{
	Temporal__RespondActivityTaskFailedByIdRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id,
	.by_task_id = true};
	char		room[DURATION_TEXT];
	const char *delay;
	char	   *text;
	char	   *details;

	if (!namespace_is_known(call, request->namespace_) ||
		!run_is_standalone(call, request->workflow_id, request->activity_id, request->run_id))
		return;
	if (!failure_retry_delay(request->failure, room, &delay))
	{
		call_fail(call, STATUS_INVALID_ARGUMENT, "invalid NextRetryDelay", NULL);
		return;
	}
	text = failure_report_text(request->failure);
	details = payloads_to_text(request->last_heartbeat_details);
	operation_run(call, &fail_statement, (const char *[]) {
		request->activity_id, text_or_null(request->run_id), text, delay, details,
		text_or_null(request->identity)
	}, &context, failed);
	free(text);
	free(details);
}

/*
 * The method RespondActivityTaskCanceledById.
 */
void
respond_activity_task_canceled_by_id(Call *call)
{
	Temporal__RespondActivityTaskCanceledByIdRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id,
	.by_task_id = true};
	char	   *details;

	if (!namespace_is_known(call, request->namespace_) ||
		!run_is_standalone(call, request->workflow_id, request->activity_id, request->run_id))
		return;
	details = cancel_details_to_text(request->details);
	operation_run(call, &canceled_statement, (const char *[]) {
		request->activity_id, text_or_null(request->run_id), details, text_or_null(request->identity)
	}, &context, canceled);
	free(details);
}

static void
beaten(Call *call, const PGresult *result)
{
	Temporal__RecordActivityTaskHeartbeatByIdResponse *response;

	response = message_new(&temporal__record_activity_task_heartbeat_by_id_response__descriptor);
	response->cancel_requested = row_bool(result, 0, 0);
	response->activity_paused = row_bool(result, 0, 1);
	response->activity_reset = row_bool(result, 0, 2);
	answer(call, response);
}

/*
 * The method RecordActivityTaskHeartbeatById.
 */
void
record_activity_task_heartbeat_by_id(Call *call)
{
	Temporal__RecordActivityTaskHeartbeatByIdRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id,
	.by_task_id = true};
	char	   *details;

	if (!namespace_is_known(call, request->namespace_) ||
		!run_is_standalone(call, request->workflow_id, request->activity_id, request->run_id))
		return;
	details = payloads_to_text(request->details);
	operation_run(call, &heartbeat_statement, (const char *[]) {
		request->activity_id, text_or_null(request->run_id), details
	}, &context, beaten);
	free(details);
}
