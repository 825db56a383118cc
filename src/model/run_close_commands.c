/*
 * run_close_commands.c
 *		Commands that close the run; and whether another one follows.
 *
 * A run goes on as another one if it says so (continue-as-new), or if it has failed or
 * timed out and has a retry policy.  The two runs are at least a second apart, so
 * that a loop of them keeps nobody from work.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "model/failure.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "model/run_close_commands.h"
#include "model/run_facts.h"
#include "model/run_task.h"

#define BAD_FAIL		"WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES"
#define BAD_CONTINUE	"WORKFLOW_TASK_FAILED_CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES"
#define BAD_ATTRIBUTES	CAUSE_PREFIX "BAD_SEARCH_ATTRIBUTES"
#define NO_BEHAVIOR		"CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_UNSPECIFIED"

#define LEAST_LIFE		USECS_PER_SEC	/* from when the first task of a run was due to the same of the next */

/* what the next run waits, if it is to wait that long at least */
static int64
backoff_of_next(const RunStep *step, int64 wanted)
{
	RunFacts	facts;
	int64		lived;

	run_facts_read(step->run->facts, &facts);
	lived = step->now - instant_add(step->run->start_time, facts.first_task_backoff);
	return Max(wanted, LEAST_LIFE - Max(lived, 0));
}

/* ------------------------------------------------------------------------
 * Retries
 * ------------------------------------------------------------------------
 */

/* what the failure asks for, but no more than the policy allows; else the policy's */
static int64
retry_interval(const RetryPolicy *policy, Jsonb *failure, int attempt)
{
	Jsonb	   *application = json_get_object(failure, "applicationFailureInfo");
	int64		asked;

	if (application == NULL || !json_get_duration(application, "nextRetryDelay", &asked))
		return retry_policy_interval(policy, attempt);
	return asked <= 0 ? policy->maximum_interval : Min(asked, policy->maximum_interval);
}

/*
 * run_retry: the run has failed or timed out, with that failure of the protocol; its word
 * for what that means for retries.  If there is one, the step has a successor.
 */
const char *
run_retry(RunStep *step, Jsonb *failure)
{
	Run		   *run = step->run;
	const RetryPolicy *policy = &run->retry_policy;
	RunFacts	facts;
	int64		interval;

	if (!(run->flags & RUN_HAS_RETRY_POLICY))
		return "RETRY_STATE_RETRY_POLICY_NOT_SET";
	run_facts_read(run->facts, &facts);
	if (!failure_retryable(failure_plain(failure), policy))
		return "RETRY_STATE_NON_RETRYABLE_FAILURE";
	if (policy->maximum_attempts > 0 && facts.run_attempt >= policy->maximum_attempts)
		return "RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED";
	interval = retry_interval(policy, failure, facts.run_attempt);
	if (instant_add(step->now, interval) > facts.execution_deadline)
		return "RETRY_STATE_TIMEOUT";
	step->successor.run_id = step->world->new_run_id();
	step->successor.initiator = CONTINUE_AS_NEW_INITIATOR_RETRY;
	step->successor.backoff = backoff_of_next(step, interval);
	step->successor.failure = failure;
	return "RETRY_STATE_IN_PROGRESS";
}

static void
add_successor(RunStep *step, JsonBuilder *builder)
{
	if (step->successor.run_id != 0)
		json_add_text(builder, "newExecutionRunId",
					  step->world->run_uuid(step->successor.run_id));
}

/* what a run that has timed out has failed with, for the one after it */
static Jsonb *
timeout_failure(void)
{
	JsonBuilder builder;
	JsonBuilder info;

	json_begin(&info);
	json_add_text(&info, "timeoutType", "TIMEOUT_TYPE_START_TO_CLOSE");
	json_begin(&builder);
	json_add_text(&builder, "message", "workflow timeout");
	json_add_text(&builder, "source", "Server");
	json_add(&builder, "timeoutFailureInfo", json_end(&info));
	return json_end(&builder);
}

