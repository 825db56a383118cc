/*
 * run_open.h
 *		Starting runs.
 */
#ifndef TASKQ_RUN_OPEN_H
#define TASKQ_RUN_OPEN_H

#include "engine/enqueue.h"
#include "model/run_step.h"

typedef enum RunConflict
{
	RUN_CONFLICT_FAIL,
	RUN_CONFLICT_USE_EXISTING,
	RUN_CONFLICT_TERMINATE_EXISTING
} RunConflict;

/* What a call asks for. */
typedef struct RunStartCall
{
	Jsonb	   *request;		/* StartWorkflowExecutionRequest, checked, with a workflowId */
	ReusePolicy reuse;
	RunConflict conflict;
	const RunMail *signal;		/* to be sent to the run, new or not; NULL = none */
	text	   *signal_request_id;	/* of the signal; NULL = none */
	const char *identity;
} RunStartCall;

/* The answer. */
typedef struct RunStarted
{
	int64		run_id;
	int64		first_run_id;
	bool		created;		/* by this call */
	bool		same_request;	/* by an earlier call of the same request */
	RunStatus	status;
} RunStarted;

extern void run_open(const RunStartCall *call, RunStarted *started);

#endif							/* TASKQ_RUN_OPEN_H */
