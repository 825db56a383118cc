/*
 * rpc_outcome.h
 *		Clients wait for the end of an activity.
 */
#ifndef TASKQ_GATEWAY_RPC_OUTCOME_H
#define TASKQ_GATEWAY_RPC_OUTCOME_H

#include "gateway/call.h"

extern void poll_activity_execution(Call *call);

#endif
