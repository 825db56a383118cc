/*
 * run_step.c
 *		One step of a run: the events that it appends, and their numbers.
 *
 * A WorkflowTaskScheduled event has its number from the moment on when the task is
 * scheduled, and WorkflowTaskStarted when it is started, but both are written
 * only with what follows them: so a start writes no history.  Before anything
 * else gets a number, the Scheduled event is written; while a task is started
 * nothing gets one, but waits as mail.
 *
 * An attempt after a failed one is transient: its events get numbers when it
 * completes, and none if it does not.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/grow.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "model/proto_json.h"
#include "model/run_step.h"

/* a history that is this long should continue as a new one */
#define SUGGEST_EVENTS		4096
#define SUGGEST_BYTES		(4 * 1024 * 1024)

/* one that is longer than that is told of */
#define LONG_EVENTS			(10 * 1024)
#define LONG_BYTES			(10 * 1024 * 1024)

/* run_step_begin: nothing has happened yet. */
void
run_step_begin(RunStep *step, Run *run, const RunWorld *world, TimestampTz now,
			   const char *identity)
{
	memset(step, 0, sizeof(RunStep));
	step->run = run;
	step->world = world;
	step->now = now;
	step->identity = identity == NULL ? "" : identity;
	step->close = RUN_STATUS_RUNNING;
}

/* run_step_mail: one more event that has no number yet. */
void
run_step_mail(RunStep *step, const RunMail *mail)
{
	step->mail = grow(step->mail, NULL, &step->max_mail, step->nmail + 1,
					  sizeof(RunMail), CurrentMemoryContext);
	step->mail[step->nmail++] = *mail;
}

/* run_step_action: one more thing to do; the caller says what about. */
RunAction *
run_step_action(RunStep *step, RunActionType type)
{
	RunAction  *action;

	step->actions = grow(step->actions, NULL, &step->max_actions, step->nactions + 1,
						 sizeof(RunAction), CurrentMemoryContext);
	action = &step->actions[step->nactions++];
	memset(action, 0, sizeof(RunAction));
	action->type = type;
	return action;
}

static void
push(RunStep *step, const HistoryEvent *event)
{
	step->events = grow(step->events, NULL, &step->max_events, step->nevents + 1,
						sizeof(HistoryEvent), CurrentMemoryContext);
	step->events[step->nevents++] = *event;
}

/* run_last_event: that was added. */
HistoryEvent *
run_last_event(RunStep *step)
{
	Assert(step->nevents > 0);
	return &step->events[step->nevents - 1];
}

/* run_task_is_transient: the attempt has no events of its own, as yet. */
bool
run_task_is_transient(const Run *run)
{
	return (run->flags & RUN_STATE_TRANSIENT) != 0;
}

static bool
is_longer(const Run *run, int64 events, int64 bytes)
{
	return run->next_event_id - 1 > events || run->history_size > bytes;
}

/* run_history_is_long: more than its workflow should make of it. */
bool
run_history_is_long(const Run *run)
{
	return is_longer(run, LONG_EVENTS, LONG_BYTES);
}

static Size
size_of(const Jsonb *jsonb)
{
	return jsonb == NULL ? 0 : VARSIZE_ANY(jsonb);
}

/*
 * run_history_is_full: with what the step adds to it there is more than there may be; the
 * run is to end.
 */
bool
run_history_is_full(const RunStep *step)
{
	int64		added = 0;

	for (int i = 0; i < step->nevents; i++)
	{
		const HistoryEvent *event = &step->events[i];

		added += size_of(event->attributes) + size_of(event->user_metadata) + size_of(event->extra);
	}
	return is_longer(step->run, MOST_HISTORY_EVENTS, MOST_HISTORY_BYTES - added);
}

/* run_has_task_started: a worker has the task. */
bool
run_has_task_started(const Run *run)
{
	return state_in_progress(run->task.state);
}

/* ------------------------------------------------------------------------
 * Events of the task
 * ------------------------------------------------------------------------
 */

static Jsonb *
queue_message(const Run *run, bool sticky)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_text(&builder, "name",
				  text_to_cstring(sticky ? run->sticky_queue : run->home_queue));
	json_add_text(&builder, "kind", sticky ? "TASK_QUEUE_KIND_STICKY" :
				  "TASK_QUEUE_KIND_NORMAL");
	if (sticky)
		json_add_text(&builder, "normalName", text_to_cstring(run->home_queue));
	return json_end(&builder);
}

/*
 * run_poll_request_id: a text that looks like the request id of the poll that an attempt was
 * started by, and tells nothing of its token.
 */
