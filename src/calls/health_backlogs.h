/*
 * health_backlogs.h
 *		What taskq.health says of tasks that wait for workers.
 */
#ifndef TASKQ_HEALTH_BACKLOGS_H
#define TASKQ_HEALTH_BACKLOGS_H

#include "fmgr.h"

extern void health_of_backlogs(FunctionCallInfo fcinfo);

#endif							/* TASKQ_HEALTH_BACKLOGS_H */
