/*
 * run_activity_commands.c
 *		Commands about activities.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/json.h"
#include "common/lengths.h"
#include "model/duration.h"
#include "model/options.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "model/run_activity_commands.h"
#include "model/run_facts.h"
#include "model/run_mail.h"

#define BAD_SCHEDULE	"WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES"
#define BAD_CANCEL		"WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES"
#define MOST_ACTIVITIES	2000	/* that are pending */

/* the four timeouts, normalised */
typedef struct ActivityTimes
{
	int64		schedule_to_close;
	int64		schedule_to_start;
	int64		start_to_close;
	int64		heartbeat;
} ActivityTimes;

static bool
valid_length(CommandCall *call, const char *what, const char *value)
{
	if (strlen(value) <= MAX_NAME_LENGTH)
		return true;
	command_fault(call, BAD_SCHEDULE, "%s exceeds length limit. Length=%d Limit=%d",
				  what, (int) strlen(value), MAX_NAME_LENGTH);
	return false;
}

/* an id, a type and a queue */
static bool
valid_names(CommandCall *call, const char *id, const char *type)
{
	Jsonb	   *queue = json_get_object(call->command->attributes, "taskQueue");
	const char *problem = command_queue_problem(call);

	if (queue != NULL && json_get_text(queue, "name") == NULL)
		problem = "missing task queue name";
	if (problem == NULL && id == NULL)
		problem = "activityId is not set";
	if (problem == NULL && type == NULL)
		problem = "activityType is not set";
	if (problem != NULL)
		command_fault(call, BAD_SCHEDULE, "%s", problem);
	return problem == NULL;
}

/* what it does not say of its priority is the workflow's, which is valid */
static bool
valid_priority(CommandCall *call)
{
	Options		options = {0};
	Task		task = {0};
	const char *problem;

	json_read_priority(json_get_object(call->command->attributes, "priority"), &options, &task);
	problem = options_priority_problem(&options, &task);
	if (problem != NULL)
		command_fault(call, BAD_SCHEDULE, "%s", problem);
	return problem == NULL;
}

/* a pending one has the id, or one that this step has scheduled; not one that it has dropped */
static bool
is_known(CommandCall *call, const char *id)
{
	RunStep    *step = call->step;

	for (int i = step->nactions - 1; i >= 0; i--)
	{
		RunAction  *action = &step->actions[i];

		if ((action->type == RUN_SCHEDULE_ACTIVITY || action->type == RUN_DROP_ACTIVITY) &&
			strcmp(action->id, id) == 0)
			return action->type == RUN_SCHEDULE_ACTIVITY;
	}
	return step->world->activity_named(step->run->task.run_id, id);
}

static int64
at_most(int64 duration, int64 limit)
{
	return limit == 0 ? duration : duration == 0 ? limit : Min(duration, limit);
}

/*
 * What is not given follows from what is, and nothing lasts longer than the run;
 * false: it cannot be.
 */
static bool
read_times(CommandCall *call, const char *id, const char *type, ActivityTimes *times)
{
	static const char *const keys[] = {
		"scheduleToCloseTimeout", "scheduleToStartTimeout", "startToCloseTimeout", "heartbeatTimeout"
	};
	Jsonb	   *attributes = call->command->attributes;
	int64		limit;
	RunFacts	facts;

	run_facts_read(call->step->run->facts, &facts);
	limit = facts.run_timeout;
	for (int i = 0; i < (int) lengthof(keys); i++)
		if (json_is_negative_duration(attributes, keys[i]))
		{
			command_fault(call, BAD_SCHEDULE,
						  "invalid %c%s: negative duration",
						  pg_toupper((unsigned char) keys[i][0]), keys[i] + 1);
			return false;
		}
	json_get_duration(attributes, keys[0], &times->schedule_to_close);
	json_get_duration(attributes, keys[1], &times->schedule_to_start);
	json_get_duration(attributes, keys[2], &times->start_to_close);
	json_get_duration(attributes, keys[3], &times->heartbeat);
	if (times->schedule_to_close == 0 && times->start_to_close == 0)
	{
		command_fault(call, BAD_SCHEDULE,
					  "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=%s ActivityType=%s",
					  id, type);
		return false;
	}
	times->schedule_to_close = at_most(times->schedule_to_close, limit);
	times->schedule_to_start = at_most(times->schedule_to_start, times->schedule_to_close);
	times->start_to_close = at_most(times->start_to_close, times->schedule_to_close);
	if (times->heartbeat > 0)
		times->heartbeat = Min(times->heartbeat, times->start_to_close);
	return true;
}

