/*
 * machine.c
 *		The state machine of an activity: the table of what each event does in
 *		each state, and nothing else.
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
#include "json.h"
#include "machine.h"
#include "options.h"

typedef Verdict (*Action) (Activity *activity, const EventData *data);

static const Verdict done = {ANSWER_DONE, NULL, RETRY_UNSPECIFIED};
static const Verdict unchanged = {ANSWER_UNCHANGED, NULL, RETRY_UNSPECIFIED};

static Verdict
refuse(Answer answer, const char *message)
{
	Verdict		verdict = {answer, message, RETRY_UNSPECIFIED};

	return verdict;
}

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
 * Pieces of actions
 * ------------------------------------------------------------------------
 */

/* the alarm covers the next deadline as far as the row tells */
static void
arm(Activity *activity)
{
	activity->alarm = activity_next_deadline(activity, DT_NOBEGIN).when;
}

static void
enter(Activity *activity, State state)
{
	activity->state = state;
	activity->transitions++;
}

static void
set_worker(Activity *activity, const EventData *data)
{
	if (data->identity != NULL)
		activity->worker = cstring_to_text(data->identity);
}

static void
close_activity(Activity *activity, State state, const EventData *data,
			   Jsonb *failure, RetryState retry_state)
{
	enter(activity, state);
	activity->close_time = data->now;
	activity->failure = failure;
	activity->retry_state = retry_state;
}

/* SCHEDULED, to be handed out at "when" */
static void
dispatch_at(Activity *activity, TimestampTz when)
{
	activity->dispatch_time = when;
	enter(activity, STATE_SCHEDULED);
	arm(activity);
}

static void
park(Activity *activity)
{
	activity->dispatch_time = DT_NOEND;
	enter(activity, STATE_PAUSED);
	arm(activity);
}

static bool
never_started(const Activity *activity)
{
	return activity->started_time == DT_NOBEGIN;
}

static TimestampTz
jittered(TimestampTz now, int64 jitter)
{
	if (jitter == 0)
		return now;
	return instant_add(now, (int64) (random_fraction() * jitter));
}

/* not before the start delay is over, if the first attempt is still to come */
static TimestampTz
not_before_start_delay(const Activity *activity, TimestampTz when)
{
	if (!never_started(activity))
		return when;
	return Max(when, activity_first_dispatch(activity));
}

static TimestampTz
backoff_end(const Activity *activity)
{
	if (activity->retry_interval == 0)
		return DT_NOBEGIN;
	return instant_add(activity->last_complete_time, activity->retry_interval);
}

static void
clear_backoff(Activity *activity)
{
	activity->retry_interval = 0;
	activity->retry_by_worker = false;
}

static bool
same_request(const char *recorded, const EventData *data)
{
	return recorded != NULL && strcmp(recorded, data->request_id) == 0;
}

static void
record_request(Request *request, const EventData *data)
{
	request->request_id = pstrdup(data->request_id);
	request->time = data->now;
	request->identity = data->identity ? pstrdup(data->identity) : NULL;
	request->reason = data->reason ? pstrdup(data->reason) : NULL;
}

/* the first change of the options keeps what they were at schedule */
static void
keep_original(Activity *activity)
{
	Controls   *controls = activity_controls(activity);

	if (controls->original == NULL)
		controls->original = options_to_jsonb(&activity->options);
}

static void
restore_options(Activity *activity)
{
	Controls   *controls = activity_controls(activity);
	int64		start_delay = activity->options.start_delay;

	if (controls->original == NULL)
		return;
	options_merge(&activity->options, controls->original);
	if (!never_started(activity))
		activity->options.start_delay = start_delay;
	activity->level = options_level(&activity->options);
}

/* ------------------------------------------------------------------------
 * Attempts: start and success
 * ------------------------------------------------------------------------
 */

static Verdict
start(Activity *activity, const EventData *data)
{
	enter(activity, STATE_STARTED);
	activity->started_time = data->now;
	activity->nonce = data->nonce;
	set_worker(activity, data);
	return done;
}

