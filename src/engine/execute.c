/*
 * execute.c
 *		Carrying an event out: read the row, let the state machine change it,
 *		write it back, note the effects.
 *
 * This is the only way in which an open activity changes, but for the start
 * of an attempt (claim.c), which skips what it cannot have at once.  The row is
 * not locked first: it is written over the version that was read, and when
 * somebody else was faster all of it is done again with the newer version.
 *
 * A close deletes the open row first.  From then on nobody else can heartbeat
 * that run, so that what is taken from there is final.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "engine/execute.h"
#include "engine/heartbeat.h"
#include "engine/owner_mail.h"
#include "engine/queue_config.h"
#include "common/error_words.h"
#include "engine/tasks.h"
#include "model/failure.h"
#include "model/machine.h"
#include "model/timeout.h"
#include "notes/effects.h"
#include "notes/ledger.h"
#include "shared/channels.h"
#include "shared/counts_known.h"
#include "shared/queue_state.h"
#include "shared/watched_runs.h"
#include "store/closed.h"
#include "store/find.h"
#include "store/open.h"
#include "task/store_result.h"

/* how often a call waits for heartbeats of others before it goes on */
#define MAX_AWAITED		3

/* what a worker hears when its attempt is touched by somebody else */
static void
tell_worker(const Activity *before, Event event)
{
	WorkerEvent what;

	if (!state_in_progress(before->task.state))
		return;
	switch (event)
	{
		case EVENT_REQUEST_CANCEL:
			what = WORKER_EVENT_CANCEL_REQUESTED;
			break;
		case EVENT_PAUSE:
			what = WORKER_EVENT_PAUSED;
			break;
		case EVENT_RESET:
			what = WORKER_EVENT_RESET;
			break;
		case EVENT_TERMINATE:
			what = WORKER_EVENT_TERMINATED;
			break;
		case EVENT_TIMEOUT:
			what = WORKER_EVENT_TIMED_OUT;
			break;
		default:
			return;
	}
	effects_worker_event(&before->task, what);
}

#define SAME_PLACE(counter, type) \
	StaticAssertDecl((counter) - COUNT_TIMED_OUT_SCHEDULE_TO_START == \
					 (type) - TIMEOUT_SCHEDULE_TO_START, \
					 "counters of time-outs are in the order of their types")

SAME_PLACE(COUNT_TIMED_OUT_START_TO_CLOSE, TIMEOUT_START_TO_CLOSE);
SAME_PLACE(COUNT_TIMED_OUT_SCHEDULE_TO_CLOSE, TIMEOUT_SCHEDULE_TO_CLOSE);
SAME_PLACE(COUNT_TIMED_OUT_HEARTBEAT, TIMEOUT_HEARTBEAT);

/* which counter a close belongs to */
static QueueCounter
counter_of_close(const Activity *activity)
{
	char	   *timeout;

	switch (activity->task.state)
	{
		case STATE_COMPLETED:
			return COUNT_COMPLETED;
		case STATE_FAILED:
			return COUNT_FAILED;
		case STATE_CANCELED:
			return COUNT_CANCELED;
		case STATE_TERMINATED:
			return COUNT_TERMINATED;
		default:
			break;
	}
	timeout = json_get_text(activity->failure, "timeout_type");
	for (TimeoutType type = TIMEOUT_SCHEDULE_TO_START;
		 type <= TIMEOUT_HEARTBEAT; type++)
		if (strcmp(timeout, timeout_type_name(type)) == 0)
			return COUNT_TIMED_OUT_SCHEDULE_TO_START +
				(type - TIMEOUT_SCHEDULE_TO_START);
	return COUNT_TIMED_OUT_SCHEDULE_TO_CLOSE;
}

/*
 * An attempt in progress counts for the queue that it was taken from, which is
 * kept while the options already say another.
 */
static void
keep_origin(Activity *activity, const Activity *before)
{
	bool		was = state_in_progress(before->task.state);
	bool		is = state_in_progress(activity->task.state);

	if (was && is &&
		strcmp(text_to_cstring(before->task.queue),
			   text_to_cstring(activity->task.queue)) != 0 &&
		activity_controls(activity)->taken_from == NULL)
	{
		counts_moved_away(GetTopTransactionId());
		activity_controls(activity)->taken_from =
			text_to_cstring(before->task.queue);
	}
	else if (was && !is && activity->task.control != NULL)
		activity_controls(activity)->taken_from = NULL;
}

