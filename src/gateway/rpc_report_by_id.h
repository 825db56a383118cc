/*
 * rpc_report_by_id.h
 *		Reports that name the activity, instead of an attempt by its token.
 */
#ifndef TASKQ_GATEWAY_RPC_REPORT_BY_ID_H
#define TASKQ_GATEWAY_RPC_REPORT_BY_ID_H

#include "gateway/call.h"

extern void respond_activity_task_completed_by_id(Call *call);
extern void respond_activity_task_failed_by_id(Call *call);
extern void respond_activity_task_canceled_by_id(Call *call);
extern void record_activity_task_heartbeat_by_id(Call *call);

#endif
