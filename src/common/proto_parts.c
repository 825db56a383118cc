/*
 * proto_parts.c
 *		What messages are made of: payloads, failures, queues, options.
 */
#include "common/proto_parts.h"

#include "common/proto_enums.h"
#include "common/proto_fields.h"

const ProtoMessage proto_timestamp = {"google.protobuf.Timestamp", PROTO_INSTANT, NULL, 0};
const ProtoMessage proto_duration = {"google.protobuf.Duration", PROTO_DURATION, NULL, 0};
const ProtoMessage proto_any = {"google.protobuf.Any", PROTO_ANY, NULL, 0};

static const ProtoMessage proto_callback_internal;
static const ProtoMessage proto_callback_nexus;
static const ProtoMessage proto_callback_nexus_handler;
static const ProtoMessage proto_link_activity;
static const ProtoMessage proto_link_batch_job;
static const ProtoMessage proto_link_callback;
static const ProtoMessage proto_link_nexus_operation;
static const ProtoMessage proto_link_workflow;
static const ProtoMessage proto_link_workflow_event;
static const ProtoMessage proto_link_workflow_event_event_reference;
static const ProtoMessage proto_link_workflow_event_request_id_reference;
static const ProtoMessage proto_payload_external_payload_details;
static const ProtoMessage proto_event_group_marker_inbound_event;
static const ProtoMessage proto_event_group_marker_inbound_update;
static const ProtoMessage proto_event_group_marker_label;
static const ProtoMessage proto_versioning_override_one_time_override;
static const ProtoMessage proto_versioning_override_pinned_override;

static const ProtoField activity_type_fields[] = {
	ONE("name", "name", PROTO_STRING),
};
const ProtoMessage proto_activity_type = MESSAGE("temporal.api.common.v1.ActivityType", activity_type_fields);

static const ProtoField callback_fields[] = {
	CHOICE_MESSAGE("nexus", "nexus", proto_callback_nexus),
	CHOICE_MESSAGE("internal", "internal", proto_callback_internal),
	CHOICE_MESSAGE("nexus_handler", "nexusHandler", proto_callback_nexus_handler),
	LIST_MESSAGE("links", "links", proto_link),
};
const ProtoMessage proto_callback = MESSAGE("temporal.api.common.v1.Callback", callback_fields);

static const ProtoField callback_internal_fields[] = {
	ONE("data", "data", PROTO_BYTES),
};
static const ProtoMessage proto_callback_internal = MESSAGE("temporal.api.common.v1.Callback.Internal", callback_internal_fields);

static const ProtoField callback_nexus_fields[] = {
	ONE("url", "url", PROTO_STRING),
	MAP("header", "header", PROTO_STRING),
};
static const ProtoMessage proto_callback_nexus = MESSAGE("temporal.api.common.v1.Callback.Nexus", callback_nexus_fields);

static const ProtoField callback_nexus_handler_fields[] = {
	ONE("task_queue_name", "taskQueueName", PROTO_STRING),
	ONE("service", "service", PROTO_STRING),
	ONE("operation", "operation", PROTO_STRING),
	ONE_MESSAGE("source_context", "sourceContext", proto_payload),
};
static const ProtoMessage proto_callback_nexus_handler = MESSAGE("temporal.api.common.v1.Callback.NexusHandler", callback_nexus_handler_fields);

static const ProtoField execution_fields[] = {
	ONE_ENUM("type", "type", proto_execution_type),
	ONE("business_id", "businessId", PROTO_STRING),
	ONE("run_id", "runId", PROTO_STRING),
};
const ProtoMessage proto_execution = MESSAGE("temporal.api.common.v1.Execution", execution_fields);

static const ProtoField fast_forward_config_fields[] = {
	ONE("id", "id", PROTO_STRING),
	ONE_MESSAGE("duration", "duration", proto_duration),
};
const ProtoMessage proto_fast_forward_config = MESSAGE("temporal.api.common.v1.FastForwardConfig", fast_forward_config_fields);

static const ProtoField header_fields[] = {
	MAP_MESSAGE("fields", "fields", proto_payload),
};
const ProtoMessage proto_header = MESSAGE("temporal.api.common.v1.Header", header_fields);

