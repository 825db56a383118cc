/*
 * rpc_start.c
 *		Clients start activities.
 *
 * The arguments are made when the call comes, since some of them may be wrong,
 * and kept until the run is there.
 */
#include "gateway/rpc_start.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sqlstates.h"
#include "gateway/batch.h"
#include "gateway/fields.h"
#include "gateway/fresh_runs.h"
#include "gateway/memory.h"
#include "gateway/namespaces.h"
#include "gateway/operation.h"
#include "gateway/option_messages.h"
#include "gateway/parked.h"
#include "gateway/payloads.h"
#include "gateway/proto/errordetails.pb-c.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/times.h"
#include "google/protobuf/duration.pb-c.h"

typedef Temporal__StartActivityExecutionRequest StartRequest;

/* arguments of taskq.schedule, in this order */
enum
{
	TASK_QUEUE, ACTIVITY_TYPE, INPUT, ACTIVITY_ID,
	SCHEDULE_TO_CLOSE, SCHEDULE_TO_START, START_TO_CLOSE, HEARTBEAT, RETRY_POLICY, START_DELAY,
	PRIORITY, FAIRNESS_KEY, FAIRNESS_WEIGHT, ID_REUSE_POLICY, ID_CONFLICT_POLICY,
	REQUEST_ID, HEADER, SUMMARY, SEARCH_ATTRIBUTES, IDENTITY,
	ARGUMENTS
};

typedef struct Start
{
	Call	   *call;
	char	   *arguments[ARGUMENTS];	/* malloced, or NULL */
} Start;

static const Statement start_statement = {
	"schedule",
	"SELECT a.place::int4, taskq.run_uuid(s.run_id), s.created, s.run_id"
	" FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[], $5::interval[], $6::interval[],"
	" $7::interval[], $8::interval[], $9::jsonb[], $10::interval[], $11::int4[], $12::text[],"
	" $13::float8[], $14::taskq.id_reuse_policy[], $15::taskq.id_conflict_policy[], $16::text[],"
	" $17::jsonb[], $18::text[], $19::jsonb[], $20::text[]) WITH ORDINALITY"
	" a (q, t, i, id, sc, ss, tc, hb, rp, sd, p, fk, fw, rup, icp, rq, h, su, sa, idn, place),"
	" LATERAL taskq.schedule(task_queue => a.q, activity_type => a.t, input => a.i,"
	" activity_id => a.id, schedule_to_close_timeout => a.sc, schedule_to_start_timeout => a.ss,"
	" start_to_close_timeout => a.tc, heartbeat_timeout => a.hb,"
	" retry_policy => CASE WHEN a.rp IS NOT NULL THEN taskq.retry_policy_from_jsonb(a.rp) END,"
	" start_delay => a.sd, priority => a.p, fairness_key => a.fk, fairness_weight => a.fw,"
	" id_reuse_policy => a.rup, id_conflict_policy => a.icp, request_id => a.rq, header => a.h,"
	" summary => a.su, search_attributes => a.sa, identity => a.idn) s",
	ARGUMENTS, false
};

static char *
copy_set(const char *text)
{
	return *text != '\0' ? memory_text(text) : NULL;
}

/* false: it is none, and the call is answered. */
static bool
set_duration(Start *start, int argument, const Google__Protobuf__Duration *duration, const char *name)
{
	char		room[DURATION_TEXT];
	char		problem[80];
	const char *text;

	if (duration_to_sql(duration, room, &text))
	{
		start->arguments[argument] = text != NULL ? memory_text(text) : NULL;
		return true;
	}
	snprintf(problem, sizeof(problem), "invalid %s: out of range", name);
	call_fail(start->call, STATUS_INVALID_ARGUMENT, problem, NULL);
	return false;
}

