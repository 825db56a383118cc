/*
 * proto_events.c
 *		The kinds of events and of commands: their numbers, names, attributes.
 */
#include "common/proto_events.h"

#define KIND(constant, name, key) {constant, #constant, name, key}
#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

static const ProtoKind event_kinds[] = {
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, "workflow_execution_started", "workflowExecutionStartedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, "workflow_execution_completed", "workflowExecutionCompletedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, "workflow_execution_failed", "workflowExecutionFailedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT, "workflow_execution_timed_out", "workflowExecutionTimedOutEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, "workflow_task_scheduled", "workflowTaskScheduledEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_TASK_STARTED, "workflow_task_started", "workflowTaskStartedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_TASK_COMPLETED, "workflow_task_completed", "workflowTaskCompletedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, "workflow_task_timed_out", "workflowTaskTimedOutEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_TASK_FAILED, "workflow_task_failed", "workflowTaskFailedEventAttributes"),
	KIND(EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, "activity_task_scheduled", "activityTaskScheduledEventAttributes"),
	KIND(EVENT_TYPE_ACTIVITY_TASK_STARTED, "activity_task_started", "activityTaskStartedEventAttributes"),
	KIND(EVENT_TYPE_ACTIVITY_TASK_COMPLETED, "activity_task_completed", "activityTaskCompletedEventAttributes"),
	KIND(EVENT_TYPE_ACTIVITY_TASK_FAILED, "activity_task_failed", "activityTaskFailedEventAttributes"),
	KIND(EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, "activity_task_timed_out", "activityTaskTimedOutEventAttributes"),
	KIND(EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED, "activity_task_cancel_requested", "activityTaskCancelRequestedEventAttributes"),
	KIND(EVENT_TYPE_ACTIVITY_TASK_CANCELED, "activity_task_canceled", "activityTaskCanceledEventAttributes"),
	KIND(EVENT_TYPE_TIMER_STARTED, "timer_started", "timerStartedEventAttributes"),
	KIND(EVENT_TYPE_TIMER_FIRED, "timer_fired", "timerFiredEventAttributes"),
	KIND(EVENT_TYPE_TIMER_CANCELED, "timer_canceled", "timerCanceledEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, "workflow_execution_cancel_requested", "workflowExecutionCancelRequestedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, "workflow_execution_canceled", "workflowExecutionCanceledEventAttributes"),
	KIND(EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, "request_cancel_external_workflow_execution_initiated", "requestCancelExternalWorkflowExecutionInitiatedEventAttributes"),
	KIND(EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED, "request_cancel_external_workflow_execution_failed", "requestCancelExternalWorkflowExecutionFailedEventAttributes"),
	KIND(EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED, "external_workflow_execution_cancel_requested", "externalWorkflowExecutionCancelRequestedEventAttributes"),
	KIND(EVENT_TYPE_MARKER_RECORDED, "marker_recorded", "markerRecordedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, "workflow_execution_signaled", "workflowExecutionSignaledEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, "workflow_execution_terminated", "workflowExecutionTerminatedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, "workflow_execution_continued_as_new", "workflowExecutionContinuedAsNewEventAttributes"),
	KIND(EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, "start_child_workflow_execution_initiated", "startChildWorkflowExecutionInitiatedEventAttributes"),
	KIND(EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED, "start_child_workflow_execution_failed", "startChildWorkflowExecutionFailedEventAttributes"),
	KIND(EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED, "child_workflow_execution_started", "childWorkflowExecutionStartedEventAttributes"),
	KIND(EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED, "child_workflow_execution_completed", "childWorkflowExecutionCompletedEventAttributes"),
	KIND(EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED, "child_workflow_execution_failed", "childWorkflowExecutionFailedEventAttributes"),
	KIND(EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED, "child_workflow_execution_canceled", "childWorkflowExecutionCanceledEventAttributes"),
	KIND(EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT, "child_workflow_execution_timed_out", "childWorkflowExecutionTimedOutEventAttributes"),
	KIND(EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED, "child_workflow_execution_terminated", "childWorkflowExecutionTerminatedEventAttributes"),
	KIND(EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, "signal_external_workflow_execution_initiated", "signalExternalWorkflowExecutionInitiatedEventAttributes"),
	KIND(EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED, "signal_external_workflow_execution_failed", "signalExternalWorkflowExecutionFailedEventAttributes"),
	KIND(EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED, "external_workflow_execution_signaled", "externalWorkflowExecutionSignaledEventAttributes"),
	KIND(EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, "upsert_workflow_search_attributes", "upsertWorkflowSearchAttributesEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, "workflow_execution_update_accepted", "workflowExecutionUpdateAcceptedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_REJECTED, "workflow_execution_update_rejected", "workflowExecutionUpdateRejectedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED, "workflow_execution_update_completed", "workflowExecutionUpdateCompletedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED_EXTERNALLY, "workflow_properties_modified_externally", "workflowPropertiesModifiedExternallyEventAttributes"),
	KIND(EVENT_TYPE_ACTIVITY_PROPERTIES_MODIFIED_EXTERNALLY, "activity_properties_modified_externally", "activityPropertiesModifiedExternallyEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED, "workflow_properties_modified", "workflowPropertiesModifiedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED, "workflow_execution_update_admitted", "workflowExecutionUpdateAdmittedEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_SCHEDULED, "nexus_operation_scheduled", "nexusOperationScheduledEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_STARTED, "nexus_operation_started", "nexusOperationStartedEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_COMPLETED, "nexus_operation_completed", "nexusOperationCompletedEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_FAILED, "nexus_operation_failed", "nexusOperationFailedEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_CANCELED, "nexus_operation_canceled", "nexusOperationCanceledEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT, "nexus_operation_timed_out", "nexusOperationTimedOutEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED, "nexus_operation_cancel_requested", "nexusOperationCancelRequestedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED, "workflow_execution_options_updated", "workflowExecutionOptionsUpdatedEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED, "nexus_operation_cancel_request_completed", "nexusOperationCancelRequestCompletedEventAttributes"),
	KIND(EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_FAILED, "nexus_operation_cancel_request_failed", "nexusOperationCancelRequestFailedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED, "workflow_execution_paused", "workflowExecutionPausedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED, "workflow_execution_unpaused", "workflowExecutionUnpausedEventAttributes"),
	KIND(EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED, "workflow_execution_time_skipping_transitioned", "workflowExecutionTimeSkippingTransitionedEventAttributes"),
};

static const ProtoKind command_kinds[] = {
	KIND(COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, "schedule_activity_task", "scheduleActivityTaskCommandAttributes"),
	KIND(COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK, "request_cancel_activity_task", "requestCancelActivityTaskCommandAttributes"),
	KIND(COMMAND_TYPE_START_TIMER, "start_timer", "startTimerCommandAttributes"),
	KIND(COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, "complete_workflow_execution", "completeWorkflowExecutionCommandAttributes"),
	KIND(COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, "fail_workflow_execution", "failWorkflowExecutionCommandAttributes"),
	KIND(COMMAND_TYPE_CANCEL_TIMER, "cancel_timer", "cancelTimerCommandAttributes"),
	KIND(COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, "cancel_workflow_execution", "cancelWorkflowExecutionCommandAttributes"),
	KIND(COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, "request_cancel_external_workflow_execution", "requestCancelExternalWorkflowExecutionCommandAttributes"),
	KIND(COMMAND_TYPE_RECORD_MARKER, "record_marker", "recordMarkerCommandAttributes"),
	KIND(COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, "continue_as_new_workflow_execution", "continueAsNewWorkflowExecutionCommandAttributes"),
	KIND(COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, "start_child_workflow_execution", "startChildWorkflowExecutionCommandAttributes"),
	KIND(COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, "signal_external_workflow_execution", "signalExternalWorkflowExecutionCommandAttributes"),
	KIND(COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, "upsert_workflow_search_attributes", "upsertWorkflowSearchAttributesCommandAttributes"),
	KIND(COMMAND_TYPE_PROTOCOL_MESSAGE, "protocol_message", "protocolMessageCommandAttributes"),
	KIND(COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES, "modify_workflow_properties", "modifyWorkflowPropertiesCommandAttributes"),
	KIND(COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION, "schedule_nexus_operation", "scheduleNexusOperationCommandAttributes"),
	KIND(COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION, "request_cancel_nexus_operation", "requestCancelNexusOperationCommandAttributes"),
};

static const ProtoKind *
find_number(const ProtoKind *kinds, size_t count, int number)
{
	for (size_t i = 0; i < count; i++)
		if (kinds[i].number == number)
			return &kinds[i];
	return NULL;
}

static const ProtoKind *
find_name(const ProtoKind *kinds, size_t count, Slice name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equals(name, kinds[i].name) || slice_equals(name, kinds[i].constant))
			return &kinds[i];
	return NULL;
}

/*
 * proto_event_kind: the kind of events with a number, or NULL.
 */
const ProtoKind *
proto_event_kind(ProtoEventType number)
{
	return find_number(event_kinds, LENGTH_OF(event_kinds), (int) number);
}

/*
 * proto_event_named: the kind of events with a name, ours or the protocol's,
 * or NULL.
 */
const ProtoKind *
proto_event_named(Slice name)
{
	return find_name(event_kinds, LENGTH_OF(event_kinds), name);
}

/*
 * proto_command_kind: the kind of commands with a number, or NULL.
 */
const ProtoKind *
proto_command_kind(ProtoCommandType number)
{
	return find_number(command_kinds, LENGTH_OF(command_kinds), (int) number);
}

/*
 * proto_command_named: the kind of commands with a name, ours or the
 * protocol's, or NULL.
 */
const ProtoKind *
proto_command_named(Slice name)
{
	return find_name(command_kinds, LENGTH_OF(command_kinds), name);
}