static const ProtoField link_fields[] = {
	CHOICE_MESSAGE("workflow_event", "workflowEvent", proto_link_workflow_event),
	CHOICE_MESSAGE("batch_job", "batchJob", proto_link_batch_job),
	CHOICE_MESSAGE("activity", "activity", proto_link_activity),
	CHOICE_MESSAGE("nexus_operation", "nexusOperation", proto_link_nexus_operation),
	CHOICE_MESSAGE("workflow", "workflow", proto_link_workflow),
	CHOICE_MESSAGE("callback", "callback", proto_link_callback),
};
const ProtoMessage proto_link = MESSAGE("temporal.api.common.v1.Link", link_fields);

static const ProtoField link_activity_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE("activity_id", "activityId", PROTO_STRING),
	ONE("run_id", "runId", PROTO_STRING),
};
static const ProtoMessage proto_link_activity = MESSAGE("temporal.api.common.v1.Link.Activity", link_activity_fields);

static const ProtoField link_batch_job_fields[] = {
	ONE("job_id", "jobId", PROTO_STRING),
};
static const ProtoMessage proto_link_batch_job = MESSAGE("temporal.api.common.v1.Link.BatchJob", link_batch_job_fields);

static const ProtoField link_callback_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE_MESSAGE("execution", "execution", proto_execution),
	LIST("component_path", "componentPath", PROTO_STRING),
	ONE("request_id", "requestId", PROTO_STRING),
};
static const ProtoMessage proto_link_callback = MESSAGE("temporal.api.common.v1.Link.Callback", link_callback_fields);

static const ProtoField link_nexus_operation_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE("operation_id", "operationId", PROTO_STRING),
	ONE("run_id", "runId", PROTO_STRING),
};
static const ProtoMessage proto_link_nexus_operation = MESSAGE("temporal.api.common.v1.Link.NexusOperation", link_nexus_operation_fields);

static const ProtoField link_workflow_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE("workflow_id", "workflowId", PROTO_STRING),
	ONE("run_id", "runId", PROTO_STRING),
	ONE("reason", "reason", PROTO_STRING),
};
static const ProtoMessage proto_link_workflow = MESSAGE("temporal.api.common.v1.Link.Workflow", link_workflow_fields);

static const ProtoField link_workflow_event_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE("workflow_id", "workflowId", PROTO_STRING),
	ONE("run_id", "runId", PROTO_STRING),
	CHOICE_MESSAGE("event_ref", "eventRef", proto_link_workflow_event_event_reference),
	CHOICE_MESSAGE("request_id_ref", "requestIdRef", proto_link_workflow_event_request_id_reference),
};
static const ProtoMessage proto_link_workflow_event = MESSAGE("temporal.api.common.v1.Link.WorkflowEvent", link_workflow_event_fields);

static const ProtoField link_workflow_event_event_reference_fields[] = {
	ONE("event_id", "eventId", PROTO_INT64),
	ONE_ENUM("event_type", "eventType", proto_event_type),
};
static const ProtoMessage proto_link_workflow_event_event_reference = MESSAGE("temporal.api.common.v1.Link.WorkflowEvent.EventReference", link_workflow_event_event_reference_fields);

static const ProtoField link_workflow_event_request_id_reference_fields[] = {
	ONE("request_id", "requestId", PROTO_STRING),
	ONE_ENUM("event_type", "eventType", proto_event_type),
};
static const ProtoMessage proto_link_workflow_event_request_id_reference = MESSAGE("temporal.api.common.v1.Link.WorkflowEvent.RequestIdReference", link_workflow_event_request_id_reference_fields);

static const ProtoField memo_fields[] = {
	MAP_MESSAGE("fields", "fields", proto_payload),
};
const ProtoMessage proto_memo = MESSAGE("temporal.api.common.v1.Memo", memo_fields);

static const ProtoField metering_metadata_fields[] = {
	ONE("nonfirst_local_activity_execution_attempts", "nonfirstLocalActivityExecutionAttempts", PROTO_UINT32),
};
const ProtoMessage proto_metering_metadata = MESSAGE("temporal.api.common.v1.MeteringMetadata", metering_metadata_fields);

static const ProtoField payload_fields[] = {
	MAP("metadata", "metadata", PROTO_BYTES),
	ONE("data", "data", PROTO_BYTES),
	LIST_MESSAGE("external_payloads", "externalPayloads", proto_payload_external_payload_details),
};
const ProtoMessage proto_payload = MESSAGE("temporal.api.common.v1.Payload", payload_fields);

