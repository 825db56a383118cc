/*
 * sizes.h
 *		The sizes of what lies in shared memory, and when they were exceeded.
 */
#ifndef TASKQ_SIZES_H
#define TASKQ_SIZES_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

/* In the order of taskq.health. */
typedef enum SizeKind
{
	SIZE_DATABASES,
	SIZE_WORKERS,
	SIZE_QUEUES,
	SIZE_LANES,
	SIZE_POLLERS,
	SIZE_DELAYS,
	SIZE_CHANNELS,
	SIZE_EVENTS,
	SIZE_WATCHED_RUNS,
	SIZE_LISTENED_QUEUES,
	SIZE_HEARTBEAT_SLOTS,
	SIZE_TIMER_BUFFER
} SizeKind;

#define SIZES				(SIZE_TIMER_BUFFER + 1)

/*
 * SIZE_EVENTS, which no setting changes: more than this of one worker in one
 * taskq.notify_interval, and the oldest are forgotten.
 */
#define MAX_PENDING_EVENTS	64

/* What users are told of a size. */
typedef struct SizeRule
{
	const char *check;			/* in taskq.health */
	const char *things;			/* of which there are too many */
	const char *name;			/* of the size, mostly a setting ... */
	const int  *value;			/* ... and what it is */
	const char *beyond;			/* what becomes of those that do not fit */
	const char *remedy;			/* NULL = raise the setting */
} SizeRule;

extern Size sizes_shmem_size(void);
extern void sizes_shmem_init(LWLockPadded *locks);

extern void size_exceeded(SizeKind kind);

extern const SizeRule *size_rule(SizeKind kind);
extern const char *size_hint(SizeKind kind);
extern int64 size_exceeded_ago(SizeKind kind);
extern void sizes_log(void);

#endif							/* TASKQ_SIZES_H */
