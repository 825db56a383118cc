/*
 * timers.h
 *		The worker's chore that fires timeouts.
 */
#ifndef TASKQ_TIMERS_H
#define TASKQ_TIMERS_H

#include "datatype/timestamp.h"

extern void timers_start(void);
extern TimestampTz timers_run(void);

#endif							/* TASKQ_TIMERS_H */
