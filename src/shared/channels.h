/*
 * channels.h
 *		The directory of LISTEN channels of task queues, workers and listeners.
 */
#ifndef TASKQ_CHANNELS_H
#define TASKQ_CHANNELS_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#include "common/lengths.h"
#include "shared/sizes.h"
#include "task/queue_keys.h"

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

/*
 * One per channel that somebody asked for or listens to: of a task queue, a
 * worker identity, or a listener, which is told of many queues.  Covered by control->lock (shared suffices to read; pending
 * fields are written under the exclusive lock).
 */
typedef struct ListenedChannel
{
	NameKind	kind;			/* channel(), worker_channel(), listen() */
	bool		leaving;		/* given up: to be notified once more */
	bool		was_listened;	/* since it was asked for last */
	uint32		generation;		/* another for each channel that has the place */
	int			hearing;		/* sessions that listen */
	int			listeners;		/* those, and those whose LISTEN is not
								 * committed yet */
	uint64		hash;			/* of name, see name_hash() */
	TimestampTz until;			/* keep it without listeners until then (real
								 * clock), DT_NOBEGIN = do not */
	TimestampTz used;			/* asked for, listened to or notified (real
								 * clock) */
	bool		news;			/* notify it */
	TimestampTz next_due;		/* queue: a task becomes due then; -infinity =
								 * look it up */
	TimestampTz last_sent;
	char		channel[NAMEDATALEN];
	uint16		name_length;	/* 0 = the name is not known */
	char		name[MAX_QUEUE_NAME_LENGTH];	/* of the queue or listener, or identity */
	int			events_first;	/* worker channel: oldest pending event */
	int			events_used;
	PendingEvent events[MAX_PENDING_EVENTS];
} ListenedChannel;

/* A channel, for as long as it is the one at its place. */
typedef struct ChannelRef
{
	int			place;			/* -1 = none */
	uint32		generation;
} ChannelRef;

/* Did a channel find room? */
typedef enum Fit
{
	FITS,
	FITS_IN_STEAD,				/* of one that had a right to be there */
	FITS_NOT
} Fit;

extern Size channels_shmem_size(void);
extern void channels_shmem_init(LWLockPadded *locks);
extern void channel_forget_database(Oid database);

/* caller holds control->lock */
extern int	channel_places(void);
extern int	channel_next(uint64 hash, int i);
extern ListenedChannel *channel_at(int i);
extern ListenedChannel *channel_find(uint64 hash, const char *channel);
extern ListenedChannel *channel_add(uint64 hash, const char *name,
									NameKind kind, TimestampTz real_now,
									Fit *fit);
extern bool channel_is_there(const ChannelRef *ref);
extern ListenedChannel *channel_referred(const ChannelRef *ref);
extern ChannelRef channel_ref(const ListenedChannel *channel);
extern bool channel_is_over(const ListenedChannel *channel,
							TimestampTz real_now);
extern void channel_forget(int i);
extern void channel_set_name(ListenedChannel *channel, const char *name,
							 int length);

/* without a lock */
extern bool channels_anybody(void);

#endif							/* TASKQ_CHANNELS_H */
