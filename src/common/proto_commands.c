/*
 * proto_commands.c
 *		What a worker tells a workflow to do.
 */
#include "common/proto_commands.h"

#include "common/proto_enums.h"
#include "common/proto_fields.h"
#include "common/proto_parts.h"

static const ProtoField cancel_timer_command_attributes_fields[] = {
	ONE("timer_id", "timerId", PROTO_STRING),
};
const ProtoMessage proto_cancel_timer_command_attributes = MESSAGE("temporal.api.command.v1.CancelTimerCommandAttributes", cancel_timer_command_attributes_fields);

static const ProtoField cancel_workflow_execution_command_attributes_fields[] = {
	ONE_MESSAGE("details", "details", proto_payloads),
};
const ProtoMessage proto_cancel_workflow_execution_command_attributes = MESSAGE("temporal.api.command.v1.CancelWorkflowExecutionCommandAttributes", cancel_workflow_execution_command_attributes_fields);

static const ProtoField complete_workflow_execution_command_attributes_fields[] = {
	ONE_MESSAGE("result", "result", proto_payloads),
};
const ProtoMessage proto_complete_workflow_execution_command_attributes = MESSAGE("temporal.api.command.v1.CompleteWorkflowExecutionCommandAttributes", complete_workflow_execution_command_attributes_fields);

static const ProtoField continue_as_new_workflow_execution_command_attributes_fields[] = {
	ONE_MESSAGE("workflow_type", "workflowType", proto_workflow_type),
	ONE_MESSAGE("task_queue", "taskQueue", proto_task_queue),
	ONE_MESSAGE("input", "input", proto_payloads),
	ONE_MESSAGE("workflow_run_timeout", "workflowRunTimeout", proto_duration),
	ONE_MESSAGE("workflow_task_timeout", "workflowTaskTimeout", proto_duration),
	ONE_MESSAGE("backoff_start_interval", "backoffStartInterval", proto_duration),
	ONE_MESSAGE("retry_policy", "retryPolicy", proto_retry_policy),
	ONE_ENUM("initiator", "initiator", proto_continue_as_new_initiator),
	ONE_MESSAGE("failure", "failure", proto_failure),
	ONE_MESSAGE("last_completion_result", "lastCompletionResult", proto_payloads),
	ONE("cron_schedule", "cronSchedule", PROTO_STRING),
	ONE_MESSAGE("header", "header", proto_header),
	ONE_MESSAGE("memo", "memo", proto_memo),
	ONE_MESSAGE("search_attributes", "searchAttributes", proto_search_attributes),
	ONE("inherit_build_id", "inheritBuildId", PROTO_BOOL),
	ONE_ENUM("initial_versioning_behavior", "initialVersioningBehavior", proto_continue_as_new_versioning_behavior),
};
const ProtoMessage proto_continue_as_new_workflow_execution_command_attributes = MESSAGE("temporal.api.command.v1.ContinueAsNewWorkflowExecutionCommandAttributes", continue_as_new_workflow_execution_command_attributes_fields);

static const ProtoField fail_workflow_execution_command_attributes_fields[] = {
	ONE_MESSAGE("failure", "failure", proto_failure),
};
const ProtoMessage proto_fail_workflow_execution_command_attributes = MESSAGE("temporal.api.command.v1.FailWorkflowExecutionCommandAttributes", fail_workflow_execution_command_attributes_fields);

static const ProtoField modify_workflow_properties_command_attributes_fields[] = {
	ONE_MESSAGE("upserted_memo", "upsertedMemo", proto_memo),
};
const ProtoMessage proto_modify_workflow_properties_command_attributes = MESSAGE("temporal.api.command.v1.ModifyWorkflowPropertiesCommandAttributes", modify_workflow_properties_command_attributes_fields);

static const ProtoField protocol_message_command_attributes_fields[] = {
	ONE("message_id", "messageId", PROTO_STRING),
};
const ProtoMessage proto_protocol_message_command_attributes = MESSAGE("temporal.api.command.v1.ProtocolMessageCommandAttributes", protocol_message_command_attributes_fields);

static const ProtoField record_marker_command_attributes_fields[] = {
	ONE("marker_name", "markerName", PROTO_STRING),
	MAP_MESSAGE("details", "details", proto_payloads),
	ONE_MESSAGE("header", "header", proto_header),
	ONE_MESSAGE("failure", "failure", proto_failure),
};
const ProtoMessage proto_record_marker_command_attributes = MESSAGE("temporal.api.command.v1.RecordMarkerCommandAttributes", record_marker_command_attributes_fields);

static const ProtoField request_cancel_activity_task_command_attributes_fields[] = {
	ONE("scheduled_event_id", "scheduledEventId", PROTO_INT64),
};
const ProtoMessage proto_request_cancel_activity_task_command_attributes = MESSAGE("temporal.api.command.v1.RequestCancelActivityTaskCommandAttributes", request_cancel_activity_task_command_attributes_fields);

