/*
 * wire_check.h
 *		Is it safe to unpack a message?
 */
#ifndef TASKQ_GATEWAY_WIRE_CHECK_H
#define TASKQ_GATEWAY_WIRE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#define WIRE_DEPTH 100					/* messages within each other */
#define WIRE_MEMORY (64 * 1024 * 1024)	/* bytes that the unpacked message may need */

extern const char *wire_check(const ProtobufCMessageDescriptor *descriptor,
							  uint8_t *data, size_t length);

#endif
