/*
 * proto_json.c
 *		Values of the protocol in its JSON form: ids of events, durations,
 *		priorities, retry policies.
 *
 * What is read has been checked against the protocol's shapes (proto_check.h).
 * Durations are microseconds here; those beyond what they can hold count as the
 * longest one.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"

#include "common/proto_times.h"
#include "model/duration.h"
#include "model/proto_json.h"
#include "model/timeout.h"

#define NS_PER_US		1000

/* json_add_event_id: 64 bits are a text; 0 is left out. */
void
json_add_event_id(JsonBuilder *builder, const char *key, int64 id)
{
	if (id != 0)
		json_add_text(builder, key, psprintf(INT64_FORMAT, id));
}

/*
 * json_add_duration: "1.500s", with 0, 3 or 6 digits; 0 is "0s".  One that was computed, and is
 * longer than the protocol's longest, is written as that.
 */
void
json_add_duration(JsonBuilder *builder, const char *key, int64 duration)
{
	char	   *text;
	int64		seconds;
	int			fraction;

	Assert(duration >= 0);
	duration = Min(duration, MAX_PROTO_DURATION);
	seconds = duration / USECS_PER_SEC;
	fraction = (int) (duration % USECS_PER_SEC);
	if (fraction == 0)
		text = psprintf(INT64_FORMAT "s", seconds);
	else if (fraction % 1000 == 0)
		text = psprintf(INT64_FORMAT ".%03ds", seconds, fraction / 1000);
	else
		text = psprintf(INT64_FORMAT ".%06ds", seconds, fraction);
	json_add_text(builder, key, text);
}

/*
 * json_add_drawn_duration: one that was drawn at random.  Temporal draws nanoseconds,
 * so it always has nine digits there; the last three, that follow from the others, mean nothing.
 */
void
json_add_drawn_duration(JsonBuilder *builder, const char *key, int64 duration)
{
	json_add_text(builder, key, psprintf(INT64_FORMAT ".%06d%03ds", duration / USECS_PER_SEC,
										 (int) (duration % USECS_PER_SEC), (int) (duration % 999) + 1));
}

/* json_get_event_id: 0 when there is none. */
int64
json_get_event_id(Jsonb *object, const char *key)
{
	char	   *digits = json_get_text(object, key);

	return digits == NULL ? 0 : strtoll(digits, NULL, 10);
}

/* json_get_duration: false when the key is absent; nanoseconds are cut off. */
bool
json_get_duration(Jsonb *object, const char *key, int64 *duration)
{
	char	   *text = json_get_text(object, key);
	ProtoTime	time;

	*duration = 0;
	if (text == NULL || !proto_duration_read(slice_of(text), &time))
		return false;
	if (time.seconds >= MAX_DURATION / USECS_PER_SEC)
		*duration = MAX_DURATION;
	else
		*duration = time.seconds * USECS_PER_SEC + time.nanoseconds / NS_PER_US;
	return true;
}

/* json_is_negative_duration: even by a nanosecond. */
bool
json_is_negative_duration(Jsonb *object, const char *key)
{
	char	   *text = json_get_text(object, key);

	return text != NULL && text[0] == '-';
}

