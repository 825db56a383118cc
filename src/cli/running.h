/*
 * running.h
 *		From a task to its command, and from its end to a report.
 */
#ifndef TASKQ_RUNNING_H
#define TASKQ_RUNNING_H

#include "cli/worker_state.h"

extern void running_begin(Worker *worker, ClientTask *task, bool is_doubtful);
extern void running_resolve(Worker *worker, Attempt *attempt, bool is_ours);
extern void running_stop(Worker *worker, Attempt *attempt, StopReason reason);
extern void running_stop_all(Worker *worker, StopReason reason);
extern void running_work(Worker *worker);

#endif							/* TASKQ_RUNNING_H */
