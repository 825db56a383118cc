/*
 * run_rebuild.c
 *		A run made again from its history.
 *
 * The table says what each event does to a run.  It is the counterpart of the
 * commands (run_commands.c) and of what comes from outside (run_task.c): those make
 * events and change the run, and here the events alone have to give the same.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/grow.h"
#include "base/json.h"
#include "common/proto_events.h"
#include "model/proto_json.h"
#include "model/run_rebuild.h"
#include "model/run_start.h"
#include "model/search_values.h"

/* An event and its effect. */
typedef struct EventRule
{
	int			type;
	RunStatus	closes;			/* RUN_STATUS_RUNNING = it does not */
	void		(*apply) (RebuiltRun *rebuilt, const HistoryEvent *event);
} EventRule;

/* ------------------------------------------------------------------------
 * What is pending
 * ------------------------------------------------------------------------
 */

static void
fault(RebuiltRun *rebuilt, const HistoryEvent *event, const char *what)
{
	if (rebuilt->fault == NULL)
		rebuilt->fault = psprintf("event " INT64_FORMAT " (%s): %s", event->event_id,
								  proto_event_kind(event->type)->name, what);
}

static void
add_item(RebuiltItems *list, int64 event_id, const char *id)
{
	list->items = grow(list->items, NULL, &list->max, list->n + 1, sizeof(RebuiltItem),
					   CurrentMemoryContext);
	list->items[list->n].event_id = event_id;
	list->items[list->n++].id = pstrdup(id == NULL ? "" : id);
}

/* the item that the event has begun goes; false: there is none */
static bool
remove_item(RebuiltItems *list, int64 event_id)
{
	for (int i = 0; i < list->n; i++)
		if (list->items[i].event_id == event_id)
		{
			list->items[i] = list->items[--list->n];
			return true;
		}
	return false;
}

/* ------------------------------------------------------------------------
 * Effects
 * ------------------------------------------------------------------------
 */

static void
started(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	int64		run_id = rebuilt->run.task.run_id;

	if (event->event_id != 1)
		fault(rebuilt, event, "is not the first");
	run_from_started(&rebuilt->run, event->attributes, event->time, run_id, run_id);
}

static void
task_scheduled(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	if (rebuilt->task_scheduled != 0)
		fault(rebuilt, event, "there is a task already");
	rebuilt->task_scheduled = event->event_id;
}

static void
task_started(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	if (rebuilt->task_scheduled == 0 || rebuilt->task_started != 0 ||
		json_get_event_id(event->attributes, "scheduledEventId") != rebuilt->task_scheduled)
		fault(rebuilt, event, "no such task is scheduled");
	rebuilt->task_started = event->event_id;
}

static void
end_task(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	if (rebuilt->task_scheduled == 0 ||
		json_get_event_id(event->attributes, "scheduledEventId") != rebuilt->task_scheduled ||
		json_get_event_id(event->attributes, "startedEventId") != rebuilt->task_started)
		fault(rebuilt, event, "no such task");
	rebuilt->task_scheduled = rebuilt->task_started = 0;
}

static void
task_completed(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	rebuilt->run.previous_started_event_id = rebuilt->task_started;
	end_task(rebuilt, event);
}

static void
activity_scheduled(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	add_item(&rebuilt->activities, event->event_id, json_get_text(event->attributes, "activityId"));
}

static void
activity_closed(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	if (!remove_item(&rebuilt->activities, json_get_event_id(event->attributes, "scheduledEventId")))
		fault(rebuilt, event, "no such activity is pending");
}

static void
timer_started(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	add_item(&rebuilt->timers, event->event_id, json_get_text(event->attributes, "timerId"));
}

static void
timer_ended(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	if (!remove_item(&rebuilt->timers, json_get_event_id(event->attributes, "startedEventId")))
		fault(rebuilt, event, "no such timer is pending");
}

static void
signaled(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	rebuilt->run.signals++;
}

static void
cancel_requested(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	if (rebuilt->run.flags & RUN_CANCEL_REQUESTED)
		fault(rebuilt, event, "comes for the second time");
	rebuilt->run.flags |= RUN_CANCEL_REQUESTED;
}

