/*
 * run_write.c
 *		Carrying a step of a run out: row, history, and all that follows.
 *
 * Whoever makes a step has locked the run (run_lock.c), to close it if the step does
 * that.  All that a step does is written after the state machine has made it, and takes
 * effect when the transaction commits.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "engine/owner_mail.h"
#include "engine/queue_config.h"
#include "engine/run_activities.h"
#include "engine/run_lock.h"
#include "engine/run_search.h"
#include "engine/run_write.h"
#include "engine/run_world.h"
#include "engine/tasks.h"
#include "model/proto_values.h"
#include "model/run_facts.h"
#include "model/run_mail.h"
#include "model/run_start.h"
#include "model/run_task.h"
#include "notes/effects.h"
#include "notes/ledger.h"
#include "shared/queue_state.h"
#include "store/closed_runs.h"
#include "store/find_run.h"
#include "store/history.h"
#include "store/inbox.h"
#include "store/open.h"
#include "store/run_requests.h"
#include "store/run_timers.h"

/*
 * run_read_mail: what waits in the inbox of the step's run, and what this transaction has told it,
 * becomes the step's; *rows are to be removed.
 */
void
run_read_mail(RunStep *step, InboxRow **rows, int *nrows)
{
	owner_mail_store_for(step->run->task.run_id);
	*nrows = inbox_read(step->run->task.run_id, rows);
	for (int i = 0; i < *nrows; i++)
	{
		RunMail		mail;

		run_mail_read((*rows)[i].mail, &mail);
		run_step_mail(step, &mail);
	}
	step->mail_before = step->nmail;
}

/* ------------------------------------------------------------------------
 * What a step does
 * ------------------------------------------------------------------------
 */

/* the queue whose settings and statistics are the run's, wherever its task was */
static QueueRef
home_queue_of(const Run *run)
{
	return queue_ref(cstring_to_text(psprintf(WORKFLOW_QUEUE_PREFIX "%s",
											  text_to_cstring(run->home_queue))));
}

/* when all that is kept of the run expires; never, while it goes on */
static TimestampTz
expire_time(const RunStep *step)
{
	QueueRef	home;

	if (step->close == RUN_STATUS_RUNNING)
		return DT_NOEND;
	home = home_queue_of(step->run);
	return instant_add(step->now, queue_config_retention(&home));
}

static void
write_history(RunStep *step, TimestampTz expires)
{
	Run		   *run = step->run;
	Size		bytes;
	int			leaf;

	if (step->nevents == 0)
		return;
	leaf = history_append(run->task.run_id, step->events, step->nevents,
						  expires, &bytes);
	run->history_leaves |= 1 << leaf;
	run->history_size += bytes;
}

/* what the step's commands of that type give, the later ones in the place of the earlier; NULL = nothing */
static Jsonb *
changes_of(const RunStep *step, RunActionType type)
{
	JsonBuilder builder;

	json_begin(&builder);
	for (int i = 0; i < step->nactions; i++)
		if (step->actions[i].type == type && step->actions[i].attributes != NULL)
			json_add_members(&builder, step->actions[i].attributes, NULL);
	return builder.empty ? NULL : json_end(&builder);
}

/* search attributes and memo, once each, however many commands there are */
static void
upsert(RunStep *step)
{
	Jsonb	   *attributes = changes_of(step, RUN_UPSERT_ATTRIBUTES);
	Jsonb	   *memo = changes_of(step, RUN_UPSERT_MEMO);
	RunFacts	facts;

	if (attributes != NULL)
		run_search_upsert(step->run, attributes);
	if (memo == NULL)
		return;
	run_facts_read(step->run->facts, &facts);
	facts.memo = payload_map_merged(facts.memo, memo);
	step->run->facts = run_facts_write(&facts);
}

static void
start_timer(RunStep *step, const RunAction *action)
{
	RunTimer	timer = {0};

	timer.run_id = step->run->task.run_id;
	timer.timer_id = unconstify(char *, action->id);
	timer.started_event_id = action->event_id;
	timer.fire_time = action->when;
	run_timer_insert(&timer);
}

static void
cancel_timer(RunStep *step, const RunAction *action)
{
	RunTimer	timer;

	if (run_timer_find(step->run->task.run_id, action->id, &timer))
		run_timer_delete(&timer);
}

static void
schedule_activity(RunStep *step, const RunAction *action, RunWritten *written)
{
	Activity	activity;

	if (!run_activity_schedule(step->run, action, step->now,
							   written == NULL ? NULL : written->eager_for, &activity))
		return;
	if (written->eager == NULL)
		written->eager = palloc(sizeof(Activity) * step->nactions);
	written->eager[written->neager++] = activity;
}

