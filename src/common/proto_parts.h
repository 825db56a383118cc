/*
 * proto_parts.h
 *		What messages are made of: payloads, failures, queues, options.
 */
#ifndef TASKQ_PROTO_PARTS_H
#define TASKQ_PROTO_PARTS_H

#include "common/proto_shape.h"

extern const ProtoMessage proto_any;
extern const ProtoMessage proto_duration;
extern const ProtoMessage proto_timestamp;

extern const ProtoMessage proto_activity_failure_info;
extern const ProtoMessage proto_activity_type;
extern const ProtoMessage proto_application_failure_info;
extern const ProtoMessage proto_callback;
extern const ProtoMessage proto_canceled_failure_info;
extern const ProtoMessage proto_child_workflow_execution_failure_info;
extern const ProtoMessage proto_deployment;
extern const ProtoMessage proto_event_group_marker;
extern const ProtoMessage proto_execution;
extern const ProtoMessage proto_failure;
extern const ProtoMessage proto_fast_forward_config;
extern const ProtoMessage proto_header;
extern const ProtoMessage proto_link;
extern const ProtoMessage proto_memo;
extern const ProtoMessage proto_metering_metadata;
extern const ProtoMessage proto_nexus_handler_failure_info;
extern const ProtoMessage proto_nexus_operation_failure_info;
extern const ProtoMessage proto_on_conflict_options;
extern const ProtoMessage proto_payload;
extern const ProtoMessage proto_payloads;
extern const ProtoMessage proto_priority;
extern const ProtoMessage proto_propagated_serialization_context;
extern const ProtoMessage proto_reset_workflow_failure_info;
extern const ProtoMessage proto_retry_policy;
extern const ProtoMessage proto_search_attributes;
extern const ProtoMessage proto_server_failure_info;
extern const ProtoMessage proto_sticky_execution_attributes;
extern const ProtoMessage proto_task_queue;
extern const ProtoMessage proto_terminated_failure_info;
extern const ProtoMessage proto_time_skipping_config;
extern const ProtoMessage proto_timeout_failure_info;
extern const ProtoMessage proto_user_metadata;
extern const ProtoMessage proto_versioning_override;
extern const ProtoMessage proto_worker_deployment_options;
extern const ProtoMessage proto_worker_deployment_version;
extern const ProtoMessage proto_worker_version_stamp;
extern const ProtoMessage proto_workflow_execution;
extern const ProtoMessage proto_workflow_task_completed_extra;
extern const ProtoMessage proto_workflow_task_completed_metadata;
extern const ProtoMessage proto_workflow_type;

#endif							/* TASKQ_PROTO_PARTS_H */
