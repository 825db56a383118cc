/*
 * timers.h
 *		Firing of timeouts, and the hints by which the worker learns of them.
 */
#ifndef TASKQ_TIMERS_H
#define TASKQ_TIMERS_H

#include "datatype/timestamp.h"
#include "shmem.h"

/* for the worker */
extern void timers_start(void);
extern TimestampTz timers_run(void);
extern bool timers_may_sleep_until(TimestampTz when);
extern void timers_forget(DatabaseSlot *slot);
extern void timers_awake(void);

/* for effects.c */
extern bool timers_reserve(DatabaseSlot *slot, int n);
extern void timers_release(DatabaseSlot *slot, int n);
extern void timers_rescan(DatabaseSlot *slot);
extern void timers_publish(DatabaseSlot *slot, const TimerHint *hints, int n,
						   TimestampTz alarm);

#endif							/* TASKQ_TIMERS_H */
