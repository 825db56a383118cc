/*
 * function_supervisor.c
 *		The chore that starts function workers and cleans up after them.
 *
 * While no function worker of a role is there, this process waits for tasks of
 * its queues itself (waiters.c), and starts one when there are any.  From then on
 * they wait for themselves; while one of them works, this process looks every
 * LOOK_MS whether tasks are due that no other one waits for, and starts more.  When
 * none works it looks at all queues once in LOOK_AT_ALL_S, and wakes whoever should have
 * been: so what memory has lost, or somebody has put into the tables by hand, is late
 * by no more than that, and those who wait may sleep as long as nobody wakes them.
 *
 * taskq.function_workers is the number for all databases and roles together.  When
 * it is reached, somebody who has more than the one who asks has to go: at once if
 * he is idle, after his task otherwise.  His place is kept for the database that has
 * asked.
 *
 * What those leave behind that have gone is seen to in function_gone.c.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "base/settings.h"
#include "engine/claim.h"
#include "engine/functions.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "shared/waiter_state.h"
#include "shared/waiters.h"
#include "worker/chore.h"
#include "worker/function_claim.h"
#include "worker/function_gone.h"
#include "worker/function_supervisor.h"

/* how often to look while functions run */
#define LOOK_MS			100

/* how often to look at queues of which nobody has told anything */
#define LOOK_AT_ALL_S	60

static bool known = false;		/* functions_cached() is what there is */
static bool entered = false;	/* we wait for tasks ourselves */
static TimestampTz look_at = DT_NOBEGIN;	/* taskq's clock */
static TimestampTz all_at = DT_NOBEGIN; /* the same: at all queues */
static int	busy_before = -1;
static int	there_before = -1;

/* ------------------------------------------------------------------------
 * Starting
 * ------------------------------------------------------------------------
 */

/* How many processes a database and role have. */
typedef struct Share
{
	int			there;
	int			free;			/* that wait, or will soon */
} Share;

/* caller holds the lock */
static Share
share_of(Oid database, Oid role)
{
	Share		share = {0, 0};

	for (int i = 0; i < function_pool_size(); i++)
	{
		const FunctionWorker *worker = function_worker_at(i);

		if (worker->database != database || worker->role != role ||
			worker->leave || (worker->state != FUNCTION_WORKER_STARTING &&
							  worker->state != FUNCTION_WORKER_RUNNING))
			continue;
		share.there++;
		if (worker->current.run_id == 0)
			share.free++;
	}
	return share;
}

/* of two, the one who is rather asked to leave */
static bool
is_rather(const FunctionWorker *worker, int there, const FunctionWorker *best,
		  int best_there)
{
	bool		idle = worker->current.run_id == 0;

	if (best == NULL)
		return true;
	if (idle != (best->current.run_id == 0))
		return idle;
	return there != best_there ? there > best_there :
		worker->started_at < best->started_at;
}

/* have somebody leave who has more than the role; caller holds the lock */
static void
make_room(Oid role)
{
	FunctionWorker *best = NULL;
	int			best_there = 0;
	int			mine = share_of(MyDatabaseId, role).there;

	for (int i = 0; i < function_pool_size(); i++)
	{
		FunctionWorker *worker = function_worker_at(i);
		int			there;

		if (worker->state != FUNCTION_WORKER_RUNNING ||
			(worker->database == MyDatabaseId && worker->role == role))
			continue;
		if (worker->leave)
			return;				/* room is being made */
		there = share_of(worker->database, worker->role).there;
		if (is_rather(worker, there, best, best_there))
		{
			best = worker;
			best_there = there;
		}
	}
	if (best == NULL || (best->current.run_id != 0 && mine > 0 &&
						 best_there <= mine + 1))
		return;
	best->leave = true;
	function_pool_promise(MyDatabaseId);
	if (best->proc != NULL)
		SetLatch(&best->proc->procLatch);
}

