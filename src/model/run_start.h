/*
 * run_start.h
 *		How a run begins: its first event, and what follows from that.
 */
#ifndef TASKQ_RUN_START_H
#define TASKQ_RUN_START_H

#include "model/run_step.h"

/* The longest a workflow task may take, and what it may if nothing is said. */
#define MOST_TASK_TIMEOUT		(120 * USECS_PER_SEC)
#define DEFAULT_TASK_TIMEOUT	(10 * USECS_PER_SEC)

extern Jsonb *run_started_attributes(Jsonb *request, int64 run_id, TimestampTz now,
									 const RunWorld *world);
extern Jsonb *run_successor_attributes(const RunStep *step, Jsonb *first_attributes);
extern void run_from_started(Run *run, Jsonb *attributes, TimestampTz now,
							 int64 run_id, int64 first_run_id);
extern void run_begin(RunStep *step, Jsonb *attributes, Jsonb *user_metadata);

#endif							/* TASKQ_RUN_START_H */
