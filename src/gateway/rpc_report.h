/*
 * rpc_report.h
 *		Workers report, with the token of a task.
 */
#ifndef TASKQ_GATEWAY_RPC_REPORT_H
#define TASKQ_GATEWAY_RPC_REPORT_H

#include "gateway/call.h"

extern void respond_activity_task_completed(Call *call);
extern void respond_activity_task_failed(Call *call);
extern void respond_activity_task_canceled(Call *call);
extern void record_activity_task_heartbeat(Call *call);

#endif
