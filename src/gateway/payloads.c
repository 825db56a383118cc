/*
 * payloads.c
 *		Payloads, headers and the like between messages and what SQL sees of
 *		them.
 */
#include "gateway/payloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_check.h"
#include "common/json_text.h"
#include "common/payload_form.h"
#include "common/proto_times.h"
#include "gateway/memory.h"
#include "gateway/texts.h"
#include "gateway/proto/common.pb-c.h"
#include "gateway/proto/sdk.pb-c.h"

#define DETAILS "$details"		/* of the metadata, in a header */
#define LIST_BEGINNING "{\"$payloads\":"

static PayloadStyle usual_style = PAYLOADS_PLAIN;

/*
 * From now on, are all payloads kept as bytes?
 */
void
payloads_keep_exact(bool exact)
{
	usual_style = exact ? PAYLOADS_EXACT : PAYLOADS_PLAIN;
}

/*
 * How are payloads kept?
 */
PayloadStyle
payloads_style(void)
{
	return usual_style;
}

/* ------------------------------------------------------------------------
 * From messages
 * ------------------------------------------------------------------------
 */

/* Payloads of a message, as the common code sees them. */
typedef struct Views
{
	Payload    *payloads;
	PayloadEntry *entries;
	TextBuffer	external;
} Views;

static Slice
bytes_of(ProtobufCBinaryData data)
{
	return (Slice) {(const char *) data.data, data.len};
}

/* The JSON array of what is known of values that are kept elsewhere. */
static size_t
add_external(TextBuffer *json, const Temporal__Payload *payload)
{
	size_t		start = json->length;

	for (size_t i = 0; i < payload->n_external_payloads; i++)
	{
		char		text[64];

		snprintf(text, sizeof(text), "%s{\"sizeBytes\":\"%lld\"}", i == 0 ? "[" : ",",
				 (long long) payload->external_payloads[i]->size_bytes);
		text_buffer_text(json, text);
	}
	if (payload->n_external_payloads > 0)
		text_buffer_char(json, ']');
	return json->length - start;
}

static void
view_payloads(Views *views, Temporal__Payload *const *payloads, size_t count)
{
	size_t		entries = 0;
	size_t		offset = 0;
	PayloadEntry *entry;

	for (size_t i = 0; i < count; i++)
		entries += payloads[i]->n_metadata;
	views->payloads = memory_new(count * sizeof(Payload));
	views->entries = entry = memory_new(entries * sizeof(PayloadEntry));
	views->external = text_begin();
	for (size_t i = 0; i < count; i++)
	{
		const Temporal__Payload *payload = payloads[i];

		views->payloads[i] = (Payload)
		{
			entry, payload->n_metadata, bytes_of(payload->data),
			{NULL, add_external(&views->external, payload)}
		};
		for (size_t j = 0; j < payload->n_metadata; j++, entry++)
			*entry = (PayloadEntry)
		{
			slice_of(payload->metadata[j]->key), bytes_of(payload->metadata[j]->value)
		};
	}
	for (size_t i = 0; i < count; i++)
	{
		if (views->payloads[i].external.length > 0)
			views->payloads[i].external.data = views->external.data + offset;
		offset += views->payloads[i].external.length;
	}
}

static bool
add_plain(TextBuffer *plain, Temporal__Payload *const *payloads, size_t count, PayloadStyle style)
{
	Views		views;
	bool		is_there;

	if (count == 0)
		return false;
	view_payloads(&views, payloads, count);
	is_there = payloads_to_plain(plain, views.payloads, count, style);
	free(views.payloads);
	free(views.entries);
	text_buffer_free(&views.external);
	return is_there;
}

static char *
to_text(const Temporal__Payloads *payloads, PayloadStyle style)
{
	TextBuffer	plain = text_begin();

	if (payloads == NULL || !add_plain(&plain, payloads->payloads, payloads->n_payloads, style))
		return NULL;
	return text_end(&plain);
}

/*
 * The jsonb that stands for payloads; NULL of none.
 */
char *
payloads_to_text(const Temporal__Payloads *payloads)
{
	return to_text(payloads, usual_style);
}

/*
 * The same for the details of a cancellation.
 */
char *
cancel_details_to_text(const Temporal__Payloads *payloads)
{
	return to_text(payloads, usual_style == PAYLOADS_EXACT ? PAYLOADS_EXACT : PAYLOADS_OF_CANCEL);
}

