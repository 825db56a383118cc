/*
 * payload_values.c
 *		taskq.payloads and taskq.to_payloads: what histories have of values, and
 *		the values.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "base/json.h"
#include "base/json_print.h"
#include "base/proto_check.h"
#include "base/server_memory.h"
#include "calls/args.h"
#include "common/payload_json.h"
#include "common/proto_parts.h"
#include "model/proto_values.h"

/* What {"payloads": ...} and the like are, by the key that only they have; a Payload if they have none of these. */
static const struct
{
	const char *key;
	const ProtoMessage *message;
}			wrappers[] = {
	{"payloads", &proto_payloads},
	{"fields", &proto_memo},
	{"indexedFields", &proto_search_attributes},
};

static const ProtoMessage *
judge(Jsonb *value)
{
	if (JB_ROOT_IS_OBJECT(value) && JB_ROOT_COUNT(value) == 0)
		return &proto_payloads;
	for (size_t i = 0; i < lengthof(wrappers); i++)
		if (json_get(value, wrappers[i].key) != NULL)
			return wrappers[i].message;
	return &proto_payload;
}

PG_FUNCTION_INFO_V1(taskq_payloads);

/*
 * taskq.payloads(payloads) returns jsonb: the plain form of Payloads, of one
 * Payload, or of a map of them by name; NULL for none.  22023 for anything
 * else.
 */
Datum
taskq_payloads(PG_FUNCTION_ARGS)
{
	Jsonb	   *value = PG_GETARG_JSONB_P(0);
	const ProtoMessage *message = judge(value);
	Jsonb	   *plain;
	Jsonb	   *map;

	value = proto_check("payloads", message, value);
	if (message == &proto_payloads)
		plain = payloads_plain(value);
	else if (message == &proto_payload)
		plain = payload_plain(value);
	else
	{
		map = json_get_object(value, message == &proto_memo ? "fields" : "indexedFields");
		plain = payload_map_plain(map != NULL ? map : value);	/* of an empty one nothing is left */
	}
	if (plain == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(plain);
}

PG_FUNCTION_INFO_V1(taskq_to_payloads);

/*
 * taskq.to_payloads(VARIADIC args) returns jsonb: {"payloads": [...]}, one for
 * each argument, which is in the plain form; NULL is a JSON null.
 */
Datum
taskq_to_payloads(PG_FUNCTION_ARGS)
{
	TextBuffer	json;
	bool	   *nulls;
	Datum	   *elements;
	int			count;

	require_arg(fcinfo, 0, "args");
	elements = arg_array(fcinfo, 0, JSONBOID, "args", &nulls, &count);
	text_buffer_init(&json, &server_allocator);
	text_buffer_text(&json, "{\"payloads\":[");
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			text_buffer_char(&json, ',');
		payload_json_from_plain(&json, nulls[i] ? slice_of("null") : json_printed(DatumGetJsonbP(elements[i])));
	}
	text_buffer_text(&json, "]}");
	PG_RETURN_JSONB_P(proto_check_text("args", &proto_payloads, (Slice) {json.data, json.length}));
}
