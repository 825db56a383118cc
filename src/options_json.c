/*
 * options_json.c
 *		The options of an activity as jsonb: what update_options reads and
 *		returns, and how the original options are kept.
 *
 * The keys are the argument names of schedule.  Durations are strings; a key
 * that is absent leaves the option alone, a JSON null unsets it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "json.h"
#include "options.h"

/* duration as text that every IntervalStyle reads back */
static char *
duration_to_text(int64 duration)
{
	return psprintf("%02lld:%02d:%02d%s",
					(long long) (duration / USECS_PER_HOUR),
					(int) (duration % USECS_PER_HOUR / USECS_PER_MINUTE),
					(int) (duration % USECS_PER_MINUTE / USECS_PER_SEC),
					duration % USECS_PER_SEC == 0 ? "" :
					psprintf(".%06d", (int) (duration % USECS_PER_SEC)));
}

/*
 * duration_from_text: read an interval; what is no interval at all is an
 * invalid parameter like any other.
 */
int64
duration_from_text(char *string, const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	Interval   *volatile interval = NULL;

	PG_TRY();
	{
		interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
														 CStringGetDatum(string),
														 ObjectIdGetDatum(InvalidOid),
														 Int32GetDatum(-1)));
	}
	PG_CATCH();
	{
		/* interval_in only computes: there is nothing to undo */
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	if (interval == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: \"%s\" is not an interval", name, string)));
	return duration_from_interval(interval, name);
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------
 */

static void
add_duration(JsonBuilder *builder, const char *key, int64 duration)
{
	if (duration == 0)
		json_add_null(builder, key);
	else
		json_add_text(builder, key, duration_to_text(duration));
}

static Jsonb *
text_array_to_jsonb(ArrayType *array)
{
	JsonbParseState *state = NULL;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &n);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		JsonbValue	element;

		element.type = jbvString;
		element.val.string.val = TextDatumGetCString(elements[i]);
		element.val.string.len = strlen(element.val.string.val);
		pushJsonbValue(&state, WJB_ELEM, &element);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static Jsonb *
retry_policy_to_jsonb(const RetryPolicy *policy)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_text(&builder, "initial_interval",
				  duration_to_text(policy->initial_interval));
	json_add_float8(&builder, "backoff_coefficient",
					policy->backoff_coefficient);
	json_add_text(&builder, "maximum_interval",
				  duration_to_text(policy->maximum_interval));
	json_add_int64(&builder, "maximum_attempts", policy->maximum_attempts);
	if (policy->non_retryable != NULL)
		json_add(&builder, "non_retryable_error_types",
				 text_array_to_jsonb(policy->non_retryable));
	else
		json_add_null(&builder, "non_retryable_error_types");
	json_add_float8(&builder, "jitter", policy->jitter);
	return json_end(&builder);
}

/*
 * options_to_jsonb: the effective options, under the keys that
 * options_merge() reads.
 */
Jsonb *
options_to_jsonb(const Options *options)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_text(&builder, "task_queue",
				  text_to_cstring(options->task_queue));
	add_duration(&builder, "schedule_to_close_timeout",
				 options->schedule_to_close);
	add_duration(&builder, "schedule_to_start_timeout",
				 options->schedule_to_start);
	add_duration(&builder, "start_to_close_timeout", options->start_to_close);
	add_duration(&builder, "heartbeat_timeout", options->heartbeat_timeout);
	add_duration(&builder, "start_delay", options->start_delay);
	if (options->has_priority)
		json_add_int64(&builder, "priority", options->priority);
	else
		json_add_null(&builder, "priority");
	if (options->fairness_key != NULL)
		json_add_text(&builder, "fairness_key",
					  text_to_cstring(options->fairness_key));
	else
		json_add_null(&builder, "fairness_key");
	if (options->fairness_weight != 0)
		json_add_float8(&builder, "fairness_weight", options->fairness_weight);
	else
		json_add_null(&builder, "fairness_weight");
	json_add(&builder, "retry_policy",
			 retry_policy_to_jsonb(&options->retry_policy));
	return json_end(&builder);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static void
wrong_type(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", key),
			 errdetail("It must be %s or null.", wanted)));
}

static char *
read_text(const char *key, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		wrong_type(key, "a string");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* "name" is what messages about the duration itself call it */
static int64
read_duration(const char *key, const char *name, const JsonbValue *value)
{
	char	   *string;

	if (value->type == jbvNull)
		return 0;
	if (value->type != jbvString)
		wrong_type(key, "a string that is an interval");
	string = pnstrdup(value->val.string.val, value->val.string.len);
	return duration_from_text(string, name);
}

/* what a float8 cannot hold is infinite, for the caller to refuse */
static double
read_float8(const char *key, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return 0;
	if (value->type != jbvNumeric)
		wrong_type(key, "a number");
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(value->val.numeric)));
}

static int32
read_int32(const char *key, const JsonbValue *value)
{
	double		number = read_float8(key, value);

	if (!(number >= PG_INT32_MIN && number <= PG_INT32_MAX) ||
		number != (double) (int32) number)
		wrong_type(key, "an integer");
	return (int32) number;
}

