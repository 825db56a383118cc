/*
 * run_search.h
 *		Search attributes of runs.
 */
#ifndef TASKQ_RUN_SEARCH_H
#define TASKQ_RUN_SEARCH_H

#include "model/run_commands.h"

extern const char *run_search_type(const char *name);
extern void run_search_upsert(Run *run, Jsonb *fields);
extern void run_search_settle(RunStep *step, CommandFault *fault);
extern void run_search_check(Jsonb *fields);
extern void run_search_declare(Jsonb *fields);

#endif							/* TASKQ_RUN_SEARCH_H */
