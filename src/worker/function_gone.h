/*
 * function_gone.h
 *		What is left of function workers that have gone.
 */
#ifndef TASKQ_FUNCTION_GONE_H
#define TASKQ_FUNCTION_GONE_H

#include "datatype/timestamp.h"
#include "postmaster/bgworker.h"

#include "shared/directory.h"

extern void function_gone_start(void);
extern bool function_may_start(Oid role, TimestampTz *look_at);
extern BackgroundWorkerHandle **function_slot_started(int i);
extern void function_slot_free(int i);
extern void function_end_orphans(DatabaseSlot *slot);
extern void function_bury(void);
extern void function_remind(void);

#endif							/* TASKQ_FUNCTION_GONE_H */
