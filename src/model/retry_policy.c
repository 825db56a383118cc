/*
 * retry_policy.c
 *		How failed attempts are retried: defaults, validation, back-off.
 *
 * A policy is normalised before it is stored: nothing in it is unset.  One that
 * equals the compiled-in defaults is stored as NULL.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "common/pg_prng.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/settings.h"
#include "common/lengths.h"
#include "model/duration.h"
#include "model/retry_policy.h"
#include "model/timeout.h"

/* the policy of a call that says nothing, as it is stored: not at all */
#define BUILTIN_INITIAL_INTERVAL	(1 * USECS_PER_SEC)
#define BUILTIN_BACKOFF				2.0
#define BUILTIN_MAXIMUM_FACTOR		100

/*
 * retry_policy_default_maximum: the default maximum interval that belongs to an
 * initial interval.
 */
int64
retry_policy_default_maximum(int64 initial_interval)
{
	int64		interval;

	if (taskq_default_maximum_interval > 0)
		return Max(taskq_default_maximum_interval * INT64CONST(1000),
				   initial_interval);
	if (pg_mul_s64_overflow(initial_interval, BUILTIN_MAXIMUM_FACTOR,
							&interval))
		return MAX_DURATION;
	return Min(interval, MAX_DURATION);
}

/*
 * retry_policy_defaults: the policy of a call that gives none.
 */
void
retry_policy_defaults(RetryPolicy *policy)
{
	policy->initial_interval =
		taskq_default_initial_interval * INT64CONST(1000);
	policy->backoff_coefficient = taskq_default_backoff_coefficient;
	policy->maximum_interval =
		retry_policy_default_maximum(policy->initial_interval);
	policy->maximum_attempts = taskq_default_maximum_attempts;
	policy->non_retryable = NULL;
	policy->jitter = 0;
}

/*
 * retry_policy_duration: an interval of a policy in microseconds, 0 = not
 * given.  One that is negative counts as not given where the policy is never
 * used, with one attempt.
 */
int64
retry_policy_duration(const Interval *interval, const char *name,
					  int maximum_attempts)
{
	if (maximum_attempts == 1 && interval->month == 0 &&
		!interval_is_infinite(interval) &&
		(interval->day < 0 || interval->time < 0))
		return 0;
	return duration_from_interval(interval, name);
}

/*
 * retry_policy_from_datum: a taskq.retry_policy composite, unset (NULL or
 * zero) fields replaced by their defaults.  Checked, unless there is only one
 * attempt.
 */
void
retry_policy_from_datum(Datum composite, RetryPolicy *policy)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(composite);
	Datum		values[RETRY_POLICY_FIELDS];
	bool		nulls[RETRY_POLICY_FIELDS];
	int64		maximum_interval = 0;

	for (int i = 0; i < RETRY_POLICY_FIELDS; i++)
		values[i] = GetAttributeByNum(header, i + 1, &nulls[i]);

	retry_policy_defaults(policy);
	if (!nulls[3] && DatumGetInt32(values[3]) != 0)
		policy->maximum_attempts = DatumGetInt32(values[3]);
	if (!nulls[0])
	{
		int64		interval = retry_policy_duration(DatumGetIntervalP(values[0]),
													 "initial_interval set on retry policy",
													 policy->maximum_attempts);

		if (interval != 0)
			policy->initial_interval = interval;
	}
	if (!nulls[1] && DatumGetFloat8(values[1]) != 0)
		policy->backoff_coefficient = DatumGetFloat8(values[1]);
	if (!nulls[2])
		maximum_interval = retry_policy_duration(DatumGetIntervalP(values[2]),
												 "maximum_interval set on retry policy",
												 policy->maximum_attempts);
	policy->maximum_interval = maximum_interval != 0 ? maximum_interval :
		retry_policy_default_maximum(policy->initial_interval);
	if (!nulls[4])
		policy->non_retryable = DatumGetArrayTypePCopy(values[4]);
	if (!nulls[5])
		policy->jitter = DatumGetFloat8(values[5]);
	retry_policy_check(policy);
}

/*
 * retry_policy_from_stored: a composite that retry_policy_from_datum() once
 * accepted and normalised, read back as it is.  In one that was written by
 * hand NULL stands for the built-in default.
 */