/* the queue of the command, which is the workflow's own if it names none */
static Jsonb *
activity_queue(CommandCall *call)
{
	Jsonb	   *queue = json_get_object(call->command->attributes, "taskQueue");
	char	   *name = queue == NULL ? NULL : json_get_text(queue, "name");
	JsonBuilder builder;

	json_begin(&builder);
	json_add_text(&builder, "name", name != NULL ? name :
				  text_to_cstring(call->step->run->home_queue));
	json_add_text(&builder, "kind", "TASK_QUEUE_KIND_NORMAL");
	return json_end(&builder);
}

/* the retry policy, normalised; NULL = it cannot be */
static Jsonb *
retry_policy(CommandCall *call)
{
	Jsonb	   *given = json_get_object(call->command->attributes, "retryPolicy");
	RetryPolicy policy;
	const char *wrong = NULL;

	if (given == NULL)
		retry_policy_defaults(&policy);
	else
		wrong = json_read_retry_policy(given, &policy);
	if (wrong == NULL)
		return json_retry_policy(&policy);
	command_fault(call, BAD_SCHEDULE, "%s", wrong);
	return NULL;
}

static Jsonb *
scheduled_attributes(CommandCall *call, const ActivityTimes *times, Jsonb *policy)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_members(&builder, call->command->attributes, "requestEagerExecution");
	json_add(&builder, "taskQueue", activity_queue(call));
	json_add_duration(&builder, "scheduleToCloseTimeout", times->schedule_to_close);
	json_add_duration(&builder, "scheduleToStartTimeout", times->schedule_to_start);
	json_add_duration(&builder, "startToCloseTimeout", times->start_to_close);
	json_add_duration(&builder, "heartbeatTimeout", times->heartbeat);
	json_add(&builder, "retryPolicy", policy);
	json_add_event_id(&builder, "workflowTaskCompletedEventId", call->completed_event_id);
	return json_end(&builder);
}

/* command_schedule_activity: SCHEDULE_ACTIVITY_TASK */
void
command_schedule_activity(CommandCall *call)
{
	Jsonb	   *attributes = call->command->attributes;
	RunStep    *step = call->step;
	char	   *id = json_get_text(attributes, "activityId");
	Jsonb	   *type_message = json_get_object(attributes, "activityType");
	char	   *type = type_message == NULL ? NULL : json_get_text(type_message, "name");
	ActivityTimes times;
	Jsonb	   *policy;
	RunAction  *action;

	if (!valid_names(call, id, type) || (policy = retry_policy(call)) == NULL ||
		!valid_length(call, "activityId", id) || !valid_length(call, "activityType", type) ||
		!valid_priority(call) || !read_times(call, id, type, &times))
		return;
	if (is_known(call, id))
	{
		command_fault(call, "WORKFLOW_TASK_FAILED_CAUSE_SCHEDULE_ACTIVITY_DUPLICATE_ID",
					  "invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: %s",
					  id);
		return;
	}
	if (step->run->pending_activities >= MOST_ACTIVITIES)
	{
		command_fault(call, "WORKFLOW_TASK_FAILED_CAUSE_PENDING_ACTIVITIES_LIMIT_EXCEEDED",
					  "the number of pending activities, %d, has reached the per-workflow limit of %d",
					  step->run->pending_activities, MOST_ACTIVITIES);
		return;
	}
	step->run->pending_activities++;
	action = run_step_action(step, RUN_SCHEDULE_ACTIVITY);
	action->id = id;
	action->eager = json_get_bool(attributes, "requestEagerExecution");
	action->attributes = scheduled_attributes(call, &times, policy);
	action->user_metadata = call->command->user_metadata;
	action->event_id = command_event(call, EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
									 action->attributes);
}

