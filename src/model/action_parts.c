/*
 * action_parts.c
 *		Pieces that the actions of the state machine are made of: what several
 *		of them do to an activity.
 *
 * Like the actions, they change the struct only.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "model/action_parts.h"
#include "model/failure.h"
#include "model/options.h"
#include "model/options_json.h"
#include "model/retry_policy.h"

const Verdict verdict_done = {.answer = ANSWER_DONE};
const Verdict verdict_unchanged = {.answer = ANSWER_UNCHANGED};

/* verdict_refuse: "message" is NULL for ANSWER_NOT_FOUND. */
Verdict
verdict_refuse(Answer answer, const char *word, const char *message)
{
	Verdict		verdict = {.answer = answer, .word = word, .message = message};

	return verdict;
}

/* machine_arm: the alarm covers the next deadline as far as the row tells. */
void
machine_arm(Activity *activity)
{
	activity->task.alarm = activity_next_deadline(activity, DT_NOBEGIN).when;
}

/* machine_count: one more, as far as an int32 goes; then it stays. */
void
machine_count(int32 *counter)
{
	if (*counter < PG_INT32_MAX)
		(*counter)++;
}

/* machine_enter: every transition goes through here. */
void
machine_enter(Activity *activity, State state)
{
	activity->task.state = state;
	machine_count(&activity->task.transitions);
}

/* machine_close: "failure" is NULL for success. */
void
machine_close(Activity *activity, State state, const EventData *data,
			  Jsonb *failure, RetryState retry_state)
{
	Assert(state_is_closed(state));
	Assert((failure == NULL) == (state == STATE_COMPLETED));
	machine_enter(activity, state);
	if (activity->task.control != NULL || activity->controls != NULL)
		activity_controls(activity)->attached = NULL;
	activity->close_time = data->now;
	activity->failure = failure;
	activity->retry_state = retry_state;
}

/* machine_cancel: closed, as it was asked for, without a worker's details. */
void
machine_cancel(Activity *activity, const EventData *data)
{
	const Request *cancel = &activity_controls(activity)->cancel;

	machine_close(activity, STATE_CANCELED, data,
				  failure_canceled(cancel->reason ?
								   json_text_array1(cancel->reason) : NULL,
								   cancel->identity),
				  RETRY_UNSPECIFIED);
}

/* machine_dispatch_at: SCHEDULED, to be handed out at "when". */
void
machine_dispatch_at(Activity *activity, TimestampTz when)
{
	activity->task.dispatch_time = when;
	machine_enter(activity, STATE_SCHEDULED);
	machine_arm(activity);
}

/* machine_park: PAUSED. */
void
machine_park(Activity *activity)
{
	activity->task.dispatch_time = DT_NOEND;
	machine_enter(activity, STATE_PAUSED);
	machine_arm(activity);
}

/* machine_clear_backoff: nothing is waited for before the next attempt. */
void
machine_clear_backoff(Activity *activity)
{
	activity->retry_interval = 0;
	activity->retry_by_worker = false;
}

/* machine_forget_reset: a deferred reset is carried out, or will never be. */
void
machine_forget_reset(Activity *activity)
{
	Controls   *controls = activity_controls(activity);

	controls->reset_heartbeat = false;
	controls->reset_keep_paused = false;
	controls->reset_restore = false;
	controls->reset_jitter = 0;
}

/*
 * machine_restore_options: the options as they were at schedule; the start
 * delay only if the first attempt is still to come.
 */
void
machine_restore_options(Activity *activity)
{
	Controls   *controls = activity_controls(activity);
	int64		start_delay = activity->options.start_delay;

	if (controls->original == NULL)
		return;
	options_restore(&activity->options, &activity->task, controls->original);
	if (!never_started(activity))
		activity->options.start_delay = start_delay;
	activity->task.level = options_level(&activity->options);
}

/* machine_jittered: somewhere in [now, now + jitter). */
TimestampTz
machine_jittered(TimestampTz now, int64 jitter)
{
	if (jitter == 0)
		return now;
	return instant_add(now, (int64) (random_fraction() * jitter));
}
