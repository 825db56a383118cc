/*
 * proto_canonical.h
 *		The JSON form of a message, checked against its shape and written as
 *		protobuf itself would write it.
 */
#ifndef TASKQ_PROTO_CANONICAL_H
#define TASKQ_PROTO_CANONICAL_H

#include <stdbool.h>

#include "common/proto_shape.h"
#include "common/text_buffer.h"

/* objects and arrays within each other */
#define PROTO_DEEPEST 100

/* Why a text is not the message: for people, and as texts of C. */
typedef struct ProtoError
{
	char		path[512];		/* "commands[2].startTimerCommandAttributes.timerId", if too long without its middle */
	char		problem[256];	/* "expected a string, found a number: 5" */
} ProtoError;

extern bool proto_canonical(const ProtoMessage *message, const char *what, Slice json,
							TextBuffer *out, ProtoError *error);
extern bool proto_canonical_list(const ProtoMessage *message, const char *what, Slice json,
								 TextBuffer *out, ProtoError *error);

#endif							/* TASKQ_PROTO_CANONICAL_H */
