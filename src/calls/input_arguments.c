/*
 * input_arguments.c
 *		taskq.args: inputs of several arguments.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "calls/args.h"

static void
push_key(JsonbParseState **state, char *name)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = name;
	key.val.string.len = (int) strlen(name);
	(void) pushJsonbValue(state, WJB_KEY, &key);
}

/* {"json": value}; NULL is a JSON null */
static void
push_payload(JsonbParseState **state, const Jsonb *payload)
{
	JsonbValue	value;

	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_key(state, "json");
	if (payload == NULL)
		value.type = jbvNull;
	else
		JsonbToJsonbValue(unconstify(Jsonb *, payload), &value);
	if (value.type == jbvBinary && JsonContainerIsScalar(value.val.binary.data))
		(void) JsonbExtractScalar(value.val.binary.data, &value);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

PG_FUNCTION_INFO_V1(taskq_args);

/* taskq.args(VARIADIC args) returns jsonb: {"$payloads": [{"json": arg}, ...]} */
Datum
taskq_args(PG_FUNCTION_ARGS)
{
	JsonbParseState *state = NULL;
	bool	   *nulls;
	Datum	   *elements;
	int			count;

	require_arg(fcinfo, 0, "args");
	elements = arg_array(fcinfo, 0, JSONBOID, "args", &nulls, &count);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "$payloads");
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
		push_payload(&state, nulls[i] ? NULL : DatumGetJsonbP(elements[i]));
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT,
													   NULL)));
}
