/*
 * methods.c
 *		The methods that the gateway has.
 */
#include "gateway/methods.h"

#include "gateway/health_service.h"
#include "gateway/proto/health.pb-c.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/rpc_describe.h"
#include "gateway/rpc_operate.h"
#include "gateway/rpc_outcome.h"
#include "gateway/rpc_poll.h"
#include "gateway/rpc_report.h"
#include "gateway/rpc_report_by_id.h"
#include "gateway/rpc_start.h"
#include "gateway/rpc_system.h"
#include "gateway/rpc_visibility.h"

#define WORKFLOW_SERVICE "/temporal.api.workflowservice.v1.WorkflowService/"

/* Name is that of the method, request that of its request in C. */
#define METHOD(name, request, handler) \
	{WORKFLOW_SERVICE name, &temporal__##request##_request__descriptor, handler}

static const Method methods[] = {
	{HEALTH_CHECK_PATH, &health__health_check_request__descriptor, health_check},

	METHOD("GetSystemInfo", get_system_info, get_system_info),
	METHOD("GetClusterInfo", get_cluster_info, get_cluster_info),
	METHOD("DescribeNamespace", describe_namespace, describe_namespace),
	METHOD("ListNamespaces", list_namespaces, list_namespaces),
	METHOD("RegisterNamespace", register_namespace, refuse_namespace),
	METHOD("UpdateNamespace", update_namespace, refuse_namespace),

	METHOD("PollActivityTaskQueue", poll_activity_task_queue, poll_activity_task_queue),
	METHOD("PollWorkflowTaskQueue", poll_workflow_task_queue, poll_workflow_task_queue),
	METHOD("ShutdownWorker", shutdown_worker, shutdown_worker),

	METHOD("RespondActivityTaskCompleted", respond_activity_task_completed, respond_activity_task_completed),
	METHOD("RespondActivityTaskFailed", respond_activity_task_failed, respond_activity_task_failed),
	METHOD("RespondActivityTaskCanceled", respond_activity_task_canceled, respond_activity_task_canceled),
	METHOD("RecordActivityTaskHeartbeat", record_activity_task_heartbeat, record_activity_task_heartbeat),

	METHOD("RespondActivityTaskCompletedById", respond_activity_task_completed_by_id, respond_activity_task_completed_by_id),
	METHOD("RespondActivityTaskFailedById", respond_activity_task_failed_by_id, respond_activity_task_failed_by_id),
	METHOD("RespondActivityTaskCanceledById", respond_activity_task_canceled_by_id, respond_activity_task_canceled_by_id),
	METHOD("RecordActivityTaskHeartbeatById", record_activity_task_heartbeat_by_id, record_activity_task_heartbeat_by_id),

	METHOD("StartActivityExecution", start_activity_execution, start_activity_execution),
	METHOD("PollActivityExecution", poll_activity_execution, poll_activity_execution),
	METHOD("DescribeActivityExecution", describe_activity_execution, describe_activity_execution),
	METHOD("RequestCancelActivityExecution", request_cancel_activity_execution, request_cancel_activity_execution),
	METHOD("TerminateActivityExecution", terminate_activity_execution, terminate_activity_execution),
	METHOD("PauseActivityExecution", pause_activity_execution, pause_activity_execution),
	METHOD("UnpauseActivityExecution", unpause_activity_execution, unpause_activity_execution),
	METHOD("ResetActivityExecution", reset_activity_execution, reset_activity_execution),
	METHOD("UpdateActivityExecutionOptions", update_activity_execution_options, update_activity_execution_options),
	METHOD("DeleteActivityExecution", delete_activity_execution, delete_activity_execution),

	METHOD("ListActivityExecutions", list_activity_executions, list_activity_executions),
	METHOD("CountActivityExecutions", count_activity_executions, count_activity_executions),
};

/*
 * All of them.
 */
const Method *
gateway_methods(int *count)
{
	*count = sizeof(methods) / sizeof(methods[0]);
	return methods;
}
