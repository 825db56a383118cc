/*
 * health_workflows.h
 *		What taskq.health says of running workflows.
 */
#ifndef TASKQ_HEALTH_WORKFLOWS_H
#define TASKQ_HEALTH_WORKFLOWS_H

#include "fmgr.h"

extern void health_of_workflows(FunctionCallInfo fcinfo);

#endif							/* TASKQ_HEALTH_WORKFLOWS_H */
