/*
 * task.c
 *		What every kind of task has: a state, and since when it waits.
 */
#include "postgres.h"

#include "common/statuses.h"
#include "task/task.h"

/* state_name: as users see it, in run_state or status. */
const char *
state_name(State state)
{
	static const char *const names[] = {
		[STATE_NONE] = "none",
		[STATE_SCHEDULED] = RUN_STATE_SCHEDULED,
		[STATE_STARTED] = RUN_STATE_STARTED,
		[STATE_CANCEL_REQUESTED] = RUN_STATE_CANCEL_REQUESTED,
		[STATE_PAUSE_REQUESTED] = RUN_STATE_PAUSE_REQUESTED,
		[STATE_RESET_REQUESTED] = "reset_requested",
		[STATE_PAUSED] = RUN_STATE_PAUSED,
		[STATE_NO_TASK] = "no_task",
		[STATE_COMPLETED] = STATUS_COMPLETED,
		[STATE_FAILED] = STATUS_FAILED,
		[STATE_CANCELED] = STATUS_CANCELED,
		[STATE_TERMINATED] = STATUS_TERMINATED,
		[STATE_TIMED_OUT] = STATUS_TIMED_OUT,
	};

	StaticAssertStmt(lengthof(names) == STATE_LAST + 1,
					 "each has a name");
	Assert(state >= STATE_NONE && state <= STATE_LAST);
	return names[state];
}

/*
 * task_waits_since: from when on a scheduled task waits for a worker or for its
 * delay to end, as far as its row tells: not before that.
 */
TimestampTz
task_waits_since(const Task *task)
{
	return Max(task->schedule_time, task->last_complete_time);
}
