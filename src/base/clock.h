/*
 * clock.h
 *		The one clock of taskq, and sums of instants.
 */
#ifndef TASKQ_CLOCK_H
#define TASKQ_CLOCK_H

#include "datatype/timestamp.h"

extern PGDLLEXPORT TimestampTz clock_now(void);
extern long clock_ms_until(TimestampTz when, long cap_ms);
extern PGDLLEXPORT TimestampTz instant_add(TimestampTz when, int64 duration);

#endif							/* TASKQ_CLOCK_H */
