/*
 * run_requests.h
 *		Request ids of signals that an open run has received.
 */
#ifndef TASKQ_RUN_REQUESTS_H
#define TASKQ_RUN_REQUESTS_H

#include "c.h"

extern PGDLLEXPORT bool run_request_remember(int64 run_id, const text *request_id);
extern PGDLLEXPORT void run_requests_delete(int64 run_id);

#endif							/* TASKQ_RUN_REQUESTS_H */