/* Add a member of a header; the first one begins it. */
static void
add_field(TextBuffer *plain, const char *key, Temporal__Payload *payload)
{
	Temporal__Payload empty = TEMPORAL__PAYLOAD__INIT;

	if (payload == NULL)
		payload = &empty;
	text_buffer_char(plain, plain->length == 0 ? '{' : ',');
	json_text_encode(plain, slice_of(key));
	text_buffer_char(plain, ':');
	add_plain(plain, &payload, 1, usual_style);
}

/*
 * An object of names and what stands for their payloads; NULL of none.  The
 * details of the metadata, which have no column, are one of them, so a name
 * that begins as theirs does gets another dollar.
 */
char *
header_to_text(const Temporal__Header *header, const Temporal__UserMetadata *metadata)
{
	TextBuffer	plain = text_begin();

	for (size_t i = 0; header != NULL && i < header->n_fields; i++)
	{
		const Temporal__Header__FieldsEntry *field = header->fields[i];
		Buffer		key = {0};

		buffer_text(&key, *field->key == '$' ? "$" : "");
		buffer_text(&key, field->key);
		add_field(&plain, key.data, field->value);
		buffer_free(&key);
	}
	if (metadata != NULL && metadata->details != NULL)
		add_field(&plain, DETAILS, metadata->details);
	if (plain.length == 0)
		return NULL;
	text_buffer_char(&plain, '}');
	return text_end(&plain);
}

/*
 * An object of names and values; NULL of none.  What is known of their types
 * is dropped.  false: a value is no JSON.
 */
bool
search_attributes_to_text(const Temporal__SearchAttributes *attributes, char **plain)
{
	TextBuffer	object = text_begin();

	*plain = NULL;
	if (attributes == NULL || attributes->n_indexed_fields == 0)
		return true;
	for (size_t i = 0; i < attributes->n_indexed_fields; i++)
	{
		const Temporal__SearchAttributes__IndexedFieldsEntry *field = attributes->indexed_fields[i];
		Slice		value = field->value != NULL ? bytes_of(field->value->data) : slice_of("null");

		if (json_check(value, &gateway_allocator) != JSON_FAULT_NONE)
		{
			text_buffer_free(&object);
			return false;
		}
		text_buffer_char(&object, i == 0 ? '{' : ',');
		json_text_encode(&object, slice_of(field->key));
		text_buffer_char(&object, ':');
		text_buffer_slice(&object, json_text_trim(value));
	}
	text_buffer_char(&object, '}');
	*plain = text_end(&object);
	return true;
}

/* A text in JSON, as PostgreSQL can have it: U+0000 becomes U+FFFD. */
static void
decode_text(TextBuffer *text, Slice string)
{
	TextBuffer	meant = text_begin();
	TextBuffer	again = text_begin();

	json_text_decode(&meant, string);
	json_text_encode(&again, (Slice) {meant.data, meant.length});
	json_text_decode(text, (Slice) {again.data, again.length});
	text_buffer_free(&meant);
	text_buffer_free(&again);
}

static bool
is_json(const Temporal__Payload *payload)
{
	return payload->n_metadata == 1 && payload->n_external_payloads == 0 &&
		strcmp(payload->metadata[0]->key, "encoding") == 0 &&
		slice_equals(bytes_of(payload->metadata[0]->value), "json/plain");
}

static bool
is_list(const char *text)
{
	return strncmp(text, LIST_BEGINNING, strlen(LIST_BEGINNING)) == 0;
}

/*
 * The summary of a task: a text, if it is one, else what stands for its
 * payload; NULL of none.
 */
char *
summary_to_text(const Temporal__UserMetadata *metadata)
{
	TextBuffer	text = text_begin();
	Temporal__Payload *payload;
	Slice		json;
	JsonFault	fault;

	if (metadata == NULL || metadata->summary == NULL)
		return NULL;
	payload = metadata->summary;
	json = json_text_trim(bytes_of(payload->data));
	fault = json_check(json, &gateway_allocator);
	if (is_json(payload) && json_text_type(json) == '"' &&
		(fault == JSON_FAULT_NONE || fault == JSON_FAULT_ZERO))
	{
		decode_text(&text, json);
		if (!is_list(text.data))
			return text_end(&text);
		text.length = 0;
	}
	add_plain(&text, &payload, 1, PAYLOADS_EXACT);
	return text_end(&text);
}

/* ------------------------------------------------------------------------
 * To messages
 * ------------------------------------------------------------------------
 */

