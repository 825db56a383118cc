/*
 * machine.c
 *		The state machine of an activity: the table of what each event does in
 *		each state, and the actions for attempts and timers.
 *
 * An event is looked up in "actions"; an empty cell is refused by the event's
 * "refusal".  An action changes the struct only: it reads no table, takes no
 * lock and sends nothing, so that SQL calls and the timer worker share it and
 * the caller can drop the result when somebody else was faster.
 *
 *	 schedule --> SCHEDULED --start--> STARTED --complete--> COMPLETED
 *	                ^  |  ^              |  |  \
 *	                |  |  +--retry-------+  |   +--no retry--> FAILED, TIMED_OUT
 *	         unpause|  |pause               |request_cancel
 *	                |  v                    v
 *	               PAUSED            CANCEL_REQUESTED --report_canceled--> CANCELED
 *
 * STARTED, CANCEL_REQUESTED, PAUSE_REQUESTED and RESET_REQUESTED have an
 * attempt in progress; what was requested is carried out when it ends without
 * success.  docs/internals.md draws all of it.
 *
 * Deadlines are enforced by the timer worker only: no action compares a
 * deadline with the clock, and a completion that arrives late but before the
 * timer is accepted.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "failure.h"
#include "machine_control.h"
#include "options.h"

/* state_name: as users see it, in run_state or status. */
const char *
state_name(State state)
{
	static const char *const names[] = {
		[STATE_NONE] = "none",
		[STATE_SCHEDULED] = "scheduled",
		[STATE_STARTED] = "started",
		[STATE_CANCEL_REQUESTED] = "cancel_requested",
		[STATE_PAUSE_REQUESTED] = "pause_requested",
		[STATE_RESET_REQUESTED] = "reset_requested",
		[STATE_PAUSED] = "paused",
		[STATE_COMPLETED] = "completed",
		[STATE_FAILED] = "failed",
		[STATE_CANCELED] = "canceled",
		[STATE_TERMINATED] = "terminated",
		[STATE_TIMED_OUT] = "timed_out",
	};

	return names[state];
}

/* ------------------------------------------------------------------------
 * Attempts: start and success
 * ------------------------------------------------------------------------
 */

static void
set_worker(Activity *activity, const EventData *data)
{
	if (data->identity != NULL)
		activity->worker = cstring_to_text(data->identity);
}

static Verdict
start(Activity *activity, const EventData *data)
{
	machine_enter(activity, STATE_STARTED);
	activity->started_time = data->now;
	activity->nonce = data->nonce;
	set_worker(activity, data);
	return verdict_done;
}

static Verdict
complete(Activity *activity, const EventData *data)
{
	activity->last_complete_time = data->now;
	set_worker(activity, data);
	activity->result = data->result;
	machine_close(activity, STATE_COMPLETED, data, NULL, RETRY_UNSPECIFIED);
	return verdict_done;
}

/* completion by id of an activity that no worker holds */
static Verdict
force_complete(Activity *activity, const EventData *data)
{
	if (activity->first_started_time == DT_NOBEGIN)
		activity->first_started_time = never_started(activity) ?
			data->now : activity->started_time;
	activity->started_time = data->now;
	return complete(activity, data);
}

/* the failure names who asked for it, not the worker that complied */
static Verdict
report_canceled(Activity *activity, const EventData *data)
{
	activity->last_complete_time = data->now;
	set_worker(activity, data);
	machine_close(activity, STATE_CANCELED, data,
				  failure_canceled(data->details,
								   activity_controls(activity)->cancel.identity),
				  RETRY_UNSPECIFIED);
	return verdict_done;
}

static Verdict
stay(Activity *activity, const EventData *data)
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

/* the attempt is over: what is recorded whatever comes next */
static void
end_attempt(Activity *activity, const AttemptEnd *end, const EventData *data)
{
	if (activity->first_started_time == DT_NOBEGIN)
		activity->first_started_time = activity->started_time;
	activity->last_complete_time = data->now;
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
	activity->last_failure = (struct varlena *)
		failure_truncated((Jsonb *) activity->last_failure,
						  MAX_RETRIED_FAILURE, false);
}

static Verdict
retried(void)
{
	Verdict		verdict = {ANSWER_DONE, NULL, RETRY_IN_PROGRESS};

	return verdict;
}

