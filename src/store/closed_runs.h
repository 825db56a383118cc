/*
 * closed_runs.h
 *		What is kept of a run after its close, beside its history.
 */
#ifndef TASKQ_CLOSED_RUNS_H
#define TASKQ_CLOSED_RUNS_H

#include "model/run.h"

typedef struct ClosedRun
{
	Run			run;			/* as it was, with its facts */
	RunStatus	status;
	TimestampTz close_time;
	TimestampTz expire_time;
	int64		history_length;
	Jsonb	   *result;			/* in plain form */
	Jsonb	   *failure;		/* in plain form */
	int64		next_run_id;	/* that this one continued as; 0 = none */
} ClosedRun;

extern PGDLLEXPORT void closed_run_insert(ClosedRun *closed);
extern PGDLLEXPORT bool closed_run_find(int64 run_id, ClosedRun *closed);
extern bool closed_run_see_newest(const text *workflow_id,
								  ClosedRun *closed);
extern PGDLLEXPORT bool closed_run_newest(const text *workflow_id,
								  ClosedRun *closed);
extern PGDLLEXPORT bool closed_run_delete(int64 run_id);

#endif							/* TASKQ_CLOSED_RUNS_H */
