/*
 * wire_check.c
 *		Is it safe to unpack a message?
 *
 * protobuf-c unpacks by recursion as deep as the message likes, takes any bytes
 * for a string, and merges a message that is given again with what it has, which
 * takes time by the square.  So the bytes are looked at before, without
 * recursion: what passes takes bounded stack, memory and time, and has strings
 * that PostgreSQL takes.
 */
#include "gateway/wire_check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"
#include "gateway/proto/failure.pb-c.h"

#define WIRE_VARINT		0
#define WIRE_64_BITS	1
#define WIRE_LENGTH		2
#define WIRE_32_BITS	5

#define ALLOCATION		32		/* what an allocation costs besides, at most */
#define FIELD			96		/* what a field costs while its message is unpacked */
#define REPLACED_ZERO	0xC0	/* no byte of UTF-8 */

/* A message that has begun and has not ended. */
typedef struct Level
{
	const ProtobufCMessageDescriptor *descriptor;
	const uint8_t *end;
	uint64_t	seen;			/* of its first 64 fields, those that may be there once */
} Level;

typedef struct Check
{
	uint8_t    *at;
	Level		levels[WIRE_DEPTH];
	int			depth;
	size_t		memory;
	char	   *problem;
	size_t		room;
} Check;

/* A field: its key, and where its bytes are if it has a length. */
typedef struct Field
{
	const ProtobufCFieldDescriptor *descriptor; /* NULL: not known */
	int			wire_type;
	uint8_t    *data;
	size_t		length;
} Field;

static const char *
fail(Check *check, const Level *level, const ProtobufCFieldDescriptor *field, const char *problem)
{
	snprintf(check->problem, check->room, "%s%s%s: %s", level->descriptor->name,
			 field != NULL ? "." : "", field != NULL ? field->name : "", problem);
	return check->problem;
}

