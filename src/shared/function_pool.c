/*
 * function_pool.c
 *		Function workers in shared memory: who they are, and what they run.
 *
 * The worker of a database registers them (worker/function_supervisor.c), they
 * attach themselves, and say before they commit which attempt they have started.
 * So whoever ends or cancels that attempt finds the process that runs it, and
 * what a process leaves behind that has gone is found, and failed.
 *
 * The last heartbeat of such an attempt is here, too, and not among those of
 * others (heartbeat_slots.c): it is neither bound to the transaction that runs
 * the function nor taken back with it, and holds nobody up.
 *
 * Locks: one, for memory work only, also in commit callbacks.  Signals are sent
 * under it: a process that has detached itself is not signalled any more.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "shared/directory.h"
#include "shared/function_pool.h"

/* how long the place of who has left for somebody is kept for him */
#define PROMISE_MS		5000

typedef struct FunctionPool
{
	int			size;			/* max_worker_processes as of startup */
	int			used;			/* slots that are not free; read without lock, to
								 * return fast */
	Oid			promised_to;	/* the database for which a process was asked to
								 * leave; InvalidOid = none */
	TimestampTz promised_until;	/* real clock */
	TimestampTz refused_since;	/* the server had no room; DT_NOEND = it had */
	FunctionWorker workers[FLEXIBLE_ARRAY_MEMBER];
} FunctionPool;

static FunctionPool *pool = NULL;

LWLock	   *function_pool_lock;
FunctionWorker *function_worker_me = NULL;

/* function_pool_shmem_size: for the request hook. */
Size
function_pool_shmem_size(void)
{
	return add_size(offsetof(FunctionPool, workers),
					mul_size(max_worker_processes, sizeof(FunctionWorker)));
}

/* function_pool_shmem_init: caller holds AddinShmemInitLock. */
void
function_pool_shmem_init(LWLockPadded *locks)
{
	bool		found;

	function_pool_lock = &locks->lock;
	pool = ShmemInitStruct("taskq function workers", function_pool_shmem_size(),
						   &found);
	if (found)
		return;
	memset(pool, 0, function_pool_shmem_size());
	pool->size = max_worker_processes;
	pool->refused_since = DT_NOEND;
}

/* function_pool_size: how many there can be. */
int
function_pool_size(void)
{
	return pool == NULL ? 0 : pool->size;
}

/* function_worker_at: the i-th slot. */
FunctionWorker *
function_worker_at(int i)
{
	Assert(i >= 0 && i < pool->size && LWLockHeldByMe(function_pool_lock));
	return &pool->workers[i];
}

/*
 * function_pool_used: count the slots that are not free, and let it be known.
 * Caller holds the lock exclusively.
 */
int
function_pool_used(void)
{
	Assert(LWLockHeldByMeInMode(function_pool_lock, LW_EXCLUSIVE));
	pool->used = 0;
	for (int i = 0; i < pool->size; i++)
		if (pool->workers[i].state != FUNCTION_WORKER_NONE)
			pool->used++;
	return pool->used;
}

/*
 * function_pool_promise: a process leaves for a database, which is to have its
 * place, and not whoever is faster.  It has to come for it soon.  Caller holds the
 * lock exclusively, as in the next two.
 */
void
function_pool_promise(Oid database)
{
	pool->promised_to = database;
	pool->promised_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   PROMISE_MS);
}

/* function_pool_promised: is the next place another database's? */
bool
function_pool_promised(Oid database)
{
	return OidIsValid(pool->promised_to) && pool->promised_to != database &&
		is_ahead(pool->promised_until, GetCurrentTimestamp(),
				 PROMISE_MS * INT64CONST(1000));
}

/* function_pool_kept: the database has one. */
void
function_pool_kept(Oid database)
{
	if (pool->promised_to == database)
		pool->promised_to = InvalidOid;
}

/* function_worker_signal: if it has a process.  Caller holds the lock. */
void
function_worker_signal(FunctionWorker *worker, int signal)
{
	Assert(LWLockHeldByMe(function_pool_lock));
	if (worker->pid != 0)
		(void) kill(worker->pid, signal);
}

/* function_pool_any: are there any?  Without a lock. */
bool
function_pool_any(void)
{
	return pool != NULL && pool->used > 0;
}

/* function_pool_has: is a process of the database there, or on its way? */
bool
function_pool_has(Oid database)
{
	bool		found = false;

	if (!function_pool_any())
		return false;
	LWLockAcquire(function_pool_lock, LW_SHARED);
	for (int i = 0; i < pool->size && !found; i++)
		found = pool->workers[i].database == database &&
			pool->workers[i].pid != 0;
	LWLockRelease(function_pool_lock);
	return found;
}

