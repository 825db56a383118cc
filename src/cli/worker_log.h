/*
 * worker_log.h
 *		Lines on standard error.
 */
#ifndef TASKQ_WORKER_LOG_H
#define TASKQ_WORKER_LOG_H

#include <stdbool.h>
#include <stddef.h>

extern void worker_log_as(bool json);
extern void worker_log(const char *format,...) __attribute__((format(printf, 1, 2)));
extern void worker_log_pass(const char *run_id, const char *attempt, const char *line, size_t length);

#endif							/* TASKQ_WORKER_LOG_H */
