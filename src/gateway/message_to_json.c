/*
 * message_to_json.c
 *		Messages in the JSON form of protobuf, by their descriptors.
 *
 * Enums are written by name, or as numbers if they have none; what has its
 * default is left out; what is not known of a message is not written.
 */
#include "gateway/message_to_json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/json_text.h"
#include "common/proto_numbers.h"
#include "common/proto_times.h"
#include "gateway/message_shape.h"
#include "gateway/wire_check.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

static void add_message(TextBuffer *json, const ProtobufCMessage *message, int depth);
static void add_members(TextBuffer *json, const ProtobufCMessage *message, int depth);

static void
add_quoted(TextBuffer *json, const char *text)
{
	text_buffer_char(json, '"');
	text_buffer_text(json, text);
	text_buffer_char(json, '"');
}

static void
add_enum(TextBuffer *json, const ProtobufCEnumDescriptor *descriptor, int number)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(descriptor, number);
	char		text[16];

	if (value != NULL)
	{
		add_quoted(json, value->name);
		return;
	}
	snprintf(text, sizeof(text), "%d", number);
	text_buffer_text(json, text);
}

/* A number that is no enum, float or bool. */
static void
add_integer(TextBuffer *json, ProtobufCType type, const void *value)
{
	char		text[32];

	switch (type)
	{
		case PROTOBUF_C_TYPE_INT32:
		case PROTOBUF_C_TYPE_SINT32:
		case PROTOBUF_C_TYPE_SFIXED32:
			snprintf(text, sizeof(text), "%" PRId32, *(const int32_t *) value);
			break;
		case PROTOBUF_C_TYPE_UINT32:
		case PROTOBUF_C_TYPE_FIXED32:
			snprintf(text, sizeof(text), "%" PRIu32, *(const uint32_t *) value);
			break;
		case PROTOBUF_C_TYPE_UINT64:
		case PROTOBUF_C_TYPE_FIXED64:
			snprintf(text, sizeof(text), "\"%" PRIu64 "\"", *(const uint64_t *) value);
			break;
		default:
			snprintf(text, sizeof(text), "\"%" PRId64 "\"", *(const int64_t *) value);
			break;
	}
	text_buffer_text(json, text);
}

static void
add_bytes(TextBuffer *json, const ProtobufCBinaryData *bytes)
{
	text_buffer_char(json, '"');
	base64_encode(json, (Slice) {(const char *) bytes->data, bytes->len});
	text_buffer_char(json, '"');
}

static void
add_value(TextBuffer *json, const ProtobufCFieldDescriptor *field, const void *value, int depth)
{
	switch (field->type)
	{
		case PROTOBUF_C_TYPE_FLOAT:
			proto_double_write(json, *(const float *) value, true);
			break;
		case PROTOBUF_C_TYPE_DOUBLE:
			proto_double_write(json, *(const double *) value, false);
			break;
		case PROTOBUF_C_TYPE_BOOL:
			text_buffer_text(json, *(const protobuf_c_boolean *) value ? "true" : "false");
			break;
		case PROTOBUF_C_TYPE_ENUM:
			add_enum(json, field->descriptor, *(const int *) value);
			break;
		case PROTOBUF_C_TYPE_STRING:
			json_text_encode(json, slice_of(*(char *const *) value));
			break;
		case PROTOBUF_C_TYPE_BYTES:
			add_bytes(json, value);
			break;
		case PROTOBUF_C_TYPE_MESSAGE:
			add_message(json, *(ProtobufCMessage *const *) value, depth + 1);
			break;
		default:
			add_integer(json, field->type, value);
			break;
	}
}

/* Is it worth being written? */
static bool
is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const char *value = (const char *) message + field->offset;
	static const char zeros[sizeof(ProtobufCBinaryData)];

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *) (const void *) ((const char *) message + field->quantifier_offset) > 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *) (const void *) ((const char *) message + field->quantifier_offset) == field->id;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return *(char *const *) (const void *) value != NULL && **(char *const *) (const void *) value != '\0';
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *) (const void *) value)->len > 0;
	return memcmp(value, zeros, field_size(field->type)) != 0;
}

/* Entries of a map, whose keys are strings, whatever they are. */
static void
add_entry(TextBuffer *json, const ProtobufCMessage *entry, int depth)
{
	const ProtobufCFieldDescriptor *key = &entry->descriptor->fields[0];
	const ProtobufCFieldDescriptor *value = &entry->descriptor->fields[1];
	const char *at = (const char *) entry;
	TextBuffer	text;
	bool		is_quoted;

	text_buffer_init(&text, json->allocator);
	add_value(&text, key, at + key->offset, depth);
	is_quoted = text.data[0] == '"';
	if (!is_quoted)
		text_buffer_char(json, '"');
	text_buffer_add(json, text.data, text.length);
	text_buffer_text(json, is_quoted ? ":" : "\":");
	text_buffer_free(&text);
	if (value->type == PROTOBUF_C_TYPE_MESSAGE &&
		*(ProtobufCMessage *const *) (const void *) (at + value->offset) == NULL)
		text_buffer_text(json, "{}");
	else
		add_value(json, value, at + value->offset, depth);
}