/* take a slot for the role; its number, -1 when there is none */
static int
take_slot(Oid role, uint32 *generation)
{
	int			number = -1;
	int			free;

	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	free = taskq_function_workers - function_pool_used();
	if (free <= 0)
		make_room(role);
	else if (free > 1 || !function_pool_promised(MyDatabaseId))
		for (int i = 0; i < function_pool_size() && number < 0; i++)
		{
			FunctionWorker *worker = function_worker_at(i);

			if (worker->state != FUNCTION_WORKER_NONE)
				continue;
			*generation = worker->generation + 1;
			memset(worker, 0, offsetof(FunctionWorker, beat));
			worker->state = FUNCTION_WORKER_STARTING;
			worker->generation = *generation;
			worker->database = MyDatabaseId;
			worker->role = role;
			worker->started_at = GetCurrentTimestamp();
			worker->beat.nonce = 0;
			function_pool_kept(MyDatabaseId);
			number = i;
		}
	(void) function_pool_used();
	LWLockRelease(function_pool_lock);
	return number;
}

/* have the postmaster start it; false when the server has no room */
static bool
register_process(int number, uint32 generation)
{
	BackgroundWorker process;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	bool		done;

	memset(&process, 0, sizeof(process));
	process.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	process.bgw_start_time = BgWorkerStart_RecoveryFinished;
	process.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(process.bgw_name, "taskq function worker", BGW_MAXLEN);
	strlcpy(process.bgw_type, "taskq function worker", BGW_MAXLEN);
	strlcpy(process.bgw_library_name, "taskq", BGW_MAXLEN);
	strlcpy(process.bgw_function_name, "taskq_function_worker_main", BGW_MAXLEN);
	process.bgw_main_arg = UInt32GetDatum(number);
	memcpy(process.bgw_extra, &generation, sizeof(generation));
	process.bgw_notify_pid = MyProcPid;
	done = RegisterDynamicBackgroundWorker(&process, function_slot_started(number));
	if (!done)
		*function_slot_started(number) = NULL;
	MemoryContextSwitchTo(old);
	return done;
}

static void
complain(void)
{
	if (function_pool_refused_since() != DT_NOEND)
		return;
	ereport(LOG,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not start a taskq function worker: out of background worker slots"),
			 errhint("Consider increasing the configuration parameter \"max_worker_processes\", or decreasing \"taskq.function_workers\"."),
			 errhidecontext(true)));
	function_pool_refused(true);
}

/* start one more process for the role, if that may be */
static void
start(DatabaseSlot *slot, Oid role)
{
	uint32		generation = 0;
	int			number;

	if (!function_may_start(role, &look_at))
		return;
	number = take_slot(role, &generation);
	if (number < 0)
		slot->functions_wait = true;	/* who leaves tells us */
	else if (register_process(number, generation))
	{
		if (function_pool_refused_since() != DT_NOEND)
			function_pool_refused(false);
		return;
	}
	else
	{
		complain();
		function_slot_free(number);
	}
	look_at = Min(look_at, clock_now() + USECS_PER_SEC);
}

/* ------------------------------------------------------------------------
 * Looking
 * ------------------------------------------------------------------------
 */

static bool
is_among(const uint64 *keys, int n, uint64 key)
{
	for (int i = 0; i < n; i++)
		if (keys[i] == key)
			return true;
	return false;
}

/* wait for tasks of those queues for which nobody else does */
static void
enter_lists(void)
{
	RegisteredFunction *functions;
	int			n = functions_cached(&functions);
	uint64		keys[MAX_WAIT_PLACES];
	int			count = 0;

	if (entered)
		wait_leave(true);
	LWLockAcquire(function_pool_lock, LW_SHARED);
	for (int i = 0; i < n && count < MAX_WAIT_PLACES; i++)
		if (share_of(MyDatabaseId, functions[i].run_as).there == 0 &&
			!is_among(keys, count, functions[i].queue.key.hash))
			keys[count++] = functions[i].queue.key.hash;
	LWLockRelease(function_pool_lock);
	entered = count > 0;
	if (entered)
		wait_enter(keys, count);
}

/*
 * Are tasks due that nobody waits for, and that somebody could run?  With "all" those
 * are looked for, too, of which those who wait should know: they are woken.
 */