static void
attributes_upserted(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	Jsonb	   *given = json_get_object(event->attributes, "searchAttributes");
	Jsonb	   *values = (Jsonb *) rebuilt->run.search_attributes;

	rebuilt->run.search_attributes = (struct varlena *)
		search_values_merged(values, given == NULL ? NULL : json_get_object(given, "indexedFields"));
}

static void
none(RebuiltRun *rebuilt, const HistoryEvent *event)
{
}

static const EventRule rules[] = {
	{EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, RUN_STATUS_RUNNING, started},
	{EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, RUN_STATUS_RUNNING, task_scheduled},
	{EVENT_TYPE_WORKFLOW_TASK_STARTED, RUN_STATUS_RUNNING, task_started},
	{EVENT_TYPE_WORKFLOW_TASK_COMPLETED, RUN_STATUS_RUNNING, task_completed},
	{EVENT_TYPE_WORKFLOW_TASK_FAILED, RUN_STATUS_RUNNING, end_task},
	{EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, RUN_STATUS_RUNNING, end_task},
	{EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, RUN_STATUS_RUNNING, activity_scheduled},
	{EVENT_TYPE_ACTIVITY_TASK_STARTED, RUN_STATUS_RUNNING, none},
	{EVENT_TYPE_ACTIVITY_TASK_COMPLETED, RUN_STATUS_RUNNING, activity_closed},
	{EVENT_TYPE_ACTIVITY_TASK_FAILED, RUN_STATUS_RUNNING, activity_closed},
	{EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, RUN_STATUS_RUNNING, activity_closed},
	{EVENT_TYPE_ACTIVITY_TASK_CANCELED, RUN_STATUS_RUNNING, activity_closed},
	{EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED, RUN_STATUS_RUNNING, none},
	{EVENT_TYPE_TIMER_STARTED, RUN_STATUS_RUNNING, timer_started},
	{EVENT_TYPE_TIMER_FIRED, RUN_STATUS_RUNNING, timer_ended},
	{EVENT_TYPE_TIMER_CANCELED, RUN_STATUS_RUNNING, timer_ended},
	{EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, RUN_STATUS_RUNNING, signaled},
	{EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, RUN_STATUS_RUNNING, cancel_requested},
	{EVENT_TYPE_MARKER_RECORDED, RUN_STATUS_RUNNING, none},
	{EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, RUN_STATUS_RUNNING, attributes_upserted},
	{EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED, RUN_STATUS_RUNNING, none},
	{EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, RUN_STATUS_COMPLETED, none},
	{EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, RUN_STATUS_FAILED, none},
	{EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, RUN_STATUS_CANCELED, none},
	{EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, RUN_STATUS_TERMINATED, none},
	{EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, RUN_STATUS_CONTINUED_AS_NEW, none},
	{EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT, RUN_STATUS_TIMED_OUT, none},
};

/* ------------------------------------------------------------------------
 * Event by event
 * ------------------------------------------------------------------------
 */

/* rebuild_begin: a run without events. */
void
rebuild_begin(RebuiltRun *rebuilt, int64 run_id)
{
	memset(rebuilt, 0, sizeof(RebuiltRun));
	rebuilt->run.task.run_id = run_id;
	rebuilt->status = RUN_STATUS_RUNNING;
}

/* rebuild_event: the next one; what it points to is not needed afterwards. */
void
rebuild_event(RebuiltRun *rebuilt, const HistoryEvent *event)
{
	const EventRule *rule = NULL;

	for (int i = 0; i < (int) lengthof(rules) && rule == NULL; i++)
		if (rules[i].type == event->type)
			rule = &rules[i];
	if (event->event_id != rebuilt->last_event_id + 1)
		fault(rebuilt, event, "is not the next one");
	if (rebuilt->status != RUN_STATUS_RUNNING)
		fault(rebuilt, event, "comes after the close");
	rebuilt->last_event_id = event->event_id;
	if (rule == NULL)
	{
		fault(rebuilt, event, "is of an unknown type");
		return;
	}
	rule->apply(rebuilt, event);
	rebuilt->status = rule->closes;
}
