/*
 * run_other_commands.c
 *		Commands about timers, markers, search attributes and memos.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "model/options.h"
#include "model/proto_json.h"
#include "model/run_facts.h"
#include "model/run_other_commands.h"
#include "model/value_sizes.h"

#define BAD_START		"WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES"
#define BAD_CANCEL		"WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES"
#define BAD_MARKER		"WORKFLOW_TASK_FAILED_CAUSE_BAD_RECORD_MARKER_ATTRIBUTES"
#define BAD_ATTRIBUTES	"WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES"
#define BAD_PROPERTIES	"WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES"

/* ------------------------------------------------------------------------
 * Timers
 * ------------------------------------------------------------------------
 */

/* the action of this step about the timer that is the last, NULL without one */
static RunAction *
timer_in_step(RunStep *step, const char *id)
{
	for (int i = step->nactions - 1; i >= 0; i--)
	{
		RunAction  *action = &step->actions[i];

		if ((action->type == RUN_START_TIMER || action->type == RUN_CANCEL_TIMER) &&
			strcmp(action->id, id) == 0)
			return action;
	}
	return NULL;
}

/* is such a timer pending?  *started is its event */
static bool
is_pending(RunStep *step, const char *id, int64 *started)
{
	RunAction  *action = timer_in_step(step, id);

	if (action != NULL)
	{
		*started = action->event_id;
		return action->type == RUN_START_TIMER;
	}
	return step->world->timer(step->run->task.run_id, id, started);
}

/* command_start_timer: START_TIMER */
void
command_start_timer(CommandCall *call)
{
	Jsonb	   *attributes = call->command->attributes;
	RunStep    *step = call->step;
	char	   *id = json_get_text(attributes, "timerId");
	int64		duration;
	int64		other;
	RunAction  *action;

	if (id == NULL)
	{
		command_fault(call, BAD_START, "TimerId is not set on StartTimerCommand.");
		return;
	}
	if (!command_text_fits(call, BAD_START, "TimerId", id))
		return;
	if (json_is_negative_duration(attributes, "startToFireTimeout"))
	{
		command_fault(call, BAD_START,
					  "An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. TimerId=%s",
					  id);
		return;
	}
	if (is_pending(step, id, &other))
	{
		command_fault(call, "WORKFLOW_TASK_FAILED_CAUSE_START_TIMER_DUPLICATE_ID",
					  "invalid history builder state for action: add-timer-started-event, TimerID: %s",
					  id);
		return;
	}
	json_get_duration(attributes, "startToFireTimeout", &duration);
	step->run->pending_timers++;
	action = run_step_action(step, RUN_START_TIMER);
	action->id = id;
	action->when = instant_add(step->now, duration);
	action->event_id = command_event(call, EVENT_TYPE_TIMER_STARTED, command_attributes(call));
	step->run->timer_due = Min(step->run->timer_due, action->when);
}

/* a timer that has fired, and nobody was told yet; NULL without one */
static RunMail *
fired_mail(RunStep *step, const char *id)
{
	for (int i = 0; i < step->nmail; i++)
	{
		RunMail    *mail = &step->mail[i];

		if (mail->type == EVENT_TYPE_TIMER_FIRED && !mail->dropped &&
			strcmp(json_get_text(mail->attributes, "timerId"), id) == 0)
			return mail;
	}
	return NULL;
}

/* command_cancel_timer: CANCEL_TIMER */
void
command_cancel_timer(CommandCall *call)
{
	RunStep    *step = call->step;
	char	   *id = json_get_text(call->command->attributes, "timerId");
	RunMail    *fired;
	JsonBuilder builder;
	int64		started;

	if (id == NULL)
	{
		command_fault(call, BAD_CANCEL, "TimerId is not set on CancelTimerCommand.");
		return;
	}
	if (!command_text_fits(call, BAD_CANCEL, "TimerId", id))
		return;
	if (is_pending(step, id, &started))
	{
		RunAction  *action = run_step_action(step, RUN_CANCEL_TIMER);

		action->id = id;
		action->event_id = started;
	}
	else if ((fired = fired_mail(step, id)) != NULL)
	{
		started = json_get_event_id(fired->attributes, "startedEventId");
		fired->dropped = true;
	}
	else
	{
		command_fault(call, BAD_CANCEL,
					  "invalid history builder state for action: add-timer-canceled-event, TimerID: %s",
					  id);
		return;
	}
	step->run->pending_timers--;
	step->timer_ended = true;
	json_begin(&builder);
	json_add_text(&builder, "timerId", id);
	json_add_event_id(&builder, "startedEventId", started);
	json_add_event_id(&builder, "workflowTaskCompletedEventId", call->completed_event_id);
	json_add_text(&builder, "identity", step->identity);
	command_event(call, EVENT_TYPE_TIMER_CANCELED, json_end(&builder));
}