/* ------------------------------------------------------------------------
 * Cancellation
 * ------------------------------------------------------------------------
 */

/* one that was never started is canceled at once, which is told after all commands */
static void
cancel_unstarted(CommandCall *call, int64 scheduled, int64 requested)
{
	RunMail		mail = {0};
	JsonBuilder builder;

	json_begin(&builder);
	json_add(&builder, "details", payloads_of_text("ACTIVITY_ID_NOT_STARTED"));
	json_add_event_id(&builder, "latestCancelRequestedEventId", requested);
	json_add_event_id(&builder, "scheduledEventId", scheduled);
	json_add_text(&builder, "identity", call->step->identity);
	mail.type = EVENT_TYPE_ACTIVITY_TASK_CANCELED;
	mail.time = call->step->now;
	mail.attributes = json_end(&builder);
	run_step_mail(call->step, &mail);
}

/* has this step scheduled it itself, or dropped it already? */
static bool
cancel_in_step(CommandCall *call, int64 scheduled, bool *cancel)
{
	RunStep    *step = call->step;

	*cancel = false;
	for (int i = 0; i < step->nactions; i++)
	{
		RunAction  *action = &step->actions[i];

		if (action->type == RUN_SCHEDULE_ACTIVITY && action->event_id == scheduled)
		{
			action->type = RUN_DROP_ACTIVITY;	/* it never came to be */
			action->run_id = 0;
			*cancel = true;
			return true;
		}
		if (action->type == RUN_DROP_ACTIVITY && action->event_id == scheduled)
			return true;
	}
	return false;
}

/* has it ended, perhaps in this step, and nobody was told yet? */
static bool
ends_unseen(const RunStep *step, int64 scheduled)
{
	for (int i = 0; i < step->nmail; i++)
	{
		const RunMail *mail = &step->mail[i];

		if (!mail->dropped && run_mail_closes_activity(mail) &&
			json_get_event_id(mail->attributes, "scheduledEventId") == scheduled)
			return true;
	}
	return step->world->activity_ends(step->run->task.run_id, scheduled);
}

/* has its worker been asked already, perhaps in this step? */
static bool
is_canceling(const RunStep *step, const PendingActivity *activity)
{
	for (int i = 0; i < step->nactions; i++)
		if (step->actions[i].type == RUN_CANCEL_ACTIVITY && step->actions[i].run_id == activity->run_id)
			return true;
	return activity->canceling;
}

/* command_cancel_activity: REQUEST_CANCEL_ACTIVITY_TASK */
void
command_cancel_activity(CommandCall *call)
{
	RunStep    *step = call->step;
	int64		scheduled = json_get_event_id(call->command->attributes, "scheduledEventId");
	PendingActivity activity;
	bool		pending = false;
	bool		cancel;
	bool		in_step;
	int64		requested;

	if (scheduled <= 0)
	{
		command_fault(call, BAD_CANCEL,
					  "ScheduledEventId is not set on RequestCancelActivityTaskCommand.");
		return;
	}
	in_step = cancel_in_step(call, scheduled, &cancel);
	if (!in_step)
	{
		pending = step->world->activity(step->run, scheduled, &activity);
		if (pending ? is_canceling(step, &activity) : !ends_unseen(step, scheduled))
		{
			command_fault(call, BAD_CANCEL,
						  "invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: " INT64_FORMAT,
						  scheduled);
			return;
		}
	}
	requested = command_event(call, EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
							  command_attributes(call));
	if (pending)
	{
		RunAction  *action = run_step_action(step, activity.in_progress ?
											 RUN_CANCEL_ACTIVITY : RUN_DROP_ACTIVITY);

		action->event_id = activity.in_progress ? requested : scheduled;
		action->run_id = activity.run_id;
		action->id = activity.activity_id;
		cancel = !activity.in_progress;
	}
	if (cancel)
		cancel_unstarted(call, scheduled, requested);
}