void
retry_policy_from_stored(Datum composite, RetryPolicy *policy)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(composite);
	Datum		values[RETRY_POLICY_FIELDS];
	bool		nulls[RETRY_POLICY_FIELDS];

	for (int i = 0; i < RETRY_POLICY_FIELDS; i++)
		values[i] = GetAttributeByNum(header, i + 1, &nulls[i]);
	retry_policy_builtin(policy);
	if (!nulls[0])
		policy->initial_interval = DatumGetIntervalP(values[0])->time;
	if (!nulls[1])
		policy->backoff_coefficient = DatumGetFloat8(values[1]);
	if (!nulls[2])
		policy->maximum_interval = DatumGetIntervalP(values[2])->time;
	if (!nulls[3])
		policy->maximum_attempts = DatumGetInt32(values[3]);
	if (!nulls[4])
	{
		ArrayType  *types = DatumGetArrayTypePCopy(values[4]);

		if (ARR_NDIM(types) <= 1 && !array_contains_nulls(types))
			policy->non_retryable = types;
	}
	if (!nulls[5])
		policy->jitter = DatumGetFloat8(values[5]);
}

static void
check_error_types(ArrayType *types)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(types) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("non_retryable_error_types must be a one-dimensional array")));
	deconstruct_array(types, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *type;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("non_retryable_error_types must not contain NULL")));
		type = TextDatumGetCString(elements[i]);
		if (strlen(type) > MAX_NAME_LENGTH)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("non_retryable_error_types must not contain more than %d bytes each",
							MAX_NAME_LENGTH)));
		if (!error_type_is_valid(type))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("Invalid timeout type value: %s.",
							type + strlen(TIMEOUT_TYPE_PREFIX))));
	}
}

/*
 * retry_policy_check: raise unless the policy is usable.
 */
void
retry_policy_check(const RetryPolicy *policy)
{
	if (isnan(policy->backoff_coefficient) ||
		isinf(policy->backoff_coefficient))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("backoff_coefficient must be a finite number on retry policy")));
	if (isnan(policy->jitter) || policy->jitter < 0 || policy->jitter > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jitter must be between 0 and 1 on retry policy")));
	if (policy->maximum_attempts == 1)
		return;
	if (policy->backoff_coefficient < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("backoff_coefficient cannot be less than 1 on retry policy")));
	if (policy->maximum_interval < policy->initial_interval)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("maximum_interval cannot be less than initial_interval on retry policy")));
	if (policy->maximum_attempts < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("maximum_attempts cannot be negative on retry policy")));
	if (policy->non_retryable != NULL)
		check_error_types(policy->non_retryable);
}

/*
 * retry_policy_is_builtin: does it equal the compiled-in defaults, which are
 * stored as NULL.
 */
bool
retry_policy_is_builtin(const RetryPolicy *policy)
{
	return policy->initial_interval == BUILTIN_INITIAL_INTERVAL &&
		policy->backoff_coefficient == BUILTIN_BACKOFF &&
		policy->maximum_interval ==
		BUILTIN_INITIAL_INTERVAL * BUILTIN_MAXIMUM_FACTOR &&
		policy->maximum_attempts == 0 &&
		policy->non_retryable == NULL &&
		policy->jitter == 0;
}

/* retry_policy_builtin: what a stored NULL stands for. */
void
retry_policy_builtin(RetryPolicy *policy)
{
	policy->initial_interval = BUILTIN_INITIAL_INTERVAL;
	policy->backoff_coefficient = BUILTIN_BACKOFF;
	policy->maximum_interval = BUILTIN_INITIAL_INTERVAL * BUILTIN_MAXIMUM_FACTOR;
	policy->maximum_attempts = 0;
	policy->non_retryable = NULL;
	policy->jitter = 0;
}

/*
 * retry_policy_interval: the back-off after attempt number "attempt" (from
 * 1), in microseconds.  Random when the policy has jitter.
 */
int64
retry_policy_interval(const RetryPolicy *policy, int attempt)
{
	double		factor = pow(policy->backoff_coefficient, attempt - 1);
	double		computed = (double) policy->initial_interval * factor;
	int64		maximum = Min(policy->maximum_interval, MAX_DURATION);
	int64		interval;

	Assert(attempt >= 1);

	/* what is given is used as it is: a float8 is exact for 285 years only */
	if (factor == 1)
		interval = Min(policy->initial_interval, maximum);
	else if (computed < (double) maximum)
		interval = (int64) rint(computed);
	else
		interval = maximum;
	if (policy->jitter > 0)
		interval = (int64) rint((double) interval *
								(1 - policy->jitter * random_fraction()));
	return interval;
}

/* random_fraction: uniform in [0, 1). */
double
random_fraction(void)
{
	return pg_prng_double(&pg_global_prng_state);
}
