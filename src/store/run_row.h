/*
 * run_row.h
 *		A row of taskq.open, as far as only runs have it: between columns and
 *		the Run struct.
 */
#ifndef TASKQ_RUN_ROW_H
#define TASKQ_RUN_ROW_H

#include "model/run.h"

extern bool task_is_run(const Task *task);
extern void run_from_row(const Datum *values, const bool *nulls, Task *task);
extern void run_deadlines_from_row(const Datum *values, const bool *nulls,
								   Task *task);
extern void run_to_row(Task *task, Datum *values, bool *nulls);

#endif							/* TASKQ_RUN_ROW_H */
