/*
 * control_actions.c
 *		Actions of the state machine for control operations: request_cancel,
 *		terminate, pause, unpause, reset, update_options; and for schedule
 *		calls that are answered with a run that is there.
 *
 * Which of them applies in which state is said by the table in machine.c.  The
 * last request id of each operation that succeeded is kept for ever: a call
 * that brings it again changes nothing and succeeds, in every state.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "common/error_words.h"
#include "model/action_parts.h"
#include "model/control_actions.h"
#include "model/failure.h"
#include "model/options.h"
#include "model/options_json.h"
#include "model/retry_policy.h"

/* schedule calls whose request ids a run remembers, the last ones */
#define MAX_ATTACHED	50

static Verdict
refuse(const char *word, const char *message)
{
	return verdict_refuse(ANSWER_PRECONDITION, word, message);
}

/* the format takes the name of the state */
static Verdict
refuse_state(const char *word, const char *format, const Activity *activity)
{
	if (state_is_closed(activity->task.state))
		word = WORD_CLOSED;
	return refuse(word, psprintf(format, state_name(activity->task.state)));
}

/* who has done it already; rows that were written by hand do not say */
static char *
done_by(const char *what, const char *request_id)
{
	return request_id == NULL ? pstrdup(what) :
		psprintf("%s with request ID %s", what, request_id);
}

static bool
same_request(const char *recorded, const EventData *data)
{
	Assert(data->request_id != NULL);
	return recorded != NULL && strcmp(recorded, data->request_id) == 0;
}

/* note the id of an operation that succeeds; false if it did before */
static bool
note_request(char **recorded, const EventData *data)
{
	if (same_request(*recorded, data))
		return false;
	*recorded = pstrdup(data->request_id);
	return true;
}

static void
record_request(Request *request, const EventData *data)
{
	request->request_id = pstrdup(data->request_id);
	request->time = data->now;
	request->identity = data->identity ? pstrdup(data->identity) : NULL;
	request->reason = data->reason ? pstrdup(data->reason) : NULL;
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
	return instant_add(activity->task.last_complete_time, activity->retry_interval);
}

/* ------------------------------------------------------------------------
 * Cancel and terminate
 * ------------------------------------------------------------------------
 */

/* cancel_now: nobody runs it: closed at once. */
Verdict
cancel_now(Activity *activity, const EventData *data)
{
	record_request(&activity_controls(activity)->cancel, data);
	machine_cancel(activity, data);
	return verdict_done;
}

/* cancel_running: a worker holds it, and is asked to stop. */
Verdict
cancel_running(Activity *activity, const EventData *data)
{
	record_request(&activity_controls(activity)->cancel, data);
	machine_forget_reset(activity);
	machine_enter(activity, STATE_CANCEL_REQUESTED);
	return verdict_done;
}

/* refuse_cancel: it is closed, or was asked before. */
Verdict
refuse_cancel(Activity *activity, const EventData *data)
{
	const char *recorded = activity_controls(activity)->cancel.request_id;

	if (same_request(recorded, data))
		return verdict_unchanged;
	if (state_is_closed(activity->task.state))
		return refuse_state(WORD_CLOSED, "activity is in terminal state %s", activity);
	return refuse(WORD_CANCEL_ALREADY_REQUESTED,
				  done_by("cancellation already requested", recorded));
}

/* terminate: closed at once, whoever holds it. */
Verdict
terminate(Activity *activity, const EventData *data)
{
	activity_controls(activity)->terminate_id = pstrdup(data->request_id);
	machine_close(activity, STATE_TERMINATED, data,
				  failure_terminated(data->reason, data->identity),
				  RETRY_UNSPECIFIED);
	return verdict_done;
}

/* refuse_terminate: it is closed. */
Verdict
refuse_terminate(Activity *activity, const EventData *data)
{
	const char *recorded = activity_controls(activity)->terminate_id;

	if (activity->task.state != STATE_TERMINATED)
		return refuse_state(WORD_CLOSED, "invalid transition from %s", activity);
	if (same_request(recorded, data))
		return verdict_unchanged;
	return refuse(WORD_ALREADY_TERMINATED,
				  done_by("already terminated", recorded));
}

