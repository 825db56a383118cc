/*
 * search_values.c
 *		Search attributes: payloads with a type, decoded.
 *
 * A payload of one is {"metadata": {"encoding": ..., "type": ...}, "data": ...}, all
 * in base64; its value is JSON.  One without data, or with JSON null, takes the
 * attribute away.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/json.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "model/search_values.h"

#define DEFAULT_TYPE	"Keyword"

/* search_type_is_known: has the protocol a type of that name? */
bool
search_type_is_known(const char *type)
{
	static const char *const types[] = {
		"Keyword", "Text", "Int", "Double", "Bool", "Datetime", "KeywordList"
	};

	for (int i = 0; i < (int) lengthof(types); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

/* the value that a payload holds: NULL for none */
static Jsonb *
value_of(Jsonb *payload)
{
	JsonBuilder list;
	JsonBuilder encoding;
	Jsonb	   *metadata = json_get_object(payload, "metadata");
	JsonbParseState *state = NULL;
	Jsonb	   *plain;

	/* without its type it is an ordinary payload */
	json_begin(&list);
	json_begin(&encoding);
	if (metadata != NULL)
		json_add_text(&encoding, "encoding", json_get_text(metadata, "encoding"));
	json_add(&list, "metadata", json_end(&encoding));
	json_add_text(&list, "data", json_get_text(payload, "data"));
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	{
		JsonbValue	element;

		JsonbToJsonbValue(json_end(&list), &element);
		pushJsonbValue(&state, WJB_ELEM, &element);
	}
	json_begin(&list);
	json_add(&list, "payloads",
			 JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
	plain = payloads_plain(json_end(&list));
	if (plain == NULL || json_get(plain, "$payloads") != NULL)
		return NULL;
	return plain;
}

static bool
is_null(Jsonb *value)
{
	JsonbValue	scalar;

	return value == NULL ||
		(JB_ROOT_IS_SCALAR(value) && JsonbExtractScalar(&value->root, &scalar) &&
		 scalar.type == jbvNull);
}

/*
 * search_values_merged: the values, with those of the message's fields in the place
 * of earlier ones; NULL for none.
 */
Jsonb *
search_values_merged(Jsonb *values, Jsonb *fields)
{
	JsonBuilder builder;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	json_begin(&builder);
	if (values != NULL)
		json_add_members(&builder, values, NULL);
	if (fields == NULL)
		return builder.empty ? NULL : json_end(&builder);
	iterator = JsonbIteratorInit(&fields->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE && item.type == jbvBinary)
		{
			Jsonb	   *value = value_of(JsonbValueToJsonb(&item));

			if (is_null(value))
				json_add_null(&builder, name);
			else
				json_add(&builder, name, value);
		}
	}
	return builder.empty ? NULL : json_end(&builder);
}

/* search_values: of the message's fields alone. */
Jsonb *
search_values(Jsonb *fields)
{
	return search_values_merged(NULL, fields);
}

/* search_value_types: each name, with the type that its payload tells. */
void
search_value_types(Jsonb *fields, SearchValueReader reader, void *arg)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	if (fields == NULL)
		return;
	iterator = JsonbIteratorInit(&fields->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE && item.type == jbvBinary)
		{
			Jsonb	   *metadata = json_get_object(JsonbValueToJsonb(&item), "metadata");
			char	   *type = metadata == NULL ? NULL : json_get_text(metadata, "type");
			char	   *decoded = type == NULL ? NULL : proto_text_of_base64(type);

			reader(arg, name, decoded == NULL ? DEFAULT_TYPE : decoded);
		}
	}
}

/* ------------------------------------------------------------------------
 * From plain values
 * ------------------------------------------------------------------------
 */

/* the type that a JSON value has if nobody has declared one */
static const char *
type_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNumeric:
			return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(value->val.numeric))) > 0 ?
				"Double" : "Int";
		case jbvBool:
			return "Bool";
		case jbvBinary:
			return "KeywordList";
		default:
			return DEFAULT_TYPE;
	}
}

static Jsonb *
exact_payload(const JsonbValue *value, bool typed)
{
	JsonBuilder payload;
	JsonBuilder metadata;
	Jsonb	   *json = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	char	   *text = JsonbToCString(NULL, &json->root, VARSIZE(json));

	json_begin(&metadata);
	json_add_text(&metadata, "encoding", proto_base64_of_text("json/plain"));
	if (typed)
		json_add_text(&metadata, "type", proto_base64_of_text(type_of(value)));
	json_begin(&payload);
	json_add(&payload, "metadata", json_end(&metadata));
	json_add_text(&payload, "data", proto_base64_of_text(text));
	return json_end(&payload);
}

static Jsonb *
exact_map(Jsonb *values, bool typed)
{
	JsonBuilder builder;
	JsonbIterator *iterator = JsonbIteratorInit(&values->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	json_begin(&builder);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			json_add(&builder, name, exact_payload(&item, typed));
	}
	return json_end(&builder);
}

/* search_values_exact: {"Name": value} as the message's fields. */
Jsonb *
search_values_exact(Jsonb *values)
{
	return exact_map(values, true);
}

/* search_values_untyped: an object whose members are JSON values, each as a payload. */
Jsonb *
search_values_untyped(Jsonb *values)
{
	return exact_map(values, false);
}