static ArrayType *
read_text_array(const char *key, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue	element;
	JsonbIteratorToken token;
	ArrayBuildState *array = NULL;

	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		wrong_type(key, "an array of strings");
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
			wrong_type(key, "an array of strings");
		array = accumArrayResult(array,
								 PointerGetDatum(cstring_to_text_with_len(element.val.string.val,
																		  element.val.string.len)),
								 false, TEXTOID, CurrentMemoryContext);
	}
	if (array == NULL)
		return NULL;
	return DatumGetArrayTypeP(makeArrayResult(array, CurrentMemoryContext));
}

static void
unsupported(const char *prefix, const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unsupported update_mask path: \"%s%s\"", prefix, key)));
}

static void
merge_retry_field(RetryPolicy *policy, const char *key, const JsonbValue *value)
{
	RetryPolicy defaults;

	retry_policy_defaults(&defaults);
	if (strcmp(key, "initial_interval") == 0)
	{
		policy->initial_interval =
			read_duration(key, "InitialInterval set on retry policy", value);
		if (policy->initial_interval == 0)
			policy->initial_interval = defaults.initial_interval;
	}
	else if (strcmp(key, "backoff_coefficient") == 0)
	{
		policy->backoff_coefficient = read_float8(key, value);
		if (policy->backoff_coefficient == 0)
			policy->backoff_coefficient = defaults.backoff_coefficient;
	}
	else if (strcmp(key, "maximum_interval") == 0)
		policy->maximum_interval =
			read_duration(key, "MaximumInterval set on retry policy", value);
	else if (strcmp(key, "maximum_attempts") == 0)
	{
		policy->maximum_attempts = read_int32(key, value);
		if (policy->maximum_attempts == 0)
			policy->maximum_attempts = defaults.maximum_attempts;
	}
	else if (strcmp(key, "non_retryable_error_types") == 0)
		policy->non_retryable = read_text_array(key, value);
	else if (strcmp(key, "jitter") == 0)
		policy->jitter = read_float8(key, value);
	else
		unsupported("retry_policy.", key);
}

static void
merge_retry_policy(RetryPolicy *policy, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *key = NULL;

	if (value->type == jbvNull)
	{
		retry_policy_defaults(policy);
		return;
	}
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		wrong_type("retry_policy", "an object");
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			merge_retry_field(policy, key, &item);
	}
	if (policy->maximum_interval == 0)
		policy->maximum_interval =
			retry_policy_default_maximum(policy->initial_interval);
	retry_policy_check(policy);
}

static void
merge_option(Options *options, const char *key, const JsonbValue *value)
{
	char	   *string;

	if (strcmp(key, "task_queue") == 0)
	{
		string = read_text(key, value);
		options->task_queue =
			check_queue_name(cstring_to_text(string ? string : ""));
	}
	else if (strcmp(key, "schedule_to_close_timeout") == 0)
		options->schedule_to_close = read_duration(key, "ScheduleToCloseTimeout", value);
	else if (strcmp(key, "schedule_to_start_timeout") == 0)
		options->schedule_to_start = read_duration(key, "ScheduleToStartTimeout", value);
	else if (strcmp(key, "start_to_close_timeout") == 0)
		options->start_to_close = read_duration(key, "StartToCloseTimeout", value);
	else if (strcmp(key, "heartbeat_timeout") == 0)
		options->heartbeat_timeout = read_duration(key, "HeartbeatTimeout", value);
	else if (strcmp(key, "start_delay") == 0)
		options->start_delay = read_duration(key, "StartDelay", value);
	else if (strcmp(key, "priority") == 0)
	{
		options->has_priority = value->type != jbvNull;
		options->priority = read_int32(key, value);
	}
	else if (strcmp(key, "fairness_key") == 0)
	{
		string = read_text(key, value);
		options->fairness_key = string && string[0] ?
			cstring_to_text(string) : NULL;
	}
	else if (strcmp(key, "fairness_weight") == 0)
		options->fairness_weight = read_float8(key, value);
	else if (strcmp(key, "retry_policy") == 0)
		merge_retry_policy(&options->retry_policy, value);
	else
		unsupported("", key);
}

/*
 * options_merge: apply the keys of a jsonb object.  Each value is checked;
 * the caller normalises the timeouts afterwards.
 */
void
options_merge(Options *options, Jsonb *changes)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *key = NULL;

	if (!JB_ROOT_IS_OBJECT(changes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	it = JsonbIteratorInit(&changes->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			merge_option(options, key, &item);
	}
	options_check_priority(options);
}

/*
 * options_restore: the options that options_to_jsonb() has saved.  Unlike in a
 * change, no limit of attempts means just that.
 */
void
options_restore(Options *options, Jsonb *original)
{
	Jsonb	   *policy = json_get_object(original, "retry_policy");

	options_merge(options, original);
	options->retry_policy.maximum_attempts =
		json_get_int64(policy, "maximum_attempts", 0);
}
