/*
 * clock.h
 *		The one clock of taskq.
 */
#ifndef TASKQ_CLOCK_H
#define TASKQ_CLOCK_H

#include "datatype/timestamp.h"

extern TimestampTz clock_now(void);
extern long clock_ms_until(TimestampTz when, long cap_ms);

#endif							/* TASKQ_CLOCK_H */
