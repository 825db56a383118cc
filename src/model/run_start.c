/*
 * run_start.c
 *		How a run begins: its first event, and what follows from that.
 *
 * The first event is made from what a client asks, or from the run before; the run
 * itself from that event alone, so that it can be made again from a history.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "model/options.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "model/run_facts.h"
#include "model/run_start.h"
#include "model/run_task.h"
#include "model/search_values.h"

/* ------------------------------------------------------------------------
 * The first event
 * ------------------------------------------------------------------------
 */

static void
raise_bad_start(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", problem)));
}

static int64
start_duration(Jsonb *request, const char *key, bool *given)
{
	int64		duration;

	if (json_is_negative_duration(request, key))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("An invalid %c%s is set on request: negative duration.",
						pg_toupper((unsigned char) key[0]), key + 1)));
	*given = json_get_duration(request, key, &duration);
	return duration;
}

static char *
named(Jsonb *request, const char *key)
{
	Jsonb	   *message = json_get_object(request, key);

	return message == NULL ? NULL : json_get_text(message, "name");
}

static void
add_named(JsonBuilder *builder, const char *key, const char *name, bool queue)
{
	JsonBuilder message;

	json_begin(&message);
	json_add_text(&message, "name", name);
	if (queue)
		json_add_text(&message, "kind", "TASK_QUEUE_KIND_NORMAL");
	json_add(builder, key, json_end(&message));
}

static void
check_names(Jsonb *request)
{
	char	   *type = named(request, "workflowType");
	char	   *queue = named(request, "taskQueue");
	char	   *request_id = json_get_text(request, "requestId");

	if (type == NULL || type[0] == '\0')
		raise_bad_start("WorkflowType is not set on request.");
	if (queue == NULL)
		raise_bad_start("missing task queue name");
	check_name_length(cstring_to_text(type), "WorkflowType");
	(void) check_queue_name(cstring_to_text(queue));
	check_name_length(cstring_to_text(json_get_text(request, "workflowId")), "WorkflowId");
	if (request_id != NULL)
		check_name_length(cstring_to_text(request_id), "RequestId");
}

static void
check_sizes(Jsonb *request)
{
	static const char *const keys[] = {"input", "header", "memo", "searchAttributes", "userMetadata"};

	for (int i = 0; i < (int) lengthof(keys); i++)
		check_message_size(json_get_object(request, keys[i]), keys[i]);
}

/* the three timeouts: none is longer than the one above it; a delay is part of the first alone */
static void
add_timeouts(JsonBuilder *builder, Jsonb *request, TimestampTz now)
{
	bool		has_execution;
	bool		has_run;
	bool		has_task;
	int64		execution = start_duration(request, "workflowExecutionTimeout", &has_execution);
	int64		run = start_duration(request, "workflowRunTimeout", &has_run);
	int64		task = start_duration(request, "workflowTaskTimeout", &has_task);

	if (execution > 0)
	{
		run = run == 0 ? execution : Min(run, execution);
		json_add_text(builder, "workflowExecutionExpirationTime",
					  proto_instant_text(instant_add(now, execution)));
	}
	if (task == 0)
		task = DEFAULT_TASK_TIMEOUT;
	task = Min(task, MOST_TASK_TIMEOUT);
	if (run > 0)
		task = Min(task, run);
	if (has_execution)
		json_add_duration(builder, "workflowExecutionTimeout", execution);
	if (has_run || run > 0)
		json_add_duration(builder, "workflowRunTimeout", run);
	json_add_duration(builder, "workflowTaskTimeout", task);
}

static void
add_retry_policy(JsonBuilder *builder, Jsonb *request)
{
	Jsonb	   *given = json_get_object(request, "retryPolicy");
	RetryPolicy policy;
	const char *wrong;

	if (given == NULL)
		return;
	wrong = json_read_retry_policy(given, &policy);
	if (wrong != NULL)
		raise_bad_start(wrong);
	json_add(builder, "retryPolicy", json_retry_policy(&policy));
}

/* what is echoed as it was given */
static void
add_echoes(JsonBuilder *builder, Jsonb *request)
{
	static const char *const keys[] = {
		"input", "identity", "header", "memo", "searchAttributes", "priority",
		"completionCallbacks", "versioningOverride", "continuedFailure", "lastCompletionResult"
	};

	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		JsonbValue *value = json_get(request, keys[i]);

		if (value != NULL)
			json_add_value(builder, keys[i], value);
	}
}

/*
 * run_started_attributes: of the first event of a run that a client starts; the
 * request has been checked against its shape and has a workflowId.  Raises 22023
 * for what makes no sense.
 */
