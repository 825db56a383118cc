/*
 * payload_form.c
 *		Payloads, which are bytes with metadata, as SQL sees them: one jsonb for
 *		all arguments of a call, or for its results.
 *
 * None at all is NULL.  One value that is JSON, and of which jsonb keeps all
 * but white space and the order of keys, is itself.  Everything else is a list:
 *
 *		{"$payloads": [{"json": 1},
 *					   {"metadata": {"encoding": "binary/plain"}, "data": "AAE="}]}
 *
 * Metadata that is no text is {"$b64": "..."}.  A value that looks like such a
 * list, or like such metadata, is put into a list.  What comes from SQL and is
 * no proper list is one JSON value.
 */
#include "common/payload_form.h"

#include <string.h>

#include "common/base64.h"
#include "common/json_check.h"
#include "common/json_text.h"
#include "common/utf8.h"

static const PayloadEntry json_metadata = {
	{"encoding", sizeof("encoding") - 1},
	{"json/plain", sizeof("json/plain") - 1}
};

/* Is it JSON, of which jsonb keeps all that matters? */
static bool
is_plain(const Payload *payload, const Allocator *allocator)
{
	return payload->entries == 1 && payload->external.length == 0 &&
		slice_equals(payload->metadata[0].key, "encoding") &&
		slice_equals(payload->metadata[0].value, "json/plain") &&
		json_check(payload->data, allocator) == JSON_FAULT_NONE;
}

/* ["reason"]: as taskq writes the details of a cancellation. */
static bool
is_reason(Slice json)
{
	JsonReader	reader = json_text_open(json);
	Slice		element;

	return json_text_type(json) == '[' && json_text_element(&reader, &element) &&
		json_text_type(element) == '"' && !json_text_element(&reader, &element);
}

/* Would a single value be taken for something else? */
static bool
is_ambiguous(Slice json, PayloadStyle style)
{
	JsonReader	reader;
	Slice		key;
	Slice		value;

	if (style == PAYLOADS_OF_CANCEL && is_reason(json))
		return true;
	if (json_text_type(json) != '{')
		return false;
	reader = json_text_open(json);
	while (json_text_member(&reader, &key, &value))
	{
		/* a key may be written with escapes, which few keys have */
		if (json_text_equals(key, "$payloads") || json_text_equals(key, "$b64") ||
			memchr(key.data, '\\', key.length) != NULL)
			return true;
	}
	return false;
}

/* payload_write_bytes: add a string of base64. */
void
payload_write_bytes(TextBuffer *to, Slice bytes)
{
	text_buffer_char(to, '"');
	base64_encode(to, bytes);
	text_buffer_char(to, '"');
}

/*
 * payload_write: add the object of a payload that is no plain value, with its data as
 * base64.
 */
void
payload_write(TextBuffer *to, const Payload *payload, MetadataWriter write_value)
{
	text_buffer_char(to, '{');
	if (payload->entries > 0)
	{
		json_text_key(to, "metadata");
		text_buffer_char(to, '{');
		for (size_t i = 0; i < payload->entries; i++)
		{
			if (i > 0)
				text_buffer_char(to, ',');
			json_text_encode(to, payload->metadata[i].key);
			text_buffer_char(to, ':');
			write_value(to, payload->metadata[i].value);
		}
		text_buffer_char(to, '}');
	}
	if (payload->data.length > 0)
	{
		json_text_key(to, "data");
		payload_write_bytes(to, payload->data);
	}
	if (payload->external.length > 0)
	{
		json_text_key(to, "externalPayloads");
		text_buffer_slice(to, payload->external);
	}
	text_buffer_char(to, '}');
}

/* Text as it is. */
static void
write_value(TextBuffer *to, Slice value)
{
	if (utf8_valid(value.data, value.length) &&
		(value.length == 0 || memchr(value.data, '\0', value.length) == NULL))
	{
		json_text_encode(to, value);
		return;
	}
	text_buffer_text(to, "{\"$b64\":");
	payload_write_bytes(to, value);
	text_buffer_char(to, '}');
}

/* One element of a list. */
static void
add_element(TextBuffer *to, const Payload *payload, PayloadStyle style)
{
	if (style == PAYLOADS_EXACT || !is_plain(payload, to->allocator))
	{
		payload_write(to, payload, write_value);
		return;
	}
	text_buffer_text(to, "{\"json\":");
	text_buffer_slice(to, json_text_trim(payload->data));
	text_buffer_char(to, '}');
}

/*
 * payloads_to_plain: add the text of a jsonb that stands for some payloads;
 * false: it is SQL's NULL, and nothing was added.
 */
bool
payloads_to_plain(TextBuffer *plain, const Payload *payloads, size_t count, PayloadStyle style)
{
	if (count == 0)
		return false;
	if (count == 1 && style != PAYLOADS_EXACT && is_plain(&payloads[0], plain->allocator))
	{
		Slice		json = json_text_trim(payloads[0].data);

		if (!is_ambiguous(json, style))
		{
			text_buffer_slice(plain, json);
			return true;
		}
	}
	text_buffer_text(plain, "{\"$payloads\":[");
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0)
			text_buffer_char(plain, ',');
		add_element(plain, &payloads[i], style);
	}
	text_buffer_text(plain, "]}");
	return true;
}

/* ------------------------------------------------------------------------
 * The other way
 * ------------------------------------------------------------------------
 */