static Verdict
give_up(Activity *activity, const AttemptEnd *end, const EventData *data,
		RetryState retry_state)
{
	Verdict		verdict = {ANSWER_DONE, NULL, retry_state};
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
			failure = failure_timeout(TIMEOUT_SCHEDULE_TO_CLOSE,
									  "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying",
									  cause);
		machine_close(activity, STATE_TIMED_OUT, data, failure, retry_state);
		activity->failure_wants_heartbeat = true;
	}
	return verdict;
}

/* a reset was requested: start over instead of retrying or closing */
static Verdict
carry_out_reset(Activity *activity, const AttemptEnd *end,
				const EventData *data)
{
	Controls   *controls = activity_controls(activity);
	bool		land_paused = controls->reset_keep_paused;

	end_attempt(activity, end, data);
	limit_last_failure(activity);
	if (controls->reset_restore)
		machine_restore_options(activity);
	activity->clear_heartbeat = controls->reset_heartbeat;
	activity->attempt = 1;
	machine_clear_backoff(activity);
	if (land_paused)
		machine_park(activity);
	else
		machine_dispatch_at(activity,
							machine_jittered(data->now, controls->reset_jitter));
	machine_forget_reset(activity);
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

	if (activity->state == STATE_RESET_REQUESTED)
		return carry_out_reset(activity, end, data);
	if (activity->state == STATE_CANCEL_REQUESTED)
		return give_up(activity, end, data, RETRY_CANCEL_REQUESTED);
	if (!end->retryable)
		return give_up(activity, end, data, RETRY_NON_RETRYABLE_FAILURE);
	if (policy->maximum_attempts > 0 &&
		activity->attempt >= policy->maximum_attempts)
		return give_up(activity, end, data, RETRY_MAXIMUM_ATTEMPTS_REACHED);

	interval = end->next_retry_delay > 0 ? end->next_retry_delay :
		retry_policy_interval(policy, activity->attempt);
	next = instant_add(data->now, interval);
	if (activity->options.schedule_to_close > 0 &&
		next >= activity_expiration(activity))
		return give_up(activity, end, data, RETRY_TIMEOUT);

	end_attempt(activity, end, data);
	limit_last_failure(activity);
	activity->attempt++;
	activity->retry_interval = interval;
	activity->retry_by_worker = end->next_retry_delay > 0;
	if (activity->state == STATE_PAUSE_REQUESTED)
		machine_park(activity);
	else
		machine_dispatch_at(activity, next);
	return retried();
}

static Verdict
fail(Activity *activity, const EventData *data)
{
	AttemptEnd	end = {0};

	end.timeout = TIMEOUT_NONE;
	end.failure = data->failure ? data->failure : failure_absent();
	end.retryable = failure_application_retryable(data->failure,
												  &activity->options.retry_policy);
	end.next_retry_delay = data->next_retry_delay;
	return attempt_failed(activity, &end, data);
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
	Verdict		verdict = {ANSWER_DONE, NULL, retry_state};

	if (state_in_progress(activity->state))
		activity->last_complete_time = data->now;
	machine_close(activity, STATE_TIMED_OUT, data,
				  failure_timeout(data->timeout, NULL, cause), retry_state);
	activity->failure_wants_heartbeat = true;
	return verdict;
}

static Verdict
timeout_scheduled(Activity *activity, const EventData *data)
{
	if (data->timeout != TIMEOUT_SCHEDULE_TO_START &&
		data->timeout != TIMEOUT_SCHEDULE_TO_CLOSE)
		return verdict_unchanged;
	return expire(activity, data, RETRY_TIMEOUT);
}

static Verdict
timeout_paused(Activity *activity, const EventData *data)
{
	if (data->timeout != TIMEOUT_SCHEDULE_TO_CLOSE)
		return verdict_unchanged;
	return expire(activity, data, RETRY_TIMEOUT);
}

static Verdict
timeout_in_progress(Activity *activity, const EventData *data)
{
	AttemptEnd	end = {0};

	if (data->timeout == TIMEOUT_SCHEDULE_TO_CLOSE)
		return expire(activity, data,
					  activity->state == STATE_CANCEL_REQUESTED ?
					  RETRY_CANCEL_REQUESTED : RETRY_TIMEOUT);
	if (data->timeout == TIMEOUT_SCHEDULE_TO_START)
		return verdict_unchanged;
	end.timeout = data->timeout;
	end.retryable = failure_timeout_retryable(data->timeout,
											  &activity->options.retry_policy);
	return attempt_failed(activity, &end, data);
}

