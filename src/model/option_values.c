/*
 * option_values.c
 *		The value of one option, or of one field of a retry policy, out of
 *		jsonb.
 *
 * Durations are strings; null unsets.  Errors are
 * ERRCODE_INVALID_PARAMETER_VALUE.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/shown.h"
#include "model/duration.h"
#include "model/option_values.h"

/* option_wrong_type: raise that the value of "key" must be "wanted". */
void
option_wrong_type(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", key),
			 errdetail("It must be %s or null.", wanted)));
}

/* option_text: NULL for null. */
char *
option_text(const char *key, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		option_wrong_type(key, "a string");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * option_interval: NULL for null; "name" is what messages about the interval
 * itself call it.
 */
Interval *
option_interval(const char *key, const char *name, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		option_wrong_type(key, "a string that is an interval");
	return interval_from_text(pnstrdup(value->val.string.val,
									   value->val.string.len), name);
}

/* option_duration: 0 for null. */
int64
option_duration(const char *key, const JsonbValue *value)
{
	Interval   *interval = option_interval(key, key, value);

	return interval == NULL ? 0 : duration_from_interval(interval, key);
}

/*
 * option_float8: 0 for null; what a float8 cannot hold is infinite, for the
 * caller to refuse.
 */
double
option_float8(const char *key, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return 0;
	if (value->type != jbvNumeric)
		option_wrong_type(key, "a number");
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(value->val.numeric)));
}

/* option_int32: 0 for null. */
int32
option_int32(const char *key, const JsonbValue *value)
{
	double		number = option_float8(key, value);

	if (!(number >= PG_INT32_MIN && number <= PG_INT32_MAX) ||
		number != (double) (int32) number)
		option_wrong_type(key, "an integer");
	return (int32) number;
}

/* option_text_array: NULL for null and for an array without elements. */
ArrayType *
option_text_array(const char *key, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue	element;
	JsonbIteratorToken token;
	ArrayBuildState *array = NULL;

	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		option_wrong_type(key, "an array of strings");
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
			option_wrong_type(key, "an array of strings");
		array = accumArrayResult(array,
								 PointerGetDatum(cstring_to_text_with_len(element.val.string.val,
																		  element.val.string.len)),
								 false, TEXTOID, CurrentMemoryContext);
	}
	if (array == NULL)
		return NULL;
	return DatumGetArrayTypeP(makeArrayResult(array, CurrentMemoryContext));
}

/* option_unsupported: raise that there is no such key. */
void
option_unsupported(const char *prefix, const char *key, const char *supported)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unsupported key in options: \"%s%s\"", prefix, text_shown(key)),
			 errhint("The keys are %s.", supported)));
}
