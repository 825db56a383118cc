/*
 * proto_check.h
 *		jsonb that is to be a message of Temporal's protocol.
 */
#ifndef TASKQ_PROTO_CHECK_H
#define TASKQ_PROTO_CHECK_H

#include "common/proto_shape.h"
#include "utils/jsonb.h"

extern Jsonb *proto_check(const char *what, const ProtoMessage *message, Jsonb *value);
extern Jsonb *proto_check_text(const char *what, const ProtoMessage *message, Slice text);
extern Jsonb *proto_check_list(const char *what, const ProtoMessage *message, Jsonb *value);

#endif							/* TASKQ_PROTO_CHECK_H */
