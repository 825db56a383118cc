/*
 * attempt_actions.c
 *		Actions of the state machine for attempts and timers.
 *
 * Which of them applies in which state is said by the table in machine.c.
 *
 * Deadlines are enforced by the timer worker only: no action compares a
 * deadline with the clock, and a completion that arrives late but before the
 * timer is accepted.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/clock.h"
#include "base/json.h"
#include "model/action_parts.h"
#include "model/attempt_actions.h"
#include "model/failure.h"
#include "model/retry_policy.h"

/* A failure kept between attempts is at most this large, in bytes. */
#define MAX_RETRIED_FAILURE		4096

/* ------------------------------------------------------------------------
 * Attempts: start and success
 * ------------------------------------------------------------------------
 */

static void
set_worker(Activity *activity, const EventData *data)
{
	if (data->identity != NULL)
		activity->task.worker = cstring_to_text(data->identity);
}

/* start_attempt: a worker takes it. */
Verdict
start_attempt(Activity *activity, const EventData *data)
{
	machine_enter(activity, STATE_STARTED);
	activity->task.started_time = data->now;
	activity->task.nonce = data->nonce;
	set_worker(activity, data);
	return verdict_done;
}

/* complete_attempt: the worker has a result. */
Verdict
complete_attempt(Activity *activity, const EventData *data)
{
	activity->task.last_complete_time = data->now;
	set_worker(activity, data);
	activity->result = data->result;
	machine_close(activity, STATE_COMPLETED, data, NULL, RETRY_UNSPECIFIED);
	return verdict_done;
}

/* force_complete: completion by id of an activity that no worker holds. */
Verdict
force_complete(Activity *activity, const EventData *data)
{
	if (activity->first_started_time == DT_NOBEGIN)
		activity->first_started_time = never_started(activity) ?
			data->now : activity->task.started_time;
	activity->task.started_time = data->now;
	return complete_attempt(activity, data);
}

/*
 * report_canceled: the worker has complied; the failure names who asked for it.
 */
Verdict
report_canceled(Activity *activity, const EventData *data)
{
	activity->task.last_complete_time = data->now;
	set_worker(activity, data);
	machine_close(activity, STATE_CANCELED, data,
				  failure_canceled(data->details,
								   activity_controls(activity)->cancel.identity),
				  RETRY_UNSPECIFIED);
	return verdict_done;
}

/* carry_on: a heartbeat changes nothing here. */
Verdict
carry_on(Activity *activity, const EventData *data)
{
	return verdict_unchanged;
}

/* ------------------------------------------------------------------------
 * Attempts: an end without success
 * ------------------------------------------------------------------------
 */

/* What ended the attempt. */
typedef struct AttemptEnd
{
	TimeoutType timeout;		/* TIMEOUT_NONE: a failure was reported */
	Jsonb	   *failure;		/* as it closes the activity */
	bool		retryable;
	int64		next_retry_delay;
} AttemptEnd;

/* the next start will not be the first one */
static void
keep_first_start(Activity *activity)
{
	if (activity->first_started_time == DT_NOBEGIN)
		activity->first_started_time = activity->task.started_time;
}

/* the attempt is over: what is recorded whatever comes next */
static void
end_attempt(Activity *activity, const AttemptEnd *end, const EventData *data)
{
	Assert(state_in_progress(activity->task.state));
	keep_first_start(activity);
	activity->task.last_complete_time = data->now;
	if (end->timeout != TIMEOUT_NONE)
		activity->last_failure = (struct varlena *)
			failure_timeout(end->timeout, NULL, NULL);
	else
	{
		activity->last_failure = (struct varlena *) end->failure;
		set_worker(activity, data);
	}
}

/* kept between attempts, a failure is cut to size */
static void
limit_last_failure(Activity *activity)
{
	Jsonb	   *failure = (Jsonb *) activity->last_failure;

	activity->last_failure = (struct varlena *)
		(activity->owner != 0 ? failure_kept(failure) :
		 failure_truncated(failure, MAX_RETRIED_FAILURE));
}

static Verdict
retried(void)
{
	Verdict		verdict = {.answer = ANSWER_DONE, .retry_state = RETRY_IN_PROGRESS};

	return verdict;
}

/*
 * ScheduleToClose ends it: because that is over, or because no other attempt
 * fits.  Activities of workflows say the latter in both cases.
 */
static Jsonb *
failure_out_of_time(const Activity *activity, bool is_over, Jsonb *cause)
{
	return failure_timeout(TIMEOUT_SCHEDULE_TO_CLOSE,
						   is_over && activity->owner == 0 ? NULL :
						   "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying",
						   cause);
}

