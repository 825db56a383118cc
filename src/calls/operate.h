/*
 * operate.h
 *		What operators do, one run at a time.
 */
#ifndef TASKQ_OPERATE_H
#define TASKQ_OPERATE_H

#include "fmgr.h"

#include "engine/enqueue.h"
#include "model/event.h"

extern const char *operate_request_id(FunctionCallInfo fcinfo, int n);
extern void operate_check_update(const EventData *data);

extern void operate_retry(int64 run_id, ScheduledRun *again);

#endif							/* TASKQ_OPERATE_H */
