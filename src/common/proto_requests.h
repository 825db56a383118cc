/*
 * proto_requests.h
 *		What clients ask of workflows.
 */
#ifndef TASKQ_PROTO_REQUESTS_H
#define TASKQ_PROTO_REQUESTS_H

#include "common/proto_shape.h"

extern const ProtoMessage proto_request_cancel_workflow_execution_request;
extern const ProtoMessage proto_signal_with_start_workflow_execution_request;
extern const ProtoMessage proto_signal_workflow_execution_request;
extern const ProtoMessage proto_start_workflow_execution_request;
extern const ProtoMessage proto_terminate_workflow_execution_request;

#endif							/* TASKQ_PROTO_REQUESTS_H */
