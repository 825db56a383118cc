/*
 * operate.h
 *		What operators do, one run at a time.
 */
#ifndef TASKQ_OPERATE_H
#define TASKQ_OPERATE_H

#include "fmgr.h"

#include "engine/enqueue.h"
#include "model/event.h"

extern void operate_arguments(FunctionCallInfo fcinfo, int n, Event event,
							  EventData *data);
extern void operate_retry(int64 run_id, ScheduledRun *again);

#endif							/* TASKQ_OPERATE_H */