static const ProtoField payload_external_payload_details_fields[] = {
	ONE("size_bytes", "sizeBytes", PROTO_INT64),
};
static const ProtoMessage proto_payload_external_payload_details = MESSAGE("temporal.api.common.v1.Payload.ExternalPayloadDetails", payload_external_payload_details_fields);

static const ProtoField payloads_fields[] = {
	LIST_MESSAGE("payloads", "payloads", proto_payload),
};
const ProtoMessage proto_payloads = MESSAGE("temporal.api.common.v1.Payloads", payloads_fields);

static const ProtoField priority_fields[] = {
	ONE("priority_key", "priorityKey", PROTO_INT32),
	ONE("fairness_key", "fairnessKey", PROTO_STRING),
	ONE("fairness_weight", "fairnessWeight", PROTO_FLOAT),
};
const ProtoMessage proto_priority = MESSAGE("temporal.api.common.v1.Priority", priority_fields);

static const ProtoField retry_policy_fields[] = {
	ONE_MESSAGE("initial_interval", "initialInterval", proto_duration),
	ONE("backoff_coefficient", "backoffCoefficient", PROTO_DOUBLE),
	ONE_MESSAGE("maximum_interval", "maximumInterval", proto_duration),
	ONE("maximum_attempts", "maximumAttempts", PROTO_INT32),
	LIST("non_retryable_error_types", "nonRetryableErrorTypes", PROTO_STRING),
};
const ProtoMessage proto_retry_policy = MESSAGE("temporal.api.common.v1.RetryPolicy", retry_policy_fields);

static const ProtoField search_attributes_fields[] = {
	MAP_MESSAGE("indexed_fields", "indexedFields", proto_payload),
};
const ProtoMessage proto_search_attributes = MESSAGE("temporal.api.common.v1.SearchAttributes", search_attributes_fields);

static const ProtoField time_skipping_config_fields[] = {
	ONE("enabled", "enabled", PROTO_BOOL),
	ONE_MESSAGE("fast_forward_config", "fastForwardConfig", proto_fast_forward_config),
	ONE("disable_propagation", "disablePropagation", PROTO_BOOL),
	ONE("max_session_skip_count", "maxSessionSkipCount", PROTO_INT32),
};
const ProtoMessage proto_time_skipping_config = MESSAGE("temporal.api.common.v1.TimeSkippingConfig", time_skipping_config_fields);

static const ProtoField worker_version_stamp_fields[] = {
	ONE("build_id", "buildId", PROTO_STRING),
	ONE("use_versioning", "useVersioning", PROTO_BOOL),
};
const ProtoMessage proto_worker_version_stamp = MESSAGE("temporal.api.common.v1.WorkerVersionStamp", worker_version_stamp_fields);

static const ProtoField workflow_execution_fields[] = {
	ONE("workflow_id", "workflowId", PROTO_STRING),
	ONE("run_id", "runId", PROTO_STRING),
};
const ProtoMessage proto_workflow_execution = MESSAGE("temporal.api.common.v1.WorkflowExecution", workflow_execution_fields);

static const ProtoField workflow_type_fields[] = {
	ONE("name", "name", PROTO_STRING),
};
const ProtoMessage proto_workflow_type = MESSAGE("temporal.api.common.v1.WorkflowType", workflow_type_fields);

static const ProtoField deployment_fields[] = {
	ONE("series_name", "seriesName", PROTO_STRING),
	ONE("build_id", "buildId", PROTO_STRING),
};
const ProtoMessage proto_deployment = MESSAGE("temporal.api.deployment.v1.Deployment", deployment_fields);

static const ProtoField worker_deployment_options_fields[] = {
	ONE("deployment_name", "deploymentName", PROTO_STRING),
	ONE("build_id", "buildId", PROTO_STRING),
	ONE_ENUM("worker_versioning_mode", "workerVersioningMode", proto_worker_versioning_mode),
};
const ProtoMessage proto_worker_deployment_options = MESSAGE("temporal.api.deployment.v1.WorkerDeploymentOptions", worker_deployment_options_fields);

static const ProtoField worker_deployment_version_fields[] = {
	ONE("build_id", "buildId", PROTO_STRING),
	ONE("deployment_name", "deploymentName", PROTO_STRING),
};
const ProtoMessage proto_worker_deployment_version = MESSAGE("temporal.api.deployment.v1.WorkerDeploymentVersion", worker_deployment_version_fields);

