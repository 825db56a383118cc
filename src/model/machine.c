/*
 * machine.c
 *		The state machine of an activity: the table of what each event does in
 *		each state.
 *
 * An event is looked up in "actions"; an empty cell is refused by the event's
 * "refusal".  An action changes the struct only: it reads no table, takes no
 * lock and sends nothing, so that SQL calls and the timer worker share it and
 * the caller can drop the result when somebody else was faster.
 *
 *	 schedule --> SCHEDULED --start--> STARTED --complete--> COMPLETED
 *	                ^  |  ^              |  |  \
 *	                |  |  +--retry-------+  |   +--no retry--> FAILED, TIMED_OUT
 *	                |  |     release        |
 *	         unpause|  |pause               |request_cancel
 *	                |  v                    v
 *	               PAUSED            CANCEL_REQUESTED --report_canceled--> CANCELED
 *
 * STARTED, CANCEL_REQUESTED, PAUSE_REQUESTED and RESET_REQUESTED have an
 * attempt in progress; what was requested is carried out when it ends without
 * success.  docs/internals.md draws all of it.
 */
#include "postgres.h"

#include "model/action_parts.h"
#include "model/attempt_actions.h"
#include "model/control_actions.h"
#include "model/machine.h"
#include "task/task.h"

#define S	STATE_SCHEDULED
#define R	STATE_STARTED
#define CR	STATE_CANCEL_REQUESTED
#define PR	STATE_PAUSE_REQUESTED
#define RR	STATE_RESET_REQUESTED
#define P	STATE_PAUSED

static const Action actions[EVENT_LAST + 1][STATE_LAST + 1] = {
	[EVENT_START] = {
		[S] = start_attempt,
	},
	[EVENT_COMPLETE] = {
		[R] = complete_attempt, [CR] = complete_attempt,
		[PR] = complete_attempt, [RR] = complete_attempt,
	},
	[EVENT_COMPLETE_BY_ID] = {
		[S] = force_complete, [P] = force_complete,
		[R] = complete_attempt, [CR] = complete_attempt,
		[PR] = complete_attempt, [RR] = complete_attempt,
	},
	[EVENT_FAIL] = {
		[R] = fail_attempt, [CR] = fail_attempt,
		[PR] = fail_attempt, [RR] = fail_attempt,
	},
	[EVENT_REPORT_CANCELED] = {
		[CR] = report_canceled,
	},
	[EVENT_RELEASE] = {
		[R] = release_started, [CR] = release_canceled,
		[PR] = release_pausing, [RR] = release_resetting,
	},
	[EVENT_HEARTBEAT] = {
		[R] = carry_on, [CR] = carry_on, [PR] = carry_on, [RR] = carry_on,
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
	[EVENT_ATTACH] = {
		[S] = attach, [P] = attach,
		[R] = attach, [CR] = attach, [PR] = attach, [RR] = attach,
	},
};

/* what an event meets in the states that have no action for it */
static const Action refusals[EVENT_LAST + 1] = {
	[EVENT_START] = refuse_as_unknown,
	[EVENT_COMPLETE] = refuse_as_unknown,
	[EVENT_COMPLETE_BY_ID] = refuse_as_unknown,
	[EVENT_FAIL] = refuse_as_unknown,
	[EVENT_REPORT_CANCELED] = refuse_canceled,
	[EVENT_RELEASE] = refuse_as_unknown,
	[EVENT_HEARTBEAT] = refuse_as_unknown,
	[EVENT_TIMEOUT] = refuse_as_unknown,
	[EVENT_REQUEST_CANCEL] = refuse_cancel,
	[EVENT_TERMINATE] = refuse_terminate,
	[EVENT_PAUSE] = refuse_pause,
	[EVENT_UNPAUSE] = refuse_unpause,
	[EVENT_RESET] = refuse_reset,
	[EVENT_UPDATE_OPTIONS] = refuse_update,
	[EVENT_ATTACH] = refuse_as_unknown,
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
	Action		action;

	Assert(event >= 0 && event <= EVENT_LAST);
	Assert(activity->task.state > STATE_NONE && activity->task.state <= STATE_LAST);

	action = actions[event][activity->task.state];
	if (action == NULL)
		action = refusals[event];
	Assert(action != NULL);
	return action(activity, data);
}
