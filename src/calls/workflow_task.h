/*
 * workflow_task.h
 *		Rows of type taskq.workflow_task.
 */
#ifndef TASKQ_WORKFLOW_TASK_H
#define TASKQ_WORKFLOW_TASK_H

#include "fmgr.h"

#include "model/run.h"

/* the columns of taskq.workflow_task, in order */
#define WORKFLOW_TASK_FIELDS	17

extern void workflow_task_values(const Run *run, bool from_sticky, Datum *values, bool *nulls);
extern Datum workflow_task_datum(const Run *run, bool from_sticky);
extern text *arg_sticky_queue(FunctionCallInfo fcinfo, int n);

#endif							/* TASKQ_WORKFLOW_TASK_H */
