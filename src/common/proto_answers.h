/*
 * proto_answers.h
 *		What a worker sends with its commands: answers to queries, and messages about updates.
 */
#ifndef TASKQ_PROTO_ANSWERS_H
#define TASKQ_PROTO_ANSWERS_H

#include "common/proto_shape.h"

extern const ProtoMessage proto_protocol_message;
extern const ProtoMessage proto_update_acceptance;
extern const ProtoMessage proto_update_input;
extern const ProtoMessage proto_update_meta;
extern const ProtoMessage proto_update_outcome;
extern const ProtoMessage proto_update_rejection;
extern const ProtoMessage proto_update_request;
extern const ProtoMessage proto_update_response;
extern const ProtoMessage proto_workflow_query_result;

#endif							/* TASKQ_PROTO_ANSWERS_H */