/* ------------------------------------------------------------------------
 * Pause and unpause
 * ------------------------------------------------------------------------
 */

/* pause_scheduled: no worker holds it: paused at once. */
Verdict
pause_scheduled(Activity *activity, const EventData *data)
{
	Request    *last = &activity_controls(activity)->pause;

	if (same_request(last->request_id, data))
		return verdict_unchanged;
	record_request(last, data);
	machine_park(activity);
	return verdict_done;
}

/* pause_started: carried out when the attempt ends without success. */
Verdict
pause_started(Activity *activity, const EventData *data)
{
	Request    *last = &activity_controls(activity)->pause;

	if (same_request(last->request_id, data))
		return verdict_unchanged;
	record_request(last, data);
	machine_enter(activity, STATE_PAUSE_REQUESTED);
	return verdict_done;
}

/* refuse_pause: it cannot be paused now. */
Verdict
refuse_pause(Activity *activity, const EventData *data)
{
	if (same_request(activity_controls(activity)->pause.request_id, data))
		return verdict_unchanged;
	return refuse_state(WORD_NOT_PAUSABLE, "activity is in non-pausable state %s", activity);
}

/*
 * unpause_paused: what remains of a back-off or start delay is honoured, unless
 * told not to.
 */
Verdict
unpause_paused(Activity *activity, const EventData *data)
{
	TimestampTz when = machine_jittered(data->now, data->jitter);

	if (!note_request(&activity_controls(activity)->unpause_id, data))
		return verdict_unchanged;
	if (!data->skip_backoff)
		when = Max(not_before_start_delay(activity, when),
				   backoff_end(activity));
	machine_dispatch_at(activity, when);
	return verdict_done;
}

/* unpause_requested: the pause had not been carried out. */
Verdict
unpause_requested(Activity *activity, const EventData *data)
{
	if (!note_request(&activity_controls(activity)->unpause_id, data))
		return verdict_unchanged;
	machine_enter(activity, STATE_STARTED);
	return verdict_done;
}

/* refuse_unpause: it is not paused. */
Verdict
refuse_unpause(Activity *activity, const EventData *data)
{
	if (same_request(activity_controls(activity)->unpause_id, data))
		return verdict_unchanged;
	if (state_is_closed(activity->task.state))
		return refuse_state(WORD_CLOSED, "activity is in terminal state %s", activity);
	return refuse_state(WORD_NOT_UNPAUSABLE, "activity is in non-unpausable state %s",
						activity);
}

/* ------------------------------------------------------------------------
 * Reset
 * ------------------------------------------------------------------------
 */

/* reset_now: no worker holds it: start over at once. */
Verdict
reset_now(Activity *activity, const EventData *data)
{
	if (!note_request(&activity_controls(activity)->reset_id, data))
		return verdict_unchanged;
	if (data->restore_original)
		machine_restore_options(activity);
	activity->clear_heartbeat = data->reset_heartbeat;
	activity->task.attempt = 1;
	machine_clear_backoff(activity);
	if (activity->task.state == STATE_PAUSED && data->keep_paused)
		machine_park(activity);
	else
		machine_dispatch_at(activity,
							not_before_start_delay(activity,
												   machine_jittered(data->now,
																	data->jitter)));
	return verdict_done;
}

/* reset_later: a worker holds it: start over when it yields. */
Verdict
reset_later(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	if (!note_request(&controls->reset_id, data))
		return verdict_unchanged;
	controls->reset_heartbeat = data->reset_heartbeat;
	controls->reset_restore = data->restore_original;
	controls->reset_jitter = data->jitter;
	controls->reset_keep_paused = data->keep_paused &&
		activity->task.state == STATE_PAUSE_REQUESTED;
	machine_enter(activity, STATE_RESET_REQUESTED);
	return verdict_done;
}

