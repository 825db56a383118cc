/*
 * directory.h
 *		taskq's shared memory: hints only.
 *
 * Everything here can vanish at any moment (crash, restart, promotion) and is
 * rebuilt from the tables.  The locks of Control cover it, each what is written
 * beside it; the files that use them say in which order they are taken.  The
 * spinlock of a database's slot covers what is in the slot: held for a few
 * instructions, and the last lock to be taken.
 */
#ifndef TASKQ_DIRECTORY_H
#define TASKQ_DIRECTORY_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
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

/* back-off of a worker that fails: up to a minute */
#define MAX_BACK_OFF_S		60

/*
 * What others ask of the worker.  It is asked for until that much of it is
 * done as had been asked for when the worker last looked: nothing that stops
 * the worker in between, be it an error or its end, loses it, and what is
 * asked for meanwhile wants another turn.  Zero = nothing was asked for.
 */
typedef struct Errand
{
	uint32		asked;
	uint32		done;
} Errand;

/* What the worker could not do for a run. */
typedef enum PutOffKind
{
	PUT_OFF_TIMEOUT,			/* fire it */
	PUT_OFF_HEARTBEAT,			/* write the last one to the table */
	PUT_OFF_KINDS
} PutOffKind;

typedef struct PutOffRuns
{
	int			n;				/* how many ... */
	int64		one;			/* ... and one of them, 0 = none */
} PutOffRuns;

/* Tables that are filled by turns, each kind with turns of its own. */
typedef enum LeafKind
{
	LEAVES_CLOSED,				/* closed_N and closed_run_N */
	LEAVES_HISTORIES,			/* history_N */
	LEAF_KINDS
} LeafKind;

/* What the worker says of the leaves of a kind. */
typedef struct LeafHints
{
	int			current;		/* being filled; -1 = unknown */
	int			blocked;		/* has expired, but is in use; -1 = none */
	TimestampTz blocked_since;	/* real clock */
} LeafHints;

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

	/* no lock: */
	pg_atomic_uint32 wakes;		/* of the worker, ever asked for */

	/* written by the worker alone: */
	bool		functions_wait;	/* tasks wait until a function worker leaves */
	bool		functions_adopted;	/* attempts of those before a crash are failed */

	/* waiter_lock: */
	TimestampTz debts_at;		/* the worker looks after unused wakes then,
								 * DT_NOEND = not at all; see waiters.c */

	/* mutex; each of the structs is there for the files that it names: */
	slock_t		mutex;
	TimestampTz ticked_at;		/* the worker was seen to run (real clock) */
	Errand		instance;		/* see instance_check.c */
	Errand		functions;		/* other ones are registered */
	Errand		mail;			/* inboxes of runs have some */

	struct						/* timer_ring.c */
	{
		TimestampTz wake_at;	/* worker sleeps until then (taskq's clock) */
		TimestampTz called_at;	/* it was woken because of a deadline (real
								 * clock) */
		TimestampTz alarm_from; /* least alarm announced since it last looked */
		Errand		rescan;		/* read the whole open table again */
		uint32		first;		/* oldest hint in the ring */
		uint32		used;
		uint32		reserved;	/* promised to polls in progress */
	}			timers;

	struct						/* heartbeat_slots.c, heartbeat_flush.c */
	{
		bool		flush_wanted;
		TimestampTz lost_at;	/* those before may be forgotten ... */
		int64		lost_run;	/* ... of runs up to this one */
	}			heartbeats;

	struct						/* counts.c, counts_known.c, recount.c */
	{
		Errand		wanted;		/* somebody waits for the count */
		Errand		missed;		/* nobody does, but could use it */
		bool		blocked;	/* by prepared transactions */
		uint32		prepares;	/* transactions prepared that move numbers */
		bool		running;	/* between the snapshot and the numbers */
		bool		lost;		/* meanwhile numbers went missing */
		bool		complete;	/* queues without an entry are empty */
		bool		none_elsewhere; /* no attempt is in progress whose row is in
									 * another queue than it was taken from */
		uint32		moves;		/* that made one so, ever */
		TransactionId mover;	/* newest transaction with one; or invalid */
	}			counts;

	struct						/* leaf_hints.c */
	{
		LeafHints	of[LEAF_KINDS];
		int			limit;		/* seconds that rows of the closed leaf being
								 * filled are kept at most; -1 = unknown */
		uint32		told;		/* changes by the worker, so far */
	}			leaves;

	PutOffRuns	put_off[PUT_OFF_KINDS];	/* put_off.c */

	ConditionVariable answered; /* what the worker was asked for is done, or
								 * cannot be */
} DatabaseSlot;

typedef struct Control
{
	LWLock	   *lock;			/* covers the directory of databases (which slot
								 * is whose, life of its worker), channels */
	pid_t		launcher_pid;
	PGPROC	   *launcher_proc;
	TimestampTz recovered_at;	/* taskq's clock when workers could first
								 * heartbeat; 0 = not yet */
	int			databases;		/* taskq_max_databases as of startup */
	DatabaseSlot *slots;
} Control;

extern Control *control;		/* NULL: not preloaded */

extern Size directory_shmem_size(void);
extern void directory_shmem_init(LWLockPadded *locks);

extern void directory_require(void);
extern DatabaseSlot *directory_slot(Oid database, bool create);
extern DatabaseSlot *directory_slot_of(Oid database);
extern DatabaseSlot *directory_my_slot(void);
extern int	directory_slot_number(const DatabaseSlot *slot);
extern void directory_extension_changed(void);
extern void directory_free_slot(DatabaseSlot *slot);
extern void directory_worker_failed(DatabaseSlot *slot);
extern void directory_wake_worker(DatabaseSlot *slot);
extern uint32 directory_wakes(DatabaseSlot *slot);
extern bool errand_ask(DatabaseSlot *slot, Errand *errand);
extern bool errand_look(DatabaseSlot *slot, const Errand *errand,
						uint32 *asked);
extern void errand_done(DatabaseSlot *slot, Errand *errand, uint32 asked);
extern void directory_answered(DatabaseSlot *slot);
extern bool directory_await(DatabaseSlot *slot, TimestampTz until,
						uint32 wait_event);
extern void directory_wake_launcher(void);

#endif							/* TASKQ_DIRECTORY_H */