static bool
set_durations(Start *start, const StartRequest *request)
{
	return set_duration(start, SCHEDULE_TO_CLOSE, request->schedule_to_close_timeout,
						"ScheduleToCloseTimeout") &&
		set_duration(start, SCHEDULE_TO_START, request->schedule_to_start_timeout,
					 "ScheduleToStartTimeout") &&
		set_duration(start, START_TO_CLOSE, request->start_to_close_timeout, "StartToCloseTimeout") &&
		set_duration(start, HEARTBEAT, request->heartbeat_timeout, "HeartbeatTimeout") &&
		set_duration(start, START_DELAY, request->start_delay, "StartDelay");
}

static bool
set_priority(Start *start, const Temporal__Priority *priority)
{
	Buffer		key = {0};
	Buffer		weight = {0};

	if (priority == NULL)
		return true;
	if (!isfinite(priority->fairness_weight))
	{
		call_fail(start->call, STATUS_INVALID_ARGUMENT, "invalid Priority: FairnessWeight must be a number", NULL);
		return false;
	}
	if (priority->priority_key != 0)
		buffer_format(&key, "%d", priority->priority_key);
	if (priority->fairness_weight != 0)
		buffer_format(&weight, "%.9g", priority->fairness_weight);
	start->arguments[PRIORITY] = key.data;
	start->arguments[FAIRNESS_KEY] = copy_set(priority->fairness_key);
	start->arguments[FAIRNESS_WEIGHT] = weight.data;
	return true;
}

/* Of a policy by its number in the protocol. false: there is none, and the call is answered. */
static bool
set_policy(Start *start, int argument, const char *const *policies, int count, int number, const char *name)
{
	char		problem[80];

	if (number >= 0 && number < count)
	{
		start->arguments[argument] = memory_text(policies[number]);
		return true;
	}
	snprintf(problem, sizeof(problem), "unknown %s: %d", name, number);
	call_fail(start->call, STATUS_INVALID_ARGUMENT, problem, NULL);
	return false;
}

static bool
set_policies(Start *start, const StartRequest *request)
{
	static const char *const reuse[] = {"allow_duplicate", "allow_duplicate",
	"allow_duplicate_failed_only", "reject_duplicate"};
	static const char *const conflict[] = {"fail", "fail", "use_existing"};

	return set_policy(start, ID_REUSE_POLICY, reuse, 4, (int) request->id_reuse_policy, "IdReusePolicy") &&
		set_policy(start, ID_CONFLICT_POLICY, conflict, 3, (int) request->id_conflict_policy,
				   "IdConflictPolicy");
}

/* false: something is wrong, and the call is answered. */
static bool
set_arguments(Start *start, const StartRequest *request)
{
	char	  **arguments = start->arguments;
	const char *problem;

	if (!set_durations(start, request) || !set_priority(start, request->priority) ||
		!set_policies(start, request))
		return false;
	problem = retry_policy_to_text(request->retry_policy, &arguments[RETRY_POLICY]);
	if (problem != NULL)
	{
		call_fail(start->call, STATUS_INVALID_ARGUMENT, problem, NULL);
		return false;
	}
	if (!search_attributes_to_text(request->search_attributes, &arguments[SEARCH_ATTRIBUTES]))
	{
		call_fail(start->call, STATUS_INVALID_ARGUMENT, "invalid SearchAttributes: a value is not JSON", NULL);
		return false;
	}
	arguments[TASK_QUEUE] = request->task_queue != NULL ? memory_text(request->task_queue->name) : NULL;
	arguments[ACTIVITY_TYPE] = memory_text(request->activity_type != NULL ? request->activity_type->name : "");
	arguments[INPUT] = payloads_to_text(request->input);
	arguments[ACTIVITY_ID] = memory_text(request->activity_id);
	arguments[REQUEST_ID] = copy_set(request->request_id);
	arguments[HEADER] = header_to_text(request->header, request->user_metadata);
	arguments[SUMMARY] = summary_to_text(request->user_metadata);
	arguments[IDENTITY] = copy_set(request->identity);
	return true;
}

