/*
 * message_from_json.h
 *		Messages out of the JSON form of protobuf, by their descriptors.
 */
#ifndef TASKQ_GATEWAY_MESSAGE_FROM_JSON_H
#define TASKQ_GATEWAY_MESSAGE_FROM_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "common/text_buffer.h"

extern ProtobufCMessage *message_from_json(const ProtobufCMessageDescriptor *descriptor,
										   Slice json, const char **problem);

#endif
