/*
 * action_parts.h
 *		Pieces that the actions of the state machine are made of.
 */
#ifndef TASKQ_ACTION_PARTS_H
#define TASKQ_ACTION_PARTS_H

#include "model/event.h"

/* What an event does to an activity in the states for which the table has it. */
typedef Verdict (*Action) (Activity *activity, const EventData *data);

extern const Verdict verdict_done;
extern const Verdict verdict_unchanged;
extern Verdict verdict_refuse(Answer answer, const char *word,
							  const char *message);

extern void machine_count(int32 *counter);
extern void machine_arm(Activity *activity);
extern void machine_enter(Activity *activity, State state);
extern void machine_close(Activity *activity, State state,
						  const EventData *data, Jsonb *failure,
						  RetryState retry_state);
extern void machine_cancel(Activity *activity, const EventData *data);
extern void machine_dispatch_at(Activity *activity, TimestampTz when);
extern void machine_park(Activity *activity);
extern void machine_clear_backoff(Activity *activity);
extern void machine_forget_reset(Activity *activity);
extern void machine_restore_options(Activity *activity);
extern TimestampTz machine_jittered(TimestampTz now, int64 jitter);

static inline bool
never_started(const Activity *activity)
{
	return activity->task.started_time == DT_NOBEGIN;
}

#endif							/* TASKQ_ACTION_PARTS_H */