/* what has happened, for statistics */
static void
keep_books(const Activity *activity, const Activity *before,
		   const TaskQueues *queues)
{
	bool		closed = state_is_closed(activity->task.state);
	TimestampTz ended;

	if (closed)
		ledger_count(&queues->after, counter_of_close(activity), 1);
	if (!task_ends_attempt(&before->task, &activity->task))
		return;
	if (activity->released)
	{
		ledger_count(&queues->after, COUNT_RELEASED, 1);
		return;
	}
	if (!closed)
		ledger_count(&queues->after, COUNT_RETRIED, 1);
	ended = closed ? activity->close_time : activity->task.last_complete_time;
	ledger_duration(&queues->taken_from, COUNT_EXECUTION_FIRST,
					ended - before->task.started_time);
}

/* the close of an activity: its open row goes, a closed one comes */
static StoreResult
close_row(Activity *activity, const Activity *before, const TaskQueues *queues,
		  bool wait)
{
	StoreResult result = task_delete(&before->task, activity->task.state, queues,
									 wait);
	int64		retention;

	if (result != STORE_OK)
		return result;
	heartbeat_take(before, &activity->heartbeat);
	/* one that was answered while we were about to close */
	activity->heartbeat.last_time = Min(activity->heartbeat.last_time,
										activity->close_time);
	if (activity->failure_wants_heartbeat &&
		activity->heartbeat.details != NULL)
		activity->failure =
			failure_with_heartbeat(activity->failure,
								   DatumGetJsonbP(PointerGetDatum(activity->heartbeat.details)));
	if (activity->owner != 0)
	{
		owner_mail_closed(activity, before);	/* whose history is the record */
		return result;
	}
	retention = queue_config_retention(&queues->after);
	activity->expire_time = instant_add(activity->close_time, retention);
	if (retention > 0)
		store_insert_closed(activity);
	return result;
}

/* the activity goes on */
static StoreResult
update_row(Activity *activity, const Activity *before,
		   const TaskQueues *queues, bool wait)
{
	StoreResult result = task_update(&activity->task, &before->task, queues, wait);

	if (result != STORE_OK)
		return result;
	if (task_ends_attempt(&before->task, &activity->task))
		heartbeat_hand_over(activity);
	else if (activity->clear_heartbeat)
		heartbeat_clear(activity);
	return result;
}

/*
 * execute_store: write what the machine made of "before".
 *
 * With wait false a row that somebody else holds is STORE_BUSY.  Nothing is
 * written unless the result is STORE_OK.
 */
StoreResult
execute_store(Activity *activity, const Activity *before, bool wait)
{
	StoreResult result;
	Activity	was = *before;	/* may be decoded */
	TaskQueues	queues;

	task_queues(&queues, &was.task, &activity->task);
	keep_origin(activity, before);
	if (activity->attached)
		return task_touch(&activity->task, &queues.after, wait);
	if (state_is_closed(activity->task.state))
		result = close_row(activity, before, &queues, wait);
	else
		result = update_row(activity, before, &queues, wait);
	if (result == STORE_OK)
		keep_books(activity, before, &queues);
	return result;
}

/* What tries know of earlier ones. */
typedef struct Progress
{
	bool		locked;			/* we hold the row */
	bool		shared;			/* ... and that of the activity's owner */
	int			awaited;		/* times that a heartbeat was waited for */
} Progress;

/* may the event close the activity? */
static bool
may_close(Event event)
{
	return event == EVENT_COMPLETE || event == EVENT_COMPLETE_BY_ID ||
		event == EVENT_FAIL || event == EVENT_REPORT_CANCELED || event == EVENT_TIMEOUT;
}

/*
 * The owner of an activity is held before the activity itself; false: there is no such
 * run any more, and soon no such activity.
 */
static bool
hold_owner(const Activity *activity, Event event, Progress *progress)
{
	if (activity->owner == 0 || progress->shared || !may_close(event))
		return true;
	Assert(!progress->locked);
	progress->shared = owner_share(activity, true) == STORE_OK;
	return progress->shared;
}

/* others' heartbeats keep nobody for ever, and not one who holds the row */
static bool
may_await(Progress *progress)
{
	return !progress->locked && progress->awaited++ < MAX_AWAITED;
}

/*
 * One try; false when somebody else was faster, or held the row: who waited
 * must not date what happens before what he waited for.  Then the row is
 * locked, if it is still the same, and the next try, with a newer clock, may
 * wait: for nobody but, it may seem, our own savepoints.  Others' heartbeats
 * are waited for while the row is not locked.
 */
