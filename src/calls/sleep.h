/*
 * sleep.h
 *		What calls that wait have in common.
 */
#ifndef TASKQ_SLEEP_H
#define TASKQ_SLEEP_H

#include "fmgr.h"

#include "datatype/timestamp.h"

extern void require_own_transactions(FunctionCallInfo fcinfo,
									 const char *call);
extern TimestampTz arg_deadline(FunctionCallInfo fcinfo, int n);
extern void begin_look(void);
extern void end_look(void);
extern void check_client(void);
extern void sleep_unless_woken(TimestampTz until, uint32 wait_event);
extern Datum return_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

#endif							/* TASKQ_SLEEP_H */
