/*
 * timer_ring.h
 *		Hints in shared memory by which a worker learns of new deadlines.
 */
#ifndef TASKQ_TIMER_RING_H
#define TASKQ_TIMER_RING_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#include "shared/directory.h"

/* The deadline of an attempt, or an alarm. */
typedef struct TimerHint
{
	int64		run_id;
	TimestampTz deadline;
} TimerHint;

/* hints that are copied under one spinlock */
#define TIMER_PIECE		64

extern Size timer_ring_shmem_size(void);
extern void timer_ring_shmem_init(LWLockPadded *locks);

/* for transactions */
extern bool timers_reserve(DatabaseSlot *slot, int n);
extern void timers_release(DatabaseSlot *slot, int n);
extern void timers_publish(DatabaseSlot *slot, const TimerHint *hints, int n,
						   TimestampTz alarm);
extern void timers_rescan(DatabaseSlot *slot);
extern void timers_forget(Oid database);

/* for the worker */
extern void timers_awake(void);
extern bool timers_may_sleep_until(TimestampTz when);
extern int	timer_ring_read(DatabaseSlot *slot, TimerHint *hints);
extern void timer_ring_drop(DatabaseSlot *slot, int n);
extern TimestampTz timer_ring_take_alarm(DatabaseSlot *slot);

#endif							/* TASKQ_TIMER_RING_H */