Jsonb *
run_started_attributes(Jsonb *request, int64 run_id, TimestampTz now, const RunWorld *world)
{
	char	   *uuid = world->run_uuid(run_id);
	JsonBuilder builder;
	bool		given;
	int64		backoff;

	check_names(request);
	check_sizes(request);
	if (json_get_text(request, "cronSchedule") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cron_schedule is not supported yet"),
				 errhint("Start the workflow from a scheduler such as pg_cron.")));
	backoff = start_duration(request, "workflowStartDelay", &given);
	json_begin(&builder);
	add_named(&builder, "workflowType", named(request, "workflowType"), false);
	add_named(&builder, "taskQueue", named(request, "taskQueue"), true);
	add_timeouts(&builder, request, now);
	json_add_text(&builder, "originalExecutionRunId", uuid);
	json_add_text(&builder, "firstExecutionRunId", uuid);
	add_retry_policy(&builder, request);
	json_add_int64(&builder, "attempt", 1);
	json_add_duration(&builder, "firstWorkflowTaskBackoff", backoff);
	add_echoes(&builder, request);
	json_add_text(&builder, "workflowId", json_get_text(request, "workflowId"));
	return json_end(&builder);
}

#define BY_RETRY	"CONTINUE_AS_NEW_INITIATOR_RETRY"
#define NOT_SAID	"CONTINUE_AS_NEW_INITIATOR_UNSPECIFIED"

/* what a retry begins with: the same as the run before it; one that has failed hands on no result */
static void
add_retried(JsonBuilder *builder, const RunStep *step, Jsonb *first)
{
	JsonBuilder anonymous;

	json_begin(&anonymous);
	json_add_members(&anonymous, first, "identity");
	json_add_members(builder, json_end(&anonymous),
					 step->close == RUN_STATUS_FAILED ? "lastCompletionResult" : NULL);
	json_add_int64(builder, "attempt", json_get_int64(first, "attempt", 1) + 1);
	json_add_text(builder, "initiator", BY_RETRY);
	if (step->successor.failure != NULL)
		json_add(builder, "continuedFailure", step->successor.failure);
}

/* what continue-as-new begins with: the command's, and for the rest that of the run before it */
static void
add_continued(JsonBuilder *builder, const RunStep *step, Jsonb *first)
{
	static const char *const keys[] = {
		"input", "workflowRunTimeout", "header", "memo", "searchAttributes", "lastCompletionResult"
	};
	static const char *const kept[] = {
		"workflowExecutionTimeout", "workflowExecutionExpirationTime", "workflowId",
		"firstExecutionRunId", "priority"
	};
	const Run  *run = step->run;
	Jsonb	   *command = step->successor.command;
	char	   *type = named(command, "workflowType");
	char	   *queue = named(command, "taskQueue");
	const char *initiator = json_get_text(command, "initiator");
	int64		task_timeout;

	if (initiator == NULL || strcmp(initiator, NOT_SAID) == 0)
		initiator = "CONTINUE_AS_NEW_INITIATOR_WORKFLOW";

	for (int i = 0; i < (int) lengthof(kept); i++)
	{
		JsonbValue *value = json_get(first, kept[i]);

		if (value != NULL)
			json_add_value(builder, kept[i], value);
	}
	add_named(builder, "workflowType", type != NULL ? type :
			  text_to_cstring(run->workflow_type), false);
	add_named(builder, "taskQueue", queue != NULL ? queue :
			  text_to_cstring(run->home_queue), true);
	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		JsonbValue *value = json_get(command, keys[i]);

		if (value != NULL)
			json_add_value(builder, keys[i], value);
	}
	add_retry_policy(builder, command);
	if (!json_get_duration(command, "workflowTaskTimeout", &task_timeout) || task_timeout == 0)
		task_timeout = run->task_timeout;
	json_add_duration(builder, "workflowTaskTimeout", Min(task_timeout, MOST_TASK_TIMEOUT));
	if (json_get(command, "workflowRunTimeout") == NULL &&
		json_get(first, "workflowRunTimeout") != NULL)
		json_add_value(builder, "workflowRunTimeout", json_get(first, "workflowRunTimeout"));
	if (step->successor.failure != NULL)
		json_add(builder, "continuedFailure", step->successor.failure);
	/* a worker may go on with its own retries */
	json_add_int64(builder, "attempt", strcmp(initiator, BY_RETRY) != 0 ? 1 :
				   json_get_int64(first, "attempt", 1) + 1);
	json_add_text(builder, "initiator", initiator);
}

/*
 * run_successor_attributes: of the first event of the run that the step's goes on
 * as, whose own first event had those attributes.
 */
