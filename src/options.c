/*
 * options.c
 *		The options of an activity: validation, defaults, normalisation.
 *
 * All of schedule and update_options goes through here, so that what is
 * stored is always normalised: no timeout exceeds ScheduleToClose, the retry
 * policy has every field.  Errors are ERRCODE_INVALID_PARAMETER_VALUE; nothing
 * is written before a check has passed.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "common/pg_prng.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "compat.h"
#include "failure.h"
#include "guc.h"
#include "options.h"

/* the policy of a call that says nothing, as it is stored: not at all */
#define BUILTIN_INITIAL_INTERVAL	(1 * USECS_PER_SEC)
#define BUILTIN_BACKOFF				2.0
#define BUILTIN_MAXIMUM_FACTOR		100

#define RESERVED_QUEUE_PREFIX		"/_sys/"

/* ------------------------------------------------------------------------
 * Durations
 * ------------------------------------------------------------------------
 */

/*
 * duration_check: what is wrong with the interval, NULL when it is a duration;
 * then *duration is its microseconds, a day counting 24 hours.
 */
const char *
duration_check(const Interval *interval, int64 *duration)
{
	int64		days;

	if (interval_is_infinite(interval))
		return "must be finite";
	if (interval->month != 0)
		return "must not contain months, whose length varies";
	if ((interval->day > 0 && interval->time < 0) ||
		(interval->day < 0 && interval->time > 0))
		return "must not mix signs";
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, interval->time, duration))
		return "out of range";
	if (*duration < 0)
		return "must not be negative";
	*duration = Min(*duration, MAX_DURATION);
	return NULL;
}

/*
 * duration_from_interval: the same for an argument, whose name is for the
 * message.
 */
int64
duration_from_interval(const Interval *interval, const char *name)
{
	int64		duration = 0;
	const char *problem = duration_check(interval, &duration);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: %s", name, problem)));
	return duration;
}

/* duration_to_interval: the same as an interval of hours and less. */
Interval *
duration_to_interval(int64 duration)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = duration;
	return interval;
}

/* ------------------------------------------------------------------------
 * Names and sizes
 * ------------------------------------------------------------------------
 */

/*
 * check_name_length: names are at most MAX_NAME_LENGTH bytes.
 */
void
check_name_length(const text *name, const char *what)
{
	if (name != NULL && VARSIZE_ANY_EXHDR(name) > MAX_NAME_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s exceeds length limit", what),
				 errdetail("Length is %d bytes, limit is %d.",
						   (int) VARSIZE_ANY_EXHDR(name), MAX_NAME_LENGTH)));
}

/*
 * check_queue_name: the name itself if it may name a task queue.
 */
text *
check_queue_name(text *name)
{
	size_t		prefix_length = strlen(RESERVED_QUEUE_PREFIX);

	if (VARSIZE_ANY_EXHDR(name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("missing task queue name")));
	check_name_length(name, "taskQueue");
	if (VARSIZE_ANY_EXHDR(name) >= prefix_length &&
		memcmp(VARDATA_ANY(name), RESERVED_QUEUE_PREFIX, prefix_length) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task queue name cannot start with reserved prefix %s",
						RESERVED_QUEUE_PREFIX)));
	return name;
}

/*
 * check_payload_size: a payload of a producer is at most
 * taskq.max_payload_size, detoasted.
 */
void
check_payload_size(Datum payload, const char *what)
{
	Size		size = toast_raw_datum_size(payload);

	if (size > (Size) taskq_max_payload_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s exceeds length limit", what),
				 errdetail("Size is %zu bytes, taskq.max_payload_size is %zu.",
						   size, (Size) taskq_max_payload_size * 1024)));
}

/* ------------------------------------------------------------------------
 * Retry policy
 * ------------------------------------------------------------------------
 */

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

