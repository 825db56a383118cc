/*
 * message.h
 *		Messages as gRPC frames them: five bytes in front say whether the message
 *		is compressed, and how long it is.
 */
#ifndef TASKQ_GATEWAY_MESSAGE_H
#define TASKQ_GATEWAY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "gateway/memory.h"

#define MESSAGE_PREFIX 5		/* bytes */

typedef enum InflateResult
{
	INFLATE_DONE,
	INFLATE_BROKEN,
	INFLATE_TOO_LARGE
} InflateResult;

extern bool message_is_compressed(const void *prefix);
extern uint32_t message_length(const void *prefix);
extern InflateResult message_inflate(Buffer *to, const void *data, size_t length, size_t limit);
extern char *message_frame(const ProtobufCMessage *message, bool may_compress, size_t *length);

#endif
