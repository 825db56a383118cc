/*
 * rpc_system.c
 *		What clients ask of the server itself and its namespace.
 *
 * GetSystemInfo is the first call of every client, and never needs the
 * database.
 */
#include "gateway/rpc_system.h"

#include <string.h>

#include "gateway/memory.h"
#include "gateway/namespaces.h"
#include "gateway/operation.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/times.h"

/* of the server whose behaviour this is: clients ask some things of newer ones alone */
#define SERVER_VERSION "1.32.0"

/* what "default" is, wherever: clients want one, and some keep it */
#define NAMESPACE_ID "7461736b-7100-4000-8000-64656661756c"

static const Statement limits_statement = {
	"limits",
	"SELECT pg_size_bytes(current_setting('taskq.max_payload_size')),"
	" current_setting('taskq.retention')::interval",
	0, false
};

/*
 * The method GetSystemInfo.
 */
void
get_system_info(Call *call)
{
	Temporal__GetSystemInfoResponse *response;
	Temporal__GetSystemInfoResponse__Capabilities *capabilities;

	response = message_new(&temporal__get_system_info_response__descriptor);
	response->server_version = memory_text(SERVER_VERSION);
	capabilities = message_new(&temporal__get_system_info_response__capabilities__descriptor);
	capabilities->signal_and_query_header = true;
	capabilities->internal_error_differentiation = true;
	capabilities->activity_failure_include_heartbeat = true;
	capabilities->encoded_failure_attributes = true;
	capabilities->upsert_memo = true;
	capabilities->sdk_metadata = true;
	capabilities->count_group_by_execution_status = true;
	response->capabilities = capabilities;
	answer(call, response);
}

/*
 * The method GetClusterInfo.
 */
void
get_cluster_info(Call *call)
{
	Temporal__GetClusterInfoResponse *response;

	response = message_new(&temporal__get_cluster_info_response__descriptor);
	response->server_version = memory_text(SERVER_VERSION);
	response->cluster_id = memory_text(NAMESPACE_ID);
	response->cluster_name = memory_text("taskq");
	response->history_shard_count = 1;
	response->persistence_store = memory_text("postgresql");
	response->visibility_store = memory_text("postgresql");
	answer(call, response);
}

/* ------------------------------------------------------------------------
 * The namespace
 * ------------------------------------------------------------------------
 */

static Temporal__NamespaceInfo *
namespace_info(const char *name, const PGresult *result)
{
	Temporal__NamespaceInfo *info = message_new(&temporal__namespace_info__descriptor);

	info->name = memory_text(name);
	info->state = TEMPORAL__NAMESPACE_STATE__NAMESPACE_STATE_REGISTERED;
	info->description = memory_text("a database with taskq");
	info->id = memory_text(NAMESPACE_ID);
	info->capabilities = message_new(&temporal__namespace_info__capabilities__descriptor);
	info->capabilities->standalone_activities = true;
	info->capabilities->standalone_activity_start_delay = true;
	info->capabilities->standalone_activity_operator_commands = true;
	info->capabilities->worker_poll_complete_on_shutdown = true;
	info->limits = message_new(&temporal__namespace_info__limits__descriptor);
	info->limits->blob_size_limit_error = row_int64(result, 0, 0);
	info->limits->memo_size_limit_error = row_int64(result, 0, 0);
	return info;
}

static Temporal__DescribeNamespaceResponse *
describe(const char *name, const PGresult *result)
{
	Temporal__DescribeNamespaceResponse *response;

	response = message_new(&temporal__describe_namespace_response__descriptor);
	response->namespace_info = namespace_info(name, result);
	response->config = message_new(&temporal__namespace_config__descriptor);
	response->config->workflow_execution_retention_ttl =
		duration_from_microseconds(row_interval(result, 0, 1));
	return response;
}

static void
described(Call *call, const PGresult *result)
{
	Temporal__DescribeNamespaceRequest *request = (void *) call->request;

	answer(call, describe(*request->namespace_ != '\0' ? request->namespace_ : DEFAULT_NAMESPACE, result));
}

/*
 * The method DescribeNamespace.
 */
void
describe_namespace(Call *call)
{
	Temporal__DescribeNamespaceRequest *request = (void *) call->request;

	if ((*request->namespace_ == '\0' && strcmp(request->id, NAMESPACE_ID) == 0) ||
		namespace_is_known(call, request->namespace_))
		operation_run(call, &limits_statement, NULL, NULL, described);
}

static void
listed(Call *call, const PGresult *result)
{
	Temporal__ListNamespacesResponse *response;

	response = message_new(&temporal__list_namespaces_response__descriptor);
	response->namespaces = memory_new(sizeof(*response->namespaces));
	response->namespaces[0] = describe(DEFAULT_NAMESPACE, result);
	response->n_namespaces = 1;
	answer(call, response);
}

/*
 * The method ListNamespaces.
 */
void
list_namespaces(Call *call)
{
	operation_run(call, &limits_statement, NULL, NULL, listed);
}

/*
 * The methods RegisterNamespace and UpdateNamespace.
 */
void
refuse_namespace(Call *call)
{
	call_fail(call, STATUS_FAILED_PRECONDITION,
			  "A namespace is a PostgreSQL database: create one there, and start a gateway for it.",
			  NULL);
}
