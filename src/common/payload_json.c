/*
 * payload_json.c
 *		Payloads in the JSON form of protobuf, from and to the form that SQL
 *		sees.
 *
 * There metadata and data are base64: {"metadata": {"encoding":
 * "anNvbi9wbGFpbg=="}, "data": "MQ=="}.  The JSON that is read has been
 * checked by json_check().
 */
#include "common/payload_json.h"

#include "common/base64.h"
#include "common/json_text.h"

/* ------------------------------------------------------------------------
 * From protobuf
 * ------------------------------------------------------------------------
 */

/*
 * Payloads that are being read.  While more are added the bytes may move, so
 * slices of them have their places only in the end.
 */
typedef struct Reading
{
	TextBuffer	bytes;			/* of metadata and data */
	TextBuffer	entries;		/* PayloadEntry */
	TextBuffer	payloads;		/* Payload */
} Reading;

static void
begin_reading(Reading *reading, const Allocator *allocator)
{
	text_buffer_init(&reading->bytes, allocator);
	text_buffer_init(&reading->entries, allocator);
	text_buffer_init(&reading->payloads, allocator);
}

static void
end_reading(Reading *reading)
{
	text_buffer_free(&reading->bytes);
	text_buffer_free(&reading->entries);
	text_buffer_free(&reading->payloads);
}

/* The bytes that a string stands for; false: it is none. */
static bool
keep_base64(Reading *reading, Slice string, Slice *kept)
{
	size_t		start = reading->bytes.length;

	if (json_text_type(string) != '"' ||
		!base64_decode(&reading->bytes, (Slice) {string.data + 1, string.length - 2}))
		return false;
	*kept = (Slice) {NULL, reading->bytes.length - start};
	return true;
}

static bool
read_metadata(Reading *reading, Slice object)
{
	JsonReader	reader = json_text_open(object);
	Slice		key;
	Slice		value;

	if (json_text_type(object) != '{')
		return false;
	while (json_text_member(&reader, &key, &value))
	{
		PayloadEntry entry;
		size_t		start = reading->bytes.length;

		json_text_decode(&reading->bytes, key);
		entry.key = (Slice) {NULL, reading->bytes.length - start};
		if (!keep_base64(reading, value, &entry.value))
			return false;
		text_buffer_add(&reading->entries, (const char *) &entry, sizeof(entry));
	}
	return true;
}

/* false: it is no payload. */
static bool
read_payload(Reading *reading, Slice object)
{
	JsonReader	reader = json_text_open(object);
	Slice		key;
	Slice		value;
	Slice		data = {NULL, 0};
	Payload		payload = {.entries = reading->entries.length};

	if (json_text_type(object) != '{')
		return false;
	while (json_text_member(&reader, &key, &value))
	{
		if (json_text_is_null(value))
			continue;
		if (json_text_equals(key, "metadata"))
		{
			if (!read_metadata(reading, value))
				return false;
		}
		else if (json_text_equals(key, "data"))
			data = value;
		else if (json_text_equals(key, "externalPayloads") && json_text_type(value) == '[')
			payload.external = value;
		else
			return false;
	}
	if (data.length > 0 && !keep_base64(reading, data, &payload.data))
		return false;
	payload.entries = (reading->entries.length - payload.entries) / sizeof(PayloadEntry);
	text_buffer_add(&reading->payloads, (const char *) &payload, sizeof(payload));
	return true;
}

/* Give each slice its place, in the order in which they were kept. */
static const Payload *
settle(Reading *reading, size_t *count)
{
	Payload    *payloads = (Payload *) (void *) reading->payloads.data;
	PayloadEntry *entry = (PayloadEntry *) (void *) reading->entries.data;
	const char *at = text_buffer_reserve(&reading->bytes, 0) - reading->bytes.length;

	*count = reading->payloads.length / sizeof(Payload);
	for (size_t i = 0; i < *count; i++)
	{
		payloads[i].metadata = entry;
		for (size_t j = 0; j < payloads[i].entries; j++, entry++)
		{
			entry->key.data = at;
			at += entry->key.length;
			entry->value.data = at;
			at += entry->value.length;
		}
		payloads[i].data.data = at;
		at += payloads[i].data.length;
	}
	return payloads;
}

