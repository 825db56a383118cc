/*
 * activity.c
 *		What can be computed from one activity: deadlines and control data.
 *
 * No timer is stored anywhere: the four deadlines follow from the columns of
 * the row, so that a timer which fires only means "look at the row".  Nothing
 * here reads a table or the clock.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "activity.h"
#include "json.h"

/*
 * instant_add: "when" plus a duration in microseconds; DT_NOEND when the sum
 * is beyond the range of timestamptz or "when" is.
 */
TimestampTz
instant_add(TimestampTz when, int64 duration)
{
	TimestampTz sum;

	if (TIMESTAMP_NOT_FINITE(when) ||
		pg_add_s64_overflow(when, duration, &sum) ||
		!IS_VALID_TIMESTAMP(sum))
		return DT_NOEND;
	return sum;
}

/*
 * activity_first_dispatch: schedule time plus start delay, the anchor of
 * ScheduleToClose.
 */
TimestampTz
activity_first_dispatch(const Activity *activity)
{
	return instant_add(activity->schedule_time, activity->options.start_delay);
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
	}
}

/*
 * activity_next_deadline: which live timer fires first.
 *
 * Equal instants go to the type considered first: StartToClose,
 * ScheduleToStart, ScheduleToClose, Heartbeat.  "last_heartbeat" is
 * DT_NOBEGIN when there is none, or when the caller only wants a lower bound.
 */
Deadline
activity_next_deadline(const Activity *activity, TimestampTz last_heartbeat)
{
	const Options *options = &activity->options;
	Deadline	best = {TIMEOUT_NONE, DT_NOEND};

	if (state_is_closed(activity->state))
		return best;

	if (state_in_progress(activity->state))
		consider(&best, TIMEOUT_START_TO_CLOSE, activity->started_time,
				 options->start_to_close);
	if (activity->state == STATE_SCHEDULED)
		consider(&best, TIMEOUT_SCHEDULE_TO_START, activity->dispatch_time,
				 options->schedule_to_start);
	consider(&best, TIMEOUT_SCHEDULE_TO_CLOSE,
			 activity_first_dispatch(activity), options->schedule_to_close);
	if (state_in_progress(activity->state))
		consider(&best, TIMEOUT_HEARTBEAT,
				 Max(activity->started_time, last_heartbeat),
				 options->heartbeat_timeout);
	return best;
}

/*
 * activity_waits_since: from when on a scheduled activity waits for a worker or
 * for its delay to end, as far as its row tells: not before that.
 */
TimestampTz
activity_waits_since(const Activity *activity)
{
	return Max(activity->schedule_time, activity->last_complete_time);
}

/* ------------------------------------------------------------------------
 * Control data
 * ------------------------------------------------------------------------
 */

static void
request_from_jsonb(Jsonb *object, const char *key, Request *request)
{
	Jsonb	   *part = json_get_object(object, key);

	if (part == NULL)
		return;
	request->request_id = json_get_text(part, "request_id");
	request->time = json_get_int64(part, "time", 0);
	request->identity = json_get_text(part, "identity");
	request->reason = json_get_text(part, "reason");
}

/*
 * activity_controls: the decoded control data, for reading and changing.
 * What is changed is written with the row by the store.
 */
Controls *
activity_controls(Activity *activity)
{
	Controls   *controls;
	Jsonb	   *object;

	if (activity->controls != NULL)
		return activity->controls;

	controls = palloc0(sizeof(Controls));
	activity->controls = controls;
	if (activity->control == NULL)
		return controls;

	object = DatumGetJsonbP(PointerGetDatum(activity->control));
	request_from_jsonb(object, "cancel", &controls->cancel);
	request_from_jsonb(object, "pause", &controls->pause);
	controls->terminate_id = json_get_text(object, "terminate_id");
	controls->unpause_id = json_get_text(object, "unpause_id");
	controls->reset_id = json_get_text(object, "reset_id");
	controls->update_id = json_get_text(object, "update_id");
	controls->reset_heartbeat = json_get_bool(object, "reset_heartbeat");
	controls->reset_keep_paused = json_get_bool(object, "reset_keep_paused");
	controls->reset_restore = json_get_bool(object, "reset_restore");
	controls->reset_jitter = json_get_int64(object, "reset_jitter", 0);
	controls->original = json_get_object(object, "original");
	controls->taken_from = json_get_text(object, "taken_from");
	return controls;
}

static void
add_request(JsonBuilder *builder, const char *key, const Request *request)
{
	JsonBuilder part;

	if (request->request_id == NULL)
		return;
	json_begin(&part);
	json_add_text(&part, "request_id", request->request_id);
	json_add_int64(&part, "time", request->time);
	json_add_text(&part, "identity", request->identity);
	json_add_text(&part, "reason", request->reason);
	json_add(builder, key, json_end(&part));
}

/*
 * controls_to_jsonb: the stored form, NULL when there is nothing to store.
 */
Jsonb *
controls_to_jsonb(const Controls *controls)
{
	JsonBuilder builder;

	json_begin(&builder);
	add_request(&builder, "cancel", &controls->cancel);
	add_request(&builder, "pause", &controls->pause);
	json_add_text(&builder, "terminate_id", controls->terminate_id);
	json_add_text(&builder, "unpause_id", controls->unpause_id);
	json_add_text(&builder, "reset_id", controls->reset_id);
	json_add_text(&builder, "update_id", controls->update_id);
	json_add_true(&builder, "reset_heartbeat", controls->reset_heartbeat);
	json_add_true(&builder, "reset_keep_paused", controls->reset_keep_paused);
	json_add_true(&builder, "reset_restore", controls->reset_restore);
	if (controls->reset_jitter != 0)
		json_add_int64(&builder, "reset_jitter", controls->reset_jitter);
	json_add(&builder, "original", controls->original);
	json_add_text(&builder, "taken_from", controls->taken_from);
	if (builder.empty)
		return NULL;
	return json_end(&builder);
}

/*
 * activity_taken_from: the queue that the attempt in progress was taken from.
 */
const text *
activity_taken_from(Activity *activity)
{
	if (activity->control == NULL && activity->controls == NULL)
		return activity->options.task_queue;
	if (activity_controls(activity)->taken_from == NULL)
		return activity->options.task_queue;
	return cstring_to_text(activity_controls(activity)->taken_from);
}
