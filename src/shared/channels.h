/*
 * channels.h
 *		The LISTEN channels of task queues and workers: names, directory, and
 *		what transactions mark in it.
 */
#ifndef TASKQ_CHANNELS_H
#define TASKQ_CHANNELS_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#include "common/lengths.h"

/* What happened to an attempt that a worker holds; in the notified payload. */
typedef enum WorkerEvent
{
	WORKER_EVENT_CANCEL_REQUESTED,
	WORKER_EVENT_PAUSED,
	WORKER_EVENT_RESET,
	WORKER_EVENT_TERMINATED,
	WORKER_EVENT_TIMED_OUT,
	WORKER_EVENT_DELETED
} WorkerEvent;

/* Something that happened to an attempt of a listening worker. */
typedef struct PendingEvent
{
	int64		run_id;
	int			attempt;
	int			event;			/* WorkerEvent */
} PendingEvent;

/* more than this in one taskq.notify_interval: the oldest are forgotten */
#define MAX_PENDING_EVENTS	64

/*
 * One per channel that somebody asked for: a task queue or a worker identity.
 * Covered by control->lock (shared suffices to read; pending fields are
 * written under the exclusive lock).
 */
typedef struct ListenedChannel
{
	Oid			database;		/* InvalidOid = free */
	bool		is_worker;		/* worker_channel() or channel() */
	uint64		hash;			/* of name, see name_hash() */
	TimestampTz until;			/* forget it then (real clock) */
	bool		news;			/* notify it */
	TimestampTz next_due;		/* queue: a task becomes due then; -infinity =
								 * look it up */
	TimestampTz last_sent;
	uint16		name_length;
	char		name[MAX_NAME_LENGTH];	/* of the queue, or identity */
	int			events_first;	/* worker channel: oldest pending event */
	int			events_used;
	PendingEvent events[MAX_PENDING_EVENTS];
} ListenedChannel;

extern Size channels_shmem_size(void);
extern void channels_shmem_init(LWLockPadded *locks);
extern void channel_forget_database(Oid database);

extern char *channel_name(const char *name, int length, bool is_worker);
extern void channel_mark_listened(const char *name, int length,
								  bool is_worker);

/* at the end of a transaction: cannot fail, no allocation */
extern bool channels_anybody(void);
extern void channels_task_due(uint64 hash, TimestampTz due);
extern void channels_all_queues(void);
extern void channels_worker_event(uint64 hash, int64 run_id, int attempt,
								  WorkerEvent event);

/* caller holds control->lock */
extern int	channel_next(uint64 hash, int i);
extern ListenedChannel *channel_at(int i);
extern ListenedChannel *channel_find(uint64 hash, const char *name, int length);
extern void channel_forget(int i);
extern void channel_add_event(ListenedChannel *channel,
							  const PendingEvent *event);

#endif							/* TASKQ_CHANNELS_H */
