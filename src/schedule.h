/*
 * schedule.h
 *		Scheduling activities.
 */
#ifndef TASKQ_SCHEDULE_H
#define TASKQ_SCHEDULE_H

#include "fmgr.h"

#include "activity.h"

extern void schedule_again(FunctionCallInfo fcinfo, Activity *closed);

#endif							/* TASKQ_SCHEDULE_H */
