/*
 * run_task.c
 *		The workflow task of a run, from its schedule to its end; and events that
 *		come from outside.
 *
 *		idle ---- an event ----> scheduled ---- a poll ----> started ---- completed --> idle
 *		                           ^   ^                       |             or, with mail or if
 *		                           |   +-- mail, or it was ----+             asked for, scheduled
 *		                           |       on a sticky queue   | failed,
 *		                           +---- transient: attempt+1 -+ timed out
 *
 * There is one task at most.  What comes from outside while it is started is mail
 * until it ends; then the closes of activities come after all else.  An attempt
 * that fails leaves its events; those after it (transient) leave none, unless
 * something has happened meanwhile.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "model/proto_json.h"
#include "model/run_mail.h"
#include "model/run_task.h"

/* what acts for itself in histories */
#define SERVER_IDENTITY			"history-service"

/* from this attempt on tasks get more time, so that they are not retried too often */
#define PATIENT_ATTEMPT			4
#define PATIENCE_FIRST			(5 * USECS_PER_SEC)
#define PATIENCE_MOST			(600 * USECS_PER_SEC)

/* ------------------------------------------------------------------------
 * Scheduled, started
 * ------------------------------------------------------------------------
 */

static text *
prefixed(const char *prefix, const text *name)
{
	return cstring_to_text(psprintf("%s%s", prefix, text_to_cstring(name)));
}

/* the task waits in that queue */
static void
enqueue(RunStep *step, bool sticky)
{
	Run		   *run = step->run;

	run->task.queue = sticky ? prefixed(STICKY_QUEUE_PREFIX, run->sticky_queue) :
		prefixed(WORKFLOW_QUEUE_PREFIX, run->home_queue);
	run->task.state = STATE_SCHEDULED;
	run->task.schedule_time = run->task.dispatch_time = step->now;
	run->task.nonce = 0;
	run->started_event_id = 0;
}

/*
 * run_schedule_task: the run has no task, and gets one.  It is said to be of the
 * sticky queue even if nobody polls that any more.  "forced": its worker has asked
 * for it, and nothing has happened.
 */
void
run_schedule_task(RunStep *step, bool forced)
{
	Run		   *run = step->run;
	bool		sticky = run->sticky_queue != NULL;

	Assert(run->task.state == STATE_NO_TASK);
	run->flags &= ~(RUN_TASK_WRITTEN | RUN_TASK_STICKY | RUN_STATE_TRANSIENT | RUN_GREW);
	if (sticky)
		run->flags |= RUN_TASK_STICKY;
	enqueue(step, sticky && step->world->is_alive(run->sticky_queue));
	run->scheduled_event_id = run->next_event_id++;
	run->task.attempt = 1;
	run->attempt_timeout = run->task_timeout;
	if (!forced)
		run->first_task_time = step->now;
}

/* what the attempt of that number may take */
static int64
attempt_timeout(const Run *run)
{
	double		patience;

	if (run->task.attempt < PATIENT_ATTEMPT)
		return run->task_timeout;
	patience = PATIENCE_FIRST * pow(2, Min(run->task.attempt - PATIENT_ATTEMPT, 30));
	patience = Min(patience, PATIENCE_MOST);
	return run->task_timeout + (int64) (patience * (0.8 + 0.2 * random_fraction()));
}

/* the task is tried again, and writes no events until it succeeds */
static void
schedule_transient(RunStep *step)
{
	Run		   *run = step->run;

	enqueue(step, false);
	run->flags &= ~(RUN_TASK_WRITTEN | RUN_TASK_STICKY | RUN_GREW);
	run->flags |= RUN_STATE_TRANSIENT;
	run->scheduled_event_id = 0;
	if (run->task.attempt < PG_INT32_MAX)
		run->task.attempt++;
	run->attempt_timeout = attempt_timeout(run);
}

/*
 * run_start_task: a worker takes the scheduled task.  A transient one is an
 * ordinary one again if something has happened since it failed.
 */