/*
 * function_pool_leave: have those of a database end, when they have nothing in
 * hand, or at once.
 */
void
function_pool_leave(Oid database, bool at_once)
{
	if (!function_pool_any())
		return;
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	for (int i = 0; i < pool->size; i++)
	{
		FunctionWorker *worker = &pool->workers[i];

		if (worker->database != database || worker->state == FUNCTION_WORKER_NONE)
			continue;
		worker->leave = true;
		if (at_once)
			function_worker_signal(worker, SIGTERM);
		else if (worker->proc != NULL)
			SetLatch(&worker->proc->procLatch);
	}
	LWLockRelease(function_pool_lock);
}

/* function_pool_wake: have those of a database that wait look what there is. */
void
function_pool_wake(Oid database)
{
	if (!function_pool_any())
		return;
	LWLockAcquire(function_pool_lock, LW_SHARED);
	for (int i = 0; i < pool->size; i++)
		if (pool->workers[i].database == database &&
			pool->workers[i].proc != NULL &&
			pool->workers[i].proc != MyProc &&
			pool->workers[i].current.run_id == 0)
			SetLatch(&pool->workers[i].proc->procLatch);
	LWLockRelease(function_pool_lock);
}

/*
 * function_pool_stop: something has happened to that attempt of this database,
 * so that whoever runs it has to stop.
 */
void
function_pool_stop(int64 run_id, int64 nonce, WorkerEvent reason)
{
	if (!function_pool_any())
		return;
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	for (int i = 0; i < pool->size; i++)
	{
		FunctionWorker *worker = &pool->workers[i];

		if (worker->state != FUNCTION_WORKER_RUNNING ||
			worker->database != MyDatabaseId ||
			!((worker->current.run_id == run_id && worker->current.nonce == nonce) ||
			  (worker->next.run_id == run_id && worker->next.nonce == nonce)))
			continue;
		if (worker->stopped != nonce)
			worker->stopped_at = GetCurrentTimestamp();
		worker->stopped = nonce;
		worker->reason = reason;
		worker->signals++;
		function_worker_signal(worker, SIGINT);
	}
	LWLockRelease(function_pool_lock);
}

/* the worker of this database that has heartbeated the attempt; NULL = none */
static FunctionWorker *
find_beat(int64 nonce)
{
	for (int i = 0; i < pool->size; i++)
		if (pool->workers[i].beat.nonce == nonce &&
			pool->workers[i].database == MyDatabaseId &&
			pool->workers[i].state != FUNCTION_WORKER_NONE)
			return &pool->workers[i];
	return NULL;
}

/* function_pool_beat: the last heartbeat of an attempt; false without one. */
bool
function_pool_beat(int64 nonce, FunctionBeat *beat)
{
	FunctionWorker *worker;

	if (nonce == 0 || !function_pool_any())
		return false;
	LWLockAcquire(function_pool_lock, LW_SHARED);
	worker = find_beat(nonce);
	if (worker != NULL)
	{
		memcpy(beat, &worker->beat, offsetof(FunctionBeat, details));
		memcpy(beat->details, worker->beat.details, beat->length);
	}
	LWLockRelease(function_pool_lock);
	return worker != NULL;
}

/* function_pool_beat_time: when that was; DT_NOBEGIN without one. */
TimestampTz
function_pool_beat_time(int64 nonce)
{
	FunctionWorker *worker;
	TimestampTz time;

	if (nonce == 0 || !function_pool_any())
		return DT_NOBEGIN;
	LWLockAcquire(function_pool_lock, LW_SHARED);
	worker = find_beat(nonce);
	time = worker == NULL ? DT_NOBEGIN : worker->beat.time;
	LWLockRelease(function_pool_lock);
	return time;
}

/* function_pool_forget: the database is gone, and all that its workers left. */
void
function_pool_forget(Oid database)
{
	if (!function_pool_any())
		return;
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	for (int i = 0; i < pool->size; i++)
		if (pool->workers[i].database == database && pool->workers[i].pid == 0)
			pool->workers[i].state = FUNCTION_WORKER_NONE;
	(void) function_pool_used();
	LWLockRelease(function_pool_lock);
}

/* function_pool_refused: has the server had no room for one more process? */
void
function_pool_refused(bool refused)
{
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	if (!refused)
		pool->refused_since = DT_NOEND;
	else if (pool->refused_since == DT_NOEND)
		pool->refused_since = GetCurrentTimestamp();
	LWLockRelease(function_pool_lock);
}

/* function_pool_refused_since: since when; DT_NOEND = it has. */
TimestampTz
function_pool_refused_since(void)
{
	return pool == NULL ? DT_NOEND : pool->refused_since;
}
