/*
 * machine.h
 *		The state machine of an activity.
 */
#ifndef TASKQ_MACHINE_H
#define TASKQ_MACHINE_H

#include "model/event.h"

extern Verdict machine_apply(Activity *activity, Event event,
							 const EventData *data);

#endif							/* TASKQ_MACHINE_H */
