/*
 * metadata.h
 *		What gRPC says in header fields: timeouts, encodings, messages, details.
 */
#ifndef TASKQ_GATEWAY_METADATA_H
#define TASKQ_GATEWAY_METADATA_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "gateway/loop.h"
#include "gateway/memory.h"
#include "gateway/status.h"

extern bool metadata_timeout(const char *value, Instant *timeout);
extern bool metadata_lists(const char *value, const char *item);
extern void metadata_escape(Buffer *to, const char *message, size_t limit);
extern void metadata_details(Buffer *to, StatusCode code, const char *message, const ProtobufCMessage *detail);

#endif
