/*
 * json.c
 *		Small helpers to build and read jsonb objects.
 *
 * Everything is allocated in the caller's memory context.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/json.h"

static void
set_string(JsonbValue *value, const char *string)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, string);
	value->val.string.len = strlen(string);
}

/* json_add_value: a member whose value is one of an object that is read. */
void
json_add_value(JsonBuilder *builder, const char *key, JsonbValue *value)
{
	JsonbValue	k;

	set_string(&k, key);
	pushJsonbValue(&builder->state, WJB_KEY, &k);
	pushJsonbValue(&builder->state, WJB_VALUE, value);
	builder->empty = false;
}

/* Is it one of those whose text is much longer than they are themselves? */
static bool
is_spread(Numeric number)
{
	static const int ordinary = 64;	/* digits, before the point and behind it */
	static Numeric most = NULL;
	Datum		absolute = DirectFunctionCall1(numeric_abs, NumericGetDatum(number));
	bool		is_large;

	if (most == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

		most = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum("1e64"),
												   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		MemoryContextSwitchTo(old_context);
	}
	is_large = DatumGetBool(DirectFunctionCall2(numeric_gt, absolute, NumericGetDatum(most)));
	pfree(DatumGetPointer(absolute));
	return is_large ||
		DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(number))) > ordinary;
}

/*
 * json_text_exceeds: does a jsonb, which may be toasted, have so many numbers
 * with large exponents that its text is longer than "limit" bytes?  They take
 * few bytes, and up to 150,000 characters each.  Only what is large enough for
 * that is looked at.
 */
bool
json_text_exceeds(Datum payload, Size limit)
{
	static const Size spread = 12288;	/* times that a text can be longer, at most */
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	Size		length = 0;

	if (toast_raw_datum_size(payload) < limit / spread)
		return false;
	iterator = JsonbIteratorInit(&DatumGetJsonbP(payload)->root);
	while (length <= limit &&
		   (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		char	   *text;

		if ((token != WJB_VALUE && token != WJB_ELEM) || value.type != jbvNumeric ||
			!is_spread(value.val.numeric))
			continue;
		CHECK_FOR_INTERRUPTS();
		text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
		length += strlen(text);
		pfree(text);
	}
	return length > limit;
}

/* json_begin: start an object. */
void
json_begin(JsonBuilder *builder)
{
	builder->state = NULL;
	builder->empty = true;
	pushJsonbValue(&builder->state, WJB_BEGIN_OBJECT, NULL);
}

/* json_end: the finished object. */
Jsonb *
json_end(JsonBuilder *builder)
{
	return JsonbValueToJsonb(pushJsonbValue(&builder->state, WJB_END_OBJECT, NULL));
}

/* json_add: a member whose value is a document of its own. */
void
json_add(JsonBuilder *builder, const char *key, Jsonb *value)
{
	JsonbValue	v;

	if (value == NULL)
		return;
	if (JB_ROOT_IS_SCALAR(value))
		JsonbExtractScalar(&value->root, &v);
	else
	{
		v.type = jbvBinary;
		v.val.binary.data = &value->root;
		v.val.binary.len = VARSIZE(value) - VARHDRSZ;
	}
	json_add_value(builder, key, &v);
}

/* json_add_text: a string; left out when NULL. */
void
json_add_text(JsonBuilder *builder, const char *key, const char *value)
{
	JsonbValue	v;

	if (value == NULL)
		return;
	set_string(&v, value);
	json_add_value(builder, key, &v);
}

/* json_add_int64: a number. */
void
json_add_int64(JsonBuilder *builder, const char *key, int64 value)
{
	JsonbValue	v;

	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(value);
	json_add_value(builder, key, &v);
}

/* json_add_float8: a number that is read back as the same one. */
void
json_add_float8(JsonBuilder *builder, const char *key, double value)
{
	JsonbValue	v;
	char		text[DOUBLE_SHORTEST_DECIMAL_LEN];

	/*
	 * By its text: the cast rounds to 15 digits, and float8out() to as many as
	 * the session wants to see.
	 */
	(void) double_to_shortest_decimal_buf(value, text);
	v.type = jbvNumeric;
	v.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in,
														CStringGetDatum(text),
														ObjectIdGetDatum(InvalidOid),
														Int32GetDatum(-1)));
	json_add_value(builder, key, &v);
}

