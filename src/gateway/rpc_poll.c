/*
 * rpc_poll.c
 *		Workers ask for tasks, and stop.
 */
#include "gateway/rpc_poll.h"

#include <stdlib.h>
#include <string.h>

#include "common/lengths.h"
#include "gateway/answers.h"
#include "gateway/fields.h"
#include "gateway/handed_out.h"
#include "gateway/listening.h"
#include "gateway/memory.h"
#include "gateway/namespaces.h"
#include "gateway/notifications.h"
#include "gateway/option_messages.h"
#include "gateway/parked.h"
#include "gateway/payloads.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"

/* What SDKs send when they want no limit, and beyond. */
#define NO_LIMIT 100000.0

/* what a notification takes, bytes */
#define STOP_MAX 7000

/* what a poll finds */
enum
{
	PLACE, TOKEN, RUN, ACTIVITY_ID, ACTIVITY_TYPE, HEADER, INPUT, HEARTBEAT_DETAILS,
	SCHEDULED_TIME, ATTEMPT_SCHEDULED_TIME, STARTED_TIME, ATTEMPT,
	SCHEDULE_TO_CLOSE, START_TO_CLOSE, HEARTBEAT, PRIORITY,	/* and fairness */
	RETRY_POLICY = PRIORITY + 3
};

static const Statement poll_statement = {
	"poll_many",
	"SELECT p.slot, t.task_token, taskq.run_uuid(t.run_id), t.activity_id, t.activity_type, t.header,"
	" t.input, t.heartbeat_details, t.scheduled_time, t.current_attempt_scheduled_time, t.started_time,"
	" t.attempt, t.schedule_to_close_timeout, t.start_to_close_timeout, t.heartbeat_timeout,"
	" t.priority, t.fairness_key, NULL::float8, p.retry_policy"
	" FROM taskq.poll_many(task_queues => $1, identities => $2, max_tasks_per_second => $3) p,"
	" LATERAL (SELECT (p.task).*) t",
	3, false
};

static Temporal__PollActivityTaskQueueResponse *
make_task(const PGresult *result, int row)
{
	Temporal__PollActivityTaskQueueResponse *task;

	task = message_new(&temporal__poll_activity_task_queue_response__descriptor);
	task->task_token.len = 16;
	task->task_token.data = memory_new(16);
	memcpy(task->task_token.data, row_uuid(result, row, TOKEN), 16);
	task->workflow_namespace = memory_text(DEFAULT_NAMESPACE);
	task->workflow_type = message_new(&temporal__workflow_type__descriptor);
	task->workflow_execution = message_new(&temporal__workflow_execution__descriptor);
	task->activity_type = message_new(&temporal__activity_type__descriptor);
	task->activity_type->name = field_text(result, row, ACTIVITY_TYPE);
	task->activity_id = field_text(result, row, ACTIVITY_ID);
	task->activity_run_id = uuid_copy(row_uuid(result, row, RUN));
	task->header = header_from_text(row_jsonb(result, row, HEADER));
	task->input = payloads_from_text(row_jsonb(result, row, INPUT));
	task->heartbeat_details = payloads_from_text(row_jsonb(result, row, HEARTBEAT_DETAILS));
	task->scheduled_time = field_timestamp(result, row, SCHEDULED_TIME);
	task->current_attempt_scheduled_time = field_timestamp(result, row, ATTEMPT_SCHEDULED_TIME);
	task->started_time = field_timestamp(result, row, STARTED_TIME);
	task->attempt = row_int32(result, row, ATTEMPT);
	task->schedule_to_close_timeout = field_duration(result, row, SCHEDULE_TO_CLOSE);
	task->start_to_close_timeout = field_duration(result, row, START_TO_CLOSE);
	task->heartbeat_timeout = field_duration(result, row, HEARTBEAT);
	task->priority = field_priority(result, row, PRIORITY);
	task->retry_policy = retry_policy_from_text(row_jsonb(result, row, RETRY_POLICY));
	return task;
}

static void
deliver_activity(Call *call, const PGresult *result, int row, DeliveryHandler handler, void *arg)
{
	Temporal__PollActivityTaskQueueResponse *task = make_task(result, row);

	handed_out_note(row_uuid(result, row, TOKEN), row_uuid(result, row, RUN));
	call_reply_then(call, &task->base, handler, arg);
	protobuf_c_message_free_unpacked(&task->base, NULL);
}

static void
no_activity(Call *call)
{
	answer_empty(call, &temporal__poll_activity_task_queue_response__descriptor);
}