static const ProtoField request_cancel_external_workflow_execution_command_attributes_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE("workflow_id", "workflowId", PROTO_STRING),
	ONE("run_id", "runId", PROTO_STRING),
	ONE("control", "control", PROTO_STRING),
	ONE("child_workflow_only", "childWorkflowOnly", PROTO_BOOL),
	ONE("reason", "reason", PROTO_STRING),
};
const ProtoMessage proto_request_cancel_external_workflow_execution_command_attributes = MESSAGE("temporal.api.command.v1.RequestCancelExternalWorkflowExecutionCommandAttributes", request_cancel_external_workflow_execution_command_attributes_fields);

static const ProtoField request_cancel_nexus_operation_command_attributes_fields[] = {
	ONE("scheduled_event_id", "scheduledEventId", PROTO_INT64),
};
const ProtoMessage proto_request_cancel_nexus_operation_command_attributes = MESSAGE("temporal.api.command.v1.RequestCancelNexusOperationCommandAttributes", request_cancel_nexus_operation_command_attributes_fields);

static const ProtoField schedule_activity_task_command_attributes_fields[] = {
	ONE("activity_id", "activityId", PROTO_STRING),
	ONE_MESSAGE("activity_type", "activityType", proto_activity_type),
	ONE_MESSAGE("task_queue", "taskQueue", proto_task_queue),
	ONE_MESSAGE("header", "header", proto_header),
	ONE_MESSAGE("input", "input", proto_payloads),
	ONE_MESSAGE("schedule_to_close_timeout", "scheduleToCloseTimeout", proto_duration),
	ONE_MESSAGE("schedule_to_start_timeout", "scheduleToStartTimeout", proto_duration),
	ONE_MESSAGE("start_to_close_timeout", "startToCloseTimeout", proto_duration),
	ONE_MESSAGE("heartbeat_timeout", "heartbeatTimeout", proto_duration),
	ONE_MESSAGE("retry_policy", "retryPolicy", proto_retry_policy),
	ONE("request_eager_execution", "requestEagerExecution", PROTO_BOOL),
	ONE("use_workflow_build_id", "useWorkflowBuildId", PROTO_BOOL),
	ONE_MESSAGE("priority", "priority", proto_priority),
};
const ProtoMessage proto_schedule_activity_task_command_attributes = MESSAGE("temporal.api.command.v1.ScheduleActivityTaskCommandAttributes", schedule_activity_task_command_attributes_fields);

static const ProtoField schedule_nexus_operation_command_attributes_fields[] = {
	ONE("endpoint", "endpoint", PROTO_STRING),
	ONE("service", "service", PROTO_STRING),
	ONE("operation", "operation", PROTO_STRING),
	ONE_MESSAGE("input", "input", proto_payload),
	ONE_MESSAGE("schedule_to_close_timeout", "scheduleToCloseTimeout", proto_duration),
	MAP("nexus_header", "nexusHeader", PROTO_STRING),
	ONE_MESSAGE("schedule_to_start_timeout", "scheduleToStartTimeout", proto_duration),
	ONE_MESSAGE("start_to_close_timeout", "startToCloseTimeout", proto_duration),
};
const ProtoMessage proto_schedule_nexus_operation_command_attributes = MESSAGE("temporal.api.command.v1.ScheduleNexusOperationCommandAttributes", schedule_nexus_operation_command_attributes_fields);

static const ProtoField signal_external_workflow_execution_command_attributes_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE_MESSAGE("execution", "execution", proto_workflow_execution),
	ONE("signal_name", "signalName", PROTO_STRING),
	ONE_MESSAGE("input", "input", proto_payloads),
	ONE("control", "control", PROTO_STRING),
	ONE("child_workflow_only", "childWorkflowOnly", PROTO_BOOL),
	ONE_MESSAGE("header", "header", proto_header),
};
const ProtoMessage proto_signal_external_workflow_execution_command_attributes = MESSAGE("temporal.api.command.v1.SignalExternalWorkflowExecutionCommandAttributes", signal_external_workflow_execution_command_attributes_fields);

static const ProtoField start_child_workflow_execution_command_attributes_fields[] = {
	ONE("namespace", "namespace", PROTO_STRING),
	ONE("workflow_id", "workflowId", PROTO_STRING),
	ONE_MESSAGE("workflow_type", "workflowType", proto_workflow_type),
	ONE_MESSAGE("task_queue", "taskQueue", proto_task_queue),
	ONE_MESSAGE("input", "input", proto_payloads),
	ONE_MESSAGE("workflow_execution_timeout", "workflowExecutionTimeout", proto_duration),
	ONE_MESSAGE("workflow_run_timeout", "workflowRunTimeout", proto_duration),
	ONE_MESSAGE("workflow_task_timeout", "workflowTaskTimeout", proto_duration),
	ONE_ENUM("parent_close_policy", "parentClosePolicy", proto_parent_close_policy),
	ONE("control", "control", PROTO_STRING),
	ONE_ENUM("workflow_id_reuse_policy", "workflowIdReusePolicy", proto_workflow_id_reuse_policy),
	ONE_MESSAGE("retry_policy", "retryPolicy", proto_retry_policy),
	ONE("cron_schedule", "cronSchedule", PROTO_STRING),
	ONE_MESSAGE("header", "header", proto_header),
	ONE_MESSAGE("memo", "memo", proto_memo),
	ONE_MESSAGE("search_attributes", "searchAttributes", proto_search_attributes),
	ONE("inherit_build_id", "inheritBuildId", PROTO_BOOL),
	ONE_MESSAGE("priority", "priority", proto_priority),
	ONE_MESSAGE("versioning_override", "versioningOverride", proto_versioning_override),
};
const ProtoMessage proto_start_child_workflow_execution_command_attributes = MESSAGE("temporal.api.command.v1.StartChildWorkflowExecutionCommandAttributes", start_child_workflow_execution_command_attributes_fields);