static bool
needs_worker(const RegisteredFunction *function, bool all)
{
	bool		free;
	bool		could;
	TimestampTz next = DT_NOEND;
	bool		ready;

	LWLockAcquire(function_pool_lock, LW_SHARED);
	free = share_of(MyDatabaseId, function->run_as).free > 0;
	could = function_may_take(function->queue.key.hash);
	LWLockRelease(function_pool_lock);
	if (!could || (free && !all))
		return false;
	ready = claim_ready(&function->queue, &next) > 0;
	if (!free)
		look_at = Min(look_at, next);
	else if (ready)
		wait_wake(function->queue.key.hash, 1);
	return ready && !free;
}

/* how many of our processes work, and how many there are */
static void
count_processes(int *busy, int *there)
{
	*busy = *there = 0;
	LWLockAcquire(function_pool_lock, LW_SHARED);
	for (int i = 0; i < function_pool_size(); i++)
	{
		const FunctionWorker *worker = function_worker_at(i);

		if (worker->database != MyDatabaseId ||
			worker->state == FUNCTION_WORKER_NONE)
			continue;
		(*there)++;
		if (worker->current.run_id != 0)
			(*busy)++;
	}
	LWLockRelease(function_pool_lock);
}

static void
look(DatabaseSlot *slot)
{
	RegisteredFunction *functions;
	int			n = functions_cached(&functions);
	Oid			wanted = InvalidOid;
	TimestampTz now = clock_now();
	bool		all = !is_ahead(all_at, now, LOOK_AT_ALL_S * USECS_PER_SEC);

	slot->functions_wait = false;
	enter_lists();
	if (all)
		all_at = now + LOOK_AT_ALL_S * USECS_PER_SEC;
	look_at = n > MAX_WAIT_PLACES ? now + USECS_PER_SEC : all_at;
	chore_begin("functions");
	for (int i = 0; i < n; i++)
		if (needs_worker(&functions[i], all) &&
			(!OidIsValid(wanted) || function_may_start(functions[i].run_as, &look_at)))
			wanted = functions[i].run_as;
	chore_commit();
	if (OidIsValid(wanted))
		start(slot, wanted);
	count_processes(&busy_before, &there_before);
	if (busy_before > 0 || OidIsValid(wanted))
		look_at = Min(look_at, clock_now() + LOOK_MS * INT64CONST(1000));
}

/* has something happened since the last look? */
static bool
must_look(void)
{
	TimestampTz until = DT_NOEND;
	int			busy;
	int			there;

	/* an error of any chore takes us out of the lists */
	if (clock_now() >= look_at || (entered && !wait_me()->waiting))
		return true;
	if (entered && (!wait_until(&until) || clock_now() >= until))
		return true;
	if (until < look_at)
		look_at = until;
	count_processes(&busy, &there);
	return there != there_before || (busy > 0 && busy_before == 0);
}

/* read which functions there are, if that has changed */
static void
be_current(DatabaseSlot *slot)
{
	uint32		asked;
	RegisteredFunction *functions;

	if (!errand_look(slot, &slot->functions, &asked) && known)
		return;
	chore_begin("functions");
	(void) functions_registered(&functions);
	chore_commit();
	errand_done(slot, &slot->functions, asked);
	known = true;
	look_at = DT_NOBEGIN;
}

/* function_supervise: the chore. */
TimestampTz
function_supervise(void)
{
	DatabaseSlot *slot = directory_my_slot();
	RegisteredFunction *functions;

	function_gone_start();
	function_end_orphans(slot);
	be_current(slot);
	if (function_pool_any())
	{
		function_bury();
		function_remind();
	}
	if (functions_cached(&functions) == 0 || taskq_function_workers == 0)
	{
		if (entered)
			wait_leave(true);
		entered = false;
		look_at = DT_NOEND;
		return function_pool_any() ? clock_now() + USECS_PER_SEC : DT_NOEND;
	}
	if (must_look())
		look(slot);
	return look_at;
}