bool
run_start_task(Run *run, TimestampTz now, const char *identity, int64 nonce)
{
	if (run->task.state != STATE_SCHEDULED)
		return false;
	if (run_task_is_transient(run) && (run->flags & RUN_GREW))
	{
		run->flags &= ~(RUN_STATE_TRANSIENT | RUN_GREW | RUN_TASK_WRITTEN);
		run->scheduled_event_id = run->next_event_id++;
		run->task.attempt = 1;	/* what it may take has been said when it was scheduled */
	}
	if (!run_task_is_transient(run))
		run->started_event_id = run->next_event_id++;
	run->task.state = STATE_STARTED;
	run->task.started_time = now;
	run->task.nonce = nonce;
	run->task.worker = cstring_to_text(identity);
	run->task.transitions++;
	return true;
}

/* run_untake_task: the started task waits again, as if nobody had taken it. */
void
run_untake_task(RunStep *step)
{
	Run		   *run = step->run;

	run->task.state = STATE_SCHEDULED;
	run->task.dispatch_time = step->now;
	run->task.nonce = 0;
	if (run_task_is_transient(run))
		return;
	Assert(run->started_event_id == run->next_event_id - 1);
	run->next_event_id--;
	run->started_event_id = 0;
}

/* run_end_task: the run has no task any more. */
void
run_end_task(RunStep *step)
{
	Run		   *run = step->run;

	run->task.state = STATE_NO_TASK;
	run->task.dispatch_time = DT_NOEND;
	run->task.nonce = 0;
	run->scheduled_event_id = run->started_event_id = 0;
	run->flags &= ~(RUN_TASK_WRITTEN | RUN_TASK_STICKY | RUN_STATE_TRANSIENT | RUN_GREW);
}

/* run_move_home: the scheduled task waits in the workflow's own queue; its event says what it said. */
void
run_move_home(RunStep *step)
{
	Run		   *run = step->run;

	Assert(run->task.state == STATE_SCHEDULED);
	run->task.queue = prefixed(WORKFLOW_QUEUE_PREFIX, run->home_queue);
	run->task.dispatch_time = step->now;
}

/*
 * run_reset_sticky: no worker has the run cached.  A task says which queue it was meant
 * for before that is forgotten.
 */
void
run_reset_sticky(RunStep *step)
{
	Run		   *run = step->run;

	if (run->sticky_queue == NULL)
		return;
	run_write_scheduled(step);
	if (run->task.state == STATE_SCHEDULED)
		run_move_home(step);
	run_unstick(run);
}

/* run_unstick: no worker has the run cached. */
void
run_unstick(Run *run)
{
	run->sticky_queue = NULL;
	run->sticky_timeout = 0;
}

/* ------------------------------------------------------------------------
 * Mail
 * ------------------------------------------------------------------------
 */

/* the attributes, with the number of the activity's start */
static Jsonb *
with_start(Jsonb *attributes, int64 started_event_id)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_members(&builder, attributes, NULL);
	json_add_event_id(&builder, "startedEventId", started_event_id);
	return json_end(&builder);
}

/* what an event from outside does to the run, beside being one */
static void
apply(RunStep *step, const RunMail *mail)
{
	Run		   *run = step->run;

	switch (mail->type)
	{
		case EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			run->signals++;
			break;
		case EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
			run->flags |= RUN_CANCEL_REQUESTED;
			break;
		case EVENT_TYPE_TIMER_FIRED:
			run->pending_timers--;
			break;
		default:
			if (run_mail_closes_activity(mail))
				run->pending_activities--;
			break;
	}
}

/* the event that an attempt has begun, which is told with its end, gets its number */
static void
put_start(RunStep *step, RunMail *mail)
{
	if (mail->started == NULL || mail->started_event_id != 0)
		return;
	mail->started_event_id = run_add_event(step, EVENT_TYPE_ACTIVITY_TASK_STARTED,
										   mail->started);
	run_last_event(step)->time = mail->started_time;
}

