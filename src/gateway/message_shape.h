/*
 * message_shape.h
 *		What the JSON form of protobuf has to know of messages besides their
 *		fields.
 */
#ifndef TASKQ_GATEWAY_MESSAGE_SHAPE_H
#define TASKQ_GATEWAY_MESSAGE_SHAPE_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "common/text_buffer.h"

/* Messages within each other: more is not read, and nothing has more. */
#define MESSAGE_DEPTH 100

/* Messages that are not written field by field. */
typedef enum MessageShape
{
	SHAPE_FIELDS,
	SHAPE_INSTANT,				/* google.protobuf.Timestamp */
	SHAPE_DURATION,
	SHAPE_FIELD_MASK,
	SHAPE_ANY,
	SHAPE_VALUE					/* DoubleValue and the like */
} MessageShape;

extern MessageShape message_shape(const ProtobufCMessageDescriptor *descriptor);
extern bool field_is_map(const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field);
extern size_t field_size(ProtobufCType type);
extern void camel_add(TextBuffer *to, Slice name);
extern void snake_add(TextBuffer *to, Slice name);
extern bool camel_equals(const char *name, Slice camel);

extern void message_know(const ProtobufCMessageDescriptor *descriptor);
extern const ProtobufCMessageDescriptor *message_known(Slice url);

#endif