static bool
read_varint(Check *check, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 70 && check->at < end; shift += 7)
	{
		uint8_t		byte = *check->at++;

		*value |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static int
expected_wire_type(ProtobufCType type)
{
	switch (type)
	{
		case PROTOBUF_C_TYPE_FIXED64:
		case PROTOBUF_C_TYPE_SFIXED64:
		case PROTOBUF_C_TYPE_DOUBLE:
			return WIRE_64_BITS;
		case PROTOBUF_C_TYPE_FIXED32:
		case PROTOBUF_C_TYPE_SFIXED32:
		case PROTOBUF_C_TYPE_FLOAT:
			return WIRE_32_BITS;
		case PROTOBUF_C_TYPE_STRING:
		case PROTOBUF_C_TYPE_BYTES:
		case PROTOBUF_C_TYPE_MESSAGE:
			return WIRE_LENGTH;
		default:
			return WIRE_VARINT;
	}
}

/* Read the key of a field, and go to behind it, or behind its length. */
static const char *
read_field(Check *check, const Level *level, Field *field)
{
	uint64_t	key;
	uint64_t	value;
	uint64_t	skipped;

	*field = (Field) {0};
	if (!read_varint(check, level->end, &key) || key >> 3 == 0 || key >> 3 > 0x1FFFFFFF)
		return fail(check, level, NULL, "broken key of a field");
	field->wire_type = (int) (key & 7);
	field->descriptor = protobuf_c_message_descriptor_get_field(level->descriptor, (unsigned) (key >> 3));
	switch (field->wire_type)
	{
		case WIRE_VARINT:
			if (!read_varint(check, level->end, &value))
				return fail(check, level, field->descriptor, "broken number");
			return NULL;
		case WIRE_64_BITS:
			skipped = 8;
			break;
		case WIRE_32_BITS:
			skipped = 4;
			break;
		case WIRE_LENGTH:
			if (!read_varint(check, level->end, &skipped))
				return fail(check, level, field->descriptor, "broken length");
			field->data = check->at;
			field->length = skipped;
			break;
		default:
			return fail(check, level, field->descriptor, "wire type that is not in use");
	}
	if (skipped > (uint64_t) (level->end - check->at))
		return fail(check, level, field->descriptor, "truncated");
	check->at += skipped;
	return NULL;
}

/* May U+0000 be in it?  It stands for U+FFFD then. */
static bool
is_prose(const Level *level, const ProtobufCFieldDescriptor *field)
{
	if (level->descriptor == &temporal__application_failure_info__descriptor)
		return strcmp(field->name, "type") == 0;
	return level->descriptor == &temporal__failure__descriptor &&
		(strcmp(field->name, "message") == 0 || strcmp(field->name, "stack_trace") == 0);
}

static const char *
check_string(Check *check, const Level *level, Field *field)
{
	uint8_t    *zero;

	if (!utf8_valid((const char *) field->data, field->length))
		return fail(check, level, field->descriptor, "not UTF-8");
	while (field->length > 0 && (zero = memchr(field->data, 0, field->length)) != NULL)
	{
		if (!is_prose(level, field->descriptor))
			return fail(check, level, field->descriptor, "has the character U+0000");
		*zero = REPLACED_ZERO;
	}
	return NULL;
}

/* A message begins: what is in it is looked at next. */
static const char *
enter(Check *check, Level *level, const Field *field)
{
	const ProtobufCFieldDescriptor *descriptor = field->descriptor;
	const ProtobufCMessageDescriptor *message = descriptor->descriptor;
	size_t		index = (size_t) (descriptor - level->descriptor->fields);

	if (descriptor->label != PROTOBUF_C_LABEL_REPEATED && index < 64)
	{
		if (level->seen & UINT64_C(1) << index)
			return fail(check, level, descriptor, "given twice");
		level->seen |= UINT64_C(1) << index;
	}
	if (check->depth == WIRE_DEPTH)
		return fail(check, level, descriptor, "nested too deeply");
	check->memory += message->sizeof_message + sizeof(void *) + ALLOCATION;
	check->at = field->data;
	check->levels[check->depth++] = (Level) {message, field->data + field->length, 0};
	return NULL;
}

/* A field of a message. */
static const char *
check_field(Check *check, Level *level)
{
	Field		field;
	const char *problem = read_field(check, level, &field);
	const ProtobufCFieldDescriptor *descriptor = field.descriptor;

	if (problem != NULL)
		return problem;
	check->memory += FIELD;
	if (descriptor == NULL || field.wire_type != expected_wire_type(descriptor->type))
	{
		bool		is_packed = descriptor != NULL && field.wire_type == WIRE_LENGTH &&
			descriptor->label == PROTOBUF_C_LABEL_REPEATED;

		if (descriptor != NULL && !is_packed)
			return fail(check, level, descriptor, "wire type of another type");
		/* one that is not known is kept; in a packed one each byte may be a number */
		check->memory += field.length * (is_packed ? sizeof(uint64_t) : 1) + ALLOCATION;
		return NULL;
	}
	if (descriptor->label == PROTOBUF_C_LABEL_REPEATED)
		check->memory += sizeof(uint64_t);
	if (descriptor->type == PROTOBUF_C_TYPE_MESSAGE)
		return enter(check, level, &field);
	if (field.wire_type == WIRE_LENGTH)
		check->memory += field.length + 1 + ALLOCATION;
	if (descriptor->type == PROTOBUF_C_TYPE_STRING)
		return check_string(check, level, &field);
	return NULL;
}

/*
 * NULL: the message can be unpacked, and all of its strings are UTF-8 without
 * U+0000; in texts of failures for people it is replaced here by a byte that
 * UTF-8 does not have, which becomes U+FFFD when they are read.  Otherwise what
 * is wrong, valid until the next call.
 */
const char *
wire_check(const ProtobufCMessageDescriptor *descriptor, uint8_t *data, size_t length)
{
	static char problem[256];
	Check		check = {.at = data,.problem = problem,.room = sizeof(problem)};

	if (length == 0)
		return NULL;
	check.levels[check.depth++] = (Level) {descriptor, data + length, 0};
	while (check.depth > 0)
	{
		Level	   *level = &check.levels[check.depth - 1];
		const char *found;

		if (check.at == level->end)
		{
			check.depth--;
			continue;
		}
		found = check_field(&check, level);
		if (found != NULL)
			return found;
		if (check.memory > WIRE_MEMORY)
			return fail(&check, level, NULL, "takes too much memory");
	}
	return NULL;
}