static void
add_repeated(TextBuffer *json, const ProtobufCMessage *message,
			 const ProtobufCFieldDescriptor *field, int depth)
{
	size_t		count = *(const size_t *) (const void *) ((const char *) message + field->quantifier_offset);
	const char *values = *(char *const *) (const void *) ((const char *) message + field->offset);
	bool		is_map = field_is_map(message->descriptor, field);

	text_buffer_char(json, is_map ? '{' : '[');
	for (size_t i = 0; i < count; i++, values += field_size(field->type))
	{
		if (i > 0)
			text_buffer_char(json, ',');
		if (is_map)
			add_entry(json, *(ProtobufCMessage *const *) (const void *) values, depth + 1);
		else
			add_value(json, field, values, depth);
	}
	text_buffer_char(json, is_map ? '}' : ']');
}

/* The members of an object, which may have some already. */
static void
add_members(TextBuffer *json, const ProtobufCMessage *message, int depth)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++)
	{
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (!is_set(message, field))
			continue;
		if (json->data[json->length - 1] != '{')
			text_buffer_char(json, ',');
		text_buffer_char(json, '"');
		camel_add(json, slice_of(field->name));
		text_buffer_text(json, "\":");
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			add_repeated(json, message, field, depth);
		else
			add_value(json, field, (const char *) message + field->offset, depth);
	}
}

static void
add_field_mask(TextBuffer *json, const Google__Protobuf__FieldMask *mask)
{
	TextBuffer	paths;

	text_buffer_init(&paths, json->allocator);
	for (size_t i = 0; i < mask->n_paths; i++)
	{
		if (i > 0)
			text_buffer_char(&paths, ',');
		camel_add(&paths, slice_of(mask->paths[i]));
	}
	json_text_encode(json, (Slice) {paths.data, paths.length});
	text_buffer_free(&paths);
}

/* With the message that is in it, if it is known. */
static void
add_any(TextBuffer *json, const Google__Protobuf__Any *any, int depth)
{
	const ProtobufCMessageDescriptor *descriptor = message_known(slice_of(any->type_url));
	ProtobufCMessage *message = NULL;

	if (descriptor != NULL && wire_check(descriptor, any->value.data, any->value.len) == NULL)
		message = protobuf_c_message_unpack(descriptor, NULL, any->value.len, any->value.data);
	text_buffer_char(json, '{');
	json_text_key(json, "@type");
	json_text_encode(json, slice_of(any->type_url));
	if (message != NULL && message_shape(descriptor) == SHAPE_FIELDS)
		add_members(json, message, depth);
	else
	{
		json_text_key(json, "value");
		if (message != NULL)
			add_message(json, message, depth + 1);
		else
			add_bytes(json, &any->value);
	}
	text_buffer_char(json, '}');
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
}

static void
add_instant(TextBuffer *json, const Google__Protobuf__Timestamp *timestamp)
{
	ProtoTime	instant = {timestamp->seconds, timestamp->nanos};

	text_buffer_char(json, '"');
	proto_instant_write(json, proto_instant_valid(instant) ? instant : (ProtoTime) {0, 0});
	text_buffer_char(json, '"');
}

static void
add_duration(TextBuffer *json, const Google__Protobuf__Duration *duration)
{
	ProtoTime	time = {duration->seconds, duration->nanos};

	text_buffer_char(json, '"');
	proto_duration_write(json, proto_duration_valid(time) ? time : (ProtoTime) {0, 0});
	text_buffer_char(json, '"');
}

static void
add_message(TextBuffer *json, const ProtobufCMessage *message, int depth)
{
	if (depth > MESSAGE_DEPTH)
	{
		text_buffer_text(json, "{}");
		return;
	}
	switch (message_shape(message->descriptor))
	{
		case SHAPE_INSTANT:
			add_instant(json, (const Google__Protobuf__Timestamp *) message);
			break;
		case SHAPE_DURATION:
			add_duration(json, (const Google__Protobuf__Duration *) message);
			break;
		case SHAPE_FIELD_MASK:
			add_field_mask(json, (const Google__Protobuf__FieldMask *) message);
			break;
		case SHAPE_ANY:
			add_any(json, (const Google__Protobuf__Any *) message, depth);
			break;
		case SHAPE_VALUE:
			add_value(json, &message->descriptor->fields[0],
					  (const char *) message + message->descriptor->fields[0].offset, depth);
			break;
		case SHAPE_FIELDS:
			text_buffer_char(json, '{');
			add_members(json, message, depth);
			text_buffer_char(json, '}');
			break;
	}
}

/*
 * Add the JSON of a message.  An instant or duration that is beyond what
 * protobuf allows is zero.
 */
void
message_to_json(TextBuffer *json, const ProtobufCMessage *message)
{
	add_message(json, message, 1);
}