static bool
execute_once(const Address *address, Event event, EventData *data,
			 const Checkpoint *checkpoint, Activity *activity,
			 Verdict *verdict, Progress *progress)
{
	Activity	before;
	QueueRef	queue;
	StoreResult result;

	verdict->answer = ANSWER_NOT_FOUND;
	verdict->word = verdict->message = NULL;
	verdict->retry_state = RETRY_UNSPECIFIED;
	if (!store_find(address->run_id, activity))
		return true;
	if (address->by_token && (!state_in_progress(activity->task.state) ||
							  activity->task.nonce != address->nonce))
		return true;
	if (!hold_owner(activity, event, progress))
		return true;

	if (checkpoint != NULL && checkpoint->given &&
		state_in_progress(activity->task.state))
	{
		/* with the row locked, nobody can be faster from here on */
		if (may_await(progress))
			(void) heartbeat_await(activity);
		progress->locked = store_lock(&activity->task, true) == STORE_OK;
		if (!progress->locked)
			return false;
		data->now = clock_now();
		heartbeat_record(activity, data->now, checkpoint->details);
		queue = queue_ref(activity->task.queue);
		ledger_count(&queue, COUNT_HEARTBEATS, 1);
	}
	else
		data->now = clock_now();
	activity->closed_rows = data->closed_rows;
	before = *activity;
	*verdict = machine_apply(activity, event, data);
	if (verdict->answer != ANSWER_DONE)
		return true;
	if (task_ends_attempt(&before.task, &activity->task) && may_await(progress) &&
		heartbeat_await(&before))
		return false;
	result = execute_store(activity, &before, progress->locked);
	if (result == STORE_BUSY)
		progress->locked = store_lock(&before.task, true) == STORE_OK;
	if (result != STORE_OK)
		return false;
	tell_worker(&before, event);
	return true;
}

/*
 * execute: carry an event out for an open activity.
 *
 * data->now is filled in.  Waits for whoever holds the row.  The verdict is
 * ANSWER_NOT_FOUND when there is no such open activity or the token is not
 * that of its attempt in progress; "activity" is then not to be used, else it
 * holds the new state.
 */
Verdict
execute(const Address *address, Event event, EventData *data,
		const Checkpoint *checkpoint, Activity *activity)
{
	Verdict		verdict;
	Progress	progress = {0};

	do
	{
		CHECK_FOR_INTERRUPTS();
	} while (!execute_once(address, event, data, checkpoint, activity,
						   &verdict, &progress));
	return verdict;
}

/* ------------------------------------------------------------------------
 * For operators
 * ------------------------------------------------------------------------
 */

/* is it for nobody but the workflow, if the activity is one of a workflow? */
static bool
is_of_its_workflow(Event event)
{
	return event == EVENT_REQUEST_CANCEL || event == EVENT_TERMINATE;
}

static Verdict
refused_for_owner(void)
{
	Verdict		verdict = {.answer = ANSWER_PRECONDITION};

	verdict.word = WORD_OF_WORKFLOW;
	verdict.message = "only its workflow can do that to the activity";
	return verdict;
}

/*
 * execute_control: what an operator wants of a run, open or closed.  A closed
 * one gets the event too, which then refuses, or recognises the request id of a
 * call that has succeeded before.  "activity" holds the run as it then is, unless
 * it is not found.
 */
Verdict
execute_control(int64 run_id, Event event, EventData *data, Activity *activity)
{
	Address		address = {0};
	Verdict		verdict;

	address.run_id = run_id;
	if (is_of_its_workflow(event) && store_find(run_id, activity) && activity->owner != 0)
		return refused_for_owner();
	verdict = execute(&address, event, data, NULL, activity);
	if (verdict.answer == ANSWER_NOT_FOUND &&
		store_find_closed(run_id, activity))
	{
		data->now = clock_now();
		verdict = machine_apply(activity, event, data);
	}
	return verdict;
}

/*
 * execute_delete_open: remove an open run, whose worker, if it has one, hears why; false
 * when it is not open (any more).
 */
bool
execute_delete_open(int64 run_id, WorkerEvent event)
{
	Activity	activity;
	Heartbeat	heartbeat;
	TaskQueues	queues;
	bool		awaited = false;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!store_find(run_id, &activity))
			return false;
		if (!awaited && state_in_progress(activity.task.state))
			awaited = heartbeat_await(&activity);
		task_queues(&queues, &activity.task, &activity.task);
	} while (task_delete(&activity.task, RUN_DELETED, &queues, true) != STORE_OK);
	heartbeat_take(&activity, &heartbeat);
	ledger_count(&queues.before, COUNT_TERMINATED, 1);
	if (state_in_progress(activity.task.state))
		effects_worker_event(&activity.task, event);
	return true;
}

/*
 * execute_delete: remove a run, open or closed.  The verdict is ANSWER_NOT_FOUND when
 * there is none; "activity" is only of use after a refusal.
 */
Verdict
execute_delete(int64 run_id, Activity *activity)
{
	Verdict		verdict = {.answer = ANSWER_DONE};

	if (store_find(run_id, activity) && activity->owner != 0)
		return refused_for_owner();
	if (!execute_delete_open(run_id, WORKER_EVENT_DELETED) && !store_delete_closed(run_id))
		verdict.answer = ANSWER_NOT_FOUND;
	return verdict;
}
