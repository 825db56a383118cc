/*
 * fakes.h
 *		What the files under test find in place of the rest of taskq.
 */
#ifndef TASKQ_UNIT_FAKES_H
#define TASKQ_UNIT_FAKES_H

#include "storage/lwlock.h"

#include "shared/directory.h"
#include "shared/queue_state.h"

/* "shared memory": of this test, anew after fake_memory_lost() */
extern void fake_memory_lost(void);
extern Size fake_memory_size(void);
extern bool fake_memory_intact(void);

/* the queues that there are; the first two share a lock */
#define FAKE_QUEUES		3
extern QueueState fake_queues[FAKE_QUEUES];

/* parts that somebody else has locked */
extern uint32 fake_locked;

/* locks for parts of memory */
extern LWLockPadded *fake_locks(void);

/* the slot of our database, and how often its worker was woken */
extern DatabaseSlot fake_slot;
extern int	fake_wakes;

/* what time it is */
extern TimestampTz fake_now;

/* how often a size was exceeded */
extern int	fake_exceeded;

#endif							/* TASKQ_UNIT_FAKES_H */
