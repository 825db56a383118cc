/*
 * run_activities.c
 *		Activities of runs: scheduled, canceled and dropped by their workflow.
 *
 * They are activities like others, with an owner: workers poll, heartbeat and report
 * as ever.  They leave no closed row, since the history is their record.  Whoever
 * calls these functions holds the run's row.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "engine/admission.h"
#include "engine/execute.h"
#include "engine/heartbeat.h"
#include "engine/run_activities.h"
#include "engine/tasks.h"
#include "engine/token.h"
#include "model/machine.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "notes/effects.h"
#include "notes/ledger.h"
#include "shared/channels.h"
#include "shared/queue_state.h"
#include "store/find.h"
#include "store/find_run.h"
#include "store/open.h"
#include "task/store_result.h"

/* ------------------------------------------------------------------------
 * Scheduling
 * ------------------------------------------------------------------------
 */

static char *
named(Jsonb *attributes, const char *key)
{
	Jsonb	   *message = json_get_object(attributes, key);

	return message == NULL ? NULL : json_get_text(message, "name");
}

static struct varlena *
plain_header(Jsonb *attributes)
{
	Jsonb	   *header = json_get_object(attributes, "header");
	Jsonb	   *fields = header == NULL ? NULL : json_get_object(header, "fields");

	return (struct varlena *) payload_map_plain(fields);
}

/* the summary, if it is a text */
static text *
plain_summary(Jsonb *user_metadata)
{
	Jsonb	   *summary = user_metadata == NULL ? NULL : json_get_object(user_metadata, "summary");
	char	   *string = summary == NULL ? NULL : payload_text(summary);

	return string == NULL ? NULL : cstring_to_text(string);
}

/* level, key and weight: of the command, or those of the workflow */
static void
set_priority(Activity *activity, const Run *run, Jsonb *attributes)
{
	activity->options.has_priority = run->has_priority;
	activity->options.priority = run->priority;
	activity->task.fairness_key = run->task.fairness_key;
	activity->task.fairness_weight = run->task.fairness_weight;
	json_read_priority(json_get_object(attributes, "priority"), &activity->options,
					   &activity->task);
}

/* the activity that the event describes, as it waits for a poll */
static void
from_event(Activity *activity, const Run *run, const RunAction *action, TimestampTz now)
{
	Jsonb	   *attributes = action->attributes;
	Options    *options = &activity->options;

	memset(activity, 0, sizeof(Activity));
	activity->owner = run->task.run_id;
	activity->scheduled_event_id = action->event_id;
	activity->activity_id = cstring_to_text(action->id);
	activity->activity_type = cstring_to_text(named(attributes, "activityType"));
	activity->task.queue = cstring_to_text(named(attributes, "taskQueue"));
	activity->input = (struct varlena *) payloads_plain(json_get_object(attributes, "input"));
	activity->header = plain_header(attributes);
	activity->summary = plain_summary(action->user_metadata);
	json_get_duration(attributes, "scheduleToCloseTimeout", &options->schedule_to_close);
	json_get_duration(attributes, "scheduleToStartTimeout", &options->schedule_to_start);
	json_get_duration(attributes, "startToCloseTimeout", &options->start_to_close);
	json_get_duration(attributes, "heartbeatTimeout", &options->heartbeat_timeout);
	(void) json_read_retry_policy(json_get_object(attributes, "retryPolicy"), &options->retry_policy);
	set_priority(activity, run, attributes);
	activity->task.run_id = store_next_run_id();
	activity->task.schedule_time = activity->task.dispatch_time = now;
	activity->task.started_time = activity->task.last_complete_time = DT_NOBEGIN;
	activity->first_started_time = DT_NOBEGIN;
	activity->task.state = STATE_SCHEDULED;
	activity->task.transitions = activity->task.attempt = 1;
	activity->task.alarm = activity_next_deadline(activity, DT_NOBEGIN).when;
}

/* the worker of the workflow task gets it at once */
static void
start_at_once(Activity *activity, const QueueRef *queue, TimestampTz now, const char *identity)
{
	EventData	data = {0};
	TimestampTz deadline;

	data.now = now;
	data.identity = identity;
	data.nonce = token_new_nonce();
	(void) machine_apply(activity, EVENT_START, &data);
	deadline = activity_next_deadline(activity, DT_NOBEGIN).when;
	if (effects_reserve_timer())
		effects_attempt_started(activity->task.run_id, activity->task.nonce, deadline);
	else
		activity->task.alarm = deadline;
	ledger_count(queue, COUNT_STARTED, 1);
}

/*
 * run_activity_schedule: the activity that a command has scheduled.  True when it
 * was started at once for the worker "eager_for", who must have asked for it.
 */
bool
run_activity_schedule(const Run *run, const RunAction *action, TimestampTz now,
					  const char *eager_for, Activity *activity)
{
	QueueRef	queue;
	Admission	admission;
	bool		eager;

	from_event(activity, run, action, now);
	queue = queue_ref(activity->task.queue);
	eager = eager_for != NULL && action->eager && admission_at_once(&admission, &queue, 0);
	if (eager)
		start_at_once(activity, &queue, now, eager_for);
	if (!store_insert(&activity->task))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("activity \"%s\" of run " INT64_FORMAT " is there already",
						action->id, run->task.run_id)));
	task_scheduled(&queue, &activity->task, 1);
	if (eager)
		admission_settle(&admission, 1);
	return eager;
}

/* ------------------------------------------------------------------------
 * Cancellation, and the end of the run
 * ------------------------------------------------------------------------
 */

/* run_activity_drop: it was never started, or waits for another try. */
void
run_activity_drop(int64 run_id)
{
	(void) execute_delete_open(run_id, WORKER_EVENT_TERMINATED);
}

/* run_activity_cancel: its worker is to hear of it; the event's number is the request. */
void
run_activity_cancel(int64 run_id, int64 event_id, const char *identity)
{
	Address		address = {.run_id = run_id};
	EventData	data = {0};
	Activity	activity;

	data.request_id = psprintf(INT64_FORMAT, event_id);
	data.identity = identity;
	(void) execute(&address, EVENT_REQUEST_CANCEL, &data, NULL, &activity);
}

/*
 * run_activities_lock: the open activities of a run that is locked to be closed are kept from
 * others, who are not waited for: 0, or the run_id of one that somebody else has.
 */
int64
run_activities_lock(int64 run_id)
{
	int64	   *run_ids;
	int			n = find_activities_of_run(run_id, &run_ids);

	for (int i = 0; i < n; i++)
	{
		StoreResult result;
		Activity	activity;

		do
		{
			CHECK_FOR_INTERRUPTS();
			if (!store_find(run_ids[i], &activity))
				break;
			result = store_lock(&activity.task, false);
			if (result == STORE_BUSY ||
				(result == STORE_OK && state_in_progress(activity.task.state) && heartbeat_is_held(&activity)))
				return run_ids[i];
		} while (result != STORE_OK);
	}
	return 0;
}

/*
 * run_activity_wait: for who has the activity; it may be locked then.  The caller holds
 * nothing of the run.
 */
void
run_activity_wait(int64 run_id)
{
	Activity	activity;

	if (!store_find(run_id, &activity) ||
		(state_in_progress(activity.task.state) && heartbeat_wait(&activity)))
		return;
	(void) store_lock(&activity.task, true);
}

/* run_activities_drop: all of a run that is closed; workers hear that they are terminated. */
void
run_activities_drop(int64 run_id)
{
	int64	   *run_ids;
	int			n = find_activities_of_run(run_id, &run_ids);

	for (int i = 0; i < n; i++)
		run_activity_drop(run_ids[i]);
}