static ProtobufCBinaryData
copy_bytes(Slice slice)
{
	ProtobufCBinaryData data = {slice.length, NULL};

	if (slice.length > 0)
	{
		data.data = memory_resize(NULL, slice.length);
		memcpy(data.data, slice.data, slice.length);
	}
	return data;
}

/* Read from the array that add_external() has written. */
static void
copy_external(Temporal__Payload *payload, Slice external)
{
	JsonReader	reader = json_text_open(external);
	Slice		element;

	while (json_text_element(&reader, &element))
	{
		Temporal__Payload__ExternalPayloadDetails *details = memory_new(sizeof(*details));
		JsonReader	members = json_text_open(element);
		Slice		key;
		Slice		value;

		temporal__payload__external_payload_details__init(details);
		while (json_text_member(&members, &key, &value))
			if (json_text_equals(key, "sizeBytes"))
				details->size_bytes = strtoll(value.data + (json_text_type(value) == '"'), NULL, 10);
		payload->external_payloads = memory_resize(payload->external_payloads,
												   (payload->n_external_payloads + 1) * sizeof(details));
		payload->external_payloads[payload->n_external_payloads++] = details;
	}
}

static Temporal__Payload *
copy_payload(const Payload *view)
{
	Temporal__Payload *payload = memory_new(sizeof(*payload));

	temporal__payload__init(payload);
	payload->data = copy_bytes(view->data);
	payload->n_metadata = view->entries;
	if (view->entries > 0)
		payload->metadata = memory_new(view->entries * sizeof(payload->metadata[0]));
	for (size_t i = 0; i < view->entries; i++)
	{
		payload->metadata[i] = memory_new(sizeof(*payload->metadata[i]));
		temporal__payload__metadata_entry__init(payload->metadata[i]);
		payload->metadata[i]->key = text_copy(view->metadata[i].key);
		payload->metadata[i]->value = copy_bytes(view->metadata[i].value);
	}
	copy_external(payload, view->external);
	return payload;
}

/* A PayloadHandler: to the others. */
static void
append_payload(void *arg, const Payload *view)
{
	Temporal__Payloads *payloads = arg;

	/* the array has room for a power of two */
	if ((payloads->n_payloads & (payloads->n_payloads - 1)) == 0)
		payloads->payloads = memory_resize(payloads->payloads,
										   (payloads->n_payloads > 0 ? payloads->n_payloads * 2 : 1) *
										   sizeof(payloads->payloads[0]));
	payloads->payloads[payloads->n_payloads++] = copy_payload(view);
}

/* A PayloadHandler: if it is the first one. */
static void
keep_first(void *arg, const Payload *view)
{
	Temporal__Payload **payload = arg;

	if (*payload == NULL)
		*payload = copy_payload(view);
}

static Temporal__Payload *
payload_from_plain(Slice plain)
{
	Temporal__Payload *payload = NULL;
	Payload		none = {0};

	payloads_from_plain(plain, PAYLOADS_PLAIN, &gateway_allocator, keep_first, &payload);
	return payload != NULL ? payload : copy_payload(&none);
}

/*
 * The payloads that a jsonb stands for; NULL of NULL.
 */
Temporal__Payloads *
payloads_from_text(const char *plain)
{
	Temporal__Payloads *payloads;

	if (plain == NULL)
		return NULL;
	payloads = memory_new(sizeof(*payloads));
	temporal__payloads__init(payloads);
	payloads_from_plain(slice_of(plain), PAYLOADS_PLAIN, &gateway_allocator, append_payload, payloads);
	return payloads;
}

/* The members of an object, one after the other; of anything else there are none. */
typedef struct Members
{
	JsonReader	reader;
	size_t		count;
	Slice		key;
	Slice		value;
} Members;

static bool
next_member(Members *members)
{
	return members->count > 0 && json_text_member(&members->reader, &members->key, &members->value);
}

static Members
members_of(const char *plain)
{
	Slice		object = json_text_trim(slice_of(plain));
	Members		members = {.reader = json_text_open(object)};

	if (json_text_type(object) == '{')
		while (json_text_member(&members.reader, &members.key, &members.value))
			members.count++;
	members.reader = json_text_open(object);
	return members;
}

/*
 * The header that an object stands for, without the details of metadata; NULL
 * of NULL.
 */