static const ProtoField start_timer_command_attributes_fields[] = {
	ONE("timer_id", "timerId", PROTO_STRING),
	ONE_MESSAGE("start_to_fire_timeout", "startToFireTimeout", proto_duration),
};
const ProtoMessage proto_start_timer_command_attributes = MESSAGE("temporal.api.command.v1.StartTimerCommandAttributes", start_timer_command_attributes_fields);

static const ProtoField upsert_workflow_search_attributes_command_attributes_fields[] = {
	ONE_MESSAGE("search_attributes", "searchAttributes", proto_search_attributes),
};
const ProtoMessage proto_upsert_workflow_search_attributes_command_attributes = MESSAGE("temporal.api.command.v1.UpsertWorkflowSearchAttributesCommandAttributes", upsert_workflow_search_attributes_command_attributes_fields);

static const ProtoField command_fields[] = {
	ONE_ENUM("command_type", "commandType", proto_command_type),
	CHOICE_MESSAGE("schedule_activity_task_command_attributes", "scheduleActivityTaskCommandAttributes", proto_schedule_activity_task_command_attributes),
	CHOICE_MESSAGE("start_timer_command_attributes", "startTimerCommandAttributes", proto_start_timer_command_attributes),
	CHOICE_MESSAGE("complete_workflow_execution_command_attributes", "completeWorkflowExecutionCommandAttributes", proto_complete_workflow_execution_command_attributes),
	CHOICE_MESSAGE("fail_workflow_execution_command_attributes", "failWorkflowExecutionCommandAttributes", proto_fail_workflow_execution_command_attributes),
	CHOICE_MESSAGE("request_cancel_activity_task_command_attributes", "requestCancelActivityTaskCommandAttributes", proto_request_cancel_activity_task_command_attributes),
	CHOICE_MESSAGE("cancel_timer_command_attributes", "cancelTimerCommandAttributes", proto_cancel_timer_command_attributes),
	CHOICE_MESSAGE("cancel_workflow_execution_command_attributes", "cancelWorkflowExecutionCommandAttributes", proto_cancel_workflow_execution_command_attributes),
	CHOICE_MESSAGE("request_cancel_external_workflow_execution_command_attributes", "requestCancelExternalWorkflowExecutionCommandAttributes", proto_request_cancel_external_workflow_execution_command_attributes),
	CHOICE_MESSAGE("record_marker_command_attributes", "recordMarkerCommandAttributes", proto_record_marker_command_attributes),
	CHOICE_MESSAGE("continue_as_new_workflow_execution_command_attributes", "continueAsNewWorkflowExecutionCommandAttributes", proto_continue_as_new_workflow_execution_command_attributes),
	CHOICE_MESSAGE("start_child_workflow_execution_command_attributes", "startChildWorkflowExecutionCommandAttributes", proto_start_child_workflow_execution_command_attributes),
	CHOICE_MESSAGE("signal_external_workflow_execution_command_attributes", "signalExternalWorkflowExecutionCommandAttributes", proto_signal_external_workflow_execution_command_attributes),
	CHOICE_MESSAGE("upsert_workflow_search_attributes_command_attributes", "upsertWorkflowSearchAttributesCommandAttributes", proto_upsert_workflow_search_attributes_command_attributes),
	CHOICE_MESSAGE("protocol_message_command_attributes", "protocolMessageCommandAttributes", proto_protocol_message_command_attributes),
	CHOICE_MESSAGE("modify_workflow_properties_command_attributes", "modifyWorkflowPropertiesCommandAttributes", proto_modify_workflow_properties_command_attributes),
	CHOICE_MESSAGE("schedule_nexus_operation_command_attributes", "scheduleNexusOperationCommandAttributes", proto_schedule_nexus_operation_command_attributes),
	CHOICE_MESSAGE("request_cancel_nexus_operation_command_attributes", "requestCancelNexusOperationCommandAttributes", proto_request_cancel_nexus_operation_command_attributes),
	ONE_MESSAGE("user_metadata", "userMetadata", proto_user_metadata),
	LIST_MESSAGE("event_group_markers", "eventGroupMarkers", proto_event_group_marker),
};
const ProtoMessage proto_command = MESSAGE("temporal.api.command.v1.Command", command_fields);
