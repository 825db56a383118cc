/*
 * failure.h
 *		Failures as jsonb: building, limiting, judging.
 */
#ifndef TASKQ_FAILURE_H
#define TASKQ_FAILURE_H

#include "utils/jsonb.h"

#include "model/retry_policy.h"
#include "model/timeout.h"

extern Jsonb *failure_application(const char *message, const char *type,
								  Jsonb *details, bool non_retryable,
								  const char *stack_trace, Jsonb *cause);
extern Jsonb *failure_absent(void);
extern Jsonb *failure_timeout(TimeoutType type, const char *message,
							  Jsonb *cause);
extern Jsonb *failure_canceled(Jsonb *details, const char *identity);
extern Jsonb *failure_terminated(const char *reason, const char *identity);
extern Jsonb *failure_server(const char *message, bool non_retryable,
							 Jsonb *cause);

extern Jsonb *failure_with_heartbeat(Jsonb *failure, Jsonb *details);
extern Jsonb *failure_truncated(Jsonb *failure, Size limit);
extern Jsonb *failure_oversized(Jsonb *failure, Size limit);
extern Jsonb *failure_kept(Jsonb *failure);

extern bool failure_retryable(Jsonb *failure, const RetryPolicy *policy);
extern bool failure_timeout_retryable(TimeoutType type,
									  const RetryPolicy *policy);

#endif							/* TASKQ_FAILURE_H */
