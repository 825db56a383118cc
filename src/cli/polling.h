/*
 * polling.h
 *		Waits for tasks and takes them.
 */
#ifndef TASKQ_POLLING_H
#define TASKQ_POLLING_H

#include "cli/worker_state.h"

extern void polling_work(Worker *worker);
extern bool polling_is_over(const Worker *worker);
extern bool polling_is_hopeless(Worker *worker, const PGresult *result);

#endif							/* TASKQ_POLLING_H */
