/*
 * retry_policy.h
 *		How failed attempts are retried: defaults, validation, back-off.
 */
#ifndef TASKQ_RETRY_POLICY_H
#define TASKQ_RETRY_POLICY_H

#include "datatype/timestamp.h"
#include "utils/array.h"

/* How failed attempts are retried; normalised, nothing is unset. */
typedef struct RetryPolicy
{
	int64		initial_interval;
	double		backoff_coefficient;
	int64		maximum_interval;
	int32		maximum_attempts;	/* 0 = unlimited */
	ArrayType  *non_retryable;	/* text[], detoasted; NULL = none */
	double		jitter;
} RetryPolicy;

/* of the composite type taskq.retry_policy */
#define RETRY_POLICY_FIELDS		6

extern void retry_policy_defaults(RetryPolicy *policy);
extern int64 retry_policy_default_maximum(int64 initial_interval);
extern int64 retry_policy_duration(const Interval *interval, const char *name,
								   int maximum_attempts);
extern void retry_policy_from_datum(Datum composite, RetryPolicy *policy);
extern void retry_policy_from_stored(Datum composite, RetryPolicy *policy);
extern void retry_policy_check(const RetryPolicy *policy);
extern void retry_policy_builtin(RetryPolicy *policy);
extern bool retry_policy_is_builtin(const RetryPolicy *policy);
extern int64 retry_policy_interval(const RetryPolicy *policy, int attempt);

extern double random_fraction(void);

#endif							/* TASKQ_RETRY_POLICY_H */
