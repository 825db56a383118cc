/*
 * function_pool.h
 *		Function workers in shared memory: who they are, and what they run.
 */
#ifndef TASKQ_FUNCTION_POOL_H
#define TASKQ_FUNCTION_POOL_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "shared/channels.h"

/* details of a heartbeat, as jsonb without its header */
#define FUNCTION_DETAILS	8192

typedef enum FunctionWorkerState
{
	FUNCTION_WORKER_NONE = 0,	/* the slot is free */
	FUNCTION_WORKER_STARTING,	/* registered with the postmaster */
	FUNCTION_WORKER_RUNNING,	/* attached */
	FUNCTION_WORKER_ENDED		/* its process is gone, and may have left attempts */
} FunctionWorkerState;

/* An attempt that a function worker has, or is about to have. */
typedef struct FunctionAttempt
{
	uint64		queue;			/* hash of its name, 0 = there is none */
	uint64		type;			/* likewise of the type, 0 = not known yet */
	int64		run_id;			/* 0 = not claimed yet */
	int64		nonce;
} FunctionAttempt;

/* The last heartbeat of the attempt with that nonce. */
typedef struct FunctionBeat
{
	int64		nonce;			/* 0 = there is none */
	TimestampTz time;
	int64		count;
	int32		length;			/* 0 = no details */
	char		details[FUNCTION_DETAILS];
} FunctionBeat;

/* One function worker; function_pool_lock covers all of it. */
typedef struct FunctionWorker
{
	FunctionWorkerState state;
	uint32		generation;		/* changes with each process */
	Oid			database;
	Oid			role;
	pid_t		pid;			/* 0 = not attached */
	PGPROC	   *proc;
	TimestampTz started_at;		/* real clock */
	bool		failed;			/* it has ended by an error */
	bool		leave;			/* when it has nothing in hand */
	FunctionAttempt current;
	FunctionAttempt next;		/* claimed by the transaction in progress */
	int64		stopped;		/* nonce of the attempt that is to stop, or 0 */
	WorkerEvent reason;			/* why */
	TimestampTz stopped_at;		/* real clock */
	uint32		signals;		/* how many were sent */
	FunctionBeat beat;
} FunctionWorker;

extern LWLock *function_pool_lock;
extern FunctionWorker *function_worker_me;	/* this process; NULL = it is none */

extern Size function_pool_shmem_size(void);
extern void function_pool_shmem_init(LWLockPadded *locks);

/* the caller holds the lock, exclusively to change something */
extern int	function_pool_size(void);
extern FunctionWorker *function_worker_at(int i);
extern int	function_pool_used(void);
extern void function_pool_promise(Oid database);
extern bool function_pool_promised(Oid database);
extern void function_pool_kept(Oid database);
extern void function_worker_signal(FunctionWorker *worker, int signal);

/* these take it; they neither allocate nor fail */
extern bool function_pool_any(void);
extern bool function_pool_has(Oid database);
extern void function_pool_leave(Oid database, bool at_once);
extern void function_pool_wake(Oid database);
extern void function_pool_stop(int64 run_id, int64 nonce, WorkerEvent reason);
extern bool function_pool_beat(int64 nonce, FunctionBeat *beat);
extern TimestampTz function_pool_beat_time(int64 nonce);
extern void function_pool_forget(Oid database);
extern void function_pool_refused(bool refused);
extern TimestampTz function_pool_refused_since(void);

#endif							/* TASKQ_FUNCTION_POOL_H */