static const ProtoField activity_failure_info_fields[] = {
	ONE("scheduled_event_id", "scheduledEventId", PROTO_INT64),
	ONE("started_event_id", "startedEventId", PROTO_INT64),
	ONE("identity", "identity", PROTO_STRING),
	ONE_MESSAGE("activity_type", "activityType", proto_activity_type),
	ONE("activity_id", "activityId", PROTO_STRING),
	ONE_ENUM("retry_state", "retryState", proto_retry_state),
};
const ProtoMessage proto_activity_failure_info = MESSAGE("temporal.api.failure.v1.ActivityFailureInfo", activity_failure_info_fields);

static const ProtoField application_failure_info_fields[] = {
	ONE("type", "type", PROTO_STRING),
	ONE("non_retryable", "nonRetryable", PROTO_BOOL),
	ONE_MESSAGE("details", "details", proto_payloads),
	ONE_MESSAGE("next_retry_delay", "nextRetryDelay", proto_duration),
	ONE_ENUM("category", "category", proto_application_error_category),
};
const ProtoMessage proto_application_failure_info = MESSAGE("temporal.api.failure.v1.ApplicationFailureInfo", application_failure_info_fields);

static const ProtoField canceled_failure_info_fields[] = {
	ONE_MESSAGE("details", "details", proto_payloads),
	ONE("identity", "identity", PROTO_STRING),
};
const ProtoMessage proto_canceled_failure_info = MESSAGE("temporal.api.failure.v1.CanceledFailureInfo", canceled_failure_info_fields);

static const ProtoField child_workflow_execution_failure_info_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE_MESSAGE("workflow_execution", "workflowExecution", proto_workflow_execution),
	ONE_MESSAGE("workflow_type", "workflowType", proto_workflow_type),
	ONE("initiated_event_id", "initiatedEventId", PROTO_INT64),
	ONE("started_event_id", "startedEventId", PROTO_INT64),
	ONE_ENUM("retry_state", "retryState", proto_retry_state),
};
const ProtoMessage proto_child_workflow_execution_failure_info = MESSAGE("temporal.api.failure.v1.ChildWorkflowExecutionFailureInfo", child_workflow_execution_failure_info_fields);

static const ProtoField failure_fields[] = {
	ONE("message", "message", PROTO_STRING),
	ONE("source", "source", PROTO_STRING),
	ONE("stack_trace", "stackTrace", PROTO_STRING),
	ONE_MESSAGE("cause", "cause", proto_failure),
	CHOICE_MESSAGE("application_failure_info", "applicationFailureInfo", proto_application_failure_info),
	CHOICE_MESSAGE("timeout_failure_info", "timeoutFailureInfo", proto_timeout_failure_info),
	CHOICE_MESSAGE("canceled_failure_info", "canceledFailureInfo", proto_canceled_failure_info),
	CHOICE_MESSAGE("terminated_failure_info", "terminatedFailureInfo", proto_terminated_failure_info),
	CHOICE_MESSAGE("server_failure_info", "serverFailureInfo", proto_server_failure_info),
	CHOICE_MESSAGE("reset_workflow_failure_info", "resetWorkflowFailureInfo", proto_reset_workflow_failure_info),
	CHOICE_MESSAGE("activity_failure_info", "activityFailureInfo", proto_activity_failure_info),
	CHOICE_MESSAGE("child_workflow_execution_failure_info", "childWorkflowExecutionFailureInfo", proto_child_workflow_execution_failure_info),
	CHOICE_MESSAGE("nexus_operation_execution_failure_info", "nexusOperationExecutionFailureInfo", proto_nexus_operation_failure_info),
	CHOICE_MESSAGE("nexus_handler_failure_info", "nexusHandlerFailureInfo", proto_nexus_handler_failure_info),
	ONE_MESSAGE("encoded_attributes", "encodedAttributes", proto_payload),
};
const ProtoMessage proto_failure = MESSAGE("temporal.api.failure.v1.Failure", failure_fields);

static const ProtoField nexus_handler_failure_info_fields[] = {
	ONE("type", "type", PROTO_STRING),
	ONE_ENUM("retry_behavior", "retryBehavior", proto_nexus_handler_error_retry_behavior),
};
const ProtoMessage proto_nexus_handler_failure_info = MESSAGE("temporal.api.failure.v1.NexusHandlerFailureInfo", nexus_handler_failure_info_fields);

