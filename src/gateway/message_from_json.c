/*
 * message_from_json.c
 *		Messages out of the JSON form of protobuf, by their descriptors.
 *
 * Names of fields may be written in both ways, enums by name or number,
 * numbers as strings, bytes in either alphabet, padded or not.  What is not
 * known is refused.
 */
#include "gateway/message_from_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/json_check.h"
#include "common/json_text.h"
#include "common/proto_numbers.h"
#include "common/proto_times.h"
#include "gateway/memory.h"
#include "gateway/message_shape.h"
#include "gateway/texts.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

typedef struct Reading
{
	int			depth;
	const char *problem;		/* what was wrong first, or NULL */
	const char *where;			/* name of the message or field */
} Reading;

static ProtobufCMessage *read_message(Reading *reading, const ProtobufCMessageDescriptor *descriptor,
									  Slice json);

/* false */
static bool
fail(Reading *reading, const char *where, const char *problem)
{
	if (reading->problem == NULL)
	{
		reading->problem = problem;
		reading->where = where;
	}
	return false;
}

/* Without its quotes; of another value as it stands. */
static Slice
unquoted(Slice value)
{
	if (json_text_type(value) == '"')
		return (Slice) {value.data + 1, value.length - 2};
	return value;
}

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */

static bool
read_number(const ProtobufCFieldDescriptor *field, Slice json, void *to)
{
	uint64_t	value;

	switch (field->type)
	{
		case PROTOBUF_C_TYPE_INT32:
		case PROTOBUF_C_TYPE_SINT32:
		case PROTOBUF_C_TYPE_SFIXED32:
			if (!proto_integer_read(json, INT32_MIN, INT32_MAX, &value))
				return false;
			*(int32_t *) to = (int32_t) value;
			return true;
		case PROTOBUF_C_TYPE_UINT32:
		case PROTOBUF_C_TYPE_FIXED32:
			if (!proto_integer_read(json, 0, UINT32_MAX, &value))
				return false;
			*(uint32_t *) to = (uint32_t) value;
			return true;
		case PROTOBUF_C_TYPE_UINT64:
		case PROTOBUF_C_TYPE_FIXED64:
			return proto_integer_read(json, 0, UINT64_MAX, to);
		default:
			return proto_integer_read(json, INT64_MIN, INT64_MAX, to);
	}
}

static bool
read_enum(const ProtobufCEnumDescriptor *descriptor, Slice json, int *to)
{
	Slice		text = unquoted(json);
	uint64_t	value;

	if (json_text_type(json) == '"')
	{
		for (unsigned i = 0; i < descriptor->n_values; i++)
		{
			if (slice_equals(text, descriptor->values[i].name))
			{
				*to = descriptor->values[i].value;
				return true;
			}
		}
		return false;
	}
	if (!proto_integer_read(json, INT32_MIN, INT32_MAX, &value))
		return false;
	*to = (int32_t) value;
	return true;
}

static bool
read_bytes(Slice json, ProtobufCBinaryData *to)
{
	TextBuffer	bytes = text_begin();

	if (json_text_type(json) != '"' || !base64_decode(&bytes, unquoted(json)))
	{
		text_buffer_free(&bytes);
		return false;
	}
	if (bytes.length == 0)
		text_buffer_free(&bytes);
	*to = (ProtobufCBinaryData) {bytes.length, (uint8_t *) bytes.data};
	return true;
}

static bool
read_string(Slice json, char **to)
{
	if (json_text_type(json) != '"')
		return false;
	*to = text_decode(json);
	return true;
}

/* One value of the field's type, to where the message has it. */
static bool
read_value(Reading *reading, const ProtobufCFieldDescriptor *field, Slice json, void *to)
{
	bool		is_good;
	double		number;

	switch (field->type)
	{
		case PROTOBUF_C_TYPE_MESSAGE:
			*(ProtobufCMessage **) to = read_message(reading, field->descriptor, json);
			return *(ProtobufCMessage **) to != NULL;
		case PROTOBUF_C_TYPE_STRING:
			is_good = read_string(json, to);
			break;
		case PROTOBUF_C_TYPE_BYTES:
			is_good = read_bytes(json, to);
			break;
		case PROTOBUF_C_TYPE_ENUM:
			is_good = read_enum(field->descriptor, json, to);
			break;
		case PROTOBUF_C_TYPE_BOOL:
			is_good = slice_equals(unquoted(json), "true") || slice_equals(unquoted(json), "false");
			*(protobuf_c_boolean *) to = slice_equals(unquoted(json), "true");
			break;
		case PROTOBUF_C_TYPE_FLOAT:
			is_good = proto_double_read(json, &number);
			if (is_good)
				*(float *) to = (float) number;
			break;
		case PROTOBUF_C_TYPE_DOUBLE:
			is_good = proto_double_read(json, to);
			break;
		default:
			is_good = read_number(field, json, to);
			break;
	}
	return is_good || fail(reading, field->name, "value of another type");
}

