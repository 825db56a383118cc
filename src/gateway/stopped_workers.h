/*
 * stopped_workers.h
 *		Workers that have said that they stop: one of their polls may come after
 *		that.
 */
#ifndef TASKQ_GATEWAY_STOPPED_WORKERS_H
#define TASKQ_GATEWAY_STOPPED_WORKERS_H

#include <stdbool.h>

extern void stopped_worker_note(const char *worker);
extern bool stopped_worker_is(const char *worker);

#endif
