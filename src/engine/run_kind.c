/*
 * run_kind.c
 *		Runs of workflows, as kinds of tasks: what claims and timers call, see
 *		kinds.h.
 *
 * There are two: tasks in queues of workflows, and those in the private queues of
 * workers, whose only trace is who polls them.  The same run goes from one to the other.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/json.h"
#include "common/proto_enums.h"
#include "engine/run_kind.h"
#include "engine/run_lock.h"
#include "engine/run_world.h"
#include "engine/run_write.h"
#include "model/proto_json.h"
#include "model/run_close_commands.h"
#include "model/run_mail.h"
#include "model/run_task.h"
#include "store/inbox.h"
#include "store/open.h"
#include "store/run_row.h"
#include "store/run_timers.h"
#include "task/kinds.h"

static Deadline
next_deadline(const Task *task, TimestampTz last_alive)
{
	return run_next_deadline((const Run *) task);
}

static const char *
deadline_name(int type)
{
	static const char *const names[] = {
		[RUN_DEADLINE_NONE] = "none",
		[RUN_DEADLINE_RUN] = "run",
		[RUN_DEADLINE_TASK] = "start_to_close",
		[RUN_DEADLINE_STICKY] = "schedule_to_start",
		[RUN_DEADLINE_TIMER] = "timer",
		[RUN_DEADLINE_FIRST_TASK] = "first task"
	};

	return names[type];
}

static const text *
taken_from(Task *task)
{
	return task->queue;
}

static bool
start(Task *task, const Start *how)
{
	return run_start_task((Run *) task, how->now, how->identity, how->nonce);
}

/* ------------------------------------------------------------------------
 * Time
 * ------------------------------------------------------------------------
 */

/* user timers that are due have fired */
static void
fire_timers(RunStep *step)
{
	RunTimer   *timers;
	int			n = run_timers_due(step->run->task.run_id, step->now, &timers);

	for (int i = 0; i < n; i++)
	{
		RunMail		mail = {0};
		JsonBuilder builder;

		json_begin(&builder);
		json_add_text(&builder, "timerId", timers[i].timer_id);
		json_add_event_id(&builder, "startedEventId", timers[i].started_event_id);
		mail.type = EVENT_TYPE_TIMER_FIRED;
		mail.time = step->now;
		mail.attributes = json_end(&builder);
		run_timer_delete(&timers[i]);
		run_step_mail(step, &mail);
	}
}

/* a task is started: what has come waits for it in the inbox */
static void
leave_in_inbox(RunStep *step)
{
	for (int i = step->mail_before; i < step->nmail; i++)
		inbox_put(step->run->task.run_id, run_mail_write(&step->mail[i]));
}

static void
on_timer(RunStep *step)
{
	fire_timers(step);
	step->timer_ended = true;
	if (run_has_task_started(step->run))
		leave_in_inbox(step);
	else
		run_events_from_outside(step);
}

/* that has happened to the step's run; true: the inbox was told */
static bool
happen(RunStep *step, RunDeadline type)
{
	TaskEnd		end = {0};
	bool		started = run_has_task_started(step->run);

	switch (type)
	{
		case RUN_DEADLINE_RUN:
			run_time_out(step);
			return true;
		case RUN_DEADLINE_TASK:
			run_task_ended_badly(step, &end);
			return true;
		case RUN_DEADLINE_STICKY:
			end.schedule_to_start = true;
			run_task_ended_badly(step, &end);
			return true;
		case RUN_DEADLINE_TIMER:
			on_timer(step);
			return !started;
		case RUN_DEADLINE_FIRST_TASK:
			run_take_mail(step, false);
			run_first_task_due(step);
			return true;
		default:
			return false;
	}
}

/* is the timer that is due not there yet? */
static bool
is_to_come(const RunStep *step)
{
	return run_timers_next(step->run->task.run_id) > step->now && run_timers_to_come(step);
}

/* what comes of a deadline, in the row as it was read */
static StoreResult
time_out(Task *task, int type, TimestampTz now)
{
	RunWritten	written = {0};
	Run			before;
	Run			run;
	RunStep		step;
	InboxRow   *rows;
	int			nrows;

	switch (run_lock(task->run_id, type == RUN_DEADLINE_RUN ? RUN_LOCK_CLOSE : RUN_LOCK_STEP,
					 false, &before))
	{
		case RUN_LOCK_BUSY:
			return STORE_BUSY;
		case RUN_LOCK_GONE:
			return STORE_CHANGED;
		case RUN_LOCKED:
			break;
	}
	if (run_next_deadline(&before).type != type || run_next_deadline(&before).when > now)
		return STORE_CHANGED;
	run = before;
	run_step_begin(&step, &run, &run_world, now, NULL);
	run_read_mail(&step, &rows, &nrows);
	if (type == RUN_DEADLINE_TIMER && is_to_come(&step))
		return STORE_BUSY;
	if (happen(&step, type))
		inbox_remove(rows, nrows);
	run_write(&step, &before, &written);
	*(Run *) task = run;
	return STORE_OK;
}

static const Kind workflows = {
	.name = "workflow",
	.prefix = WORKFLOW_QUEUE_PREFIX,
	.size = sizeof(Run),
	.from_row = run_from_row,
	.deadlines_from_row = run_deadlines_from_row,
	.to_row = run_to_row,
	.next_deadline = next_deadline,
	.deadline_name = deadline_name,
	.taken_from = taken_from,
	.start = start,
	.time_out = time_out,
};

static Kind sticky;

/* run_kinds_init: once per process that loads the library, after that of activities. */
void
run_kinds_init(void)
{
	kind_register(&workflows);
	sticky = workflows;
	sticky.name = "sticky workflow";
	sticky.prefix = STICKY_QUEUE_PREFIX;
	kind_register(&sticky);
}
