/*
 * message_shape.c
 *		What the JSON form of protobuf has to know of messages besides their
 *		fields.
 */
#include "gateway/message_shape.h"

#include <stdlib.h>
#include <string.h>

#define MOST_KNOWN 64

/* What google.protobuf.Any may hold. */
static const ProtobufCMessageDescriptor *known[MOST_KNOWN];
static int	known_count;

/*
 * How is the message written?
 */
MessageShape
message_shape(const ProtobufCMessageDescriptor *descriptor)
{
	const char *name = descriptor->short_name;
	size_t		length = strlen(name);

	if (strcmp(descriptor->package_name, "google.protobuf") != 0)
		return SHAPE_FIELDS;
	if (strcmp(name, "Timestamp") == 0)
		return SHAPE_INSTANT;
	if (strcmp(name, "Duration") == 0)
		return SHAPE_DURATION;
	if (strcmp(name, "FieldMask") == 0)
		return SHAPE_FIELD_MASK;
	if (strcmp(name, "Any") == 0)
		return SHAPE_ANY;
	if (length > 5 && strcmp(name + length - 5, "Value") == 0 && descriptor->n_fields == 1 &&
		strcmp(descriptor->fields[0].name, "value") == 0)
		return SHAPE_VALUE;
	return SHAPE_FIELDS;
}

/*
 * Is the field a map, that is are its elements entries of the message itself?
 */
bool
field_is_map(const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *entry = field->descriptor;
	size_t		parent = strlen(message->name);
	size_t		length;

	if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	length = strlen(entry->name);
	return length > parent + 6 && strncmp(entry->name, message->name, parent) == 0 &&
		entry->name[parent] == '.' && strcmp(entry->name + length - 5, "Entry") == 0 &&
		entry->n_fields == 2 &&
		strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0;
}

/*
 * How many bytes one value has in the struct of a message.
 */
size_t
field_size(ProtobufCType type)
{
	switch (type)
	{
		case PROTOBUF_C_TYPE_INT32:
		case PROTOBUF_C_TYPE_SINT32:
		case PROTOBUF_C_TYPE_SFIXED32:
		case PROTOBUF_C_TYPE_UINT32:
		case PROTOBUF_C_TYPE_FIXED32:
		case PROTOBUF_C_TYPE_FLOAT:
		case PROTOBUF_C_TYPE_ENUM:
			return sizeof(uint32_t);
		case PROTOBUF_C_TYPE_BOOL:
			return sizeof(protobuf_c_boolean);
		case PROTOBUF_C_TYPE_STRING:
		case PROTOBUF_C_TYPE_MESSAGE:
			return sizeof(void *);
		case PROTOBUF_C_TYPE_BYTES:
			return sizeof(ProtobufCBinaryData);
		default:
			return sizeof(uint64_t);
	}
}

static char
upper(char letter)
{
	return letter >= 'a' && letter <= 'z' ? (char) (letter - 'a' + 'A') : letter;
}

/*
 * Add a name such as "stack_trace" as "stackTrace"; "." begins another name.
 */
void
camel_add(TextBuffer *to, Slice name)
{
	for (size_t i = 0; i < name.length; i++)
	{
		if (name.data[i] == '_' && i + 1 < name.length)
			text_buffer_char(to, upper(name.data[++i]));
		else
			text_buffer_char(to, name.data[i]);
	}
}

/*
 * Add a name such as "stackTrace" as "stack_trace".
 */
void
snake_add(TextBuffer *to, Slice name)
{
	for (size_t i = 0; i < name.length; i++)
	{
		char		letter = name.data[i];

		if (letter >= 'A' && letter <= 'Z')
		{
			text_buffer_char(to, '_');
			letter = (char) (letter - 'A' + 'a');
		}
		text_buffer_char(to, letter);
	}
}

/*
 * Does a key, such as "stackTrace" or "stack_trace", name the field?
 */
bool
camel_equals(const char *name, Slice camel)
{
	size_t		at = 0;

	if (slice_equals(camel, name))
		return true;
	for (; *name != '\0'; name++, at++)
	{
		char		letter = *name;

		if (letter == '_' && name[1] != '\0')
			letter = upper(*++name);
		if (at == camel.length || camel.data[at] != letter)
			return false;
	}
	return at == camel.length;
}

/*
 * google.protobuf.Any may hold such messages.  Of others the bytes are kept.
 */
void
message_know(const ProtobufCMessageDescriptor *descriptor)
{
	for (int i = 0; i < known_count; i++)
		if (known[i] == descriptor)
			return;
	if (known_count == MOST_KNOWN)
		abort();
	known[known_count++] = descriptor;
}

/*
 * What the type of an Any, "type.googleapis.com/temporal…", is; NULL: not
 * known.
 */
const ProtobufCMessageDescriptor *
message_known(Slice url)
{
	const char *slash = memchr(url.data, '/', url.length);
	Slice		name = url;

	if (slash != NULL)
		name = (Slice) {slash + 1, url.length - (size_t) (slash + 1 - url.data)};
	for (int i = 0; i < known_count; i++)
		if (slice_equals(name, known[i]->name))
			return known[i];
	return NULL;
}