/* run_time_out: the run's time is over; if that of the whole chain is, nothing follows. */
void
run_time_out(RunStep *step)
{
	RunFacts	facts;
	JsonBuilder builder;

	run_facts_read(step->run->facts, &facts);
	json_begin(&builder);
	json_add_text(&builder, "retryState", step->now >= facts.execution_deadline ?
				  "RETRY_STATE_TIMEOUT" : run_retry(step, timeout_failure()));
	add_successor(step, &builder);
	run_force_close(step, RUN_STATUS_TIMED_OUT, EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
					json_end(&builder));
}

/* ------------------------------------------------------------------------
 * Commands
 * ------------------------------------------------------------------------
 */

/* command_complete: COMPLETE_WORKFLOW_EXECUTION */
void
command_complete(CommandCall *call)
{
	call->step->outcome = json_get_object(call->command->attributes, "result");
	command_event(call, EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, command_attributes(call));
	call->step->close = RUN_STATUS_COMPLETED;
}

/* command_fail: FAIL_WORKFLOW_EXECUTION */
void
command_fail(CommandCall *call)
{
	RunStep    *step = call->step;
	Jsonb	   *failure = json_get_object(call->command->attributes, "failure");
	JsonBuilder builder;

	if (failure == NULL)
	{
		command_fault(call, BAD_FAIL, "Failure is not set on FailWorkflowExecutionCommand.");
		return;
	}
	json_begin(&builder);
	json_add(&builder, "failure", failure);
	json_add_text(&builder, "retryState", run_retry(step, failure));
	json_add_event_id(&builder, "workflowTaskCompletedEventId", call->completed_event_id);
	add_successor(step, &builder);
	command_event(call, EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, json_end(&builder));
	step->outcome = failure;
	step->close = RUN_STATUS_FAILED;
}

/* command_cancel: CANCEL_WORKFLOW_EXECUTION */
void
command_cancel(CommandCall *call)
{
	call->step->outcome = json_get_object(call->command->attributes, "details");
	command_event(call, EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, command_attributes(call));
	call->step->close = RUN_STATUS_CANCELED;
}

/* what continue-as-new does not say stays as it is */
static void
add_defaults(JsonBuilder *builder, Jsonb *given, const Run *run)
{
	Jsonb	   *type = json_get_object(given, "workflowType");
	Jsonb	   *queue = json_get_object(given, "taskQueue");
	char	   *name;
	RunFacts	facts;
	JsonBuilder message;

	run_facts_read(run->facts, &facts);
	if (json_get(given, "workflowRunTimeout") == NULL && facts.run_timeout > 0)
		json_add_duration(builder, "workflowRunTimeout", facts.run_timeout);
	if (type == NULL || json_get_text(type, "name") == NULL)
	{
		json_begin(&message);
		json_add_text(&message, "name", text_to_cstring(run->workflow_type));
		json_add(builder, "workflowType", json_end(&message));
	}
	name = queue == NULL ? NULL : json_get_text(queue, "name");
	json_begin(&message);
	json_add_text(&message, "name", name == NULL ? text_to_cstring(run->home_queue) : name);
	json_add_text(&message, "kind", "TASK_QUEUE_KIND_NORMAL");
	json_add(builder, "taskQueue", json_end(&message));
}

/* what would have no effect is refused, like commands that are not there yet */
static bool
is_there(CommandCall *call)
{
	Jsonb	   *given = call->command->attributes;
	char	   *cron = json_get_text(given, "cronSchedule");
	char	   *versioning = json_get_text(given, "initialVersioningBehavior");
	const char *what = cron != NULL && cron[0] != '\0' ? "CronSchedule" :
		versioning != NULL && strcmp(versioning, NO_BEHAVIOR) != 0 ? "InitialVersioningBehavior" : NULL;

	if (what != NULL)
		command_fault(call, CAUSE_PREFIX "FEATURE_DISABLED",
					  "%s on %sCommand is not supported yet.", what, call->command->name);
	return what == NULL;
}

