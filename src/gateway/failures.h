/*
 * failures.h
 *		Failures between messages and the texts of jsonb that SQL sees.
 *
 * As payloads.h says of memory and of NULL.
 */
#ifndef TASKQ_GATEWAY_FAILURES_H
#define TASKQ_GATEWAY_FAILURES_H

#include <stdbool.h>

typedef struct Temporal__Failure Temporal__Failure;

extern char *failure_report_text(const Temporal__Failure *failure);
extern bool failure_retry_delay(const Temporal__Failure *failure, char *room, const char **delay);
extern char *failure_to_text(const Temporal__Failure *failure);
extern Temporal__Failure *failure_from_text(const char *plain);

#endif
