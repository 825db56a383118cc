/*
 * rpc_report.c
 *		Workers report, with the token of a task.
 *
 * Batches say of each token no more than whether it was good.  For one that
 * was not, the single call is made, for its error.
 */
#include "gateway/rpc_report.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/batch.h"
#include "gateway/failures.h"
#include "gateway/handed_out.h"
#include "gateway/namespaces.h"
#include "gateway/operation.h"
#include "gateway/payloads.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/run_waiters.h"
#include "gateway/times.h"

static const ErrorContext by_token = {.by_token = true};

/* Is it a token, of a namespace that is ours? If not, the call is answered. */
static bool
check(Call *call, const char *namespace, ProtobufCBinaryData token)
{
	/* which namespace it is of, the token says as well */
	if (*namespace != '\0' && !namespace_is_known(call, namespace))
		return false;
	if (token.len == 16)
		return true;
	call_fail(call, STATUS_INVALID_ARGUMENT, "Error deserializing task token.", NULL);
	return false;
}

/* What waits for the token's run may find that it has ended. */
static void
touch(ProtobufCBinaryData token)
{
	const uint8_t *run = handed_out_run(token.data);

	if (run != NULL)
		run_touched(run);
}

/* Takes the text. */
static void
add_text(SqlArray *array, char *text)
{
	sql_array_add(array, text);
	free(text);
}

/* ------------------------------------------------------------------------
 * Completed
 * ------------------------------------------------------------------------
 */

static const Statement complete_many_statement = {
	"complete_many",
	"SELECT c.ordinality::int4, c.ok"
	" FROM taskq.complete_many(task_tokens => $1, results => $2, identities => $3)"
	" WITH ORDINALITY c",
	3, false
};

static const Statement complete_statement = {
	"complete",
	"SELECT taskq.complete(task_token => $1, result => $2, identity => $3)",
	3, false
};

static void
completed(Call *call, const PGresult *result)
{
	Temporal__RespondActivityTaskCompletedRequest *request = (void *) call->request;
	const uint8_t *run = handed_out_run(request->task_token.data);

	(void) result;
	if (run != NULL)
		run_completed(run, request->result);
	answer_empty(call, &temporal__respond_activity_task_completed_response__descriptor);
}

static void
bind_complete(const void *item, SqlArray *arrays)
{
	Temporal__RespondActivityTaskCompletedRequest *request = (void *) ((const Call *) item)->request;

	sql_array_add_uuid(&arrays[0], request->task_token.data);
	add_text(&arrays[1], payloads_to_text(request->result));
	sql_array_add(&arrays[2], text_or_null(request->identity));
}

static void
complete_alone(Call *call)
{
	Temporal__RespondActivityTaskCompletedRequest *request = (void *) call->request;
	char		token[UUID_TEXT];
	char	   *payloads = payloads_to_text(request->result);
	const char *values[] = {token, payloads, text_or_null(request->identity)};

	uuid_to_text(request->task_token.data, token);
	operation_run(call, &complete_statement, values, &by_token, completed);
	free(payloads);
}

static void
on_completed(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	if (outcome != DATABASE_OK)
		answer_sql_error(item, outcome, result, &by_token);
	else if (row >= 0 && row_bool(result, row, 1))
		completed(item, result);
	else
		complete_alone(item);
}

static const BatchKind complete_kind = {&complete_many_statement, bind_complete, on_completed, false};

/*
 * The method RespondActivityTaskCompleted.
 */
void
respond_activity_task_completed(Call *call)
{
	Temporal__RespondActivityTaskCompletedRequest *request = (void *) call->request;

	if (check(call, request->namespace_, request->task_token))
		batch_add(&complete_kind, call->role, call);
}

/* ------------------------------------------------------------------------
 * Failed
 * ------------------------------------------------------------------------
 */

static const Statement fail_many_statement = {
	"fail_with_many",
	"SELECT f.ordinality::int4, f.ok"
	" FROM taskq.fail_with_many(task_tokens => $1, failures => $2, next_retry_delays => $3,"
	" identities => $4, last_heartbeat_details => $5)"
	" WITH ORDINALITY f",
	5, false
};

static const Statement fail_statement = {
	"fail_with",
	"SELECT taskq.fail_with(task_token => $1, failure => $2, next_retry_delay => $3,"
	" identity => $4, last_heartbeat_details => $5)",
	5, false
};

static void
failed(Call *call, const PGresult *result)
{
	Temporal__RespondActivityTaskFailedRequest *request = (void *) call->request;

	(void) result;
	touch(request->task_token);
	answer_empty(call, &temporal__respond_activity_task_failed_response__descriptor);
}

static void
bind_fail(const void *item, SqlArray *arrays)
{
	Temporal__RespondActivityTaskFailedRequest *request = (void *) ((const Call *) item)->request;
	char		room[DURATION_TEXT];
	const char *delay;

	failure_retry_delay(request->failure, room, &delay);
	sql_array_add_uuid(&arrays[0], request->task_token.data);
	add_text(&arrays[1], failure_report_text(request->failure));
	sql_array_add(&arrays[2], delay);
	sql_array_add(&arrays[3], text_or_null(request->identity));
	add_text(&arrays[4], payloads_to_text(request->last_heartbeat_details));
}