Jsonb *
run_successor_attributes(const RunStep *step, Jsonb *first)
{
	JsonBuilder builder;

	json_begin(&builder);
	if (step->successor.initiator == CONTINUE_AS_NEW_INITIATOR_RETRY)
		add_retried(&builder, step, first);
	else
		add_continued(&builder, step, first);
	json_add_text(&builder, "continuedExecutionRunId",
				  step->world->run_uuid(step->run->task.run_id));
	json_add_text(&builder, "originalExecutionRunId",
				  step->world->run_uuid(step->successor.run_id));
	if (step->successor.backoff > 0 || step->successor.initiator == CONTINUE_AS_NEW_INITIATOR_RETRY ||
		json_get(step->successor.command, "backoffStartInterval") != NULL)
		json_add_duration(&builder, "firstWorkflowTaskBackoff", Max(step->successor.backoff, 0));
	return json_end(&builder);
}

/* ------------------------------------------------------------------------
 * The run
 * ------------------------------------------------------------------------
 */

static text *
text_of(const char *string)
{
	return cstring_to_text(string);
}

static void
read_priority(Run *run, Jsonb *attributes)
{
	Options		options = {0};

	json_read_priority(json_get_object(attributes, "priority"), &options, &run->task);
	options_check_priority(&options, &run->task);
	run->has_priority = options.has_priority;
	run->priority = options.priority;
}

static void
read_facts(Run *run, Jsonb *attributes, int64 first_run_id, int64 backoff)
{
	RunFacts	facts;
	char	   *expiration = json_get_text(attributes, "workflowExecutionExpirationTime");
	Jsonb	   *memo = json_get_object(attributes, "memo");

	run_facts_read(NULL, &facts);
	facts.first_run_id = first_run_id;
	facts.run_attempt = (int32) json_get_int64(attributes, "attempt", 1);
	facts.has_execution_timeout =
		json_get_duration(attributes, "workflowExecutionTimeout", &facts.execution_timeout);
	facts.has_run_timeout =
		json_get_duration(attributes, "workflowRunTimeout", &facts.run_timeout);
	if (expiration != NULL)
		facts.execution_deadline = proto_instant_of(expiration);
	facts.first_task_backoff = backoff;
	facts.memo = memo == NULL ? NULL : payload_map_merged(NULL, json_get_object(memo, "fields"));
	run->deadline = facts.execution_deadline;
	if (facts.run_timeout > 0)
		run->deadline = Min(run->deadline,
							instant_add(instant_add(run->start_time, backoff), facts.run_timeout));
	run->facts = run_facts_write(&facts);
}

/*
 * run_from_started: the run as its first event makes it, before that event.
 */
void
run_from_started(Run *run, Jsonb *attributes, TimestampTz now, int64 run_id, int64 first_run_id)
{
	Jsonb	   *policy = json_get_object(attributes, "retryPolicy");
	Jsonb	   *fields = json_get_object(attributes, "searchAttributes");
	int64		backoff;

	memset(run, 0, sizeof(Run));
	run->task.run_id = run_id;
	run->start_time = run->task.schedule_time = now;
	run->task.dispatch_time = run->task.alarm = run->deadline = run->timer_due = DT_NOEND;
	run->task.started_time = run->task.last_complete_time = DT_NOBEGIN;
	run->task.transitions = run->task.attempt = 1;
	run->task.state = STATE_NO_TASK;
	run->workflow_id = text_of(json_get_text(attributes, "workflowId"));
	run->workflow_type = text_of(named(attributes, "workflowType"));
	run->home_queue = text_of(named(attributes, "taskQueue"));
	run->task.queue = text_of(psprintf(WORKFLOW_QUEUE_PREFIX "%s", text_to_cstring(run->home_queue)));
	json_get_duration(attributes, "workflowTaskTimeout", &run->task_timeout);
	run->attempt_timeout = run->task_timeout;
	run->next_event_id = 1;
	if (policy != NULL && json_read_retry_policy(policy, &run->retry_policy) == NULL)
		run->flags |= RUN_HAS_RETRY_POLICY;
	read_priority(run, attributes);
	json_get_duration(attributes, "firstWorkflowTaskBackoff", &backoff);
	run->first_task_time = instant_add(now, backoff);
	if (backoff > 0)
		run->flags |= RUN_FIRST_TASK_DELAYED;
	read_facts(run, attributes, first_run_id, backoff);
	if (fields != NULL)
		run->search_attributes = (struct varlena *)
			search_values(json_get_object(fields, "indexedFields"));
}

/* run_begin: the first event of the step's run, and, if it is not delayed, its first task. */
void
run_begin(RunStep *step, Jsonb *attributes, Jsonb *user_metadata)
{
	run_add_event(step, EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, attributes);
	run_last_event(step)->user_metadata = user_metadata;
	run_take_mail(step, false);
	if (!(step->run->flags & RUN_FIRST_TASK_DELAYED))
		run_schedule_task(step, false);
}
