/*
 * find_run.h
 *		Finding one open run, or an activity of one.
 */
#ifndef TASKQ_FIND_RUN_H
#define TASKQ_FIND_RUN_H

#include "model/activity.h"
#include "model/run.h"

extern bool find_run(int64 run_id, Run *run);
extern bool find_run_by_workflow_id(const text *workflow_id, Run *run);
extern bool see_run(int64 run_id, Run *run);
extern bool see_run_by_workflow_id(const text *workflow_id, Run *run);
extern bool find_activity_of_run(int64 run_id, const text *activity_id,
								 Activity *activity);
extern int	find_runs_in_queue(const text *queue, int64 **run_ids);
extern int	find_activities_of_run(int64 run_id, int64 **run_ids);

#endif							/* TASKQ_FIND_RUN_H */
