/*
 * rpc_system.h
 *		What clients ask of the server itself and its namespace.
 */
#ifndef TASKQ_GATEWAY_RPC_SYSTEM_H
#define TASKQ_GATEWAY_RPC_SYSTEM_H

#include "gateway/call.h"

extern void get_system_info(Call *call);
extern void get_cluster_info(Call *call);
extern void describe_namespace(Call *call);
extern void list_namespaces(Call *call);
extern void refuse_namespace(Call *call);

#endif
