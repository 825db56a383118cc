/*
 * sizes.h
 *		The sizes of what lies in shared memory, and when they were exceeded.
 */
#ifndef TASKQ_SIZES_H
#define TASKQ_SIZES_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

/* One for each setting that gives a size. */
typedef enum SizeKind
{
	SIZE_DATABASES,
	SIZE_QUEUES,
	SIZE_LANES,
	SIZE_POLLERS,
	SIZE_DELAYS,
	SIZE_CHANNELS,
	SIZE_HEARTBEAT_SLOTS,
	SIZE_WATCHED_RUNS,
	SIZE_LISTENED_QUEUES
} SizeKind;

#define SIZES				(SIZE_LISTENED_QUEUES + 1)

extern Size sizes_shmem_size(void);
extern void sizes_shmem_init(LWLockPadded *locks);

extern bool size_exceeded(SizeKind kind);
extern TimestampTz size_exceeded_at(SizeKind kind);

#endif							/* TASKQ_SIZES_H */