/* ------------------------------------------------------------------------
 * Markers, search attributes, memo
 * ------------------------------------------------------------------------
 */

/* command_record_marker: RECORD_MARKER */
void
command_record_marker(CommandCall *call)
{
	char	   *name = json_get_text(call->command->attributes, "markerName");

	if (name == NULL)
		command_fault(call, BAD_MARKER, "MarkerName is not set on RecordMarkerCommand.");
	else if (command_text_fits(call, BAD_MARKER, "MarkerName", name))
		command_event(call, EVENT_TYPE_MARKER_RECORDED, command_attributes(call));
}

/*
 * Do the run's values have room for those of one more command?  All together have the greatest size of one
 * (search attributes, which are kept as plain values, a third more).
 */
static bool
values_fit(CommandCall *call, const char *cause, ValueSizes *sizes, Jsonb *fields, const char *what)
{
	if (!size_is_large(value_sizes_change(sizes, fields)))
		return true;
	command_is_fatal(call, cause, psprintf("%sCommandAttributes. %s exceeds size limit.", call->command->name, what));
	return false;
}

static ValueSizes *
attribute_sizes(RunStep *step)
{
	struct varlena *values = step->run->search_attributes;

	if (step->attribute_sizes == NULL)
		step->attribute_sizes = value_sizes_of(values == NULL ? NULL : DatumGetJsonbP(PointerGetDatum(values)));
	return step->attribute_sizes;
}

static ValueSizes *
memo_sizes(RunStep *step)
{
	RunFacts	facts;

	if (step->memo_sizes == NULL)
	{
		run_facts_read(step->run->facts, &facts);
		step->memo_sizes = value_sizes_of(facts.memo);
	}
	return step->memo_sizes;
}

/* command_upsert_search_attributes: UPSERT_WORKFLOW_SEARCH_ATTRIBUTES; their types are judged later. */
void
command_upsert_search_attributes(CommandCall *call)
{
	Jsonb	   *given = json_get_object(call->command->attributes, "searchAttributes");
	Jsonb	   *fields = given == NULL ? NULL : json_get_object(given, "indexedFields");
	RunAction  *action;

	if (fields == NULL || JB_ROOT_COUNT(fields) == 0)
	{
		command_fault(call, BAD_ATTRIBUTES, "%s is not set on UpsertWorkflowSearchAttributesCommand.",
					  given == NULL ? "SearchAttributes" : "IndexedFields");
		return;
	}
	if (!values_fit(call, BAD_ATTRIBUTES, attribute_sizes(call->step), fields, "SearchAttributes"))
		return;
	action = run_step_action(call->step, RUN_UPSERT_ATTRIBUTES);
	action->attributes = fields;
	action->event_id = command_event(call, EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
									 command_attributes(call));
}

/* command_modify_properties: MODIFY_WORKFLOW_PROPERTIES */
void
command_modify_properties(CommandCall *call)
{
	Jsonb	   *memo = json_get_object(call->command->attributes, "upsertedMemo");
	Jsonb	   *fields = memo == NULL ? NULL : json_get_object(memo, "fields");
	RunAction  *action;

	if (fields == NULL || JB_ROOT_COUNT(fields) == 0)
	{
		command_fault(call, BAD_PROPERTIES, "%s is not set on ModifyWorkflowPropertiesCommand.",
					  memo == NULL ? "UpsertedMemo" : "UpsertedMemo.Fields");
		return;
	}
	if (!values_fit(call, BAD_PROPERTIES, memo_sizes(call->step), fields, "Memo"))
		return;
	action = run_step_action(call->step, RUN_UPSERT_MEMO);
	action->attributes = fields;
	action->event_id = command_event(call, EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
									 command_attributes(call));
}