/* ------------------------------------------------------------------------
 * Fields
 * ------------------------------------------------------------------------
 */

static void *
at(ProtobufCMessage *message, unsigned offset)
{
	return (char *) message + offset;
}

/* The elements of an array, or members of an object, of a checked text. */
static size_t
count_values(Slice json)
{
	JsonReader	reader = json_text_open(json);
	Slice		key;
	Slice		value;
	size_t		count = 0;

	if (json_text_type(json) == '{')
		while (json_text_member(&reader, &key, &value))
			count++;
	else
		while (json_text_element(&reader, &value))
			count++;
	return count;
}

/* An entry of a map. */
static bool
read_entry(Reading *reading, const ProtobufCMessageDescriptor *descriptor, Slice key, Slice value,
		   ProtobufCMessage **to)
{
	ProtobufCMessage *entry = memory_new(descriptor->sizeof_message);

	protobuf_c_message_init(descriptor, entry);
	*to = entry;
	return read_value(reading, &descriptor->fields[0], key, at(entry, descriptor->fields[0].offset)) &&
		read_value(reading, &descriptor->fields[1], value, at(entry, descriptor->fields[1].offset));
}

static bool
read_repeated(Reading *reading, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
			  Slice json)
{
	bool		is_map = field_is_map(message->descriptor, field);
	size_t	   *count = at(message, field->quantifier_offset);
	JsonReader	reader = json_text_open(json);
	Slice		key;
	Slice		value;
	char	   *values;

	if (json_text_type(json) != (is_map ? '{' : '['))
		return fail(reading, field->name, is_map ? "not an object" : "not an array");
	if (count_values(json) == 0)
		return true;
	values = memory_new(count_values(json) * field_size(field->type));
	*(void **) at(message, field->offset) = values;
	while (is_map ? json_text_member(&reader, &key, &value) : json_text_element(&reader, &value))
	{
		char	   *to = values + *count * field_size(field->type);
		bool		is_good;

		if (is_map)
			is_good = read_entry(reading, field->descriptor, key, value, (ProtobufCMessage **) (void *) to);
		else
			is_good = read_value(reading, field, value, to);
		/* an entry is there even if its value is not */
		*count += is_good || is_map;
		if (!is_good)
			return false;
	}
	return true;
}

static bool
read_field(Reading *reading, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, Slice json)
{
	uint32_t   *which = at(message, field->quantifier_offset);

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_repeated(reading, message, field, json);
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
	{
		if (*which != 0)
			return fail(reading, field->name, "another one of several that exclude each other is given");
		if (!read_value(reading, field, json, at(message, field->offset)))
			return false;
		*which = field->id;
		return true;
	}
	return read_value(reading, field, json, at(message, field->offset));
}

static const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *descriptor, Slice key)
{
	for (unsigned i = 0; i < descriptor->n_fields; i++)
		if (camel_equals(descriptor->fields[i].name, unquoted(key)))
			return &descriptor->fields[i];
	return NULL;
}

static uint64_t
bit_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return UINT64_C(1) << ((field - message->descriptor->fields) & 63);
}

