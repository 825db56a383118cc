/*
 * rpc_poll.h
 *		Workers ask for tasks, and stop.
 */
#ifndef TASKQ_GATEWAY_RPC_POLL_H
#define TASKQ_GATEWAY_RPC_POLL_H

#include "gateway/call.h"

extern void poll_activity_task_queue(Call *call);
extern void poll_workflow_task_queue(Call *call);
extern void shutdown_worker(Call *call);

#endif