/* the event gets its number */
static void
put(RunStep *step, RunMail *mail)
{
	Jsonb	   *attributes = mail->attributes;

	/* a second request is none */
	if (mail->type == EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED &&
		(step->run->flags & RUN_CANCEL_REQUESTED))
		return;
	put_start(step, mail);
	if (mail->started != NULL)
		attributes = with_start(attributes, mail->started_event_id);
	run_add_event(step, mail->type, attributes);
	run_last_event(step)->time = mail->time;
	apply(step, mail);
}

/* those of the time-outs from the first one on, which came together, before the ends */
static void
put_starts(RunStep *step, int first)
{
	if (first > 0 && step->mail[first - 1].type == EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
		return;
	for (int i = first; i < step->nmail && step->mail[i].type == EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT; i++)
		if (!step->mail[i].dropped)
			put_start(step, &step->mail[i]);
}

/*
 * run_take_mail: what waited gets its numbers.  "buffered": it waited for a task, and
 * closes of activities come last, but not that they were started.
 */
void
run_take_mail(RunStep *step, bool buffered)
{
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < step->nmail; i++)
		{
			RunMail    *mail = &step->mail[i];

			if (mail->dropped)
				continue;
			if (buffered && pass == 0 && run_mail_closes_activity(mail))
			{
				put_start(step, mail);
				continue;
			}
			if (mail->type == EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
				put_starts(step, i);
			put(step, mail);
			mail->dropped = true;
		}
}

/*
 * run_events_from_outside: what has come is appended, and a task scheduled that shows
 * it to the workflow.  Not while a task is started.
 */
void
run_events_from_outside(RunStep *step)
{
	Run		   *run = step->run;
	int64		before = run->next_event_id;

	Assert(!run_has_task_started(run));
	run_take_mail(step, false);
	if (run->next_event_id != before && run->task.state == STATE_NO_TASK &&
		!(run->flags & RUN_FIRST_TASK_DELAYED))
		run_schedule_task(step, false);
}

/* run_first_task_due: the start was delayed, and that time is over. */
void
run_first_task_due(RunStep *step)
{
	step->run->flags &= ~RUN_FIRST_TASK_DELAYED;
	if (step->run->task.state == STATE_NO_TASK)
		run_schedule_task(step, false);
}

/* ------------------------------------------------------------------------
 * A bad end
 * ------------------------------------------------------------------------
 */

static void
add_end_event(RunStep *step, const TaskEnd *end, int64 scheduled, int64 started)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_event_id(&builder, "scheduledEventId", scheduled);
	json_add_event_id(&builder, "startedEventId", started);
	if (end->cause == NULL)
	{
		json_add_text(&builder, "timeoutType", end->schedule_to_start ?
					  "TIMEOUT_TYPE_SCHEDULE_TO_START" : "TIMEOUT_TYPE_START_TO_CLOSE");
		run_add_event(step, EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, json_end(&builder));
		return;
	}
	if (strcmp(end->cause, "WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED") != 0)
		json_add_text(&builder, "cause", end->cause);
	if (end->failure != NULL)
		json_add(&builder, "failure", end->failure);
	json_add_text(&builder, "identity", step->identity);
	run_add_event(step, EVENT_TYPE_WORKFLOW_TASK_FAILED, json_end(&builder));
}

static bool
is_sticky(const text *queue)
{
	Size		length = strlen(STICKY_QUEUE_PREFIX);

	return VARSIZE_ANY_EXHDR(queue) > length &&
		memcmp(VARDATA_ANY(queue), STICKY_QUEUE_PREFIX, length) == 0;
}

/*
 * run_task_ended_badly: the started task, or with schedule_to_start the scheduled
 * one, has failed or timed out; there will be another try.
 */