char *
run_poll_request_id(int64 run_id, int64 nonce)
{
	uint64		high = hash_bytes_extended((const unsigned char *) &nonce,
										   sizeof(nonce), run_id);
	uint64		low = hash_bytes_extended((const unsigned char *) &nonce,
										  sizeof(nonce), high);

	return psprintf("%08x-%04x-4%03x-8%03x-%012llx",
					(uint32) (high >> 32), (uint32) (high >> 16) & 0xffff,
					(uint32) high & 0xfff, (uint32) (low >> 48) & 0xfff,
					(unsigned long long) (low & UINT64CONST(0xffffffffffff)));
}

/*
 * run_synthetic_events: the task's Scheduled and Started events, as they are or
 * would be.  "started" may be NULL.
 */
void
run_synthetic_events(const Run *run, HistoryEvent *scheduled, HistoryEvent *started)
{
	bool		transient = run_task_is_transient(run);
	bool		suggest = run->next_event_id > SUGGEST_EVENTS ||
		run->history_size > SUGGEST_BYTES;
	JsonBuilder builder;

	memset(scheduled, 0, sizeof(HistoryEvent));
	scheduled->event_id = transient ? run->next_event_id : run->scheduled_event_id;
	scheduled->time = run->task.schedule_time;
	scheduled->type = EVENT_TYPE_WORKFLOW_TASK_SCHEDULED;
	json_begin(&builder);
	json_add(&builder, "taskQueue",
			 queue_message(run, (run->flags & RUN_TASK_STICKY) != 0 && run->sticky_queue != NULL));
	if (run->attempt_timeout == run->task_timeout)
		json_add_duration(&builder, "startToCloseTimeout", run->attempt_timeout);
	else
		json_add_drawn_duration(&builder, "startToCloseTimeout", run->attempt_timeout);
	json_add_int64(&builder, "attempt", run->task.attempt);
	scheduled->attributes = json_end(&builder);
	if (started == NULL)
		return;

	memset(started, 0, sizeof(HistoryEvent));
	started->event_id = transient ? run->next_event_id + 1 : run->started_event_id;
	started->time = run->task.started_time;
	started->type = EVENT_TYPE_WORKFLOW_TASK_STARTED;
	json_begin(&builder);
	json_add_event_id(&builder, "scheduledEventId", scheduled->event_id);
	json_add_text(&builder, "identity", text_to_cstring(run->task.worker));
	json_add_text(&builder, "requestId", run_poll_request_id(run->task.run_id, run->task.nonce));
	json_add_event_id(&builder, "historySizeBytes", run->history_size);
	json_add_true(&builder, "suggestContinueAsNew", suggest);
	started->attributes = json_end(&builder);
}

/*
 * run_stored_events: how many events of the run are in its history; those of its
 * task may have a number and come later.
 */
int64
run_stored_events(const Run *run)
{
	int64		n = run->next_event_id - 1;

	if (run->scheduled_event_id == 0 || run_task_is_transient(run))
		return n;
	return n - !(run->flags & RUN_TASK_WRITTEN) - run_has_task_started(run);
}

/* run_write_scheduled: the task's Scheduled event is written, if that has not been done. */
void
run_write_scheduled(RunStep *step)
{
	Run		   *run = step->run;
	HistoryEvent scheduled;

	if (run->scheduled_event_id == 0 || (run->flags & RUN_TASK_WRITTEN))
		return;
	run_synthetic_events(run, &scheduled, NULL);
	push(step, &scheduled);
	run->flags |= RUN_TASK_WRITTEN;
}

/*
 * run_add_task_events: the started task ends, or is about to: its events are
 * written.  Those of a transient attempt get their numbers now.
 */
void
run_add_task_events(RunStep *step)
{
	Run		   *run = step->run;
	HistoryEvent scheduled;
	HistoryEvent started;

	Assert(run_has_task_started(run));
	if (run_task_is_transient(run))
	{
		run->scheduled_event_id = run->next_event_id++;
		run->started_event_id = run->next_event_id++;
		run->flags &= ~(RUN_STATE_TRANSIENT | RUN_TASK_WRITTEN);
	}
	run_write_scheduled(step);
	run_synthetic_events(run, &scheduled, &started);
	push(step, &started);
}

/*
 * run_add_event: append an event as of now; its number.
 */
int64
run_add_event(RunStep *step, int type, Jsonb *attributes)
{
	HistoryEvent event = {0};

	run_write_scheduled(step);
	if (run_task_is_transient(step->run))
		step->run->flags |= RUN_GREW;
	event.event_id = step->run->next_event_id++;
	event.time = step->now;
	event.type = type;
	event.attributes = attributes;
	push(step, &event);
	return event.event_id;
}
