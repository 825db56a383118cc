/*
 * run_end.h
 *		The end of runs that others want: termination, deletion.
 */
#ifndef TASKQ_RUN_END_H
#define TASKQ_RUN_END_H

#include "utils/jsonb.h"

extern bool run_terminate(int64 run_id, const char *reason, Jsonb *details, const char *identity);
extern bool run_delete(int64 run_id);

#endif							/* TASKQ_RUN_END_H */
