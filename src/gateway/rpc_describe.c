/*
 * rpc_describe.c
 *		Clients look at an activity, and wait until it changes.
 *
 * The token of a wait is what was described: the run's uuid, and a hash of what
 * may change but for heartbeats and the passing of time.
 */
#include "gateway/rpc_describe.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/activity_info.h"
#include "gateway/failures.h"
#include "gateway/memory.h"
#include "gateway/namespaces.h"
#include "gateway/operation.h"
#include "gateway/outcomes.h"
#include "gateway/payloads.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/run_waiters.h"
#include "gateway/runs.h"

#define TOKEN_LENGTH 24

typedef Temporal__DescribeActivityExecutionRequest DescribeRequest;

/* behind those of activity_info.h */
enum
{
	RUN_ID = INFO_COLUMNS, INPUT, HEARTBEAT_DETAILS, LAST_FAILURE, STATUS, RESULT, FAILURE, RETRY_STATE
};

static const Statement describe_statement = {
	"describe",
	"SELECT " ACTIVITY_INFO_SQL ", d.run_id, CASE WHEN $3::bool THEN d.input END,"
	" CASE WHEN $4::bool THEN d.heartbeat_details END, CASE WHEN $5::bool THEN d.last_failure END,"
	" CASE WHEN $6::bool THEN d.status::text END, CASE WHEN $6::bool THEN d.result END,"
	" CASE WHEN $6::bool THEN d.failure END, CASE WHEN $6::bool THEN d.retry_state::text END"
	" FROM taskq.describe(activity_id => $1, run_id => taskq.run_of($2)) d",
	6, false
};

/* FNV-1a: the same for all gateways. */
static uint64_t
hash_state(const PGresult *result)
{
	uint64_t	hash = UINT64_C(0xcbf29ce484222325);

	for (int column = 0; column < INFO_COLUMNS; column++)
	{
		const char *value = PQgetvalue(result, 0, column);

		if (column == INFO_LAST_HEARTBEAT_TIME || column == INFO_HEARTBEAT_COUNT ||
			column == INFO_RETRY_INTERVAL || column == INFO_NEXT_ATTEMPT_TIME)
			continue;
		for (int i = 0; i < PQgetlength(result, 0, column); i++)
			hash = (hash ^ (unsigned char) value[i]) * UINT64_C(0x100000001b3);
		hash = (hash ^ (uint64_t) column) * UINT64_C(0x100000001b3);
	}
	return hash;
}

static void
write_token(ProtobufCBinaryData *token, const uint8_t *run, uint64_t hash)
{
	token->len = TOKEN_LENGTH;
	token->data = memory_new(TOKEN_LENGTH);
	memcpy(token->data, run, 16);
	for (int i = 0; i < 8; i++)
		token->data[16 + i] = (uint8_t) (hash >> (56 - 8 * i));
}

static uint64_t
token_hash(const ProtobufCBinaryData *token)
{
	uint64_t	hash = 0;

	for (int i = 16; i < TOKEN_LENGTH; i++)
		hash = hash << 8 | token->data[i];
	return hash;
}

static void
answer_description(Call *call, const PGresult *result)
{
	DescribeRequest *request = (DescribeRequest *) call->request;
	Temporal__DescribeActivityExecutionResponse *response;
	const uint8_t *run = row_uuid(result, 0, INFO_RUN);

	response = message_new(&temporal__describe_activity_execution_response__descriptor);
	response->run_id = uuid_copy(run);
	response->info = activity_info(result, 0);
	response->info->heartbeat_details = payloads_from_text(row_jsonb(result, 0, HEARTBEAT_DETAILS));
	response->info->last_failure = failure_from_text(row_jsonb(result, 0, LAST_FAILURE));
	response->input = payloads_from_text(row_jsonb(result, 0, INPUT));
	if (request->include_outcome)
		response->outcome = outcome_from_row(result, 0, STATUS);
	write_token(&response->long_poll_token, run, hash_state(result));
	answer(call, response);
}

static void
describe(Call *call, ResultHandler handler, void *arg)
{
	DescribeRequest *request = (DescribeRequest *) call->request;

	database_run(call->role, &describe_statement, (const char *[]) {
		request->activity_id, text_or_null(request->run_id), flag(request->include_input),
		flag(request->include_heartbeat_details), flag(request->include_last_failure),
		flag(request->include_outcome)
	}, NEVER, handler, arg);
}

static void
answer_problem(Call *call, DatabaseOutcome outcome, const PGresult *result)
{
	DescribeRequest *request = (DescribeRequest *) call->request;
	ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id};

	answer_sql_error(call, outcome, result, &context);
}

static void
on_described(void *arg, DatabaseOutcome outcome, const PGresult *result)
{
	if (outcome == DATABASE_OK)
		answer_description(arg, result);
	else
		answer_problem(arg, outcome, result);
}

/* ------------------------------------------------------------------------
 * Waiting for a change
 * ------------------------------------------------------------------------
 */

static void
on_seen(void *arg, DatabaseOutcome outcome, const PGresult *result)
{
	RunWaiter  *waiter = arg;
	Call	   *call = waiter->call;
	DescribeRequest *request = (DescribeRequest *) call->request;

	if (outcome == DATABASE_OK &&
		hash_state(result) == token_hash(&request->long_poll_token))
	{
		run_waiter_seen(waiter, row_int64(result, 0, RUN_ID));
		return;
	}
	run_waiter_done(waiter);
	if (outcome == DATABASE_OK)
		answer_description(call, result);
	else
		answer_problem(call, outcome, result);
	free(waiter);
}

static void
look(RunWaiter *waiter)
{
	describe(waiter->call, on_seen, waiter);
}

static void
give_up(RunWaiter *waiter)
{
	answer_empty(waiter->call, &temporal__describe_activity_execution_response__descriptor);
	free(waiter);
}

static void
wait_for_change(Call *call)
{
	DescribeRequest *request = (DescribeRequest *) call->request;
	const char *problem = NULL;
	RunWaiter  *waiter;
	uint8_t		run[16];

	if (!uuid_from_text(request->run_id, run))
		problem = "run id is required when long poll token is provided";
	else if (request->long_poll_token.len != TOKEN_LENGTH)
		problem = "invalid long poll token";
	else if (memcmp(request->long_poll_token.data, run, 16) != 0)
		problem = "long poll token does not match execution";
	if (problem != NULL)
	{
		call_fail(call, STATUS_INVALID_ARGUMENT, problem, NULL);
		return;
	}
	waiter = memory_new(sizeof(RunWaiter));
	waiter->call = call;
	memcpy(waiter->run, run, sizeof(run));
	waiter->look = look;
	waiter->give_up = give_up;
	run_waiter_begin(waiter);
}

/*
 * The method DescribeActivityExecution.
 */
void
describe_activity_execution(Call *call)
{
	DescribeRequest *request = (DescribeRequest *) call->request;

	if (!namespace_is_known(call, request->namespace_) ||
		!run_is_named(call, request->activity_id, request->run_id))
		return;
	if (request->long_poll_token.len > 0)
		wait_for_change(call);
	else
		describe(call, on_described, call);
}
