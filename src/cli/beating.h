/*
 * beating.h
 *		Heartbeats of all attempts, and what their answers say.
 */
#ifndef TASKQ_BEATING_H
#define TASKQ_BEATING_H

#include "cli/worker_state.h"

extern int64_t beating_next(const Worker *worker, const Attempt *attempt);
extern void beating_work(Worker *worker);
extern void beating_notified(Worker *worker, const char *payload);

#endif							/* TASKQ_BEATING_H */
