/*
 * run_complete.c
 *		The end of a workflow task, as its worker tells it.
 *
 * The run is locked, the inbox read, the state machine asked, and what it made is
 * written.  A completion whose commands cannot be carried out makes the task
 * fail: all that the commands did is forgotten, and the failure is written instead.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "engine/admission.h"
#include "engine/run_complete.h"
#include "engine/run_lock.h"
#include "engine/run_search.h"
#include "engine/run_world.h"
#include "engine/token.h"
#include "model/proto_json.h"
#include "model/run_task.h"
#include "store/inbox.h"

/* of a completion that the history has no room for */
#define FULL_CAUSE		"WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND"

/* a task may be kept alive by forced ones for that long */
#define MOST_HEARTBEAT		(30 * 60 * USECS_PER_SEC)

/* the run with that task in progress, locked; false: it is over */
static bool
lock_task(int64 run_id, int64 nonce, RunLock lock, Run *run)
{
	return run_lock(run_id, lock, true, run) == RUN_LOCKED &&
		run_has_task_started(run) && run->task.nonce == nonce;
}

static void
add_completed(RunStep *step, const TaskCompletion *completion)
{
	Run		   *run = step->run;
	JsonBuilder builder;

	run_add_task_events(step);
	json_begin(&builder);
	if (completion->extra != NULL)
		json_add_members(&builder, completion->extra, NULL);
	json_add_event_id(&builder, "scheduledEventId", run->scheduled_event_id);
	json_add_event_id(&builder, "startedEventId", run->started_event_id);
	json_add_text(&builder, "identity", step->identity);
	if (completion->sdk_metadata != NULL)
		json_add(&builder, "sdkMetadata", completion->sdk_metadata);
	run_add_event(step, EVENT_TYPE_WORKFLOW_TASK_COMPLETED, json_end(&builder));
	run->previous_started_event_id = run->started_event_id;
	run->sticky_queue = completion->sticky_queue;
	run->sticky_timeout = completion->sticky_queue == NULL ? 0 : completion->sticky_timeout;
}

/* the task is over, and there is another one if there is anything to do */
static void
next_task(RunStep *step, const TaskCompletion *completion)
{
	int64		before;

	run_end_task(step);
	before = step->run->next_event_id;
	run_take_mail(step, true);
	if (step->run->next_event_id != before)
		run_schedule_task(step, false);
	else if (completion->force_new_task)
		run_schedule_task(step, true);
}

/* the new task, if there is one, is its worker's at once, if a poll without limits would get it */
static bool
start_new_task(RunStep *step, const Run *before, Admission *admission)
{
	Run		   *run = step->run;
	QueueRef	left = queue_ref(before->task.queue);
	QueueRef	queue;

	if (run->task.state != STATE_SCHEDULED)
		return false;
	queue = queue_ref(run->task.queue);
	return admission_at_once(admission, &queue, left.key.hash == queue.key.hash) &&
		run_start_task(run, step->now, step->identity, token_new_nonce());
}

static Jsonb *
server_failure(const char *message)
{
	JsonBuilder empty;
	JsonBuilder builder;

	json_begin(&empty);
	json_begin(&builder);
	json_add_text(&builder, "message", message);
	json_add(&builder, "serverFailureInfo", json_end(&empty));
	return json_end(&builder);
}

static void
fault_of(CommandFault *fault, const char *cause, const char *message)
{
	fault->cause = cause;
	fault->message = pstrdup(message);
	fault->fatal = false;
}

/* what its worker told makes the task fail */
static void
fail_instead(RunStep *step, const CommandFault *fault)
{
	TaskEnd		end = {.cause = fault->cause};

	end.failure = server_failure(fault->message);
	run_task_ended_badly(step, &end);
}

/* the history has no room for what its worker told, which is left out, and the run ends */
static void
end_full(RunStep *step, const TaskCompletion *completion)
{
	JsonBuilder builder;

	add_completed(step, completion);
	run_end_task(step);
	run_take_mail(step, true);
	json_begin(&builder);
	json_add_text(&builder, "reason", HISTORY_FULL);
	json_add_text(&builder, "identity", "history-service");
	run_add_event(step, EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, json_end(&builder));
	step->close = RUN_STATUS_TERMINATED;
}

/* what its worker told is too large, and ends the run */
static void
end_run(RunStep *step, const CommandFault *fault)
{
	TaskEnd		end = {.cause = fault->cause};

	end.failure = server_failure(fault->message);
	run_task_ends_run(step, &end, fault->message);
}

/* a step from the beginning, with all that waits in the inbox */
static void
begin(RunStep *step, Run *run, const Run *before, TimestampTz now, const char *identity,
	  InboxRow **rows, int *nrows)
{
	*run = *before;
	run_step_begin(step, run, &run_world, now, identity);
	run_read_mail(step, rows, nrows);
}

