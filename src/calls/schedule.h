/*
 * schedule.h
 *		Rows of calls that schedule.
 */
#ifndef TASKQ_SCHEDULE_H
#define TASKQ_SCHEDULE_H

#include "fmgr.h"

extern void put_scheduled(FunctionCallInfo fcinfo, int64 run_id,
						  text *activity_id, bool created);

#endif							/* TASKQ_SCHEDULE_H */
