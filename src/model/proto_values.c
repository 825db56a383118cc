/*
 * proto_values.c
 *		Payloads and failures: between the protocol's form, which histories keep,
 *		and the plain one, which SQL sees.
 *
 * The conversions themselves are those that programs use too (common/
 * payload_json.h, failure_form.h); here they get jsonb, and the server's memory.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/json.h"
#include "base/json_print.h"
#include "base/server_memory.h"
#include "common/base64.h"
#include "common/failure_form.h"
#include "common/payload_json.h"
#include "common/proto_canonical.h"
#include "common/proto_parts.h"
#include "common/proto_times.h"
#include "model/proto_values.h"

/* between 1970 and 2000, in microseconds; and the end of the year 9999, since then */
#define EPOCHS_APART	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)
#define LAST_INSTANT	(INT64CONST(253402300800) * USECS_PER_SEC - 1 - EPOCHS_APART)

static Jsonb *
jsonb_of(const TextBuffer *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text->data)));
}

/* payloads_plain: NULL for none at all. */
Jsonb *
payloads_plain(Jsonb *payloads)
{
	TextBuffer	plain;
	bool		is_null;

	if (payloads == NULL)
		return NULL;
	text_buffer_init(&plain, &server_allocator);
	if (!payloads_json_to_plain(&plain, json_printed(payloads), PAYLOADS_PLAIN, &is_null) || is_null)
		return NULL;
	return jsonb_of(&plain);
}

/* payloads_exact: the message Payloads; NULL for NULL. */
Jsonb *
payloads_exact(Jsonb *plain)
{
	TextBuffer	json;

	if (plain == NULL)
		return NULL;
	text_buffer_init(&json, &server_allocator);
	payloads_json_from_plain(&json, json_printed(plain), PAYLOADS_PLAIN);
	return jsonb_of(&json);
}

/* payloads_of_text: one payload, the JSON string of that text. */
Jsonb *
payloads_of_text(const char *text)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	return payloads_exact(JsonbValueToJsonb(&value));
}

/* payload_plain: of one Payload; NULL if it is none. */
Jsonb *
payload_plain(Jsonb *payload)
{
	TextBuffer	plain;

	text_buffer_init(&plain, &server_allocator);
	return payload_json_to_plain(&plain, json_printed(payload), PAYLOADS_PLAIN) ?
		jsonb_of(&plain) : NULL;
}

/* payload_map_plain: of the fields of a Header or Memo, {"name": payload}. */
Jsonb *
payload_map_plain(Jsonb *fields)
{
	TextBuffer	plain;

	if (fields == NULL)
		return NULL;
	text_buffer_init(&plain, &server_allocator);
	return payload_map_json_to_plain(&plain, json_printed(fields), PAYLOADS_PLAIN) ?
		jsonb_of(&plain) : NULL;
}

/* payload_map_exact: the fields of a Header or Memo. */
Jsonb *
payload_map_exact(Jsonb *plain)
{
	TextBuffer	json;

	if (plain == NULL)
		return NULL;
	text_buffer_init(&json, &server_allocator);
	payload_map_json_from_plain(&json, json_printed(plain));
	return jsonb_of(&json);
}

/*
 * payload_is_nothing: is it null or an empty list, which take the field of a map away
 * that it is the new value of?
 */
bool
payload_is_nothing(Jsonb *payload)
{
	Jsonb	   *metadata = json_get_object(payload, "metadata");
	char	   *encoding = metadata == NULL ? NULL : json_get_text(metadata, "encoding");
	char	   *data = json_get_text(payload, "data");

	encoding = encoding == NULL ? NULL : proto_text_of_base64(encoding);
	if (encoding == NULL)
		return false;
	if (strcmp(encoding, "binary/null") == 0)
		return true;
	data = data == NULL ? NULL : proto_text_of_base64(data);
	return strcmp(encoding, "json/plain") == 0 && data != NULL &&
		(strcmp(data, "null") == 0 || strcmp(data, "[]") == 0);
}

/* payload_map_merged: a map of payloads, either of which may be NULL, changed by another; NULL = empty. */
Jsonb *
payload_map_merged(Jsonb *fields, Jsonb *changes)
{
	Jsonb	   *maps[] = {fields, changes};
	JsonBuilder builder;

	json_begin(&builder);
	for (int i = 0; i < (int) lengthof(maps); i++)
	{
		JsonbIterator *iterator;
		JsonbIteratorToken token;
		JsonbValue	item;
		char	   *name = NULL;

		if (maps[i] == NULL)
			continue;
		iterator = JsonbIteratorInit(&maps[i]->root);
		while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
		{
			if (token == WJB_KEY)
				name = pnstrdup(item.val.string.val, item.val.string.len);
			else if (token == WJB_VALUE && item.type == jbvBinary &&
					 (i > 0 || changes == NULL || json_get(changes, name) == NULL) &&
					 !payload_is_nothing(JsonbValueToJsonb(&item)))
				json_add_value(&builder, name, &item);
		}
	}
	return builder.empty ? NULL : json_end(&builder);
}

