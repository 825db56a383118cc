/*
 * message_to_json.h
 *		Messages in the JSON form of protobuf, by their descriptors.
 */
#ifndef TASKQ_GATEWAY_MESSAGE_TO_JSON_H
#define TASKQ_GATEWAY_MESSAGE_TO_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "common/text_buffer.h"

extern void message_to_json(TextBuffer *json, const ProtobufCMessage *message);

#endif