static void
carry_out(RunStep *step, const RunAction *action, RunWritten *written)
{
	switch (action->type)
	{
		case RUN_SCHEDULE_ACTIVITY:
			schedule_activity(step, action, written);
			break;
		case RUN_CANCEL_ACTIVITY:
			run_activity_cancel(action->run_id, action->event_id, step->identity);
			break;
		case RUN_DROP_ACTIVITY:
			if (action->run_id != 0)
				run_activity_drop(action->run_id);
			break;
		case RUN_START_TIMER:
			start_timer(step, action);
			break;
		case RUN_CANCEL_TIMER:
			cancel_timer(step, action);
			break;
		case RUN_UPSERT_ATTRIBUTES:
		case RUN_UPSERT_MEMO:
			break;				/* all at once: upsert() */
	}
}

/* has the step started an attempt at the task? */
static bool
starts_attempt(const Run *run, const Run *before)
{
	return run_has_task_started(run) && run->task.nonce != before->task.nonce;
}

/*
 * The alarm says when to look at the row, but for an attempt that begins, which has a timer of its own.
 * That of one that goes on may be in the row by now.
 */
static void
set_alarm(Run *run, const Run *before)
{
	Run			without = *run;

	if (starts_attempt(run, before))
		without.task.state = STATE_NO_TASK;
	run->task.alarm = run_next_deadline(&without).when;
}

/* which counter is for a task that waits, or is its worker's, though it did not wait before */
static int
counter_of_task(const Run *run, const Run *before)
{
	if (!run_has_task_started(before) || run->scheduled_event_id != before->scheduled_event_id)
		return run->task.attempt > 1 && run_has_task_started(before) ? COUNT_RETRIED : COUNT_SCHEDULED;
	return run->task.attempt == before->task.attempt ? COUNT_RELEASED : COUNT_RETRIED;
}

/*
 * What statistics say of the task: it is new, in this queue at least, was handed back, or comes again after
 * an attempt that has ended badly; and of one that its worker gets at once, that it has started.
 */
static void
count_task(const Run *run, const Run *before, const TaskQueues *queues)
{
	bool		started = starts_attempt(run, before);
	bool		waited = before->task.state == STATE_SCHEDULED &&
		queues->before.key.hash == queues->after.key.hash;

	if (started)
		ledger_count(&queues->after, COUNT_STARTED, 1);
	if (started || (run->task.state == STATE_SCHEDULED && !waited))
		ledger_count(&queues->after, counter_of_task(run, before), 1);
}

/* the run goes on */
static void
update_run(RunStep *step, const Run *before)
{
	Run		   *run = step->run;
	Run			was = *before;
	TaskQueues	queues;

	set_alarm(run, before);
	run->task.transitions++;
	task_queues(&queues, &was.task, &run->task);
	if (starts_attempt(run, before))
	{
		TimestampTz deadline = run_next_deadline(run).when;

		if (effects_reserve_timer())
			effects_attempt_started(run->task.run_id, run->task.nonce, deadline);
		else
			run->task.alarm = deadline;
		if (queues.before.key.hash == queues.after.key.hash)
			ledger_ended(&queues.before);
		else
			task_attempt_ended(&queues.before);
	}
	if (task_update(&run->task, &was.task, &queues, true) != STORE_OK)
		elog(ERROR, "could not write run " INT64_FORMAT, run->task.run_id);
	count_task(run, before, &queues);
}

/* ------------------------------------------------------------------------
 * The end of a run, and the next one
 * ------------------------------------------------------------------------
 */

/* run_drop_all: what belongs to an open run that is closed or deleted goes with it. */
void
run_drop_all(const Run *run)
{
	int64		run_id = run->task.run_id;

	if (run->pending_activities > 0)
		run_activities_drop(run_id);
	if (run->pending_timers > 0)
		run_timers_delete(run_id);
	if (run->signals > 0)
		run_requests_delete(run_id);
	inbox_remove_run(run_id);
}

static void
insert_closed(RunStep *step, TimestampTz expires)
{
	ClosedRun	closed = {0};

	closed.run = *step->run;
	closed.status = step->close;
	closed.close_time = step->now;
	closed.expire_time = expires;
	closed.history_length = step->run->next_event_id - 1;
	if (step->close == RUN_STATUS_FAILED)
		closed.failure = failure_plain(step->outcome);
	else
		closed.result = payloads_plain(step->outcome);
	closed.next_run_id = step->successor.run_id;
	closed_run_insert(&closed);
}

static void
insert_successor(RunStep *step)
{
	Jsonb	   *first = step->world->first_event(step->run);
	Jsonb	   *attributes = run_successor_attributes(step, first);
	RunFacts	facts;
	RunFacts	next_facts;
	RunStep		next;
	Run			run;

	run_facts_read(step->run->facts, &facts);
	run_from_started(&run, attributes, step->now, step->successor.run_id, facts.first_run_id);
	run_facts_read(run.facts, &next_facts);
	next_facts.continued_run_id = step->run->task.run_id;
	run.facts = run_facts_write(&next_facts);
	run_step_begin(&next, &run, step->world, step->now, step->identity);
	run_begin(&next, attributes, NULL);
	if (!run_insert(&next))
		elog(ERROR, "workflow id \"%s\" is in use", text_to_cstring(run.workflow_id));
}