/* Member by member; "@type" is that of an Any, if it is one. */
static bool
read_fields(Reading *reading, ProtobufCMessage *message, Slice json, bool is_any)
{
	JsonReader	reader = json_text_open(json);
	uint64_t	seen = 0;		/* no message has more than 64 fields */
	Slice		key;
	Slice		value;

	if (json_text_type(json) != '{')
		return fail(reading, message->descriptor->name, "not an object");
	while (json_text_member(&reader, &key, &value))
	{
		const ProtobufCFieldDescriptor *field = find_field(message->descriptor, key);

		if (is_any && json_text_equals(key, "@type"))
			continue;
		if (field == NULL)
			return fail(reading, message->descriptor->name, "has a member that is not known");
		if (json_text_is_null(value))
			continue;
		if (seen & bit_of(message, field))
			return fail(reading, field->name, "given twice");
		seen |= bit_of(message, field);
		if (!read_field(reading, message, field, value))
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------
 */

static bool
read_field_mask(Google__Protobuf__FieldMask *mask, Slice json)
{
	Slice		paths = unquoted(json);

	if (json_text_type(json) != '"')
		return false;
	while (paths.length > 0)
	{
		const char *comma = memchr(paths.data, ',', paths.length);
		size_t		length = comma != NULL ? (size_t) (comma - paths.data) : paths.length;
		TextBuffer	path = text_begin();

		snake_add(&path, (Slice) {paths.data, length});
		mask->paths = memory_resize(mask->paths, (mask->n_paths + 1) * sizeof(char *));
		mask->paths[mask->n_paths++] = text_end(&path);
		length += comma != NULL;
		paths = (Slice) {paths.data + length, paths.length - length};
	}
	return true;
}

/* Pack the message that the members beside "@type" are; or take its bytes. */
static bool
read_any(Reading *reading, Google__Protobuf__Any *any, Slice json)
{
	const ProtobufCMessageDescriptor *descriptor;
	ProtobufCMessage *message;
	JsonReader	reader = json_text_open(json);
	Slice		key;
	Slice		value;
	Slice		type = {NULL, 0};
	Slice		bytes = {NULL, 0};
	bool		is_good;

	while (json_text_type(json) == '{' && json_text_member(&reader, &key, &value))
	{
		if (json_text_equals(key, "@type"))
			type = value;
		else if (json_text_equals(key, "value"))
			bytes = value;
	}
	if (!read_string(type, &any->type_url))
		return fail(reading, "google.protobuf.Any", "has no @type");
	descriptor = message_known(slice_of(any->type_url));
	if (descriptor == NULL)
		return bytes.length == 0 || read_bytes(bytes, &any->value) ||
			fail(reading, "google.protobuf.Any", "type that is not known");
	if (message_shape(descriptor) == SHAPE_FIELDS)
	{
		message = memory_new(descriptor->sizeof_message);
		protobuf_c_message_init(descriptor, message);
		is_good = read_fields(reading, message, json, true);
	}
	else
	{
		message = read_message(reading, descriptor, bytes);
		is_good = message != NULL;
	}
	if (is_good)
	{
		any->value.len = protobuf_c_message_get_packed_size(message);
		any->value.data = memory_resize(NULL, any->value.len);
		protobuf_c_message_pack(message, any->value.data);
	}
	protobuf_c_message_free_unpacked(message, NULL);
	return is_good;
}

static bool
read_time(Slice json, MessageShape shape, int64_t *seconds, int32_t *nanoseconds)
{
	ProtoTime	time;

	if (json_text_type(json) != '"' ||
		!(shape == SHAPE_INSTANT ? proto_instant_read : proto_duration_read) (unquoted(json), &time))
		return false;
	*seconds = time.seconds;
	*nanoseconds = time.nanoseconds;
	return true;
}

static bool
read_shaped(Reading *reading, ProtobufCMessage *message, MessageShape shape, Slice json)
{
	const ProtobufCFieldDescriptor *field = &message->descriptor->fields[0];
	Google__Protobuf__Timestamp *timestamp = (Google__Protobuf__Timestamp *) message;
	Google__Protobuf__Duration *duration = (Google__Protobuf__Duration *) message;

	switch (shape)
	{
		case SHAPE_INSTANT:
			return read_time(json, shape, &timestamp->seconds, &timestamp->nanos) ||
				fail(reading, message->descriptor->name, "not an instant");
		case SHAPE_DURATION:
			return read_time(json, shape, &duration->seconds, &duration->nanos) ||
				fail(reading, message->descriptor->name, "not a duration");
		case SHAPE_FIELD_MASK:
			return read_field_mask((Google__Protobuf__FieldMask *) message, json) ||
				fail(reading, message->descriptor->name, "not a list of fields");
		case SHAPE_ANY:
			return read_any(reading, (Google__Protobuf__Any *) message, json);
		case SHAPE_VALUE:
			return read_value(reading, field, json, at(message, field->offset));
		default:
			return read_fields(reading, message, json, false);
	}
}

static ProtobufCMessage *
read_message(Reading *reading, const ProtobufCMessageDescriptor *descriptor, Slice json)
{
	ProtobufCMessage *message;
	bool		is_good;

	if (reading->depth == MESSAGE_DEPTH)
	{
		fail(reading, descriptor->name, "nested too deeply");
		return NULL;
	}
	message = memory_new(descriptor->sizeof_message);
	protobuf_c_message_init(descriptor, message);
	reading->depth++;
	is_good = read_shaped(reading, message, message_shape(descriptor), json);
	reading->depth--;
	if (is_good)
		return message;
	protobuf_c_message_free_unpacked(message, NULL);
	return NULL;
}

/*
 * The message that a JSON text stands for, to be freed with
 * protobuf_c_message_free_unpacked(message, NULL).  NULL: it is no such
 * message; *problem says why, for people, until the next call.
 */
ProtobufCMessage *
message_from_json(const ProtobufCMessageDescriptor *descriptor, Slice json, const char **problem)
{
	static char text[256];
	Reading		reading = {0};
	JsonFault	fault = json_check(json, &gateway_allocator);
	ProtobufCMessage *message;

	*problem = NULL;
	if (fault != JSON_FAULT_NONE && fault != JSON_FAULT_EXPONENT)
	{
		*problem = json_fault_text(fault);
		return NULL;
	}
	message = read_message(&reading, descriptor, json_text_trim(json));
	if (message == NULL)
	{
		snprintf(text, sizeof(text), "%s: %s", reading.where, reading.problem);
		*problem = text;
	}
	return message;
}
