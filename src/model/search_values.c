/*
 * search_values.c
 *		Search attributes: payloads with a type, decoded.
 *
 * A payload of one is {"metadata": {"encoding": ..., "type": ...}, "data": ...}, all
 * in base64; its value is JSON.  Null and an empty list take the attribute away.
 *
 * Which values a type has: Keyword and Text have strings, Int whole numbers of 64 bits,
 * Double what fits into 64 bits, Bool true and false, Datetime strings in the form of
 * RFC 3339, KeywordList lists of strings.  Where a payload says that its type is none of
 * lists, a list of one is its element: so some clients send them all.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "model/search_values.h"

typedef bool (*ValueTest) (const JsonbValue *scalar);

/* ------------------------------------------------------------------------
 * Types
 * ------------------------------------------------------------------------
 */

static bool
is_string(const JsonbValue *scalar)
{
	return scalar->type == jbvString;
}

static bool
is_bool(const JsonbValue *scalar)
{
	return scalar->type == jbvBool;
}

static bool
is_int(const JsonbValue *scalar)
{
	Datum		number;

	if (scalar->type != jbvNumeric)
		return false;
	number = NumericGetDatum(scalar->val.numeric);
	return DatumGetBool(DirectFunctionCall2(numeric_eq, number, DirectFunctionCall1(numeric_floor, number))) &&
		DatumGetBool(DirectFunctionCall2(numeric_le, number, DirectFunctionCall1(int8_numeric, Int64GetDatum(PG_INT64_MAX)))) &&
		DatumGetBool(DirectFunctionCall2(numeric_ge, number, DirectFunctionCall1(int8_numeric, Int64GetDatum(PG_INT64_MIN))));
}

static bool
is_double(const JsonbValue *scalar)
{
	return scalar->type == jbvNumeric &&
		!isinf(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												  NumericGetDatum(scalar->val.numeric))));
}

static bool
is_datetime(const JsonbValue *scalar)
{
	return is_string(scalar) &&
		proto_instant_of(pnstrdup(scalar->val.string.val, scalar->val.string.len)) != DT_NOEND;
}

static const struct
{
	const char *name;
	ValueTest	has;
	bool		is_list;		/* of such */
}			types[] = {
	{"Keyword", is_string, false},
	{"Text", is_string, false},
	{"Int", is_int, false},
	{"Double", is_double, false},
	{"Bool", is_bool, false},
	{"Datetime", is_datetime, false},
	{"KeywordList", is_string, true},
};

static int
type_number(const char *type)
{
	for (int i = 0; i < (int) lengthof(types); i++)
		if (strcmp(types[i].name, type) == 0)
			return i;
	return -1;
}

/* search_type_is_known: has the protocol a type of that name? */
bool
search_type_is_known(const char *type)
{
	return type_number(type) >= 0;
}

/* is it a list, and of such? */
static bool
is_list_of(Jsonb *value, ValueTest has)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (!JB_ROOT_IS_ARRAY(value) || JB_ROOT_IS_SCALAR(value))
		return false;
	iterator = JsonbIteratorInit(&value->root);
	(void) JsonbIteratorNext(&iterator, &item, true);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) == WJB_ELEM)
		if (item.type == jbvBinary || !has(&item))
			return false;
	return true;
}

/* search_value_fits: has the type, a known one, such a value? */
bool
search_value_fits(Jsonb *value, const char *type)
{
	int			i = type_number(type);
	JsonbValue	scalar;

	Assert(i >= 0);
	if (types[i].is_list)
		return is_list_of(value, types[i].has);
	return JB_ROOT_IS_SCALAR(value) && JsonbExtractScalar(&value->root, &scalar) &&
		types[i].has(&scalar);
}

/* search_type_of: the type that a value gets if nobody has declared one; NULL: no type has such values. */
const char *
search_type_of(Jsonb *value)
{
	static const char *const tried[] = {"Keyword", "Bool", "Int", "Double", "KeywordList"};

	for (int i = 0; i < (int) lengthof(tried); i++)
		if (search_value_fits(value, tried[i]))
			return tried[i];
	return NULL;
}

/* ------------------------------------------------------------------------
 * From payloads
 * ------------------------------------------------------------------------
 */

