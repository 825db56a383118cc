/*
 * rpc_operate.h
 *		Clients cancel, terminate, pause, unpause, reset, change and delete
 *		activities.
 */
#ifndef TASKQ_GATEWAY_RPC_OPERATE_H
#define TASKQ_GATEWAY_RPC_OPERATE_H

#include "gateway/call.h"

extern void request_cancel_activity_execution(Call *call);
extern void terminate_activity_execution(Call *call);
extern void pause_activity_execution(Call *call);
extern void unpause_activity_execution(Call *call);
extern void reset_activity_execution(Call *call);
extern void update_activity_execution_options(Call *call);
extern void delete_activity_execution(Call *call);

#endif