static void
fail_alone(Call *call)
{
	Temporal__RespondActivityTaskFailedRequest *request = (void *) call->request;
	char		token[UUID_TEXT];
	char		room[DURATION_TEXT];
	char	   *failure = failure_report_text(request->failure);
	char	   *details = payloads_to_text(request->last_heartbeat_details);
	const char *values[] = {token, failure, NULL, text_or_null(request->identity), details};

	uuid_to_text(request->task_token.data, token);
	failure_retry_delay(request->failure, room, &values[2]);
	operation_run(call, &fail_statement, values, &by_token, failed);
	free(failure);
	free(details);
}

static void
on_failed(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	if (outcome != DATABASE_OK)
		answer_sql_error(item, outcome, result, &by_token);
	else if (row >= 0 && row_bool(result, row, 1))
		failed(item, result);
	else
		fail_alone(item);
}

static const BatchKind fail_kind = {&fail_many_statement, bind_fail, on_failed, false};

/*
 * The method RespondActivityTaskFailed.
 */
void
respond_activity_task_failed(Call *call)
{
	Temporal__RespondActivityTaskFailedRequest *request = (void *) call->request;
	char		room[DURATION_TEXT];
	const char *delay;

	if (!check(call, request->namespace_, request->task_token))
		return;
	if (!failure_retry_delay(request->failure, room, &delay))
		call_fail(call, STATUS_INVALID_ARGUMENT, "invalid NextRetryDelay", NULL);
	else
		batch_add(&fail_kind, call->role, call);
}

/* ------------------------------------------------------------------------
 * Canceled
 * ------------------------------------------------------------------------
 */

static const Statement canceled_statement = {
	"report_canceled",
	"SELECT taskq.report_canceled(task_token => $1, details => $2, identity => $3)",
	3, false
};

static void
canceled(Call *call, const PGresult *result)
{
	Temporal__RespondActivityTaskCanceledRequest *request = (void *) call->request;

	(void) result;
	touch(request->task_token);
	answer_empty(call, &temporal__respond_activity_task_canceled_response__descriptor);
}

/*
 * The method RespondActivityTaskCanceled.
 */
void
respond_activity_task_canceled(Call *call)
{
	Temporal__RespondActivityTaskCanceledRequest *request = (void *) call->request;
	char		token[UUID_TEXT];
	char	   *details;

	if (!check(call, request->namespace_, request->task_token))
		return;
	details = cancel_details_to_text(request->details);
	uuid_to_text(request->task_token.data, token);
	operation_run(call, &canceled_statement,
				  (const char *[]) {token, details, text_or_null(request->identity)},
				  &by_token, canceled);
	free(details);
}

/* ------------------------------------------------------------------------
 * Heartbeat
 * ------------------------------------------------------------------------
 */

static const Statement heartbeat_many_statement = {
	"heartbeat_many",
	"SELECT h.ordinality::int4, h.ok, h.cancel_requested, h.activity_paused, h.activity_reset"
	" FROM taskq.heartbeat_many(task_tokens => $1, details => $2)"
	" WITH ORDINALITY h",
	2, false
};

static const Statement heartbeat_statement = {
	"heartbeat",
	"SELECT 0, true, h.cancel_requested, h.activity_paused, h.activity_reset"
	" FROM taskq.heartbeat(task_token => $1, details => $2) h",
	2, false
};

static void
answer_heartbeat(Call *call, const PGresult *result, int row)
{
	Temporal__RecordActivityTaskHeartbeatResponse *response;

	response = message_new(&temporal__record_activity_task_heartbeat_response__descriptor);
	response->cancel_requested = row_bool(result, row, 2);
	response->activity_paused = row_bool(result, row, 3);
	response->activity_reset = row_bool(result, row, 4);
	answer(call, response);
}

static void
beaten(Call *call, const PGresult *result)
{
	answer_heartbeat(call, result, 0);
}

static void
bind_heartbeat(const void *item, SqlArray *arrays)
{
	Temporal__RecordActivityTaskHeartbeatRequest *request = (void *) ((const Call *) item)->request;

	sql_array_add_uuid(&arrays[0], request->task_token.data);
	add_text(&arrays[1], payloads_to_text(request->details));
}

static void
on_heartbeat(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	Call	   *call = item;

	if (outcome != DATABASE_OK)
		answer_sql_error(call, outcome, result, &by_token);
	else if (row >= 0 && row_bool(result, row, 1))
		answer_heartbeat(call, result, row);
	else
	{
		Temporal__RecordActivityTaskHeartbeatRequest *request = (void *) call->request;
		char		token[UUID_TEXT];
		char	   *details = payloads_to_text(request->details);

		uuid_to_text(request->task_token.data, token);
		operation_run(call, &heartbeat_statement, (const char *[]) {token, details}, &by_token, beaten);
		free(details);
	}
}

static const BatchKind heartbeat_kind = {&heartbeat_many_statement, bind_heartbeat, on_heartbeat, false};

/*
 * The method RecordActivityTaskHeartbeat.
 */
void
record_activity_task_heartbeat(Call *call)
{
	Temporal__RecordActivityTaskHeartbeatRequest *request = (void *) call->request;

	if (check(call, request->namespace_, request->task_token))
		batch_add(&heartbeat_kind, call->role, call);
}