/* the JSON value that a payload holds; NULL for none */
static Jsonb *
plain_of(Jsonb *payload, Jsonb *metadata)
{
	JsonBuilder message;
	JsonBuilder encoding;
	JsonbParseState *state = NULL;
	JsonbValue	element;
	Jsonb	   *plain;

	/* without its type it is an ordinary payload */
	json_begin(&encoding);
	if (metadata != NULL)
		json_add_text(&encoding, "encoding", json_get_text(metadata, "encoding"));
	json_begin(&message);
	json_add(&message, "metadata", json_end(&encoding));
	json_add_text(&message, "data", json_get_text(payload, "data"));
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	JsonbToJsonbValue(json_end(&message), &element);
	pushJsonbValue(&state, WJB_ELEM, &element);
	json_begin(&message);
	json_add(&message, "payloads",
			 JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
	plain = payloads_plain(json_end(&message));
	return plain == NULL || json_get(plain, "$payloads") != NULL ? NULL : plain;
}

/* a list of one is its element */
static Jsonb *
without_list(Jsonb *value)
{
	JsonbValue *element;

	if (value == NULL || !JB_ROOT_IS_ARRAY(value) || JB_ROOT_IS_SCALAR(value) || JB_ROOT_COUNT(value) != 1)
		return value;
	element = getIthJsonbValueFromContainer(&value->root, 0);
	return JsonbValueToJsonb(element);
}

static void
read_payload(Jsonb *payload, SearchValue *value)
{
	Jsonb	   *metadata = json_get_object(payload, "metadata");
	char	   *type = metadata == NULL ? NULL : json_get_text(metadata, "type");

	value->removes = payload_is_nothing(payload) || json_get_text(payload, "data") == NULL;
	value->value = value->removes ? NULL : plain_of(payload, metadata);
	value->type = type == NULL ? NULL : proto_text_of_base64(type);
	if (value->type != NULL && type_number(value->type) >= 0 && !types[type_number(value->type)].is_list)
		value->value = without_list(value->value);
}

/* search_values_read: call back for each of the message's fields. */
void
search_values_read(Jsonb *fields, SearchValueReader reader, void *arg)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	SearchValue value = {0};

	if (fields == NULL)
		return;
	iterator = JsonbIteratorInit(&fields->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			value.name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE && item.type == jbvBinary)
		{
			read_payload(JsonbValueToJsonb(&item), &value);
			reader(arg, &value);
		}
	}
}

static void
add_value(void *arg, const SearchValue *value)
{
	if (value->value != NULL)
		json_add(arg, value->name, value->value);
}

/* those of the values that the fields say nothing of */
static void
add_others(JsonBuilder *builder, Jsonb *values, Jsonb *fields)
{
	JsonbIterator *iterator = JsonbIteratorInit(&values->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE && (fields == NULL || json_get(fields, name) == NULL))
			json_add_value(builder, name, &item);
	}
}

/*
 * search_values_merged: the values, with those of the message's fields in the place
 * of earlier ones; NULL for none.
 */
Jsonb *
search_values_merged(Jsonb *values, Jsonb *fields)
{
	JsonBuilder builder;

	json_begin(&builder);
	if (values != NULL)
		add_others(&builder, values, fields);
	search_values_read(fields, add_value, &builder);
	return builder.empty ? NULL : json_end(&builder);
}

/* search_values: of the message's fields alone. */
Jsonb *
search_values(Jsonb *fields)
{
	return search_values_merged(NULL, fields);
}

/* ------------------------------------------------------------------------
 * From plain values
 * ------------------------------------------------------------------------
 */

static Jsonb *
exact_payload(Jsonb *value, const char *type)
{
	JsonBuilder payload;
	JsonBuilder metadata;

	json_begin(&metadata);
	json_add_text(&metadata, "encoding", proto_base64_of_text("json/plain"));
	if (type != NULL)
		json_add_text(&metadata, "type", proto_base64_of_text(type));
	json_begin(&payload);
	json_add(&payload, "metadata", json_end(&metadata));
	json_add_text(&payload, "data",
				  proto_base64_of_text(JsonbToCString(NULL, &value->root, VARSIZE(value))));
	return json_end(&payload);
}

/*
 * search_values_exact: an object whose members are JSON values as the message's fields,
 * each with its type: the declared one, or what it would get; NULL, and for null: none.
 */
Jsonb *
search_values_exact(Jsonb *values, SearchTypeLookup declared)
{
	JsonBuilder builder;
	JsonbIterator *iterator = JsonbIteratorInit(&values->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	json_begin(&builder);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		const char *type = NULL;
		Jsonb	   *value;

		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		value = JsonbValueToJsonb(&item);
		if (declared != NULL && item.type != jbvNull)
			type = declared(name);
		if (declared != NULL && item.type != jbvNull && type == NULL)
			type = search_type_of(value);
		json_add(&builder, name, exact_payload(value, type));
	}
	return json_end(&builder);
}