static void
free_start(Start *start)
{
	for (int i = 0; i < ARGUMENTS; i++)
		free(start->arguments[i]);
	free(start);
}

/* ------------------------------------------------------------------------
 * Starting
 * ------------------------------------------------------------------------
 */

static void
bind_start(const void *item, SqlArray *arrays)
{
	for (int i = 0; i < ARGUMENTS; i++)
		sql_array_add(&arrays[i], ((const Start *) item)->arguments[i]);
}

/* ------------------------------------------------------------------------
 * Another run has the id
 * ------------------------------------------------------------------------
 */

/* Of the facts of the error: the run as clients know it, and who started it. */
static const Statement existing_statement = {
	"existing_run",
	"SELECT taskq.run_uuid((f.facts ->> 'run_id')::bigint), f.facts ->> 'request_id'"
	" FROM (VALUES ($1::jsonb)) f (facts)",
	1, false
};

static void
refuse(Call *call, const PGresult *result)
{
	Temporal__ActivityExecutionAlreadyStartedFailure *detail;

	detail = message_new(&temporal__activity_execution_already_started_failure__descriptor);
	detail->run_id = uuid_copy(row_uuid(result, 0, 0));
	detail->start_request_id = field_text(result, 0, 1);
	call_fail(call, STATUS_ALREADY_EXISTS, "activity execution already started", &detail->base);
	protobuf_c_message_free_unpacked(&detail->base, NULL);
}

static void
answer_error(Call *call, DatabaseOutcome outcome, const PGresult *result)
{
	StartRequest *request = (StartRequest *) call->request;
	ErrorContext context = {.activity_id = request->activity_id};
	const char *state = outcome == DATABASE_ERROR ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (state != NULL && strcmp(state, SQLSTATE_ALREADY_STARTED) == 0)
		operation_run(call, &existing_statement,
					  (const char *[]) {PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL)},
					  &context, refuse);
	else
		answer_sql_error(call, outcome, result, &context);
}

/* What is due later is heard of when it is. */
static bool
is_due(const StartRequest *request)
{
	const Google__Protobuf__Duration *delay = request->start_delay;

	return delay == NULL || (delay->seconds == 0 && delay->nanos == 0);
}

static void
on_started(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	Start	   *start = item;
	Call	   *call = start->call;
	StartRequest *request = (StartRequest *) call->request;

	if (outcome != DATABASE_OK)
		answer_error(call, outcome, result);
	else
	{
		Temporal__StartActivityExecutionResponse *response;
		bool		is_new = row_bool(result, row, 2);

		response = message_new(&temporal__start_activity_execution_response__descriptor);
		response->run_id = uuid_copy(row_uuid(result, row, 1));
		response->started = is_new;
		if (is_new)
			fresh_run_note(row_uuid(result, row, 1), row_int64(result, row, 3));
		if (is_new && is_due(request))
			parked_wake(request->task_queue->name, 1);
		answer(call, response);
	}
	free_start(start);
}

static const BatchKind start_kind = {&start_statement, bind_start, on_started, false};

/*
 * The method StartActivityExecution.
 */
void
start_activity_execution(Call *call)
{
	StartRequest *request = (StartRequest *) call->request;
	Start	   *start;

	if (!namespace_is_known(call, request->namespace_))
		return;
	if (*request->activity_id == '\0')
	{
		call_fail(call, STATUS_INVALID_ARGUMENT, "activityId is not set", NULL);
		return;
	}
	if (request->n_completion_callbacks > 0)
	{
		call_fail(call, STATUS_UNIMPLEMENTED, "completion callbacks are not implemented", NULL);
		return;
	}
	start = memory_new(sizeof(Start));
	start->call = call;
	if (set_arguments(start, request))
		batch_add(&start_kind, call->role, start);
	else
		free_start(start);
}
