/*
 * control_actions.h
 *		Actions of the state machine for control operations; the table in
 *		machine.c says which applies when.
 */
#ifndef TASKQ_CONTROL_ACTIONS_H
#define TASKQ_CONTROL_ACTIONS_H

#include "model/event.h"

extern Verdict cancel_now(Activity *activity, const EventData *data);
extern Verdict cancel_running(Activity *activity, const EventData *data);
extern Verdict refuse_cancel(Activity *activity, const EventData *data);

extern Verdict terminate(Activity *activity, const EventData *data);
extern Verdict refuse_terminate(Activity *activity, const EventData *data);

extern Verdict pause_scheduled(Activity *activity, const EventData *data);
extern Verdict pause_started(Activity *activity, const EventData *data);
extern Verdict refuse_pause(Activity *activity, const EventData *data);

extern Verdict unpause_paused(Activity *activity, const EventData *data);
extern Verdict unpause_requested(Activity *activity, const EventData *data);
extern Verdict refuse_unpause(Activity *activity, const EventData *data);

extern Verdict reset_now(Activity *activity, const EventData *data);
extern Verdict reset_later(Activity *activity, const EventData *data);
extern Verdict refuse_reset(Activity *activity, const EventData *data);

extern Verdict update_options(Activity *activity, const EventData *data);
extern Verdict refuse_update(Activity *activity, const EventData *data);
extern Verdict attach(Activity *activity, const EventData *data);

#endif							/* TASKQ_CONTROL_ACTIONS_H */