/* refuse_reset: it cannot start over now. */
Verdict
refuse_reset(Activity *activity, const EventData *data)
{
	if (same_request(activity_controls(activity)->reset_id, data))
		return verdict_unchanged;
	if (activity->task.state == STATE_CANCEL_REQUESTED)
		return refuse(WORD_CANCEL_PENDING,
					  "cannot reset an activity with a pending cancellation");
	if (activity->task.state == STATE_RESET_REQUESTED)
		return refuse(WORD_RESET_PENDING,
					  "cannot reset an activity with a pending reset");
	return refuse(WORD_CLOSED, "activity execution is not running");
}

/* ------------------------------------------------------------------------
 * Options updates
 * ------------------------------------------------------------------------
 */

/* the first change of the options keeps what they were at schedule */
static void
keep_original(Activity *activity)
{
	Controls   *controls = activity_controls(activity);

	if (controls->original == NULL)
		controls->original = options_to_jsonb(&activity->options, &activity->task);
}

static bool
start_delay_is_open(const Activity *activity, const EventData *data)
{
	return never_started(activity) &&
		(activity->task.state == STATE_PAUSED ||
		 (activity->task.state == STATE_SCHEDULED &&
		  data->now < activity_first_dispatch(activity)));
}

/* a back-off that came from the policy follows the new policy */
static void
renew_backoff(Activity *activity)
{
	if (activity->retry_interval != 0 && !activity->retry_by_worker &&
		!state_in_progress(activity->task.state) && activity->task.attempt > 1)
		activity->retry_interval =
			retry_policy_interval(&activity->options.retry_policy,
								  activity->task.attempt - 1);
}

/* update_options: replace options; deadlines and a pending back-off follow. */
Verdict
update_options(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);
	bool		delay_is_open = start_delay_is_open(activity, data);
	int64		start_delay = activity->options.start_delay;

	if (same_request(controls->update_id, data))
		return verdict_unchanged;
	if (data->restore_original)
		machine_restore_options(activity);
	else
	{
		keep_original(activity);
		options_merge(&activity->options, &activity->task, data->options,
					  activity->task.schedule_time);
		options_normalise(&activity->options, activity->activity_id,
						  activity->activity_type);
		if (activity->options.start_delay != start_delay)
			check_start_delay(activity->options.start_delay,
							  activity->task.schedule_time);
		if (activity->options.start_delay != start_delay && !delay_is_open)
			return refuse(WORD_ALREADY_DISPATCHED,
						  "cannot update start_delay: the first activity attempt has already been dispatched");
	}
	controls->update_id = pstrdup(data->request_id);
	activity->task.level = options_level(&activity->options);
	if (data->restore_original ||
		json_get(data->options, "retry_policy") != NULL)
		renew_backoff(activity);

	if (activity->task.state == STATE_SCHEDULED)
	{
		TimestampTz when = backoff_end(activity);

		if (when == DT_NOBEGIN)
			when = not_before_start_delay(activity, data->now);
		machine_dispatch_at(activity, Max(when, data->now));
	}
	else
	{
		machine_enter(activity, activity->task.state);
		machine_arm(activity);
	}
	return verdict_done;
}

/* refuse_update: its options cannot be changed now. */
Verdict
refuse_update(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	if (same_request(controls->update_id, data))
		return verdict_unchanged;
	if (activity->task.state == STATE_RESET_REQUESTED && controls->reset_restore)
		return refuse(WORD_RESET_PENDING,
					  "cannot update options while a deferred reset with restore_original_options is pending");
	return refuse_state(WORD_NOT_UPDATABLE, "cannot update options for activity in state %s",
						activity);
}

/* ------------------------------------------------------------------------
 * Schedule calls
 * ------------------------------------------------------------------------
 */

/* attach: remember the call, without a transition: nothing else has changed. */
Verdict
attach(Activity *activity, const EventData *data)
{
	Controls   *controls = activity_controls(activity);

	Assert(data->request_id != NULL);
	if (json_array_has(controls->attached, data->request_id))
		return verdict_unchanged;
	controls->attached = json_array_push(controls->attached, data->request_id,
										 MAX_ATTACHED);
	activity->attached = true;
	return verdict_done;
}