static const ProtoField nexus_operation_failure_info_fields[] = {
	ONE("scheduled_event_id", "scheduledEventId", PROTO_INT64),
	ONE("endpoint", "endpoint", PROTO_STRING),
	ONE("service", "service", PROTO_STRING),
	ONE("operation", "operation", PROTO_STRING),
	ONE("operation_id", "operationId", PROTO_STRING),
	ONE("operation_token", "operationToken", PROTO_STRING),
};
const ProtoMessage proto_nexus_operation_failure_info = MESSAGE("temporal.api.failure.v1.NexusOperationFailureInfo", nexus_operation_failure_info_fields);

static const ProtoField reset_workflow_failure_info_fields[] = {
	ONE_MESSAGE("last_heartbeat_details", "lastHeartbeatDetails", proto_payloads),
};
const ProtoMessage proto_reset_workflow_failure_info = MESSAGE("temporal.api.failure.v1.ResetWorkflowFailureInfo", reset_workflow_failure_info_fields);

static const ProtoField server_failure_info_fields[] = {
	ONE("non_retryable", "nonRetryable", PROTO_BOOL),
};
const ProtoMessage proto_server_failure_info = MESSAGE("temporal.api.failure.v1.ServerFailureInfo", server_failure_info_fields);

static const ProtoField terminated_failure_info_fields[] = {
	ONE("identity", "identity", PROTO_STRING),
};
const ProtoMessage proto_terminated_failure_info = MESSAGE("temporal.api.failure.v1.TerminatedFailureInfo", terminated_failure_info_fields);

static const ProtoField timeout_failure_info_fields[] = {
	ONE_ENUM("timeout_type", "timeoutType", proto_timeout_type),
	ONE_MESSAGE("last_heartbeat_details", "lastHeartbeatDetails", proto_payloads),
};
const ProtoMessage proto_timeout_failure_info = MESSAGE("temporal.api.failure.v1.TimeoutFailureInfo", timeout_failure_info_fields);

static const ProtoField propagated_serialization_context_fields[] = {
	ONE("endpoint", "endpoint", PROTO_STRING),
	ONE("service", "service", PROTO_STRING),
	ONE("operation", "operation", PROTO_STRING),
};
const ProtoMessage proto_propagated_serialization_context = MESSAGE("temporal.api.nexus.v1.PropagatedSerializationContext", propagated_serialization_context_fields);

static const ProtoField event_group_marker_fields[] = {
	CHOICE_MESSAGE("label", "label", proto_event_group_marker_label),
	CHOICE_MESSAGE("inbound_event", "inboundEvent", proto_event_group_marker_inbound_event),
	CHOICE_MESSAGE("inbound_update", "inboundUpdate", proto_event_group_marker_inbound_update),
};
const ProtoMessage proto_event_group_marker = MESSAGE("temporal.api.sdk.v1.EventGroupMarker", event_group_marker_fields);

static const ProtoField event_group_marker_inbound_event_fields[] = {
	ONE("inbound_event_id", "inboundEventId", PROTO_INT64),
};
static const ProtoMessage proto_event_group_marker_inbound_event = MESSAGE("temporal.api.sdk.v1.EventGroupMarker.InboundEvent", event_group_marker_inbound_event_fields);

static const ProtoField event_group_marker_inbound_update_fields[] = {
	ONE("inbound_update_id", "inboundUpdateId", PROTO_STRING),
};
static const ProtoMessage proto_event_group_marker_inbound_update = MESSAGE("temporal.api.sdk.v1.EventGroupMarker.InboundUpdate", event_group_marker_inbound_update_fields);

static const ProtoField event_group_marker_label_fields[] = {
	ONE("id", "id", PROTO_STRING),
	ONE_MESSAGE("label", "label", proto_payload),
};
static const ProtoMessage proto_event_group_marker_label = MESSAGE("temporal.api.sdk.v1.EventGroupMarker.Label", event_group_marker_label_fields);

static const ProtoField user_metadata_fields[] = {
	ONE_MESSAGE("summary", "summary", proto_payload),
	ONE_MESSAGE("details", "details", proto_payload),
};
const ProtoMessage proto_user_metadata = MESSAGE("temporal.api.sdk.v1.UserMetadata", user_metadata_fields);

