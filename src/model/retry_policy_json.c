/*
 * retry_policy_json.c
 *		Retry policies as jsonb: alone, and among the options of an activity.
 *
 * The keys are the fields of taskq.retry_policy.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "base/shown.h"
#include "model/duration.h"
#include "model/option_values.h"
#include "model/retry_policy.h"
#include "model/retry_policy_json.h"

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

/* retry_policy_to_jsonb: all fields, durations as strings. */
Jsonb *
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
 * The attempts that a policy allows, which say how the rest is judged.  Zero is
 * the default; where there is no limit it may also be what options_to_jsonb()
 * has written.
 */
static void
merge_attempts(RetryPolicy *policy, const JsonbValue *value)
{
	RetryPolicy defaults;
	int32		attempts = option_int32("maximum_attempts", value);

	retry_policy_defaults(&defaults);
	if (attempts == 0 &&
		(policy->maximum_attempts != 0 || value->type == jbvNull))
		attempts = defaults.maximum_attempts;
	policy->maximum_attempts = attempts;
}

/* an interval of it; 0 = the default */
static int64
read_policy_duration(const RetryPolicy *policy, const char *key,
					 const JsonbValue *value)
{
	const char *name = psprintf("%s set on retry policy", key);
	Interval   *interval = option_interval(key, name, value);

	return interval == NULL ? 0 :
		retry_policy_duration(interval, name, policy->maximum_attempts);
}

static void
merge_retry_field(RetryPolicy *policy, const char *key, const JsonbValue *value)
{
	RetryPolicy defaults;

	retry_policy_defaults(&defaults);
	if (strcmp(key, "initial_interval") == 0)
	{
		policy->initial_interval = read_policy_duration(policy, key, value);
		if (policy->initial_interval == 0)
			policy->initial_interval = defaults.initial_interval;
	}
	else if (strcmp(key, "backoff_coefficient") == 0)
	{
		policy->backoff_coefficient = option_float8(key, value);
		if (policy->backoff_coefficient == 0)
			policy->backoff_coefficient = defaults.backoff_coefficient;
	}
	else if (strcmp(key, "maximum_interval") == 0)
		policy->maximum_interval = read_policy_duration(policy, key, value);
	else if (strcmp(key, "maximum_attempts") == 0)
		 /* merged before the others */ ;
	else if (strcmp(key, "non_retryable_error_types") == 0)
		policy->non_retryable = option_text_array(key, value);
	else if (strcmp(key, "jitter") == 0)
		policy->jitter = option_float8(key, value);
	else
		option_unsupported("retry_policy.", key,
						   "initial_interval, backoff_coefficient, maximum_interval, maximum_attempts, non_retryable_error_types and jitter");
}

/*
 * retry_policy_merge: apply the keys of a JSON object, null is the default of
 * all; raise unless the result is usable.
 */
void
retry_policy_merge(RetryPolicy *policy, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbValue *attempts;
	JsonbIteratorToken token;
	char	   *key = NULL;

	if (value->type == jbvNull)
	{
		retry_policy_defaults(policy);
		return;
	}
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		option_wrong_type("retry_policy", "an object");
	attempts = getKeyJsonValueFromContainer(value->val.binary.data,
											"maximum_attempts",
											strlen("maximum_attempts"), NULL);
	if (attempts != NULL)
		merge_attempts(policy, attempts);
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

/*
 * One field of the composite, from the value of its key, which is not null.
 * Intervals are judged where the policy is used, as those of retry_policy() are.
 */
static Datum
read_policy_field(const char *key, const JsonbValue *value)
{
	if (strcmp(key, "backoff_coefficient") == 0 || strcmp(key, "jitter") == 0)
		return Float8GetDatum(option_float8(key, value));
	if (strcmp(key, "maximum_attempts") == 0)
		return Int32GetDatum(option_int32(key, value));
	if (strcmp(key, "non_retryable_error_types") == 0)
	{
		ArrayType  *types = option_text_array(key, value);

		return PointerGetDatum(types ? types : construct_empty_array(TEXTOID));
	}
	return IntervalPGetDatum(option_interval(key, key, value));
}

/* the place of the field of that name */
static int
policy_field(TupleDesc fields, const char *key)
{
	for (int i = 0; i < fields->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(fields, i)->attname), key) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized key in retry policy: \"%s\"", text_shown(key)),
			 errhint("Keys are initial_interval, backoff_coefficient, maximum_interval, maximum_attempts, non_retryable_error_types, jitter.")));
	return -1;					/* keep compiler quiet */
}

/*
 * retry_policy_read: the fields of the composite that an object gives; others
 * are left alone.
 */
void
retry_policy_read(Jsonb *policy, TupleDesc fields, Datum *values, bool *nulls)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	int			field = 0;

	if (!JB_ROOT_IS_OBJECT(policy))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retry policy must be a JSON object")));
	it = JsonbIteratorInit(&policy->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			field = policy_field(fields, pnstrdup(item.val.string.val,
												  item.val.string.len));
		else if (token == WJB_VALUE && item.type != jbvNull)
		{
			values[field] = read_policy_field(NameStr(TupleDescAttr(fields, field)->attname),
											  &item);
			nulls[field] = false;
		}
	}
}