/* failure_plain: of the message Failure. */
Jsonb *
failure_plain(Jsonb *failure)
{
	TextBuffer	plain;

	if (failure == NULL)
		return NULL;
	text_buffer_init(&plain, &server_allocator);
	return failure_to_plain(&plain, json_printed(failure), PAYLOADS_PLAIN) ?
		jsonb_of(&plain) : NULL;
}

/*
 * failure_exact: the message Failure.  What is kept of kinds that SQL does not
 * have is left out if it is not what the protocol says.
 */
Jsonb *
failure_exact(Jsonb *plain)
{
	TextBuffer	json;
	TextBuffer	checked;
	ProtoError	error;
	Slice		given;

	if (plain == NULL)
		return NULL;
	given = json_printed(plain);
	text_buffer_init(&json, &server_allocator);
	failure_from_plain(&json, given, true);
	text_buffer_init(&checked, &server_allocator);
	if (proto_canonical(&proto_failure, "failure", (Slice) {json.data, json.length},
						&checked, &error))
		return jsonb_of(&checked);
	text_buffer_init(&json, &server_allocator);
	failure_from_plain(&json, given, false);
	return jsonb_of(&json);
}

/*
 * failure_check: raises 22023 for an object that is not the plain form of a failure,
 * which failure_exact() would take as far as it goes.
 */
void
failure_check(Jsonb *plain, const char *what)
{
	TextBuffer	fault;

	text_buffer_init(&fault, &server_allocator);
	if (failure_plain_fault(&fault, json_printed(plain)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s", what),
				 errdetail("%s%s.", what, fault.data)));
}

/* proto_text_of_base64: what a value of metadata says; NULL if it is no text. */
char *
proto_text_of_base64(const char *base64)
{
	TextBuffer	bytes;

	text_buffer_init(&bytes, &server_allocator);
	if (!base64_decode(&bytes, slice_of(base64)) || bytes.length == 0 ||
		!pg_verifymbstr(bytes.data, bytes.length, true) ||
		memchr(bytes.data, 0, bytes.length) != NULL)
		return NULL;
	return pnstrdup(bytes.data, bytes.length);
}

/*
 * proto_instant_text: an instant as the protocol writes it, with microseconds.  Its last
 * one stands for all later ones.
 */
char *
proto_instant_text(TimestampTz when)
{
	TextBuffer	text;
	int64		unix_us = Min(when, LAST_INSTANT) + EPOCHS_APART;
	ProtoTime	time;

	time.seconds = unix_us / USECS_PER_SEC;
	time.nanoseconds = (int32_t) (unix_us % USECS_PER_SEC) * 1000;
	if (time.nanoseconds < 0)
	{
		time.nanoseconds += 1000000000;
		time.seconds--;
	}
	text_buffer_init(&text, &server_allocator);
	proto_instant_write(&text, time);
	return text.data;
}

/* proto_instant_of: the instant of such a text, in microseconds; DT_NOEND if it is none. */
TimestampTz
proto_instant_of(const char *text)
{
	ProtoTime	time;

	if (!proto_instant_read(slice_of(text), &time))
		return DT_NOEND;
	return time.seconds * USECS_PER_SEC + time.nanoseconds / 1000 - EPOCHS_APART;
}

/* payload_text: the text that one payload is as JSON, or NULL. */
char *
payload_text(Jsonb *payload)
{
	JsonbValue	scalar;
	Jsonb	   *value = payload_plain(payload);

	if (value == NULL || !JB_ROOT_IS_SCALAR(value) || !JsonbExtractScalar(&value->root, &scalar) ||
		scalar.type != jbvString)
		return NULL;
	return pnstrdup(scalar.val.string.val, scalar.val.string.len);
}

/* proto_base64_of_text: as bytes stand in JSON. */
char *
proto_base64_of_text(const char *text)
{
	TextBuffer	base64;

	text_buffer_init(&base64, &server_allocator);
	base64_encode(&base64, slice_of(text));
	return base64.data;
}

/*
 * failure_is_exact: has the object a member that only the protocol's form has?  One that
 * both forms could be counts as the protocol's.
 */
bool
failure_is_exact(Jsonb *failure)
{
	static const char *const plain[] = {
		"type", "details", "non_retryable", "stack_trace", "encoded_attributes", "info",
		"timeout_type", "last_heartbeat_details", "identity", "next_retry_delay", "category"
	};

	for (int i = 0; i < (int) lengthof(plain); i++)
		if (json_get(failure, plain[i]) != NULL)
			return false;
	return true;
}