static void
add_texts(JsonBuilder *builder, const char *key, ArrayType *texts)
{
	JsonbParseState *state = NULL;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	if (n == 0)
		return;
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		JsonbValue	value;

		value.type = jbvString;
		value.val.string.val = TextDatumGetCString(elements[i]);
		value.val.string.len = strlen(value.val.string.val);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	json_add(builder, key, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

/* json_retry_policy: a normalised one, as the message RetryPolicy. */
Jsonb *
json_retry_policy(const RetryPolicy *policy)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_duration(&builder, "initialInterval", policy->initial_interval);
	json_add_float8(&builder, "backoffCoefficient", policy->backoff_coefficient);
	json_add_duration(&builder, "maximumInterval", policy->maximum_interval);
	if (policy->maximum_attempts != 0)
		json_add_int64(&builder, "maximumAttempts", policy->maximum_attempts);
	if (policy->non_retryable != NULL)
		add_texts(&builder, "nonRetryableErrorTypes", policy->non_retryable);
	return json_end(&builder);
}

/*
 * json_read_priority: the message Priority, over what is there already; NULL and what it
 * does not give change nothing.  The level follows.  A weight that is no finite number,
 * which JSON has as a text, is NaN, for options_priority_problem() to find.
 */
void
json_read_priority(Jsonb *object, Options *options, Task *task)
{
	int64		key = object == NULL ? 0 : json_get_int64(object, "priorityKey", 0);
	char	   *fairness_key = object == NULL ? NULL : json_get_text(object, "fairnessKey");
	JsonbValue *weight = object == NULL ? NULL : json_get(object, "fairnessWeight");

	if (key != 0)
	{
		options->has_priority = true;
		options->priority = (int32) key;
	}
	if (fairness_key != NULL && fairness_key[0] != '\0')
		task->fairness_key = cstring_to_text(fairness_key);
	if (weight != NULL && weight->type == jbvNumeric)
		task->fairness_weight =
			DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(weight->val.numeric)));
	else if (weight != NULL)
		task->fairness_weight = get_float8_nan();
	task->level = options_level(options);
}

static ArrayType *
read_texts(Jsonb *array)
{
	JsonbIterator *iterator = JsonbIteratorInit(&array->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	Datum	   *elements = palloc(sizeof(Datum) * (JB_ROOT_COUNT(array) + 1));
	int			n = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM && value.type == jbvString)
			elements[n++] = PointerGetDatum(cstring_to_text_with_len(value.val.string.val,
																	 value.val.string.len));
	return n == 0 ? NULL :
		construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/* the first timeout in a list of error types that does not exist; NULL: all of them may be there */
static const char *
wrong_error_type(Jsonb *array)
{
	JsonbIterator *iterator = JsonbIteratorInit(&array->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *type = token == WJB_ELEM && value.type == jbvString ?
			pnstrdup(value.val.string.val, value.val.string.len) : NULL;

		if (type != NULL && !error_type_is_valid(type))
			return psprintf("Invalid timeout type value: %s.", type + strlen(TIMEOUT_TYPE_PREFIX));
	}
	return NULL;
}

/*
 * json_read_retry_policy: the message RetryPolicy, with the defaults for what it
 * does not give; NULL, or what is wrong with it.
 */
const char *
json_read_retry_policy(Jsonb *object, RetryPolicy *policy)
{
	JsonbValue *value;
	Jsonb	   *types;
	int64		given;

	retry_policy_defaults(policy);
	policy->maximum_attempts = (int32) json_get_int64(object, "maximumAttempts", policy->maximum_attempts);
	if (json_get_duration(object, "initialInterval", &given) && given > 0)
		policy->initial_interval = given;
	value = json_get(object, "backoffCoefficient");
	if (value != NULL && value->type == jbvNumeric)
		policy->backoff_coefficient =
			DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
	policy->maximum_interval = retry_policy_default_maximum(policy->initial_interval);
	if (json_get_duration(object, "maximumInterval", &given) && given > 0)
		policy->maximum_interval = given;
	types = json_get_object(object, "nonRetryableErrorTypes");
	if (types != NULL)
		policy->non_retryable = read_texts(types);
	/* of what is never used nothing is asked */
	if (policy->maximum_attempts == 1)
		return NULL;
	if (json_is_negative_duration(object, "initialInterval"))
		return "invalid InitialInterval set on retry policy: negative duration";
	if (policy->backoff_coefficient < 1 || (value != NULL && value->type != jbvNumeric))
		return "BackoffCoefficient cannot be less than 1 on retry policy.";
	if (json_is_negative_duration(object, "maximumInterval"))
		return "invalid MaximumInterval set on retry policy: negative duration";
	if (policy->maximum_interval < policy->initial_interval)
		return "MaximumInterval cannot be less than InitialInterval on retry policy.";
	if (policy->maximum_attempts < 0)
		return "MaximumAttempts cannot be negative on retry policy.";
	return types == NULL ? NULL : wrong_error_type(types);
}