static Verdict
give_up(Activity *activity, const AttemptEnd *end, const EventData *data,
		RetryState retry_state)
{
	Verdict		verdict = {.answer = ANSWER_DONE, .retry_state = retry_state};
	struct varlena *previous = activity->last_failure;
	Jsonb	   *cause = previous ?
		DatumGetJsonbP(PointerGetDatum(previous)) : NULL;

	end_attempt(activity, end, data);
	machine_clear_backoff(activity);
	if (end->timeout == TIMEOUT_NONE)
		machine_close(activity, STATE_FAILED, data, end->failure, retry_state);
	else
	{
		Jsonb	   *failure = failure_timeout(end->timeout, NULL, cause);

		if (retry_state == RETRY_TIMEOUT)
			failure = failure_out_of_time(activity, false, cause);
		machine_close(activity, STATE_TIMED_OUT, data, failure, retry_state);
		activity->failure_wants_heartbeat = true;
	}
	return verdict;
}

/* a reset was requested: start over, now that the attempt has ended */
static void
carry_out_reset(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);
	bool		land_paused = controls->reset_keep_paused;

	if (controls->reset_restore)
		machine_restore_options(activity);
	activity->clear_heartbeat = controls->reset_heartbeat;
	activity->task.attempt = 1;
	machine_clear_backoff(activity);
	if (land_paused)
		machine_park(activity);
	else
		machine_dispatch_at(activity,
							machine_jittered(data->now, controls->reset_jitter));
	machine_forget_reset(activity);
}

/* instead of retrying or closing */
static Verdict
failed_into_reset(Activity *activity, const AttemptEnd *end,
				  const EventData *data)
{
	end_attempt(activity, end, data);
	limit_last_failure(activity);
	carry_out_reset(activity, data);
	return retried();
}

/*
 * The one algorithm for reported failures and attempt timeouts.  The order of
 * the tests decides which retry state is reported.
 */
static Verdict
attempt_failed(Activity *activity, const AttemptEnd *end, const EventData *data)
{
	const RetryPolicy *policy = &activity->options.retry_policy;
	int64		interval;
	TimestampTz next;

	if (activity->task.state == STATE_RESET_REQUESTED)
		return failed_into_reset(activity, end, data);
	if (activity->task.state == STATE_CANCEL_REQUESTED)
		return give_up(activity, end, data, RETRY_CANCEL_REQUESTED);
	if (!end->retryable)
		return give_up(activity, end, data, RETRY_NON_RETRYABLE_FAILURE);
	if (policy->maximum_attempts > 0 &&
		activity->task.attempt >= policy->maximum_attempts)
		return give_up(activity, end, data, RETRY_MAXIMUM_ATTEMPTS_REACHED);

	interval = end->next_retry_delay > 0 ? end->next_retry_delay :
		retry_policy_interval(policy, activity->task.attempt);
	next = instant_add(data->now, interval);
	if (activity->options.schedule_to_close > 0 &&
		next >= activity_expiration(activity))
		return give_up(activity, end, data, RETRY_TIMEOUT);

	end_attempt(activity, end, data);
	limit_last_failure(activity);
	machine_count(&activity->task.attempt);
	activity->retry_interval = interval;
	activity->retry_by_worker = end->next_retry_delay > 0;
	if (activity->task.state == STATE_PAUSE_REQUESTED)
		machine_park(activity);
	else
		machine_dispatch_at(activity, next);
	return retried();
}

/* fail_attempt: the worker reports a failure. */
Verdict
fail_attempt(Activity *activity, const EventData *data)
{
	AttemptEnd	end = {0};

	end.timeout = TIMEOUT_NONE;
	end.failure = data->failure ? data->failure : failure_absent();
	end.retryable = failure_retryable(data->failure, &activity->options.retry_policy);
	end.next_retry_delay = data->next_retry_delay;
	return attempt_failed(activity, &end, data);
}

/* ------------------------------------------------------------------------
 * Attempts: handed back
 * ------------------------------------------------------------------------
 */

/*
 * The attempt does not count: no number, no failure.  A delay is kept like one
 * that came with a failure, so that a pause and what follows it honour it.
 */
static void
hand_back(Activity *activity, const EventData *data)
{
	Assert(state_in_progress(activity->task.state));
	keep_first_start(activity);
	set_worker(activity, data);
	activity->released = true;
	if (data->release_delay == 0)
		return;
	activity->task.last_complete_time = data->now;
	activity->retry_interval = data->release_delay;
	activity->retry_by_worker = true;
}