static bool
bad_continue(CommandCall *call, const char *problem)
{
	Jsonb	   *given = call->command->attributes;
	Jsonb	   *type = json_get_object(given, "workflowType");
	Jsonb	   *queue = json_get_object(given, "taskQueue");
	char	   *type_name = type == NULL ? NULL : json_get_text(type, "name");
	char	   *queue_name = queue == NULL ? NULL : json_get_text(queue, "name");
	const Run  *run = call->step->run;

	command_fault(call, BAD_CONTINUE, "%s. WorkflowType=%s TaskQueue=name:\"%s\" kind:TASK_QUEUE_KIND_NORMAL", problem,
				  type_name != NULL ? type_name : text_to_cstring(run->workflow_type),
				  queue_name != NULL ? queue_name : text_to_cstring(run->home_queue));
	return false;
}

/* can the next run begin with what the command gives? */
static bool
valid_continue(CommandCall *call)
{
	static const char *const durations[] = {
		"workflowRunTimeout", "workflowTaskTimeout", "backoffStartInterval"
	};
	Jsonb	   *given = call->command->attributes;
	Jsonb	   *type = json_get_object(given, "workflowType");
	Jsonb	   *given_policy = json_get_object(given, "retryPolicy");
	RetryPolicy policy;
	const char *wrong;

	if (type != NULL &&
		!command_text_fits(call, BAD_CONTINUE, "WorkflowType", json_get_text(type, "name")))
		return false;
	wrong = command_queue_problem(call);
	if (wrong != NULL)
		return bad_continue(call, psprintf("error validating %sCommand TaskQueue: %s", call->command->name, wrong));
	for (int i = 0; i < (int) lengthof(durations); i++)
		if (json_is_negative_duration(given, durations[i]))
			return bad_continue(call, psprintf("Invalid %c%s on %sCommand: negative duration",
											   pg_toupper((unsigned char) durations[i][0]), durations[i] + 1,
											   call->command->name));
	wrong = given_policy == NULL ? NULL : json_read_retry_policy(given_policy, &policy);
	if (wrong != NULL)
		return bad_continue(call, psprintf("invalid WorkflowRetryPolicy on %sCommand: %s", call->command->name, wrong));
	return command_payload_fits(call, BAD_CONTINUE, "memo", ". Memo") &&
		command_payload_fits(call, BAD_ATTRIBUTES, "searchAttributes", ". SearchAttributes");
}

/* command_continue_as_new: CONTINUE_AS_NEW_WORKFLOW_EXECUTION */
void
command_continue_as_new(CommandCall *call)
{
	RunStep    *step = call->step;
	Jsonb	   *given = call->command->attributes;
	JsonBuilder without_cron;
	JsonBuilder builder;
	int64		wanted;
	int64		task_timeout;

	if (!is_there(call) || !valid_continue(call))
		return;
	json_get_duration(given, "backoffStartInterval", &wanted);
	step->successor.run_id = step->world->new_run_id();
	step->successor.initiator = CONTINUE_AS_NEW_INITIATOR_WORKFLOW;
	step->successor.backoff = backoff_of_next(step, wanted);
	step->successor.command = given;
	step->successor.failure = json_get_object(given, "failure");

	/* how the next run is retried stands in its own first event alone */
	json_begin(&without_cron);
	json_add_members(&without_cron, given, "cronSchedule");
	json_begin(&builder);
	json_add_members(&builder, json_end(&without_cron), "retryPolicy");
	json_add_text(&builder, "newExecutionRunId", step->world->run_uuid(step->successor.run_id));
	add_defaults(&builder, given, step->run);
	if (!json_get_duration(given, "workflowTaskTimeout", &task_timeout) || task_timeout == 0)
		json_add_duration(&builder, "workflowTaskTimeout", step->run->task_timeout);
	json_add_event_id(&builder, "workflowTaskCompletedEventId", call->completed_event_id);
	command_event(call, EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, json_end(&builder));
	step->close = RUN_STATUS_CONTINUED_AS_NEW;
}