/* ------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------
 */

static Verdict
not_found(Activity *activity, const EventData *data)
{
	return verdict_refuse(ANSWER_NOT_FOUND, NULL);
}

static Verdict
refuse_canceled(Activity *activity, const EventData *data)
{
	if (!state_in_progress(activity->state))
		return verdict_refuse(ANSWER_NOT_FOUND, NULL);
	return verdict_refuse(ANSWER_INVALID,
				  "unable to mark activity as canceled without activity being request canceled first");
}

#define S	STATE_SCHEDULED
#define R	STATE_STARTED
#define CR	STATE_CANCEL_REQUESTED
#define PR	STATE_PAUSE_REQUESTED
#define RR	STATE_RESET_REQUESTED
#define P	STATE_PAUSED

static const Action actions[EVENT_LAST + 1][STATE_LAST + 1] = {
	[EVENT_START] = {
		[S] = start,
	},
	[EVENT_COMPLETE] = {
		[R] = complete, [CR] = complete, [PR] = complete, [RR] = complete,
	},
	[EVENT_COMPLETE_BY_ID] = {
		[S] = force_complete, [P] = force_complete,
		[R] = complete, [CR] = complete, [PR] = complete, [RR] = complete,
	},
	[EVENT_FAIL] = {
		[R] = fail, [CR] = fail, [PR] = fail, [RR] = fail,
	},
	[EVENT_REPORT_CANCELED] = {
		[CR] = report_canceled,
	},
	[EVENT_HEARTBEAT] = {
		[R] = stay, [CR] = stay, [PR] = stay, [RR] = stay,
	},
	[EVENT_TIMEOUT] = {
		[S] = timeout_scheduled, [P] = timeout_paused,
		[R] = timeout_in_progress, [CR] = timeout_in_progress,
		[PR] = timeout_in_progress, [RR] = timeout_in_progress,
	},
	[EVENT_REQUEST_CANCEL] = {
		[S] = cancel_now, [P] = cancel_now,
		[R] = cancel_running, [PR] = cancel_running, [RR] = cancel_running,
	},
	[EVENT_TERMINATE] = {
		[S] = terminate, [P] = terminate,
		[R] = terminate, [CR] = terminate, [PR] = terminate, [RR] = terminate,
	},
	[EVENT_PAUSE] = {
		[S] = pause_scheduled, [R] = pause_started,
	},
	[EVENT_UNPAUSE] = {
		[P] = unpause_paused, [PR] = unpause_requested,
	},
	[EVENT_RESET] = {
		[S] = reset_now, [P] = reset_now,
		[R] = reset_later, [PR] = reset_later,
	},
	[EVENT_UPDATE_OPTIONS] = {
		[S] = update_options, [R] = update_options,
		[PR] = update_options, [P] = update_options,
	},
};

/* what an event meets in the states that have no action for it */
static const Action refusals[EVENT_LAST + 1] = {
	[EVENT_START] = not_found,
	[EVENT_COMPLETE] = not_found,
	[EVENT_COMPLETE_BY_ID] = not_found,
	[EVENT_FAIL] = not_found,
	[EVENT_REPORT_CANCELED] = refuse_canceled,
	[EVENT_HEARTBEAT] = not_found,
	[EVENT_TIMEOUT] = not_found,
	[EVENT_REQUEST_CANCEL] = refuse_cancel,
	[EVENT_TERMINATE] = refuse_terminate,
	[EVENT_PAUSE] = refuse_pause,
	[EVENT_UNPAUSE] = refuse_unpause,
	[EVENT_RESET] = refuse_reset,
	[EVENT_UPDATE_OPTIONS] = refuse_update,
};

#undef S
#undef R
#undef CR
#undef PR
#undef RR
#undef P

/*
 * machine_apply: what the event does to the activity.
 *
 * With ANSWER_DONE the struct holds the new state, to be stored by the caller
 * (or dropped); with any other answer it is not to be stored.  Errors: only
 * those of validating new options.
 */
Verdict
machine_apply(Activity *activity, Event event, const EventData *data)
{
	Action		action = actions[event][activity->state];

	if (action == NULL)
		action = refusals[event];
	return action(activity, data);
}