Temporal__Header *
header_from_text(const char *plain)
{
	Temporal__Header *header;
	Members		members;

	if (plain == NULL)
		return NULL;
	members = members_of(plain);
	header = memory_new(sizeof(*header));
	temporal__header__init(header);
	header->fields = memory_new(members.count * sizeof(header->fields[0]));
	while (next_member(&members))
	{
		Temporal__Header__FieldsEntry *field;
		char	   *key;

		if (json_text_equals(members.key, DETAILS))
			continue;
		field = memory_new(sizeof(*field));
		temporal__header__fields_entry__init(field);
		field->key = key = text_decode(members.key);
		if (strncmp(key, "$$", 2) == 0)
			memmove(key, key + 1, strlen(key));
		field->value = payload_from_plain(members.value);
		header->fields[header->n_fields++] = field;
	}
	return header;
}

/* The details of metadata in a header; NULL without any. */
static Temporal__Payload *
details_from_header(const char *plain)
{
	Members		members = members_of(plain != NULL ? plain : "");

	while (next_member(&members))
		if (json_text_equals(members.key, DETAILS))
			return payload_from_plain(members.value);
	return NULL;
}

static Temporal__Payload *
typed_payload(Slice json, const char *type)
{
	const PayloadEntry metadata[] = {
		{slice_of("encoding"), slice_of("json/plain")},
		{slice_of("type"), slice_of(type != NULL ? type : "")}
	};
	Payload		view = {.metadata = metadata,.entries = type != NULL ? 2 : 1,.data = json};

	return copy_payload(&view);
}

static bool
is_instant(Slice string)
{
	ProtoTime	instant;

	return string.length > 2 &&
		proto_instant_read((Slice) {string.data + 1, string.length - 2}, &instant);
}

/* The type of an attribute that nobody has declared, as its value has it. */
static const char *
attribute_type(Slice value)
{
	switch (json_text_type(value))
	{
		case '"':
			return is_instant(value) ? "Datetime" : "Keyword";
		case '[':
			return "KeywordList";
		case 't':
		case 'f':
			return "Bool";
		case 'n':
		case '{':
			return NULL;
		default:
			return memchr(value.data, '.', value.length) != NULL ? "Double" : "Int";
	}
}

/*
 * The search attributes that an object stands for; NULL of NULL.
 */
Temporal__SearchAttributes *
search_attributes_from_text(const char *plain)
{
	Temporal__SearchAttributes *attributes;
	Members		members;

	if (plain == NULL)
		return NULL;
	members = members_of(plain);
	attributes = memory_new(sizeof(*attributes));
	temporal__search_attributes__init(attributes);
	attributes->indexed_fields = memory_new(members.count * sizeof(attributes->indexed_fields[0]));
	while (next_member(&members))
	{
		Temporal__SearchAttributes__IndexedFieldsEntry *field = memory_new(sizeof(*field));

		temporal__search_attributes__indexed_fields_entry__init(field);
		field->key = text_decode(members.key);
		field->value = typed_payload(members.value, attribute_type(members.value));
		attributes->indexed_fields[attributes->n_indexed_fields++] = field;
	}
	return attributes;
}

static Temporal__Payload *
text_payload(const char *text, const char *type)
{
	TextBuffer	json = text_begin();
	Temporal__Payload *payload;

	json_text_encode(&json, slice_of(text));
	payload = typed_payload((Slice) {json.data, json.length}, type);
	text_buffer_free(&json);
	return payload;
}

/*
 * A value that is a word, as the groups of a count have them.
 */
Temporal__Payload *
keyword_payload(const char *keyword)
{
	return text_payload(keyword, "Keyword");
}

static Temporal__Payload *
summary_from_text(const char *summary)
{
	Slice		text = slice_of(summary);

	if (is_list(summary) && json_check(text, &gateway_allocator) == JSON_FAULT_NONE)
		return payload_from_plain(text);
	return text_payload(summary, NULL);
}

/*
 * The metadata with this summary, and the details in the header; NULL if there
 * is neither.
 */
Temporal__UserMetadata *
user_metadata_from_text(const char *summary, const char *header)
{
	Temporal__Payload *details = details_from_header(header);
	Temporal__UserMetadata *metadata;

	if (summary == NULL && details == NULL)
		return NULL;
	metadata = memory_new(sizeof(*metadata));
	temporal__user_metadata__init(metadata);
	if (summary != NULL)
		metadata->summary = summary_from_text(summary);
	metadata->details = details;
	return metadata;
}