/*
 * release_started: back to its place in the queue.  It was started in time, so
 * ScheduleToStart must not count what has passed since: where that timer would
 * be the first to fire, it waits from now on.
 */
Verdict
release_started(Activity *activity, const EventData *data)
{
	hand_back(activity, data);
	if (data->release_delay > 0)
		machine_dispatch_at(activity,
							instant_add(data->now, data->release_delay));
	else
	{
		machine_dispatch_at(activity, activity->task.dispatch_time);
		if (activity_next_deadline(activity, DT_NOBEGIN).type ==
			TIMEOUT_SCHEDULE_TO_START)
			activity->task.dispatch_time = data->now;
		machine_arm(activity);
	}
	return verdict_done;
}

/* release_pausing: the pause is carried out. */
Verdict
release_pausing(Activity *activity, const EventData *data)
{
	hand_back(activity, data);
	machine_park(activity);
	return verdict_done;
}

/* release_canceled: what was asked for is done, as if nobody had run it. */
Verdict
release_canceled(Activity *activity, const EventData *data)
{
	activity->task.last_complete_time = data->now;
	set_worker(activity, data);
	machine_cancel(activity, data);
	return verdict_done;
}

/* release_resetting: the reset is carried out. */
Verdict
release_resetting(Activity *activity, const EventData *data)
{
	hand_back(activity, data);
	activity->task.last_complete_time = data->now;
	carry_out_reset(activity, data);
	return verdict_done;
}

/* ------------------------------------------------------------------------
 * Timers
 * ------------------------------------------------------------------------
 */

/* the activity as a whole ran out of time: never retried */
static Verdict
expire(Activity *activity, const EventData *data, RetryState retry_state)
{
	Jsonb	   *cause = activity->last_failure ?
		DatumGetJsonbP(PointerGetDatum(activity->last_failure)) : NULL;
	Verdict		verdict = {.answer = ANSWER_DONE, .retry_state = retry_state};
	Jsonb	   *failure = failure_timeout(data->timeout, NULL, cause);

	if (data->timeout == TIMEOUT_SCHEDULE_TO_CLOSE && retry_state == RETRY_TIMEOUT)
		failure = failure_out_of_time(activity, true, cause);
	if (state_in_progress(activity->task.state))
		activity->task.last_complete_time = data->now;
	machine_close(activity, STATE_TIMED_OUT, data, failure, retry_state);
	activity->failure_wants_heartbeat = true;
	return verdict;
}

/* timeout_scheduled: nobody took it in time, or it ran out of time. */
Verdict
timeout_scheduled(Activity *activity, const EventData *data)
{
	if (data->timeout != TIMEOUT_SCHEDULE_TO_START &&
		data->timeout != TIMEOUT_SCHEDULE_TO_CLOSE)
		return verdict_unchanged;
	return expire(activity, data, RETRY_TIMEOUT);
}

/* timeout_paused: it ran out of time. */
Verdict
timeout_paused(Activity *activity, const EventData *data)
{
	if (data->timeout != TIMEOUT_SCHEDULE_TO_CLOSE)
		return verdict_unchanged;
	return expire(activity, data, RETRY_TIMEOUT);
}

/* timeout_in_progress: the attempt, or all of it, ran out of time. */
Verdict
timeout_in_progress(Activity *activity, const EventData *data)
{
	AttemptEnd	end = {0};

	if (data->timeout == TIMEOUT_SCHEDULE_TO_CLOSE)
		return expire(activity, data,
					  activity->task.state == STATE_CANCEL_REQUESTED ?
					  RETRY_CANCEL_REQUESTED : RETRY_TIMEOUT);
	if (data->timeout == TIMEOUT_SCHEDULE_TO_START)
		return verdict_unchanged;
	end.timeout = data->timeout;
	end.retryable = failure_timeout_retryable(data->timeout,
											  &activity->options.retry_policy);
	return attempt_failed(activity, &end, data);
}

/* ------------------------------------------------------------------------
 * Refusals
 * ------------------------------------------------------------------------
 */

/* refuse_as_unknown: there is no such run, or attempt, for this event. */
Verdict
refuse_as_unknown(Activity *activity, const EventData *data)
{
	return verdict_refuse(ANSWER_NOT_FOUND, NULL, NULL);
}

/* refuse_canceled: nobody has asked for a cancellation. */
Verdict
refuse_canceled(Activity *activity, const EventData *data)
{
	if (!state_in_progress(activity->task.state))
		return verdict_refuse(ANSWER_NOT_FOUND, NULL, NULL);
	return verdict_refuse(ANSWER_INVALID, NULL,
				  "unable to mark activity as canceled without activity being request canceled first");
}
