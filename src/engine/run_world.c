/*
 * run_world.c
 *		What the state machine of runs asks of the tables, and of shared memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "common/proto_enums.h"
#include "engine/run_uuid.h"
#include "engine/run_world.h"
#include "model/proto_json.h"
#include "model/run_mail.h"
#include "shared/pollers.h"
#include "store/find_run.h"
#include "store/history.h"
#include "store/inbox.h"
#include "store/open.h"
#include "store/run_timers.h"

/* without a poll for that long nobody is there any more */
#define ALIVE_FOR		(10 * USECS_PER_SEC)

/* run_uuid_text: a run as events name it. */
char *
run_uuid_text(int64 run_id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   UUIDPGetDatum(run_uuid_make(run_id))));
}

/*
 * The pending activity that the event has scheduled.
 * It is kept as it is, since what is told of it depends on whether somebody works on it:
 * whoever is about to take it, or to end or hand back an attempt, is waited for.
 */
static bool
pending_activity(const Run *run, int64 scheduled_event_id, PendingActivity *pending)
{
	int64		run_id = run->task.run_id;
	HistoryEvent event;
	Activity	activity;
	char	   *id;

	if (!history_event(run_id, run->history_leaves, scheduled_event_id, &event) ||
		event.type != EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
		return false;
	id = json_get_text(event.attributes, "activityId");
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!find_activity_of_run(run_id, cstring_to_text(id), &activity) ||
			activity.scheduled_event_id != scheduled_event_id)
			return false;
	} while (store_lock(&activity.task, true) != STORE_OK);
	pending->run_id = activity.task.run_id;
	pending->activity_id = id;
	pending->in_progress = state_in_progress(activity.task.state);
	pending->canceling = activity.task.state == STATE_CANCEL_REQUESTED;
	return true;
}

/*
 * Has the activity ended, and its end not got a number yet?  That may have come since the
 * step has read the run's mail.
 */
static bool
activity_ends(int64 run_id, int64 scheduled_event_id)
{
	InboxRow   *rows;
	int			n = inbox_read(run_id, &rows);

	for (int i = 0; i < n; i++)
	{
		RunMail		mail;

		run_mail_read(rows[i].mail, &mail);
		if (run_mail_closes_activity(&mail) &&
			json_get_event_id(mail.attributes, "scheduledEventId") == scheduled_event_id)
			return true;
	}
	return false;
}

static bool
activity_named(int64 run_id, const char *activity_id)
{
	Activity	activity;

	return find_activity_of_run(run_id, cstring_to_text(activity_id), &activity);
}

static bool
pending_timer(int64 run_id, const char *timer_id, int64 *started_event_id)
{
	RunTimer	timer;

	if (!run_timer_find(run_id, timer_id, &timer))
		return false;
	*started_event_id = timer.started_event_id;
	return true;
}

static Jsonb *
first_event(const Run *run)
{
	int64		run_id = run->task.run_id;
	HistoryEvent event;

	if (!history_event(run_id, run->history_leaves, 1, &event))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the history of run " INT64_FORMAT " has no first event", run_id)));
	return event.attributes;
}

/* does somebody poll the sticky queue? */
static bool
is_alive(const text *sticky_queue)
{
	text	   *name = cstring_to_text(psprintf(STICKY_QUEUE_PREFIX "%s",
												text_to_cstring(sticky_queue)));
	QueueKey	key = queue_key(name);

	return pollers_alive(&key, GetCurrentTimestamp() - ALIVE_FOR);
}

const RunWorld run_world = {
	.activity = pending_activity,
	.activity_ends = activity_ends,
	.activity_named = activity_named,
	.timer = pending_timer,
	.first_event = first_event,
	.new_run_id = store_next_run_id,
	.run_uuid = run_uuid_text,
	.is_alive = is_alive,
};
