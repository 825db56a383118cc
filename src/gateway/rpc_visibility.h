/*
 * rpc_visibility.h
 *		Clients list and count activities.
 */
#ifndef TASKQ_GATEWAY_RPC_VISIBILITY_H
#define TASKQ_GATEWAY_RPC_VISIBILITY_H

#include "gateway/call.h"

extern void list_activity_executions(Call *call);
extern void count_activity_executions(Call *call);

#endif