static Verdict
complete(Activity *activity, const EventData *data)
{
	activity->last_complete_time = data->now;
	set_worker(activity, data);
	activity->result = data->result;
	close_activity(activity, STATE_COMPLETED, data, NULL, RETRY_UNSPECIFIED);
	return done;
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

static Verdict
report_canceled(Activity *activity, const EventData *data)
{
	activity->last_complete_time = data->now;
	set_worker(activity, data);
	close_activity(activity, STATE_CANCELED, data,
				   failure_canceled(data->details, data->identity),
				   RETRY_UNSPECIFIED);
	return done;
}

static Verdict
stay(Activity *activity, const EventData *data)
{
	return unchanged;
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
						  MAX_RETRIED_FAILURE);
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
	clear_backoff(activity);
	if (end->timeout == TIMEOUT_NONE)
		close_activity(activity, STATE_FAILED, data, end->failure, retry_state);
	else
	{
		Jsonb	   *failure = failure_timeout(end->timeout, NULL, cause);

		if (retry_state == RETRY_TIMEOUT)
			failure = failure_timeout(TIMEOUT_SCHEDULE_TO_CLOSE,
									  "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying",
									  cause);
		close_activity(activity, STATE_TIMED_OUT, data, failure, retry_state);
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
		restore_options(activity);
	activity->clear_heartbeat = controls->reset_heartbeat;
	activity->attempt = 1;
	clear_backoff(activity);
	if (land_paused)
		park(activity);
	else
		dispatch_at(activity, jittered(data->now, controls->reset_jitter));
	controls->reset_heartbeat = false;
	controls->reset_keep_paused = false;
	controls->reset_restore = false;
	controls->reset_jitter = 0;
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
		park(activity);
	else
		dispatch_at(activity, next);
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
	close_activity(activity, STATE_TIMED_OUT, data,
				   failure_timeout(data->timeout, NULL, cause), retry_state);
	activity->failure_wants_heartbeat = true;
	return verdict;
}

static Verdict
timeout_scheduled(Activity *activity, const EventData *data)
{
	if (data->timeout != TIMEOUT_SCHEDULE_TO_START &&
		data->timeout != TIMEOUT_SCHEDULE_TO_CLOSE)
		return unchanged;
	return expire(activity, data, RETRY_TIMEOUT);
}

static Verdict
timeout_paused(Activity *activity, const EventData *data)
{
	if (data->timeout != TIMEOUT_SCHEDULE_TO_CLOSE)
		return unchanged;
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
		return unchanged;
	end.timeout = data->timeout;
	end.retryable = failure_timeout_retryable(data->timeout,
											  &activity->options.retry_policy);
	return attempt_failed(activity, &end, data);
}

/* ------------------------------------------------------------------------
 * Control operations
 * ------------------------------------------------------------------------
 */

static Verdict
cancel_now(Activity *activity, const EventData *data)
{
	record_request(&activity_controls(activity)->cancel, data);
	close_activity(activity, STATE_CANCELED, data,
				   failure_canceled(data->reason ?
									json_text_array1(data->reason) : NULL,
									data->identity),
				   RETRY_UNSPECIFIED);
	return done;
}

static Verdict
cancel_running(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	record_request(&controls->cancel, data);
	controls->reset_heartbeat = false;
	controls->reset_keep_paused = false;
	controls->reset_restore = false;
	controls->reset_jitter = 0;
	enter(activity, STATE_CANCEL_REQUESTED);
	return done;
}

static Verdict
refuse_cancel(Activity *activity, const EventData *data)
{
	const char *recorded = activity_controls(activity)->cancel.request_id;

	if (same_request(recorded, data))
		return unchanged;
	if (state_is_closed(activity->state))
		return refuse(ANSWER_PRECONDITION,
					  psprintf("activity is in terminal state %s",
							   state_name(activity->state)));
	return refuse(ANSWER_PRECONDITION,
				  psprintf("cancellation already requested with request ID %s",
						   recorded));
}

static Verdict
terminate(Activity *activity, const EventData *data)
{
	activity_controls(activity)->terminate_id = pstrdup(data->request_id);
	close_activity(activity, STATE_TERMINATED, data,
				   failure_terminated(data->reason, data->identity),
				   RETRY_UNSPECIFIED);
	return done;
}

static Verdict
refuse_terminate(Activity *activity, const EventData *data)
{
	const char *recorded = activity_controls(activity)->terminate_id;

	if (activity->state != STATE_TERMINATED)
		return refuse(ANSWER_PRECONDITION,
					  psprintf("invalid transition from %s",
							   state_name(activity->state)));
	if (same_request(recorded, data))
		return unchanged;
	return refuse(ANSWER_PRECONDITION,
				  psprintf("already terminated with request ID %s",
						   recorded ? recorded : ""));
}

static Verdict
pause_scheduled(Activity *activity, const EventData *data)
{
	Request    *last = &activity_controls(activity)->pause;

	if (same_request(last->request_id, data))
		return unchanged;
	record_request(last, data);
	park(activity);
	return done;
}

static Verdict
pause_started(Activity *activity, const EventData *data)
{
	Request    *last = &activity_controls(activity)->pause;

	if (same_request(last->request_id, data))
		return unchanged;
	record_request(last, data);
	enter(activity, STATE_PAUSE_REQUESTED);
	return done;
}

static Verdict
refuse_pause(Activity *activity, const EventData *data)
{
	if (same_request(activity_controls(activity)->pause.request_id, data))
		return unchanged;
	return refuse(ANSWER_PRECONDITION,
				  psprintf("activity is in non-pausable state %s",
						   state_name(activity->state)));
}

static Verdict
unpause_paused(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);
	TimestampTz when = jittered(data->now, data->jitter);

	if (same_request(controls->unpause_id, data))
		return unchanged;
	controls->unpause_id = pstrdup(data->request_id);
	if (!data->skip_backoff)
		when = Max(not_before_start_delay(activity, when),
				   backoff_end(activity));
	dispatch_at(activity, when);
	return done;
}

