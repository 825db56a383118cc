/*
 * run_activities.h
 *		Activities of runs: scheduled, canceled and dropped by their workflow.
 */
#ifndef TASKQ_RUN_ACTIVITIES_H
#define TASKQ_RUN_ACTIVITIES_H

#include "model/activity.h"
#include "model/run_step.h"

extern bool run_activity_schedule(const Run *run, const RunAction *action, TimestampTz now,
								  const char *eager_for, Activity *activity);
extern void run_activity_drop(int64 run_id);
extern void run_activity_cancel(int64 run_id, int64 event_id, const char *identity);
extern int64 run_activities_lock(int64 run_id);
extern void run_activity_wait(int64 run_id);
extern void run_activities_drop(int64 run_id);

#endif							/* TASKQ_RUN_ACTIVITIES_H */
