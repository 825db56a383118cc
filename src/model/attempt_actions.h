/*
 * attempt_actions.h
 *		Actions of the state machine for attempts and timers; the table in
 *		machine.c says which applies when.
 */
#ifndef TASKQ_ATTEMPT_ACTIONS_H
#define TASKQ_ATTEMPT_ACTIONS_H

#include "model/event.h"

extern Verdict start_attempt(Activity *activity, const EventData *data);
extern Verdict complete_attempt(Activity *activity, const EventData *data);
extern Verdict force_complete(Activity *activity, const EventData *data);
extern Verdict report_canceled(Activity *activity, const EventData *data);
extern Verdict carry_on(Activity *activity, const EventData *data);
extern Verdict fail_attempt(Activity *activity, const EventData *data);

extern Verdict release_started(Activity *activity, const EventData *data);
extern Verdict release_pausing(Activity *activity, const EventData *data);
extern Verdict release_canceled(Activity *activity, const EventData *data);
extern Verdict release_resetting(Activity *activity, const EventData *data);

extern Verdict timeout_scheduled(Activity *activity, const EventData *data);
extern Verdict timeout_paused(Activity *activity, const EventData *data);
extern Verdict timeout_in_progress(Activity *activity, const EventData *data);

extern Verdict refuse_as_unknown(Activity *activity, const EventData *data);
extern Verdict refuse_canceled(Activity *activity, const EventData *data);

#endif							/* TASKQ_ATTEMPT_ACTIONS_H */
