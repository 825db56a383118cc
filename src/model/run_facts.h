/*
 * run_facts.h
 *		What is rarely asked of a run: what came before it, and what it began with.
 */
#ifndef TASKQ_RUN_FACTS_H
#define TASKQ_RUN_FACTS_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

typedef struct RunFacts
{
	int64		first_run_id;	/* of the chain of runs; its own for the first */
	int64		continued_run_id;	/* the one before, 0 = none */
	int32		run_attempt;	/* of the workflow's retries, from 1 on */
	int64		execution_timeout;	/* us, of the chain; 0 = none */
	bool		has_execution_timeout;	/* given, perhaps as 0 */
	int64		run_timeout;	/* us, as given; 0 = none */
	bool		has_run_timeout;
	TimestampTz execution_deadline;	/* DT_NOEND = none */
	int64		first_task_backoff; /* us */
	int64		parent_run_id;	/* 0 = none */
	int64		root_run_id;	/* 0 = it is the root itself */
	Jsonb	   *memo;			/* the message's fields; NULL = none */
	char	   *cron_schedule;	/* NULL = none */
	char	   *last_cancel_id; /* request id of the cancel request; NULL = none */
	Jsonb	   *attached;		/* request ids of starts that this run has answered */
} RunFacts;

extern void run_facts_read(Jsonb *column, RunFacts *facts);
extern Jsonb *run_facts_write(const RunFacts *facts);

#endif							/* TASKQ_RUN_FACTS_H */