static Verdict
unpause_requested(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	if (same_request(controls->unpause_id, data))
		return unchanged;
	controls->unpause_id = pstrdup(data->request_id);
	enter(activity, STATE_STARTED);
	return done;
}

static Verdict
refuse_unpause(Activity *activity, const EventData *data)
{
	if (same_request(activity_controls(activity)->unpause_id, data))
		return unchanged;
	return refuse(ANSWER_PRECONDITION,
				  psprintf(state_is_closed(activity->state) ?
						   "activity is in terminal state %s" :
						   "activity is in non-unpausable state %s",
						   state_name(activity->state)));
}

/* no worker holds it: start over at once */
static Verdict
reset_now(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	if (same_request(controls->reset_id, data))
		return unchanged;
	controls->reset_id = pstrdup(data->request_id);
	if (data->restore_original)
		restore_options(activity);
	activity->clear_heartbeat = data->reset_heartbeat;
	activity->attempt = 1;
	clear_backoff(activity);
	if (activity->state == STATE_PAUSED && data->keep_paused)
		park(activity);
	else
		dispatch_at(activity,
					not_before_start_delay(activity,
										   jittered(data->now, data->jitter)));
	return done;
}

/* a worker holds it: start over when it yields */
static Verdict
reset_later(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	if (same_request(controls->reset_id, data))
		return unchanged;
	controls->reset_id = pstrdup(data->request_id);
	controls->reset_heartbeat = data->reset_heartbeat;
	controls->reset_restore = data->restore_original;
	controls->reset_jitter = data->jitter;
	controls->reset_keep_paused = data->keep_paused &&
		activity->state == STATE_PAUSE_REQUESTED;
	enter(activity, STATE_RESET_REQUESTED);
	return done;
}

static Verdict
refuse_reset(Activity *activity, const EventData *data)
{
	if (same_request(activity_controls(activity)->reset_id, data))
		return unchanged;
	if (activity->state == STATE_CANCEL_REQUESTED)
		return refuse(ANSWER_PRECONDITION,
					  "cannot reset an activity with a pending cancellation");
	if (activity->state == STATE_RESET_REQUESTED)
		return refuse(ANSWER_PRECONDITION,
					  "cannot reset an activity with a pending reset");
	return refuse(ANSWER_PRECONDITION, "activity execution is not running");
}

/* ------------------------------------------------------------------------
 * Options updates
 * ------------------------------------------------------------------------
 */

static bool
start_delay_is_open(const Activity *activity, const EventData *data)
{
	return never_started(activity) &&
		(activity->state == STATE_PAUSED ||
		 (activity->state == STATE_SCHEDULED &&
		  data->now < activity_first_dispatch(activity)));
}

/* a back-off that came from the policy follows the new policy */
static void
renew_backoff(Activity *activity)
{
	if (activity->retry_interval != 0 && !activity->retry_by_worker &&
		!state_in_progress(activity->state) && activity->attempt > 1)
		activity->retry_interval =
			retry_policy_interval(&activity->options.retry_policy,
								  activity->attempt - 1);
}

static Verdict
update_options(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	if (same_request(controls->update_id, data))
		return unchanged;
	if (data->restore_original)
		restore_options(activity);
	else
	{
		if (json_get(data->options, "start_delay") != NULL &&
			!start_delay_is_open(activity, data))
			return refuse(ANSWER_PRECONDITION,
						  "cannot update start_delay: the first activity attempt has already been dispatched");
		keep_original(activity);
		options_merge(&activity->options, data->options);
		options_normalise(&activity->options, activity->activity_id,
						  activity->activity_type);
	}
	controls->update_id = pstrdup(data->request_id);
	activity->level = options_level(&activity->options);
	if (data->restore_original ||
		json_get(data->options, "retry_policy") != NULL)
		renew_backoff(activity);

	if (activity->state == STATE_SCHEDULED)
	{
		TimestampTz when = backoff_end(activity);

		if (when == DT_NOBEGIN)
			when = not_before_start_delay(activity, data->now);
		dispatch_at(activity, Max(when, data->now));
	}
	else
	{
		enter(activity, activity->state);
		arm(activity);
	}
	return done;
}

static Verdict
refuse_update(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	if (same_request(controls->update_id, data))
		return unchanged;
	if (activity->state == STATE_RESET_REQUESTED && controls->reset_restore)
		return refuse(ANSWER_PRECONDITION,
					  "cannot update options while a deferred Reset(RestoreOriginalOptions) is pending");
	return refuse(ANSWER_PRECONDITION,
				  psprintf("Cannot update options for activity in state %s",
						   state_name(activity->state)));
}

/* ------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------
 */

static Verdict
not_found(Activity *activity, const EventData *data)
{
	return refuse(ANSWER_NOT_FOUND, NULL);
}

static Verdict
refuse_canceled(Activity *activity, const EventData *data)
{
	if (!state_in_progress(activity->state))
		return refuse(ANSWER_NOT_FOUND, NULL);
	return refuse(ANSWER_INVALID,
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
