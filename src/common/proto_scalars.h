/*
 * proto_scalars.h
 *		Values of messages that are no objects or arrays, from JSON to the one
 *		form in which protobuf writes them.
 */
#ifndef TASKQ_PROTO_SCALARS_H
#define TASKQ_PROTO_SCALARS_H

#include <stdbool.h>

#include "common/proto_shape.h"
#include "common/text_buffer.h"

extern void proto_string_write(TextBuffer *to, Slice string);
extern bool proto_scalar_write(TextBuffer *to, ProtoType type, Slice value, bool *is_zero);
extern bool proto_enum_write(TextBuffer *to, const ProtoEnum *names, Slice value, bool *is_zero);
extern bool proto_time_write(TextBuffer *to, ProtoForm form, Slice value);
extern const char *proto_scalar_text(ProtoType type);

#endif							/* TASKQ_PROTO_SCALARS_H */