static QueueCounter
counter_of(RunStatus status)
{
	switch (status)
	{
		case RUN_STATUS_FAILED:
			return COUNT_FAILED;
		case RUN_STATUS_CANCELED:
			return COUNT_CANCELED;
		case RUN_STATUS_TERMINATED:
			return COUNT_TERMINATED;
		case RUN_STATUS_TIMED_OUT:
			return COUNT_TIMED_OUT_SCHEDULE_TO_CLOSE;
		default:
			return COUNT_COMPLETED;
	}
}

static void
close_run(RunStep *step, const Run *before, TimestampTz expires)
{
	Run			was = *before;
	TaskQueues	queues;
	QueueRef	home;

	task_queues(&queues, &was.task, &was.task);
	if (task_delete(&was.task, STATE_COMPLETED, &queues, true) != STORE_OK)
		elog(ERROR, "could not close run " INT64_FORMAT, was.task.run_id);
	was.signals = step->run->signals;	/* with those that waited */
	run_drop_all(&was);
	insert_closed(step, expires);
	home = home_queue_of(step->run);
	ledger_count(&home, counter_of(step->close), 1);
	if (step->successor.run_id != 0)
		insert_successor(step);
}

/*
 * run_timers_to_come: has the run timers that are not there?  A restore brings its row first, and
 * its timers a moment later; if it were forgotten that one is due, nobody would look again.
 * A timer that has fired while a task was started is in the inbox.
 */
bool
run_timers_to_come(const RunStep *step)
{
	int			there = run_timers_count(step->run->task.run_id);

	for (int i = 0; i < step->nmail; i++)
		there += step->mail[i].type == EVENT_TYPE_TIMER_FIRED && !step->mail[i].dropped;
	return step->run->pending_timers > there;
}

/* when to look at the run's timers next: as its row has it, unless a timer went */
static TimestampTz
next_timer(const RunStep *step)
{
	const Run  *run = step->run;
	TimestampTz next;

	if (run->pending_timers == 0)
		return DT_NOEND;
	if (!step->timer_ended)
		return run->timer_due;
	next = run_timers_next(run->task.run_id);
	return next == DT_NOEND && run_timers_to_come(step) ? run->timer_due : next;
}

/*
 * A step that adds to a history that is full ends the run.  Not while a worker has the
 * task, whose completion will; nor while somebody keeps the run open: the next step
 * does it.
 */
static void
end_if_full(RunStep *step)
{
	Run		   *run = step->run;
	InboxRow   *rows;
	int			nrows;
	Run			locked;

	if (step->close != RUN_STATUS_RUNNING || step->nevents == 0 ||
		run_has_task_started(run) || !run_history_is_full(step) ||
		run_lock(run->task.run_id, RUN_LOCK_CLOSE, false, &locked) != RUN_LOCKED)
		return;
	run_read_mail(step, &rows, &nrows); /* what has come since the step began */
	run_end_full(step);
}

/* the administrator hears of long histories, once each */
static void
tell_if_long(const RunStep *step, const Run *before)
{
	const Run  *run = step->run;

	if (run_history_is_long(before) || !run_history_is_long(run))
		return;
	ereport(LOG,
			(errmsg("history of workflow \"%s\", run " INT64_FORMAT ", has become long: " INT64_FORMAT " events, " INT64_FORMAT " bytes",
					text_to_cstring(run->workflow_id), run->task.run_id,
					run->next_event_id - 1, run->history_size),
			 errhint("Let the workflow continue as new before its history is full.")));
}

/*
 * run_write: what the step has made of the run, which was "before" and is locked, to be
 * closed if the step does that.  The run is closed, too, if its history is full.
 */
void
run_write(RunStep *step, const Run *before, RunWritten *written)
{
	TimestampTz expires;
	bool		closes;

	end_if_full(step);
	closes = step->close != RUN_STATUS_RUNNING;
	expires = expire_time(step);
	write_history(step, expires);
	tell_if_long(step, before);
	upsert(step);
	for (int i = 0; i < step->nactions && !closes; i++)
		carry_out(step, &step->actions[i], written);
	if (closes)
	{
		close_run(step, before, expires);
		return;
	}
	step->run->timer_due = next_timer(step);
	update_run(step, before);
}

/*
 * run_insert: the step's run is new.  False if its workflow_id is in use; an
 * uncommitted rival is waited for.
 */
bool
run_insert(RunStep *step)
{
	Run		   *run = step->run;
	QueueRef	queue;

	write_history(step, DT_NOEND);
	set_alarm(run, run);
	if (!store_insert(&run->task))
	{
		history_delete(run->task.run_id, run->history_leaves);
		return false;
	}
	queue = queue_ref(run->task.queue);
	if (run->task.state == STATE_SCHEDULED)
		task_scheduled(&queue, &run->task, 1);
	else if (run->task.alarm != DT_NOEND)
		effects_alarm(run->task.alarm);
	return true;
}