static const ProtoField workflow_task_completed_metadata_fields[] = {
	LIST("core_used_flags", "coreUsedFlags", PROTO_UINT32),
	LIST("lang_used_flags", "langUsedFlags", PROTO_UINT32),
	ONE("sdk_name", "sdkName", PROTO_STRING),
	ONE("sdk_version", "sdkVersion", PROTO_STRING),
};
const ProtoMessage proto_workflow_task_completed_metadata = MESSAGE("temporal.api.sdk.v1.WorkflowTaskCompletedMetadata", workflow_task_completed_metadata_fields);

/* of the event, what the worker adds to it beside the metadata of its SDK */
static const ProtoField workflow_task_completed_extra_fields[] = {
	ONE("binary_checksum", "binaryChecksum", PROTO_STRING),
	ONE_MESSAGE("worker_version", "workerVersion", proto_worker_version_stamp),
	ONE_MESSAGE("deployment", "deployment", proto_deployment),
	ONE_ENUM("versioning_behavior", "versioningBehavior", proto_versioning_behavior),
	ONE("worker_deployment_version", "workerDeploymentVersion", PROTO_STRING),
	ONE("worker_deployment_name", "workerDeploymentName", PROTO_STRING),
	ONE_MESSAGE("deployment_version", "deploymentVersion", proto_worker_deployment_version),
	ONE_MESSAGE("metering_metadata", "meteringMetadata", proto_metering_metadata),
};
const ProtoMessage proto_workflow_task_completed_extra = MESSAGE("temporal.api.history.v1.WorkflowTaskCompletedEventAttributes", workflow_task_completed_extra_fields);

static const ProtoField sticky_execution_attributes_fields[] = {
	ONE_MESSAGE("worker_task_queue", "workerTaskQueue", proto_task_queue),
	ONE_MESSAGE("schedule_to_start_timeout", "scheduleToStartTimeout", proto_duration),
};
const ProtoMessage proto_sticky_execution_attributes = MESSAGE("temporal.api.taskqueue.v1.StickyExecutionAttributes", sticky_execution_attributes_fields);

static const ProtoField task_queue_fields[] = {
	ONE("name", "name", PROTO_STRING),
	ONE_ENUM("kind", "kind", proto_task_queue_kind),
	ONE("normal_name", "normalName", PROTO_STRING),
};
const ProtoMessage proto_task_queue = MESSAGE("temporal.api.taskqueue.v1.TaskQueue", task_queue_fields);

static const ProtoField on_conflict_options_fields[] = {
	ONE("attach_request_id", "attachRequestId", PROTO_BOOL),
	ONE("attach_completion_callbacks", "attachCompletionCallbacks", PROTO_BOOL),
	ONE("attach_links", "attachLinks", PROTO_BOOL),
};
const ProtoMessage proto_on_conflict_options = MESSAGE("temporal.api.workflow.v1.OnConflictOptions", on_conflict_options_fields);

static const ProtoField versioning_override_fields[] = {
	ONE_ENUM("behavior", "behavior", proto_versioning_behavior),
	ONE_MESSAGE("deployment", "deployment", proto_deployment),
	CHOICE_MESSAGE("pinned", "pinned", proto_versioning_override_pinned_override),
	CHOICE("auto_upgrade", "autoUpgrade", PROTO_BOOL),
	CHOICE_MESSAGE("one_time", "oneTime", proto_versioning_override_one_time_override),
	ONE("pinned_version", "pinnedVersion", PROTO_STRING),
};
const ProtoMessage proto_versioning_override = MESSAGE("temporal.api.workflow.v1.VersioningOverride", versioning_override_fields);

static const ProtoField versioning_override_one_time_override_fields[] = {
	ONE_MESSAGE("target_deployment_version", "targetDeploymentVersion", proto_worker_deployment_version),
};
static const ProtoMessage proto_versioning_override_one_time_override = MESSAGE("temporal.api.workflow.v1.VersioningOverride.OneTimeOverride", versioning_override_one_time_override_fields);

static const ProtoField versioning_override_pinned_override_fields[] = {
	ONE_ENUM("behavior", "behavior", proto_versioning_override_pinned_override_behavior),
	ONE_MESSAGE("version", "version", proto_worker_deployment_version),
};
static const ProtoMessage proto_versioning_override_pinned_override = MESSAGE("temporal.api.workflow.v1.VersioningOverride.PinnedOverride", versioning_override_pinned_override_fields);