static void
no_workflow(Call *call)
{
	answer_empty(call, &temporal__poll_workflow_task_queue_response__descriptor);
}

static void
fail_poll(Call *call, DatabaseOutcome outcome, const PGresult *error)
{
	static const ErrorContext context = {.is_poll = true};

	answer_sql_error(call, outcome, error, &context);
}

static const ParkedKind activities = {
	{&poll_statement, parked_bind, parked_looked, true},
	deliver_activity, no_activity, fail_poll
};

/* There are none yet: who polls for them waits. */
static const ParkedKind workflows = {
	{NULL, NULL, NULL, false},
	NULL, no_workflow, NULL
};

/* Is it the name of a queue? If not, the call is answered. */
static bool
check_queue(Call *call, const Temporal__TaskQueue *queue)
{
	const char *problem = NULL;

	if (queue == NULL)
		problem = "TaskQueue is not set on request.";
	else if (*queue->name == '\0')
		problem = "missing task queue name";
	else if (strlen(queue->name) > MAX_NAME_LENGTH)
		problem = "taskQueue length exceeds limit";
	else if (strncmp(queue->name, "/_sys/", 6) == 0)
		problem = "task queue name cannot start with reserved prefix /_sys/";
	if (problem != NULL)
		call_fail(call, STATUS_INVALID_ARGUMENT, problem, NULL);
	return problem == NULL;
}

static bool
check_identity(Call *call, const char *identity)
{
	if (strlen(identity) <= MAX_NAME_LENGTH)
		return true;
	call_fail(call, STATUS_INVALID_ARGUMENT, "identity exceeds length limit", NULL);
	return false;
}

static void
park(Call *call, const ParkedPoll *poll)
{
	listening_add(WORKER_STOP_CHANNEL);
	parked_add(call, poll);
}

/*
 * The method PollActivityTaskQueue.
 */
void
poll_activity_task_queue(Call *call)
{
	Temporal__PollActivityTaskQueueRequest *request = (void *) call->request;
	Temporal__TaskQueueMetadata *metadata = request->task_queue_metadata;
	ParkedPoll	poll = {.kind = &activities};

	if (!namespace_is_known(call, request->namespace_) || !check_queue(call, request->task_queue) ||
		!check_identity(call, request->identity))
		return;
	poll.queue = request->task_queue->name;
	poll.identity = request->identity;
	poll.worker = request->worker_instance_key;
	if (metadata != NULL && metadata->max_tasks_per_second != NULL &&
		metadata->max_tasks_per_second->value > 0 && metadata->max_tasks_per_second->value < NO_LIMIT)
		poll.rate = metadata->max_tasks_per_second->value;
	park(call, &poll);
}

/*
 * The method PollWorkflowTaskQueue.
 */
void
poll_workflow_task_queue(Call *call)
{
	Temporal__PollWorkflowTaskQueueRequest *request = (void *) call->request;
	ParkedPoll	poll = {.kind = &workflows};

	if (!namespace_is_known(call, request->namespace_) || !check_queue(call, request->task_queue) ||
		!check_identity(call, request->identity))
		return;
	poll.queue = request->task_queue->name;
	poll.identity = request->identity;
	poll.worker = request->worker_instance_key;
	park(call, &poll);
}

static const Statement stop_statement = {
	"worker_stop",
	"SELECT pg_notify('" WORKER_STOP_CHANNEL "', $1)",
	1, false
};

/* Whether others hear of it or not, their polls end. */
static void
on_told(void *arg, DatabaseOutcome outcome, const PGresult *result)
{
	(void) arg;
	(void) outcome;
	(void) result;
}

/*
 * The method ShutdownWorker.
 */
void
shutdown_worker(Call *call)
{
	Temporal__ShutdownWorkerRequest *request = (void *) call->request;
	const char *worker = request->worker_instance_key;
	const char *queue = request->sticky_task_queue;
	Buffer		payload = {0};

	if (!namespace_is_known(call, request->namespace_))
		return;
	parked_stop_worker(worker, queue);
	/* a tab in the key would not be one that we know */
	if (strlen(worker) + strlen(queue) <= STOP_MAX && strchr(worker, '\t') == NULL)
	{
		buffer_format(&payload, "%s\t%s", worker, queue);
		database_run(call->role, &stop_statement, (const char *[]) {payload.data}, call->deadline,
					 on_told, NULL);
		buffer_free(&payload);
	}
	answer_empty(call, &temporal__shutdown_worker_response__descriptor);
}
