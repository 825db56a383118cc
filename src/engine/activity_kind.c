/*
 * activity_kind.c
 *		Activities, as a kind of task: what claims and timers call, see kinds.h.
 */
#include "postgres.h"

#include "engine/activity_kind.h"
#include "engine/execute.h"
#include "engine/heartbeat.h"
#include "engine/owner_mail.h"
#include "model/machine.h"
#include "model/timeout.h"
#include "notes/effects.h"
#include "shared/channels.h"
#include "store/activity_row.h"
#include "task/kinds.h"

StaticAssertDecl(sizeof(Activity) <= sizeof(TaskRoom), "an activity has room");

static Deadline
next_deadline(const Task *task, TimestampTz last_alive)
{
	return activity_next_deadline((const Activity *) task, last_alive);
}

static const char *
deadline_name(int type)
{
	return timeout_type_name((TimeoutType) type);
}

static const text *
taken_from(Task *task)
{
	return activity_taken_from((Activity *) task);
}

static bool
start(Task *task, const Start *how)
{
	EventData	data = {0};

	data.now = how->now;
	data.identity = how->identity;
	data.nonce = how->nonce;
	return machine_apply((Activity *) task, EVENT_START, &data).answer == ANSWER_DONE;
}

static TimestampTz
last_alive(const Task *task)
{
	const Activity *activity = (const Activity *) task;

	return activity->options.heartbeat_timeout == 0 ? DT_NOBEGIN :
		heartbeat_last_time(activity);
}

static bool
is_held(const Task *task)
{
	return heartbeat_is_held((const Activity *) task);
}

static StoreResult
time_out(Task *task, int type, TimestampTz now)
{
	Activity   *activity = (Activity *) task;
	Activity	before = *activity;
	EventData	data = {0};
	StoreResult result;

	data.now = now;
	data.timeout = (TimeoutType) type;
	if (machine_apply(activity, EVENT_TIMEOUT, &data).answer != ANSWER_DONE)
		return STORE_OK;
	if (activity->owner != 0 && state_is_closed(activity->task.state))
	{
		result = owner_share(activity, false);
		if (result != STORE_OK)
			return result;
	}
	result = execute_store(activity, &before, false);
	if (result == STORE_OK && state_in_progress(before.task.state))
		effects_worker_event(&before.task, WORKER_EVENT_TIMED_OUT);
	return result;
}

static const Kind activities = {
	.name = "activity",
	.size = sizeof(Activity),
	.from_row = activity_from_row,
	.deadlines_from_row = activity_deadlines_from_row,
	.to_row = activity_to_row,
	.next_deadline = next_deadline,
	.deadline_name = deadline_name,
	.taken_from = taken_from,
	.start = start,
	.last_alive = last_alive,
	.is_held = is_held,
	.time_out = time_out,
};

/* activity_kind_init: once per process that loads the library. */
void
activity_kind_init(void)
{
	kind_register(&activities);
}