/* An element of a list that is being read. */
typedef struct Element
{
	TextBuffer	bytes;			/* of metadata and data */
	TextBuffer	entries;		/* PayloadEntry, whose data is found below */
	Slice		data;
	Slice		external;
} Element;

/* The only member of an object, if it has this key and no other. */
static bool
only_member(Slice object, const char *name, Slice *value)
{
	JsonReader	reader = json_text_open(object);
	Slice		key;
	Slice		other;

	return json_text_type(object) == '{' && json_text_member(&reader, &key, value) &&
		json_text_equals(key, name) && !json_text_member(&reader, &key, &other);
}

/*
 * Add what a string means to the bytes.  They may still move: the slice has
 * its place among them only when all are there.
 */
static bool
keep_bytes(Element *element, Slice string, bool is_base64, Slice *kept)
{
	TextBuffer *bytes = &element->bytes;
	size_t		start = bytes->length;
	bool		is_good = json_text_type(string) == '"';

	if (is_good && is_base64)
		is_good = base64_decode(bytes, (Slice) {string.data + 1, string.length - 2});
	else if (is_good)
		json_text_decode(bytes, string);
	*kept = (Slice) {NULL, bytes->length - start};
	return is_good;
}

static bool
read_metadata(Element *element, Slice object)
{
	JsonReader	reader = json_text_open(object);
	Slice		key;
	Slice		value;

	if (json_text_type(object) != '{')
		return false;
	while (json_text_member(&reader, &key, &value))
	{
		PayloadEntry entry;
		Slice		encoded;
		bool		is_base64 = only_member(value, "$b64", &encoded);

		if (!keep_bytes(element, key, false, &entry.key) ||
			!keep_bytes(element, is_base64 ? encoded : value, is_base64, &entry.value))
			return false;
		text_buffer_add(&element->entries, (const char *) &entry, sizeof(entry));
	}
	return true;
}

/* false: it is no element of a list. */
static bool
read_element(Element *element, Slice object)
{
	JsonReader	reader = json_text_open(object);
	Slice		key;
	Slice		value;
	Slice		data = {NULL, 0};

	element->bytes.length = element->entries.length = 0;
	element->data = element->external = (Slice) {NULL, 0};
	if (json_text_type(object) != '{')
		return false;
	while (json_text_member(&reader, &key, &value))
	{
		if (json_text_equals(key, "metadata"))
		{
			if (!read_metadata(element, value))
				return false;
		}
		else if (json_text_equals(key, "data"))
			data = value;
		else if (json_text_equals(key, "externalPayloads") && json_text_type(value) == '[')
			element->external = value;
		else
			return false;
	}
	return data.length == 0 || keep_bytes(element, data, true, &element->data);
}

/* Give each slice its place, in the order in which they were kept. */
static void
settle(Element *element)
{
	PayloadEntry *entries = (PayloadEntry *) (void *) element->entries.data;
	const char *at = text_buffer_reserve(&element->bytes, 0) - element->bytes.length;

	for (size_t i = 0; i < element->entries.length / sizeof(PayloadEntry); i++)
	{
		entries[i].key.data = at;
		at += entries[i].key.length;
		entries[i].value.data = at;
		at += entries[i].value.length;
	}
	element->data.data = at;
}

static void
handle_json(Slice json, PayloadHandler handler, void *arg)
{
	Payload		payload = {.metadata = &json_metadata,.entries = 1,.data = json};

	handler(arg, &payload);
}

/*
 * The elements of a list, to a handler, or to none, to see whether they are
 * proper ones; false: they are not.
 */
static bool
read_list(Slice list, const Allocator *allocator, PayloadHandler handler, void *arg)
{
	JsonReader	reader = json_text_open(list);
	Element		element;
	Slice		object;
	Slice		json;
	bool		is_good = json_text_type(list) == '[';

	text_buffer_init(&element.bytes, allocator);
	text_buffer_init(&element.entries, allocator);
	while (is_good && json_text_element(&reader, &object))
	{
		if (only_member(object, "json", &json))
		{
			if (handler != NULL)
				handle_json(json, handler, arg);
			continue;
		}
		is_good = read_element(&element, object);
		if (is_good && handler != NULL)
		{
			Payload		payload;

			settle(&element);
			payload = (Payload)
			{
				(const PayloadEntry *) (void *) element.entries.data,
				element.entries.length / sizeof(PayloadEntry),
				element.data, element.external
			};
			handler(arg, &payload);
		}
	}
	text_buffer_free(&element.bytes);
	text_buffer_free(&element.entries);
	return is_good;
}

/*
 * payloads_from_plain: what the text of a jsonb stands for, payload by
 * payload.  For SQL's NULL, call nothing.
 */
void
payloads_from_plain(Slice plain, PayloadStyle style, const Allocator *allocator,
					PayloadHandler handler, void *arg)
{
	Slice		list;
	Slice		reason;

	plain = json_text_trim(plain);
	if (only_member(plain, "$payloads", &list) && read_list(list, allocator, NULL, NULL))
	{
		read_list(list, allocator, handler, arg);
		return;
	}
	if (style == PAYLOADS_OF_CANCEL && is_reason(plain))
	{
		JsonReader	reader = json_text_open(plain);

		json_text_element(&reader, &reason);
		plain = reason;
	}
	handle_json(plain, handler, arg);
}
