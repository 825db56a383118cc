/*
 * shmem.h
 *		taskq's shared memory: hints only.
 *
 * Everything here can vanish at any moment (crash, restart, promotion) and is
 * rebuilt from the tables.  Two kinds of lock cover it:
 *
 *	control->lock (LWLock)	the directory of databases (which slot is whose,
 *							life of its worker) and the listened channels.
 *	slot->mutex (spinlock)	the timer hints of one database.  Held for a few
 *							instructions; never together with another lock.
 */
#ifndef TASKQ_SHMEM_H
#define TASKQ_SHMEM_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/spin.h"

/* What the launcher knows of a database. */
typedef enum WorkerState
{
	WORKER_UNKNOWN = 0,			/* to be probed: start a worker, it will see */
	WORKER_STARTING,			/* registered with the postmaster */
	WORKER_RUNNING,				/* attached, serves the database */
	WORKER_ABSENT,				/* the extension is not there */
	WORKER_FAILED				/* ended with an error, waits for restart_at */
} WorkerState;

/* The deadline of an attempt that a poll has just started. */
typedef struct TimerHint
{
	int64		run_id;
	TimestampTz deadline;
} TimerHint;

/*
 * One per database that is or may be served.
 */
typedef struct DatabaseSlot
{
	/* control->lock: */
	Oid			database;		/* InvalidOid = slot is free */
	WorkerState state;
	pid_t		worker_pid;		/* 0 = none */
	PGPROC	   *worker_proc;	/* whose latch to set; NULL = none */
	pid_t		held_by;		/* backend that wants no worker here, or 0 */
	int			failures;		/* in a row, for the back-off */
	TimestampTz restart_at;		/* real clock */
	bool		look_again;		/* the extension came or went */

	/* mutex: */
	slock_t		mutex;
	TimestampTz wake_at;		/* worker sleeps until then (taskq's clock) */
	TimestampTz alarm_from;		/* least alarm announced since it last looked */
	bool		rescan;			/* read the whole open table again */
	bool		flush_wanted;	/* see heartbeat_flush.c */
	TimestampTz heartbeats_lost_at; /* those before may be forgotten ... */
	int64		heartbeats_lost_run;	/* ... of runs up to this one */
	bool		instance_wanted;	/* see instance.c */
	bool		count_wanted;	/* see counts.c: somebody waits for it */
	bool		count_missed;	/* nobody does, but could use it */
	bool		count_blocked;	/* by prepared transactions */
	bool		counting;		/* commits that move numbers have to wait; read
								 * without lock */
	bool		count_running;	/* between the snapshot and the numbers */
	bool		counts_lost;	/* meanwhile numbers went missing */
	bool		counts_complete;	/* queues without an entry are empty */
	int			current_leaf;	/* closed leaf being filled, -1 = unknown */
	uint32		ring_first;		/* oldest hint */
	uint32		ring_used;
	uint32		ring_reserved;	/* promised to polls in progress */
	TimerHint  *ring;			/* taskq_timer_buffer entries */
} DatabaseSlot;

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
	uint64		hash;			/* of name, see listen_hash() */
	TimestampTz until;			/* forget it then (real clock) */
	bool		news;			/* notify it */
	TimestampTz next_due;		/* queue: a task becomes due then; -infinity =
								 * look it up */
	TimestampTz last_sent;
	uint16		name_length;
	char		name[1000];		/* queue name, or identity */
	int			events_first;	/* worker channel: oldest pending event */
	int			events_used;
	PendingEvent events[MAX_PENDING_EVENTS];
} ListenedChannel;

/* One per backend: it commits, and will move numbers of its database. */
typedef union CommitPlace
{
	Oid			database;		/* InvalidOid = it does not */
	char		padding[PG_CACHE_LINE_SIZE];
} CommitPlace;

typedef struct Control
{
	LWLock	   *lock;
	LWLock	   *waiter_lock;	/* covers wait.c's lists */
	LWLock	   *cursor_lock;	/* covers cursors.c's tables */
	uint64		cursor_generation;	/* last one given */
	LWLockPadded *queue_locks;	/* TABLE_PARTS, cover queue_state.c's tables */
	pid_t		launcher_pid;
	PGPROC	   *launcher_proc;
	TimestampTz recovered_at;	/* taskq's clock when workers could first
								 * heartbeat; 0 = not yet */
	int			databases;		/* taskq_max_databases as of startup */
	int			channels;		/* taskq_max_listened_queues as of startup */
	int			listened;		/* channels in use; read without lock */
	DatabaseSlot *slots;
	ListenedChannel *channel;
	uint64	   *channel_hash;	/* copy of channel[].hash, 0 = free */
	CommitPlace *committing;	/* MaxBackends; no lock, see counts.c */
} Control;

extern Control *control;		/* NULL: not preloaded */

extern void shmem_install_hooks(void);
extern void shmem_require(void);
extern DatabaseSlot *shmem_slot(Oid database, bool create);
extern DatabaseSlot *shmem_my_slot(void);
extern void shmem_extension_changed(void);
extern void shmem_free_slot(DatabaseSlot *slot);
extern void shmem_wake_worker(DatabaseSlot *slot);
extern void shmem_wake_launcher(void);

#endif							/* TASKQ_SHMEM_H */
