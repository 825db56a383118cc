/*
 * notify_runs.h
 *		The worker's chore for those who watch runs.
 */
#ifndef TASKQ_NOTIFY_RUNS_H
#define TASKQ_NOTIFY_RUNS_H

#include "datatype/timestamp.h"

extern TimestampTz notify_runs_run(void);
extern void notify_runs_stop(void);

#endif							/* TASKQ_NOTIFY_RUNS_H */
