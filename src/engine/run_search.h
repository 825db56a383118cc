/*
 * run_search.h
 *		Search attributes of runs.
 */
#ifndef TASKQ_RUN_SEARCH_H
#define TASKQ_RUN_SEARCH_H

#include "model/run_commands.h"

extern void run_search_upsert(Run *run, Jsonb *fields);
extern void run_search_check(RunStep *step, CommandFault *fault);
extern void run_search_declare(Jsonb *fields);

#endif							/* TASKQ_RUN_SEARCH_H */
