/*
 * proto_requests.c
 *		What clients ask of workflows.
 */
#include "common/proto_requests.h"

#include "common/proto_enums.h"
#include "common/proto_fields.h"
#include "common/proto_parts.h"

static const ProtoField request_cancel_workflow_execution_request_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE_MESSAGE("workflow_execution", "workflowExecution", proto_workflow_execution),
	ONE("identity", "identity", PROTO_STRING),
	ONE("request_id", "requestId", PROTO_STRING),
	ONE("first_execution_run_id", "firstExecutionRunId", PROTO_STRING),
	ONE("reason", "reason", PROTO_STRING),
	LIST_MESSAGE("links", "links", proto_link),
};
const ProtoMessage proto_request_cancel_workflow_execution_request = MESSAGE("temporal.api.workflowservice.v1.RequestCancelWorkflowExecutionRequest", request_cancel_workflow_execution_request_fields);

static const ProtoField signal_with_start_workflow_execution_request_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE("workflow_id", "workflowId", PROTO_STRING),
	ONE_MESSAGE("workflow_type", "workflowType", proto_workflow_type),
	ONE_MESSAGE("task_queue", "taskQueue", proto_task_queue),
	ONE_MESSAGE("input", "input", proto_payloads),
	ONE_MESSAGE("workflow_execution_timeout", "workflowExecutionTimeout", proto_duration),
	ONE_MESSAGE("workflow_run_timeout", "workflowRunTimeout", proto_duration),
	ONE_MESSAGE("workflow_task_timeout", "workflowTaskTimeout", proto_duration),
	ONE("identity", "identity", PROTO_STRING),
	ONE("request_id", "requestId", PROTO_STRING),
	ONE_ENUM("workflow_id_reuse_policy", "workflowIdReusePolicy", proto_workflow_id_reuse_policy),
	ONE("signal_name", "signalName", PROTO_STRING),
	ONE_MESSAGE("signal_input", "signalInput", proto_payloads),
	ONE("control", "control", PROTO_STRING),
	ONE_MESSAGE("retry_policy", "retryPolicy", proto_retry_policy),
	ONE("cron_schedule", "cronSchedule", PROTO_STRING),
	ONE_MESSAGE("memo", "memo", proto_memo),
	ONE_MESSAGE("search_attributes", "searchAttributes", proto_search_attributes),
	ONE_MESSAGE("header", "header", proto_header),
	ONE_MESSAGE("workflow_start_delay", "workflowStartDelay", proto_duration),
	ONE_ENUM("workflow_id_conflict_policy", "workflowIdConflictPolicy", proto_workflow_id_conflict_policy),
	ONE_MESSAGE("user_metadata", "userMetadata", proto_user_metadata),
	LIST_MESSAGE("links", "links", proto_link),
	ONE_MESSAGE("versioning_override", "versioningOverride", proto_versioning_override),
	ONE_MESSAGE("priority", "priority", proto_priority),
	ONE_MESSAGE("time_skipping_config", "timeSkippingConfig", proto_time_skipping_config),
};
const ProtoMessage proto_signal_with_start_workflow_execution_request = MESSAGE("temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionRequest", signal_with_start_workflow_execution_request_fields);

static const ProtoField signal_workflow_execution_request_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE_MESSAGE("workflow_execution", "workflowExecution", proto_workflow_execution),
	ONE("signal_name", "signalName", PROTO_STRING),
	ONE_MESSAGE("input", "input", proto_payloads),
	ONE("identity", "identity", PROTO_STRING),
	ONE("request_id", "requestId", PROTO_STRING),
	ONE("control", "control", PROTO_STRING),
	ONE_MESSAGE("header", "header", proto_header),
	LIST_MESSAGE("links", "links", proto_link),
};
const ProtoMessage proto_signal_workflow_execution_request = MESSAGE("temporal.api.workflowservice.v1.SignalWorkflowExecutionRequest", signal_workflow_execution_request_fields);

static const ProtoField start_workflow_execution_request_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE("workflow_id", "workflowId", PROTO_STRING),
	ONE_MESSAGE("workflow_type", "workflowType", proto_workflow_type),
	ONE_MESSAGE("task_queue", "taskQueue", proto_task_queue),
	ONE_MESSAGE("input", "input", proto_payloads),
	ONE_MESSAGE("workflow_execution_timeout", "workflowExecutionTimeout", proto_duration),
	ONE_MESSAGE("workflow_run_timeout", "workflowRunTimeout", proto_duration),
	ONE_MESSAGE("workflow_task_timeout", "workflowTaskTimeout", proto_duration),
	ONE("identity", "identity", PROTO_STRING),
	ONE("request_id", "requestId", PROTO_STRING),
	ONE_ENUM("workflow_id_reuse_policy", "workflowIdReusePolicy", proto_workflow_id_reuse_policy),
	ONE_MESSAGE("retry_policy", "retryPolicy", proto_retry_policy),
	ONE("cron_schedule", "cronSchedule", PROTO_STRING),
	ONE_MESSAGE("memo", "memo", proto_memo),
	ONE_MESSAGE("search_attributes", "searchAttributes", proto_search_attributes),
	ONE_MESSAGE("header", "header", proto_header),
	ONE("request_eager_execution", "requestEagerExecution", PROTO_BOOL),
	ONE_MESSAGE("continued_failure", "continuedFailure", proto_failure),
	ONE_MESSAGE("last_completion_result", "lastCompletionResult", proto_payloads),
	ONE_MESSAGE("workflow_start_delay", "workflowStartDelay", proto_duration),
	LIST_MESSAGE("completion_callbacks", "completionCallbacks", proto_callback),
	ONE_ENUM("workflow_id_conflict_policy", "workflowIdConflictPolicy", proto_workflow_id_conflict_policy),
	ONE_MESSAGE("user_metadata", "userMetadata", proto_user_metadata),
	LIST_MESSAGE("links", "links", proto_link),
	ONE_MESSAGE("versioning_override", "versioningOverride", proto_versioning_override),
	ONE_MESSAGE("on_conflict_options", "onConflictOptions", proto_on_conflict_options),
	ONE_MESSAGE("priority", "priority", proto_priority),
	ONE_MESSAGE("eager_worker_deployment_options", "eagerWorkerDeploymentOptions", proto_worker_deployment_options),
	ONE_MESSAGE("time_skipping_config", "timeSkippingConfig", proto_time_skipping_config),
	ONE_MESSAGE("propagated_nexus_serialization_context", "propagatedNexusSerializationContext", proto_propagated_serialization_context),
};
const ProtoMessage proto_start_workflow_execution_request = MESSAGE("temporal.api.workflowservice.v1.StartWorkflowExecutionRequest", start_workflow_execution_request_fields);

static const ProtoField terminate_workflow_execution_request_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE_MESSAGE("workflow_execution", "workflowExecution", proto_workflow_execution),
	ONE("reason", "reason", PROTO_STRING),
	ONE_MESSAGE("details", "details", proto_payloads),
	ONE("identity", "identity", PROTO_STRING),
	ONE("first_execution_run_id", "firstExecutionRunId", PROTO_STRING),
	LIST_MESSAGE("links", "links", proto_link),
};
const ProtoMessage proto_terminate_workflow_execution_request = MESSAGE("temporal.api.workflowservice.v1.TerminateWorkflowExecutionRequest", terminate_workflow_execution_request_fields);
