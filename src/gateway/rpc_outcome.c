/*
 * rpc_outcome.c
 *		Clients wait for the end of an activity.
 *
 * Of a request without a run id the run is found first: what is waited for is
 * the end of that one, whatever becomes of the id.
 */
#include "gateway/rpc_outcome.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/batch.h"
#include "gateway/memory.h"
#include "gateway/namespaces.h"
#include "gateway/operation.h"
#include "gateway/outcomes.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/run_waiters.h"
#include "gateway/runs.h"

static const Statement outcome_statement = {
	"outcome",
	"SELECT a.place::int4, r.run_id, o.status::text, o.result, o.failure, o.retry_state::text"
	" FROM unnest($1::uuid[]) WITH ORDINALITY a (run, place),"
	" LATERAL (SELECT taskq.run_of(a.run) OFFSET 0) r (run_id), LATERAL taskq.outcome(r.run_id) o",
	1, false
};

static const Statement latest_run_statement = {
	"latest_run",
	"SELECT taskq.run_uuid(d.run_id) FROM taskq.describe(activity_id => $1) d",
	1, false
};

static void
answer_outcome(Call *call, const uint8_t *run, Temporal__ActivityExecutionOutcome *outcome)
{
	Temporal__PollActivityExecutionResponse *response;

	response = message_new(&temporal__poll_activity_execution_response__descriptor);
	response->run_id = uuid_copy(run);
	response->outcome = outcome;
	answer(call, response);
}

static void
bind_outcome(const void *item, SqlArray *arrays)
{
	sql_array_add_uuid(&arrays[0], ((const RunWaiter *) item)->run);
}

static void
on_outcome(void *item, DatabaseOutcome how, const PGresult *result, int row)
{
	RunWaiter  *waiter = item;
	Call	   *call = waiter->call;
	Temporal__PollActivityExecutionRequest *request = (void *) call->request;
	Temporal__ActivityExecutionOutcome *outcome = NULL;

	if (how == DATABASE_OK)
		outcome = outcome_from_row(result, row, 2);
	if (how == DATABASE_OK && outcome == NULL)
	{
		run_waiter_seen(waiter, row_int64(result, row, 1));
		return;
	}
	run_waiter_done(waiter);
	if (outcome != NULL)
		answer_outcome(call, waiter->run, outcome);
	else
	{
		ErrorContext context = {.activity_id = request->activity_id, .run_id = request->run_id};

		answer_sql_error(call, how, result, &context);
	}
	free(waiter);
}

static const BatchKind outcome_kind = {&outcome_statement, bind_outcome, on_outcome, false};

static void
look(RunWaiter *waiter)
{
	batch_add(&outcome_kind, waiter->call->role, waiter);
}

/*
 * What was committed needs no look, except whether the role may see it: the last
 * look of its own says that.
 */
static bool
completed(RunWaiter *waiter, Temporal__Payloads *result)
{
	Temporal__Payloads nothing = TEMPORAL__PAYLOADS__INIT;
	Temporal__ActivityExecutionOutcome outcome = TEMPORAL__ACTIVITY_EXECUTION_OUTCOME__INIT;
	Temporal__PollActivityExecutionResponse response = TEMPORAL__POLL_ACTIVITY_EXECUTION_RESPONSE__INIT;
	char		run_id[UUID_TEXT];

	if (!batch_is_proven(&outcome_kind, waiter->call->role))
		return false;
	outcome.value_case = TEMPORAL__ACTIVITY_EXECUTION_OUTCOME__VALUE_RESULT;
	outcome.result = result != NULL ? result : &nothing;
	uuid_to_text(waiter->run, run_id);
	response.run_id = run_id;
	response.outcome = &outcome;
	run_waiter_done(waiter);
	call_reply(waiter->call, &response.base);
	free(waiter);
	return true;
}

static void
give_up(RunWaiter *waiter)
{
	answer_empty(waiter->call, &temporal__poll_activity_execution_response__descriptor);
	free(waiter);
}

static void
wait_for(Call *call, const uint8_t *run)
{
	RunWaiter  *waiter = memory_new(sizeof(RunWaiter));

	waiter->call = call;
	memcpy(waiter->run, run, sizeof(waiter->run));
	waiter->wants_end = true;
	waiter->look = look;
	waiter->completed = completed;
	waiter->give_up = give_up;
	run_waiter_begin(waiter);
}

static void
found(Call *call, const PGresult *result)
{
	wait_for(call, row_uuid(result, 0, 0));
}

/*
 * The method PollActivityExecution.
 */
void
poll_activity_execution(Call *call)
{
	Temporal__PollActivityExecutionRequest *request = (void *) call->request;
	ErrorContext context = {.activity_id = request->activity_id};
	uint8_t		run[16];

	if (!namespace_is_known(call, request->namespace_) ||
		!run_is_named(call, request->activity_id, request->run_id))
		return;
	if (uuid_from_text(request->run_id, run))
		wait_for(call, run);
	else
		operation_run(call, &latest_run_statement, (const char *[]) {request->activity_id},
					  &context, found);
}