/* can the completion be accepted?  The step has what it does then */
static void
try_completion(RunStep *step, const TaskCompletion *completion, CommandFault *fault)
{
	RunCommands commands = completion->commands;
	bool		unseen = commands.closes && step->mail_before > 0;

	memset(fault, 0, sizeof(CommandFault));
	if (completion->force_new_task && commands.count == 0 &&
		step->now - step->run->first_task_time > MOST_HEARTBEAT)
	{
		fault_of(fault, "WORKFLOW_TASK_TIMED_OUT", "workflow task heartbeat timeout");
		return;
	}
	if (unseen)
		commands.count--;		/* the last one will not be carried out; those before it may be wrong */
	add_completed(step, completion);
	run_commands_apply(step, &commands, run_last_event(step)->event_id, fault);
	if (unseen && fault->cause == NULL)
		fault_of(fault, "WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND", "UnhandledCommand");
}

/* the step that is made of a completion that cannot be accepted */
static void
refuse(RunStep *step, const TaskCompletion *completion, const CommandFault *fault)
{
	if (strcmp(fault->cause, FULL_CAUSE) == 0)
		end_full(step, completion);
	else if (fault->fatal)
		end_run(step, fault);
	else if (strcmp(fault->cause, "WORKFLOW_TASK_TIMED_OUT") == 0)
	{
		TaskEnd		end = {0};

		run_task_ended_badly(step, &end);
	}
	else
		fail_instead(step, fault);
}

/* attempts after the first leave no trace of bad commands, so that is an error */
static void
raise_if_transient(const Run *before, const CommandFault *fault)
{
	if (run_task_is_transient(before) && !fault->fatal &&
		strcmp(fault->cause, "WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND") != 0 &&
		strcmp(fault->cause, "WORKFLOW_TASK_TIMED_OUT") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", fault->message),
				 errdetail("The workflow task has failed before; it is handed out again when this attempt has timed out.")));
}

/*
 * run_complete_task: the worker has done its task.  False: there is no such task any
 * more.  Waits for who has the run locked, and for those who keep it open if the
 * commands close it.
 */
bool
run_complete_task(const TaskCompletion *completion, CompletionAnswer *answer)
{
	RunLock		lock = completion->commands.closes ? RUN_LOCK_CLOSE : RUN_LOCK_STEP;
	TimestampTz now;
	CommandFault fault;
	Admission	admission;
	Run			before;
	Run			run;
	RunStep		step;
	InboxRow   *rows;
	int			nrows;

	memset(answer, 0, sizeof(CompletionAnswer));
	answer->written.eager_for = completion->identity;
	if (!lock_task(completion->run_id, completion->nonce, lock, &before))
		return false;
	now = clock_now();
	begin(&step, &run, &before, now, completion->identity, &rows, &nrows);
	try_completion(&step, completion, &fault);
	if (fault.cause == NULL && step.close == RUN_STATUS_RUNNING && run_history_is_full(&step))
	{
		fault_of(&fault, FULL_CAUSE, HISTORY_FULL);
		fault.fatal = true;
	}
	if (fault.cause == NULL)
		run_search_settle(&step, &fault);
	if (fault.cause != NULL)
	{
		raise_if_transient(&before, &fault);
		if (fault.fatal && run_lock(completion->run_id, RUN_LOCK_CLOSE, true, &before) != RUN_LOCKED)
			return false;
		begin(&step, &run, &before, now, completion->identity, &rows, &nrows);
		refuse(&step, completion, &fault);
		answer->failed_cause = fault.cause;
		answer->failed_message = fault.message;
	}
	else if (step.close == RUN_STATUS_RUNNING)
	{
		next_task(&step, completion);
		answer->has_new_task = completion->return_new_task &&
			start_new_task(&step, &before, &admission);
	}
	inbox_remove(rows, nrows);
	run_write(&step, &before, &answer->written);
	answer->closed = step.close != RUN_STATUS_RUNNING;
	if (answer->has_new_task)
	{
		admission_settle(&admission, 1);
		answer->new_task = run;
	}
	return true;
}

/*
 * run_fail_task: its worker could not do it; "cause" is the protocol's name.  False:
 * there is no such task any more.
 */
bool
run_fail_task(int64 run_id, int64 nonce, const char *cause, Jsonb *failure,
			  const char *identity)
{
	TaskEnd		end = {.cause = cause};
	RunWritten	written = {0};
	Run			before;
	Run			run;
	RunStep		step;
	InboxRow   *rows;
	int			nrows;

	if (!lock_task(run_id, nonce, RUN_LOCK_STEP, &before))
		return false;
	begin(&step, &run, &before, clock_now(), identity, &rows, &nrows);
	end.failure = failure;
	run_task_ended_badly(&step, &end);
	inbox_remove(rows, nrows);
	run_write(&step, &before, &written);
	return true;
}

/*
 * run_release_task: as if it had never been polled, so what waited for its end comes
 * now.  False: there is no such task any more.
 */
bool
run_release_task(int64 run_id, int64 nonce)
{
	RunWritten	written = {0};
	Run			before;
	Run			run;
	RunStep		step;
	InboxRow   *rows;
	int			nrows;

	if (!lock_task(run_id, nonce, RUN_LOCK_STEP, &before))
		return false;
	begin(&step, &run, &before, clock_now(), NULL, &rows, &nrows);
	run_untake_task(&step);
	run_events_from_outside(&step);
	inbox_remove(rows, nrows);
	run_write(&step, &before, &written);
	return true;
}
