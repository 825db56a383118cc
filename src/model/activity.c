/*
 * activity.c
 *		What can be computed from one activity: deadlines, control data.
 *
 * No timer is stored anywhere: the four deadlines follow from the columns of
 * the row, so that a timer which fires only means "look at the row".  Nothing
 * here reads a table or the clock.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/clock.h"
#include "model/activity.h"

/*
 * activity_first_dispatch: schedule time plus start delay, the anchor of
 * ScheduleToClose.
 */
TimestampTz
activity_first_dispatch(const Activity *activity)
{
	return instant_add(activity->task.schedule_time, activity->options.start_delay);
}

/*
 * activity_expiration: the ScheduleToClose deadline, DT_NOEND without one.
 */
TimestampTz
activity_expiration(const Activity *activity)
{
	if (activity->options.schedule_to_close == 0)
		return DT_NOEND;
	return instant_add(activity_first_dispatch(activity),
					   activity->options.schedule_to_close);
}

static void
consider(Deadline *best, TimeoutType type, TimestampTz anchor, int64 timeout)
{
	TimestampTz when;

	if (timeout == 0)
		return;
	when = instant_add(anchor, timeout);
	if (when < best->when)
	{
		best->type = type;
		best->when = when;
		best->renewal = type == TIMEOUT_HEARTBEAT ? timeout : 0;
	}
}

/*
 * activity_next_deadline: which live timer fires first.
 *
 * Equal instants go to the type considered first: ScheduleToStart,
 * ScheduleToClose, StartToClose, Heartbeat.  What is handed out by the
 * transaction that schedules it has StartToClose begin with ScheduleToClose,
 * and that nothing is retried beyond.  "last_heartbeat" is DT_NOBEGIN when
 * there is none, or when the caller only wants a lower bound.
 */
Deadline
activity_next_deadline(const Activity *activity, TimestampTz last_heartbeat)
{
	const Options *options = &activity->options;
	Deadline	best = {TIMEOUT_NONE, DT_NOEND, 0};

	if (state_is_closed(activity->task.state))
		return best;

	if (activity->task.state == STATE_SCHEDULED)
		consider(&best, TIMEOUT_SCHEDULE_TO_START, activity->task.dispatch_time,
				 options->schedule_to_start);
	consider(&best, TIMEOUT_SCHEDULE_TO_CLOSE,
			 activity_first_dispatch(activity), options->schedule_to_close);
	if (state_in_progress(activity->task.state))
	{
		consider(&best, TIMEOUT_START_TO_CLOSE, activity->task.started_time,
				 options->start_to_close);
		consider(&best, TIMEOUT_HEARTBEAT,
				 Max(activity->task.started_time, last_heartbeat),
				 options->heartbeat_timeout);
	}
	return best;
}

/* ------------------------------------------------------------------------
 * Control data
 * ------------------------------------------------------------------------
 */

/*
 * activity_controls: the decoded control data, for reading and changing.
 * What is changed is written with the row by the store.
 */
Controls *
activity_controls(Activity *activity)
{
	if (activity->controls == NULL)
		activity->controls = controls_from_jsonb(activity->task.control);
	return activity->controls;
}

/*
 * activity_taken_from: the queue that the attempt in progress was taken from.
 * Whatever else the control data hold is not looked at.
 */
const text *
activity_taken_from(Activity *activity)
{
	char	   *taken_from = activity->controls != NULL ?
		activity->controls->taken_from : controls_taken_from(activity->task.control);

	return taken_from == NULL ? activity->task.queue :
		cstring_to_text(taken_from);
}