/* intervals of a policy that is never used may be nonsense, but storable */
static int64
policy_interval(Datum interval, const char *name, bool checked)
{
	Interval   *value = DatumGetIntervalP(interval);

	if (!checked && value->month == 0 && !interval_is_infinite(value) &&
		(value->day < 0 || value->time < 0))
		return 0;
	return duration_from_interval(value, name);
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
	Datum		values[6];
	bool		nulls[6];
	int64		maximum_interval = 0;
	bool		checked;

	for (int i = 0; i < 6; i++)
		values[i] = GetAttributeByNum(header, i + 1, &nulls[i]);

	retry_policy_defaults(policy);
	if (!nulls[3] && DatumGetInt32(values[3]) != 0)
		policy->maximum_attempts = DatumGetInt32(values[3]);
	checked = policy->maximum_attempts != 1;
	if (!nulls[0])
	{
		int64		interval = policy_interval(values[0],
											   "InitialInterval set on retry policy",
											   checked);

		if (interval != 0)
			policy->initial_interval = interval;
	}
	if (!nulls[1] && DatumGetFloat8(values[1]) != 0)
		policy->backoff_coefficient = DatumGetFloat8(values[1]);
	if (!nulls[2])
		maximum_interval = policy_interval(values[2],
										   "MaximumInterval set on retry policy",
										   checked);
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
 * accepted and normalised, read back as it is.
 */
void
retry_policy_from_stored(Datum composite, RetryPolicy *policy)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(composite);
	Datum		values[6];
	bool		nulls[6];

	for (int i = 0; i < 6; i++)
		values[i] = GetAttributeByNum(header, i + 1, &nulls[i]);
	policy->initial_interval = DatumGetIntervalP(values[0])->time;
	policy->backoff_coefficient = DatumGetFloat8(values[1]);
	policy->maximum_interval = DatumGetIntervalP(values[2])->time;
	policy->maximum_attempts = DatumGetInt32(values[3]);
	policy->non_retryable = nulls[4] ? NULL : DatumGetArrayTypePCopy(values[4]);
	policy->jitter = DatumGetFloat8(values[5]);
}

static void
check_error_types(ArrayType *types)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

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
		if (!failure_type_is_valid(type))
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
				 errmsg("BackoffCoefficient must be a finite number on retry policy")));
	if (isnan(policy->jitter) || policy->jitter < 0 || policy->jitter > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jitter must be between 0 and 1 on retry policy")));
	if (policy->maximum_attempts == 1)
		return;
	if (policy->backoff_coefficient < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("BackoffCoefficient cannot be less than 1 on retry policy")));
	if (policy->maximum_interval < policy->initial_interval)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("MaximumInterval cannot be less than InitialInterval on retry policy")));
	if (policy->maximum_attempts < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("MaximumAttempts cannot be negative on retry policy")));
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
	double		interval;

	interval = (double) policy->initial_interval *
		pow(policy->backoff_coefficient, attempt - 1);
	if (!(interval < (double) policy->maximum_interval))
		interval = (double) policy->maximum_interval;
	if (policy->jitter > 0)
		interval *= 1 - policy->jitter * random_fraction();
	if (interval >= (double) MAX_DURATION)
		return MAX_DURATION;
	return (int64) rint(interval);
}

/* random_fraction: uniform in [0, 1). */
double
random_fraction(void)
{
	return pg_prng_double(&pg_global_prng_state);
}

/* ------------------------------------------------------------------------
 * All options together
 * ------------------------------------------------------------------------
 */

/*
 * options_level: the priority level that counts when tasks are dispatched.
 */
int16
options_level(const Options *options)
{
	if (!options->has_priority || options->priority == 0)
		return DEFAULT_LEVEL;
	return Min(options->priority, LEVELS);
}

/* options_check_priority: priority, fairness key and weight. */
void
options_check_priority(const Options *options)
{
	if (options->has_priority && options->priority < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid priorities: priority key can't be negative")));
	if (options->fairness_key != NULL &&
		VARSIZE_ANY_EXHDR(options->fairness_key) > MAX_FAIRNESS_KEY_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid priorities: fairness key length exceeds limit"),
				 errdetail("Length is %d bytes, limit is %d.",
						   (int) VARSIZE_ANY_EXHDR(options->fairness_key),
						   MAX_FAIRNESS_KEY_LENGTH)));
	if (isnan(options->fairness_weight) || isinf(options->fairness_weight))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid priorities: fairness weight must be a finite number")));
	if (options->fairness_weight < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid priorities: fairness weight must be greater than zero")));
}

/*
 * options_normalise: fill in and cap the timeouts.
 *
 * With ScheduleToClose nothing lasts longer than it; without it StartToClose
 * is required and the rest is as given.
 */
void
options_normalise(Options *options, const text *activity_id,
				  const text *activity_type)
{
	int64		limit = options->schedule_to_close;

	if (limit > 0)
	{
		options->schedule_to_start = options->schedule_to_start > 0 ?
			Min(options->schedule_to_start, limit) : limit;
		options->start_to_close = options->start_to_close > 0 ?
			Min(options->start_to_close, limit) : limit;
	}
	else if (options->start_to_close == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity"),
				 errdetail("ActivityId is \"%s\", ActivityType is \"%s\".",
						   activity_id ? text_to_cstring(activity_id) : "",
						   activity_type ? text_to_cstring(activity_type) : ""),
				 errhint("Pass start_to_close_timeout, the longest time that one attempt may take.")));
	options->heartbeat_timeout = Min(options->heartbeat_timeout,
									 options->start_to_close);
}