/* {"payloads": [...]}; false: it is something else. */
static bool
read_payloads(Reading *reading, Slice json)
{
	JsonReader	reader = json_text_open(json);
	Slice		key;
	Slice		value;

	if (json_text_type(json) != '{')
		return false;
	while (json_text_member(&reader, &key, &value))
	{
		JsonReader	list = json_text_open(value);
		Slice		payload;

		if (!json_text_equals(key, "payloads") || json_text_type(value) != '[')
			return false;
		while (json_text_element(&list, &payload))
			if (!read_payload(reading, payload))
				return false;
	}
	return true;
}

/* What is read so; false: the JSON is something else. */
static bool
convert(TextBuffer *plain, Slice json, bool (*read) (Reading *reading, Slice json),
		PayloadStyle style, bool *is_null)
{
	Reading		reading;
	size_t		count;
	bool		is_good;

	begin_reading(&reading, plain->allocator);
	is_good = read(&reading, json);
	if (is_good)
	{
		const Payload *payloads = settle(&reading, &count);

		*is_null = !payloads_to_plain(plain, payloads, count, style);
	}
	end_reading(&reading);
	return is_good;
}

/*
 * payloads_json_to_plain: add what SQL sees of Payloads; *is_null: that is
 * NULL, and nothing was added.  false: the JSON is something else.
 */
bool
payloads_json_to_plain(TextBuffer *plain, Slice json, PayloadStyle style, bool *is_null)
{
	return convert(plain, json, read_payloads, style, is_null);
}

/*
 * payload_json_to_plain: the same of one Payload, which is never NULL.
 */
bool
payload_json_to_plain(TextBuffer *plain, Slice json, PayloadStyle style)
{
	bool		is_null;

	return convert(plain, json, read_payload, style, &is_null);
}

/*
 * payload_map_json_to_plain: the same of a map of names to Payloads, such as
 * the fields of a Header: an object of what SQL sees of each.
 */
bool
payload_map_json_to_plain(TextBuffer *plain, Slice fields, PayloadStyle style)
{
	JsonReader	reader = json_text_open(fields);
	Slice		key;
	Slice		value;
	bool		is_first = true;

	if (json_text_type(fields) != '{')
		return false;
	text_buffer_char(plain, '{');
	while (json_text_member(&reader, &key, &value))
	{
		if (!is_first)
			text_buffer_char(plain, ',');
		is_first = false;
		text_buffer_slice(plain, key);
		text_buffer_char(plain, ':');
		if (!payload_json_to_plain(plain, value, style))
			return false;
	}
	text_buffer_char(plain, '}');
	return true;
}

/* ------------------------------------------------------------------------
 * To protobuf
 * ------------------------------------------------------------------------
 */

/* Payloads that are being written. */
typedef struct Writing
{
	TextBuffer *json;
	size_t		count;
	bool		only_first;
} Writing;

static void
write_payload(void *arg, const Payload *payload)
{
	Writing    *writing = arg;

	if (writing->count++ > 0)
	{
		if (writing->only_first)
			return;
		text_buffer_char(writing->json, ',');
	}
	payload_write(writing->json, payload, payload_write_bytes);
}

/*
 * payloads_json_from_plain: add the Payloads that a jsonb stands for.
 */
void
payloads_json_from_plain(TextBuffer *json, Slice plain, PayloadStyle style)
{
	Writing		writing = {.json = json};

	text_buffer_text(json, "{\"payloads\":[");
	payloads_from_plain(plain, style, json->allocator, write_payload, &writing);
	text_buffer_text(json, "]}");
}

/*
 * payload_json_from_plain: add the one Payload that a jsonb stands for, of
 * several the first; false: it stands for none, and an empty one was added.
 */
bool
payload_json_from_plain(TextBuffer *json, Slice plain)
{
	Writing		writing = {.json = json,.only_first = true};

	payloads_from_plain(plain, PAYLOADS_PLAIN, json->allocator, write_payload, &writing);
	if (writing.count == 0)
		text_buffer_text(json, "{}");
	return writing.count > 0;
}

/*
 * payload_map_json_from_plain: add a map of names to Payloads.  Of anything
 * but an object it is empty.
 */
void
payload_map_json_from_plain(TextBuffer *json, Slice plain)
{
	JsonReader	reader = json_text_open(plain);
	Slice		key;
	Slice		value;
	bool		is_first = true;

	text_buffer_char(json, '{');
	while (json_text_type(plain) == '{' && json_text_member(&reader, &key, &value))
	{
		if (!is_first)
			text_buffer_char(json, ',');
		is_first = false;
		text_buffer_slice(json, key);
		text_buffer_char(json, ':');
		payload_json_from_plain(json, value);
	}
	text_buffer_char(json, '}');
}
