/*
 * watched_runs.c
 *		Which runs somebody watches: taskq.watch().
 *
 * A run is watched for an hour after somebody said so, or until its end has been
 * told.  Transactions leave what it has become at its entry when they end, and
 * the worker of the database sends that (notify_runs.c): an end at once, all else
 * once in taskq.notify_interval, and of what happened meanwhile the last.
 *
 * The table is of fixed size, and of all databases together.  When it is full,
 * the oldest mostly goes: who watched it hears nothing, and looks.  After
 * a restart or a crash it is empty.
 *
 * While nobody watches anything, transactions read one number.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/clock.h"
#include "base/pending_table.h"
#include "base/settings.h"
#include "shared/directory.h"
#include "shared/sizes.h"
#include "shared/watched_runs.h"
#include "task/task.h"

#define WATCHED_FOR			USECS_PER_HOUR
#define SWEEP_FOR_ROOM		USECS_PER_SEC
#define SWEEP_AT_LEISURE	(10 * USECS_PER_MINUTE)

typedef struct RunKey
{
	Oid			database;
	uint32		unused;			/* zero: the key is hashed as bytes */
	int64		run_id;
} RunKey;

StaticAssertDecl(sizeof(RunKey) == 2 * sizeof(uint32) + sizeof(int64),
				 "keys are compared as bytes, so they have no holes");

typedef struct WatchedRun
{
	RunKey		key;
	TimestampTz until;			/* real clock */
	TimestampTz last_sent;		/* taskq's clock */
	int			state;			/* to be told, if it is pending; else what was
								 * told last */
} WatchedRun;

/* set in every process; the contents are in shared memory */
static PendingTable runs;
static LWLock *runs_lock = NULL;

/* watched_runs_shmem_size: for the request hook. */
Size
watched_runs_shmem_size(void)
{
	return pending_table_size(taskq_max_watched_runs, sizeof(WatchedRun));
}

/* watched_runs_shmem_init: caller holds AddinShmemInitLock. */
void
watched_runs_shmem_init(LWLockPadded *locks)
{
	pending_table_init(&runs, "taskq watched runs", taskq_max_watched_runs,
					   sizeof(RunKey), sizeof(WatchedRun));
	runs_lock = &locks[0].lock;
}

static RunKey
run_key(int64 run_id)
{
	RunKey		key = {MyDatabaseId, 0, run_id};

	return key;
}

static WatchedRun *
find_run(int64 run_id)
{
	RunKey		key = run_key(run_id);

	return pending_find(&runs, &key, sizeof(key));
}

/* nobody has said for an hour that he watches it */
static bool
is_over(const void *entry, TimestampTz real_now)
{
	return ((const WatchedRun *) entry)->until <= real_now;
}

/*
 * watched_runs_any: does anybody watch any run?  Without a lock: who watches one
 * just now looks at it after that.
 */
bool
watched_runs_any(void)
{
	return pending_any(&runs);
}

/* ------------------------------------------------------------------------
 * Watching
 * ------------------------------------------------------------------------
 */

/* a new entry; true in *exceeded when another one had to go */
static WatchedRun *
add_run(int64 run_id, TimestampTz real_now, bool *exceeded)
{
	RunKey		key = run_key(run_id);
	WatchedRun *run = pending_add(&runs, &key, sizeof(key));

	if (run == NULL && pending_may_sweep(&runs, real_now, SWEEP_FOR_ROOM))
	{
		(void) pending_sweep(&runs, is_over, real_now);
		run = pending_add(&runs, &key, sizeof(key));
	}
	if (run == NULL)
	{
		*exceeded = true;
		pending_remove(&runs, pending_oldest(&runs));
		run = pending_add(&runs, &key, sizeof(key));
	}
	run->last_sent = DT_NOBEGIN;
	return run;
}

/*
 * watched_runs_add: these runs are watched for an hour from now on.  Takes
 * runs_lock.
 */
void
watched_runs_add(const int64 *run_ids, int n)
{
	TimestampTz real_now = GetCurrentTimestamp();
	bool		exceeded = false;

	LWLockAcquire(runs_lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		WatchedRun *run = find_run(run_ids[i]);

		if (run == NULL)
			run = add_run(run_ids[i], real_now, &exceeded);
		run->until = real_now + WATCHED_FOR;
	}
	LWLockRelease(runs_lock);

	if (exceeded)
		size_exceeded(SIZE_WATCHED_RUNS);
}

/* watched_runs_forget_database: of a database that was dropped. */
void
watched_runs_forget_database(Oid database)
{
	LWLockAcquire(runs_lock, LW_EXCLUSIVE);
	for (int i = 0; i < taskq_max_watched_runs; i++)
	{
		WatchedRun *run = shared_table_at(runs.entries, i);

		if (run != NULL && run->key.database == database)
			pending_remove(&runs, run);
	}
	LWLockRelease(runs_lock);
}

