/*
 * run_refusal.h
 *		Errors of class TQ about runs.
 */
#ifndef TASKQ_RUN_REFUSAL_H
#define TASKQ_RUN_REFUSAL_H

#include "model/run.h"
#include "store/closed_runs.h"

/* signals that a run can get */
#define MOST_SIGNALS	10000

extern const char *run_status_name(RunStatus status);
extern char *facts_of_open_run(const Run *run);
extern char *facts_of_closed_run(const ClosedRun *closed);
extern void raise_if_workflow(int64 run_id);
extern void raise_workflow_unknown(const text *workflow_id, int64 run_id);
extern void raise_workflow_not_found(const text *workflow_id, int64 run_id);
extern void raise_run_gone(const text *workflow_id, int64 run_id);
extern void raise_workflow_closed(const ClosedRun *closed);
extern void raise_workflow_running(const Run *run);
extern void raise_workflow_finished(const ClosedRun *closed, bool by_policy_failed_only);
extern void raise_too_many_restarts(const Run *run);
extern void check_signals(const Run *run);
extern void check_more_signals(const Run *run, int64 waiting);
extern void report_stale_task(int elevel);

#endif							/* TASKQ_RUN_REFUSAL_H */
