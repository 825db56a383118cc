/*
 * overdue.h
 *		Is there a timeout that should have fired?
 */
#ifndef TASKQ_OVERDUE_H
#define TASKQ_OVERDUE_H

#include "model/activity.h"

typedef struct Overdue
{
	int64		run_id;			/* 0 = none */
	TimeoutType type;
	TimestampTz since;
} Overdue;

/* when the attempt in progress of an activity was known to be alive */
typedef TimestampTz (*LastHeartbeat) (const Activity *activity);

extern bool store_overdue(TimestampTz now, int64 started,
						  LastHeartbeat last_heartbeat, Overdue *worst);

#endif							/* TASKQ_OVERDUE_H */