/* ------------------------------------------------------------------------
 * Changes.  Nothing here fails.
 * ------------------------------------------------------------------------
 */

static bool
any_watched(const RunChange *changes, int n)
{
	bool		any = false;

	LWLockAcquire(runs_lock, LW_SHARED);
	for (int i = 0; i < n && !any; i++)
		any = find_run(changes[i].run_id) != NULL;
	LWLockRelease(runs_lock);
	return any;
}

/*
 * watched_runs_changed: what n runs have become, in the order in which they
 * have; it can be seen by now.  Takes runs_lock, shared if none is watched.
 */
void
watched_runs_changed(const RunChange *changes, int n)
{
	bool		any = false;

	if (n == 0 || !watched_runs_any() || !any_watched(changes, n))
		return;
	LWLockAcquire(runs_lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		WatchedRun *run = find_run(changes[i].run_id);

		if (run == NULL)
			continue;
		run->state = changes[i].state;
		pending_set(&runs, run);
		any = true;
	}
	LWLockRelease(runs_lock);
	if (any)
		directory_wake_worker(directory_my_slot());
}

/*
 * watched_runs_all_changed: runs of this database may have changed, and nobody
 * knows which.
 */
void
watched_runs_all_changed(void)
{
	if (!watched_runs_any())
		return;
	LWLockAcquire(runs_lock, LW_EXCLUSIVE);
	for (int i = 0; i < taskq_max_watched_runs; i++)
	{
		WatchedRun *run = shared_table_at(runs.entries, i);

		if (run == NULL || run->key.database != MyDatabaseId)
			continue;
		run->state = RUN_UNKNOWN;
		pending_set(&runs, run);
	}
	LWLockRelease(runs_lock);
	directory_wake_worker(directory_my_slot());
}

/* ------------------------------------------------------------------------
 * The worker
 * ------------------------------------------------------------------------
 */

static bool
is_end(int state)
{
	return state == RUN_DELETED || (state >= 0 && state_is_closed(state));
}

/* when it may be told of */
static TimestampTz
may_send_at(const WatchedRun *run, TimestampTz now)
{
	if (is_end(run->state) || run->last_sent == DT_NOBEGIN ||
		run->last_sent > now)	/* the clock was set back */
		return now;
	return run->last_sent + taskq_notify_interval * INT64CONST(1000);
}

static void
take(WatchedRun *run, TimestampTz now, RunChange *change)
{
	change->run_id = run->key.run_id;
	change->state = run->state;
	run->last_sent = now;
	if (is_end(run->state))
		pending_remove(&runs, run);
	else
		pending_clear(&runs, run);
}

/*
 * watched_runs_take: take over what is to be told now of runs of this database,
 * as far as there is room; how much that is.  *next becomes the instant at which
 * there is more, TIMESTAMP_NEVER when nothing is known of.
 */
int
watched_runs_take(RunChange *changes, int max, TimestampTz *next)
{
	TimestampTz now = clock_now();
	TimestampTz real_now = GetCurrentTimestamp();
	WatchedRun *run;
	int			place = 0;
	int			n = 0;

	*next = TIMESTAMP_NEVER;
	if (!watched_runs_any())
		return 0;
	LWLockAcquire(runs_lock, LW_EXCLUSIVE);
	if (pending_may_sweep(&runs, real_now, SWEEP_AT_LEISURE))
		(void) pending_sweep(&runs, is_over, real_now);
	while ((run = pending_next(&runs, &place)) != NULL)
	{
		TimestampTz when;

		if (run->key.database != MyDatabaseId)
			continue;
		when = may_send_at(run, now);
		if (when <= now && n < max)
			take(run, now, &changes[n++]);
		else
			*next = Min(*next, when);
	}
	LWLockRelease(runs_lock);
	return n;
}

/*
 * watched_runs_put_back: what was taken could not be told, and is to be told
 * again, unless something newer is known.
 */
void
watched_runs_put_back(const RunChange *changes, int n)
{
	TimestampTz real_now = GetCurrentTimestamp();
	bool		exceeded = false;

	LWLockAcquire(runs_lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		WatchedRun *run = find_run(changes[i].run_id);

		if (run == NULL)
		{
			run = add_run(changes[i].run_id, real_now, &exceeded);
			run->until = real_now + WATCHED_FOR;
			run->state = changes[i].state;
		}
		pending_set(&runs, run);
	}
	LWLockRelease(runs_lock);

	if (exceeded)
		size_exceeded(SIZE_WATCHED_RUNS);
}
