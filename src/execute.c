/*
 * execute.c
 *		Carrying an event out: read the row, let the state machine change it,
 *		write it back, note the effects.
 *
 * This is the only way in which an open activity changes, but for the start
 * of an attempt (poll.c), which skips what it cannot have at once.  The row is
 * not locked first: it is written over the version that was read, and when
 * somebody else was faster all of it is done again with the newer version.
 *
 * A close deletes the open row first.  From then on nobody else can heartbeat
 * that run, so that what is taken from there is final.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "effects.h"
#include "execute.h"
#include "failure.h"
#include "heartbeat.h"
#include "json.h"
#include "ledger.h"
#include "queue_config.h"

/* how often a call waits for heartbeats of others before it goes on */
#define MAX_AWAITED		3

/* what a worker hears when its attempt is touched by somebody else */
static void
tell_worker(const Activity *before, const Activity *after, Event event)
{
	WorkerEvent what;

	if (!state_in_progress(before->state))
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
	effects_worker_event(before->worker, after->run_id, before->attempt, what);
}

/* which counter a close belongs to */
static QueueCounter
counter_of_close(const Activity *activity)
{
	char	   *timeout;

	switch (activity->state)
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
	bool		was = state_in_progress(before->state);
	bool		is = state_in_progress(activity->state);

	if (was && is &&
		strcmp(text_to_cstring(before->options.task_queue),
			   text_to_cstring(activity->options.task_queue)) != 0 &&
		activity_controls(activity)->taken_from == NULL)
		activity_controls(activity)->taken_from =
			text_to_cstring(before->options.task_queue);
	else if (was && !is && activity->control != NULL)
		activity_controls(activity)->taken_from = NULL;
}

static bool
ends_attempt(const Activity *before, const Activity *activity)
{
	return state_in_progress(before->state) &&
		!state_in_progress(activity->state);
}

/* what has happened, for limits and statistics */
static void
keep_books(const Activity *activity, const Activity *before,
		   const text *taken_from)
{
	const text *task_queue = activity->options.task_queue;
	TimestampTz ended;

	ledger_open(before, before->state, -1);
	ledger_open(activity, activity->state, 1);
	if (state_is_closed(activity->state))
		ledger_count(task_queue, counter_of_close(activity), 1);
	else if (activity->state == STATE_SCHEDULED)
		ledger_count(task_queue, COUNT_ADDED, 1);
	if (before->state == STATE_SCHEDULED)
		effects_polled(before->options.task_queue, 1);	/* back at an abort */
	if (!ends_attempt(before, activity))
		return;
	if (!state_is_closed(activity->state))
		ledger_count(task_queue, COUNT_RETRIED, 1);
	ended = state_is_closed(activity->state) ?
		activity->close_time : activity->last_complete_time;
	ledger_duration(taken_from, COUNT_EXECUTION_FIRST,
					ended - before->started_time);
	execute_attempt_ended(taken_from);
}

/*
 * execute_attempt_ended: an attempt taken from the queue is over; where
 * max_started counts, the next one can start.
 */
void
execute_attempt_ended(const text *taken_from)
{
	const QueueConfig *config = queue_config(taken_from);

	ledger_ended(taken_from);
	if (config != NULL && config->max_started > 0)
		effects_task_due(taken_from, DT_NOBEGIN);
}

static void
close_row(Activity *activity, const Activity *before)
{
	int64		retention;

	heartbeat_take(before, &activity->heartbeat);
	/* one that was answered while we were about to close */
	activity->heartbeat.last_time = Min(activity->heartbeat.last_time,
										activity->close_time);
	if (activity->failure_wants_heartbeat &&
		activity->heartbeat.details != NULL)
		activity->failure =
			failure_with_heartbeat(activity->failure,
								   DatumGetJsonbP(PointerGetDatum(activity->heartbeat.details)));
	retention = queue_config_retention(activity->options.task_queue);
	activity->expire_time = instant_add(activity->close_time, retention);
	if (retention > 0)
		store_insert_closed(activity);
	effects_closed(activity->run_id);
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
	Activity	was = *before;
	const text *taken_from = activity_taken_from(&was);

	keep_origin(activity, before);
	if (state_is_closed(activity->state))
	{
		result = store_delete(activity, wait);
		if (result != STORE_OK)
			return result;
		close_row(activity, before);
		keep_books(activity, before, taken_from);
		return result;
	}
	result = store_update(activity, wait);
	if (result != STORE_OK)
		return result;
	keep_books(activity, before, taken_from);
	if (ends_attempt(before, activity))
		heartbeat_hand_over(activity);
	else if (activity->clear_heartbeat)
		heartbeat_clear(activity);
	if (activity->alarm != DT_NOEND && activity->alarm != before->alarm)
		effects_alarm(activity->alarm);
	if (activity->state == STATE_SCHEDULED)
		effects_task_due(activity->options.task_queue,
						 activity->dispatch_time);
	return result;
}

/* What tries know of earlier ones. */
typedef struct Progress
{
	bool		locked;			/* we hold the row */
	int			awaited;		/* times that a heartbeat was waited for */
} Progress;

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
try(const Address *address, Event event, EventData *data,
	const Checkpoint *checkpoint, Activity *activity, Verdict *verdict,
	Progress *progress)
{
	Activity	before;
	StoreResult result;

	verdict->answer = ANSWER_NOT_FOUND;
	verdict->message = NULL;
	verdict->retry_state = RETRY_UNSPECIFIED;
	if (!store_find(address->run_id, activity))
		return true;
	if (address->by_token && (!state_in_progress(activity->state) ||
							  activity->nonce != address->nonce))
		return true;

	if (checkpoint != NULL && checkpoint->given &&
		state_in_progress(activity->state))
	{
		/* with the row locked, nobody can be faster from here on */
		if (may_await(progress))
			(void) heartbeat_await(activity);
		progress->locked = store_lock(activity, true) == STORE_OK;
		if (!progress->locked)
			return false;
		data->now = clock_now();
		heartbeat_record(activity, data->now, checkpoint->details);
		ledger_count(activity->options.task_queue, COUNT_HEARTBEATS, 1);
	}
	else
		data->now = clock_now();
	activity->closed_rows = data->closed_rows;
	before = *activity;
	*verdict = machine_apply(activity, event, data);
	if (verdict->answer != ANSWER_DONE)
		return true;
	if (ends_attempt(&before, activity) && may_await(progress) &&
		heartbeat_await(&before))
		return false;
	result = execute_store(activity, &before, progress->locked);
	if (result == STORE_BUSY)
		progress->locked = store_lock(&before, true) == STORE_OK;
	if (result != STORE_OK)
		return false;
	tell_worker(&before, activity, event);
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
	} while (!try(address, event, data, checkpoint, activity, &verdict,
				  &progress));
	return verdict;
}