void
run_task_ended_badly(RunStep *step, const TaskEnd *end)
{
	Run		   *run = step->run;
	bool		was_sticky = run->sticky_queue != NULL && is_sticky(run->task.queue);
	int32		attempt = run->task.attempt;
	int64		before;

	if (end->schedule_to_start)
		add_end_event(step, end, run->scheduled_event_id, 0);
	else if (!run_task_is_transient(run))
	{
		run_add_task_events(step);
		add_end_event(step, end, run->scheduled_event_id, run->started_event_id);
	}
	run_end_task(step);
	run_unstick(run);
	before = run->next_event_id;
	run_take_mail(step, true);
	if (was_sticky || run->next_event_id != before)
	{
		run_schedule_task(step, false);
		return;
	}
	run->task.attempt = attempt;
	schedule_transient(step);
}

/* the task, if there is one, ends because the run does */
static void
force_end(RunStep *step)
{
	Run		   *run = step->run;
	TaskEnd		end = {.cause = "WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND"};
	const char *identity = step->identity;

	if (run_has_task_started(run) && !run_task_is_transient(run))
	{
		run_add_task_events(step);
		step->identity = SERVER_IDENTITY;
		add_end_event(step, &end, run->scheduled_event_id, run->started_event_id);
		step->identity = identity;
	}
}

/*
 * run_force_close: the run is closed from outside, whatever its task does; mail
 * is told before.
 */
void
run_force_close(RunStep *step, RunStatus status, int type, Jsonb *attributes)
{
	if (run_has_task_started(step->run))
	{
		force_end(step);
		run_take_mail(step, true);
	}
	else
		run_events_from_outside(step);
	run_add_event(step, type, attributes);
	run_end_task(step);
	step->close = status;
}

/* run_task_ends_run: the started task has failed so badly that there will be no other try; mail is told before. */
void
run_task_ends_run(RunStep *step, const TaskEnd *end, const char *reason)
{
	Run		   *run = step->run;
	JsonBuilder builder;

	if (!run_task_is_transient(run))
	{
		run_add_task_events(step);
		add_end_event(step, end, run->scheduled_event_id, run->started_event_id);
	}
	run_take_mail(step, true);
	json_begin(&builder);
	json_add_text(&builder, "reason", reason);
	json_add_text(&builder, "identity", SERVER_IDENTITY);
	run_add_event(step, EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, json_end(&builder));
	run_end_task(step);
	step->close = RUN_STATUS_TERMINATED;
}

/* run_end_full: the history is as long as it may be: the run ends. */
void
run_end_full(RunStep *step)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_text(&builder, "reason", HISTORY_FULL);
	json_add_text(&builder, "identity", SERVER_IDENTITY);
	run_force_close(step, RUN_STATUS_TERMINATED, EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
					json_end(&builder));
}

/* ------------------------------------------------------------------------
 * Time
 * ------------------------------------------------------------------------
 */

static void
consider(Deadline *first, RunDeadline type, TimestampTz when)
{
	if (when >= first->when)
		return;
	first->type = type;
	first->when = when;
}

/* run_next_deadline: what time does to the run first, or may do. */
Deadline
run_next_deadline(const Run *run)
{
	Deadline	first = {RUN_DEADLINE_NONE, DT_NOEND, 0};

	consider(&first, RUN_DEADLINE_RUN, run->deadline);
	if (run->flags & RUN_FIRST_TASK_DELAYED)
		consider(&first, RUN_DEADLINE_FIRST_TASK, run->first_task_time);
	consider(&first, RUN_DEADLINE_TIMER, run->timer_due);
	if (run_has_task_started(run))
		consider(&first, RUN_DEADLINE_TASK,
				 instant_add(run->task.started_time, run->attempt_timeout));
	else if (run->task.state == STATE_SCHEDULED && run->sticky_timeout > 0 &&
			 is_sticky(run->task.queue))
		consider(&first, RUN_DEADLINE_STICKY,
				 instant_add(run->task.schedule_time, run->sticky_timeout));
	return first;
}
