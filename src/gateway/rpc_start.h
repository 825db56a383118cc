/*
 * rpc_start.h
 *		Clients start activities.
 */
#ifndef TASKQ_GATEWAY_RPC_START_H
#define TASKQ_GATEWAY_RPC_START_H

#include "gateway/call.h"

extern void start_activity_execution(Call *call);

#endif