static void
json_add_bool(JsonBuilder *builder, const char *key, bool value)
{
	JsonbValue	v;

	v.type = jbvBool;
	v.val.boolean = value;
	json_add_value(builder, key, &v);
}

/* json_add_true: a flag that is left out when false. */
void
json_add_true(JsonBuilder *builder, const char *key, bool value)
{
	if (value)
		json_add_bool(builder, key, true);
}

/* json_add_null: a member that is null. */
void
json_add_null(JsonBuilder *builder, const char *key)
{
	JsonbValue	v;

	v.type = jbvNull;
	json_add_value(builder, key, &v);
}

/*
 * json_add_members: all members of another object but one ("except" may be
 * NULL).  A key added later replaces one of the same name.
 */
void
json_add_members(JsonBuilder *builder, Jsonb *object, const char *except)
{
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	bool		skip = false;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			skip = except != NULL &&
				value.val.string.len == (int) strlen(except) &&
				memcmp(value.val.string.val, except, strlen(except)) == 0;
			if (!skip)
				pushJsonbValue(&builder->state, WJB_KEY, &value);
		}
		else if (token == WJB_VALUE && !skip)
		{
			pushJsonbValue(&builder->state, WJB_VALUE, &value);
			builder->empty = false;
		}
	}
}

/* json_get: the member's value, NULL when it is absent. */
JsonbValue *
json_get(Jsonb *object, const char *key)
{
	if (!JB_ROOT_IS_OBJECT(object))
		return NULL;
	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), NULL);
}

/* json_get_text: a string member, NULL when absent or no string. */
char *
json_get_text(Jsonb *object, const char *key)
{
	JsonbValue *value = json_get(object, key);

	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* json_get_int64: a number, "missing" when absent or something else. */
int64
json_get_int64(Jsonb *object, const char *key, int64 missing)
{
	JsonbValue *value = json_get(object, key);

	if (value == NULL || value->type != jbvNumeric)
		return missing;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 NumericGetDatum(value->val.numeric)));
}

/* json_get_bool: true when the member is there and true. */
bool
json_get_bool(Jsonb *object, const char *key)
{
	JsonbValue *value = json_get(object, key);

	return value != NULL && value->type == jbvBool && value->val.boolean;
}

/* json_get_object: a member that is an object or array, else NULL. */
Jsonb *
json_get_object(Jsonb *object, const char *key)
{
	JsonbValue *value = json_get(object, key);

	if (value == NULL || value->type != jbvBinary)
		return NULL;
	return JsonbValueToJsonb(value);
}

/* json_text_array1: ["element"] */
Jsonb *
json_text_array1(const char *element)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;

	set_string(&value, element);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(&state, WJB_ELEM, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* json_array_has: is the text an element?  NULL is an empty array. */
bool
json_array_has(Jsonb *array, const char *element)
{
	JsonbValue	value;

	if (array == NULL)
		return false;
	set_string(&value, element);
	return findJsonbValueFromContainer(&array->root, JB_FARRAY, &value) != NULL;
}

/*
 * json_array_push: the array with one more text at its end, without its first
 * elements where it would have more than "max".  NULL is an empty array.
 */
Jsonb *
json_array_push(Jsonb *array, const char *element, int max)
{
	int			count = array != NULL ? JB_ROOT_COUNT(array) : 0;
	JsonbParseState *state = NULL;
	JsonbValue	value;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = Max(count + 1 - max, 0); i < count; i++)
		pushJsonbValue(&state, WJB_ELEM,
					   getIthJsonbValueFromContainer(&array->root, i));
	set_string(&value, element);
	pushJsonbValue(&state, WJB_ELEM, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}
