/*
 * rpc_describe.h
 *		Clients look at an activity, and wait until it changes.
 */
#ifndef TASKQ_GATEWAY_RPC_DESCRIBE_H
#define TASKQ_GATEWAY_RPC_DESCRIBE_H

#include "gateway/call.h"

extern void describe_activity_execution(Call *call);

#endif
