/*
 * layout.c
 *		The regions of taskq's shared memory.
 *
 * Each has a block of its own, or several, made at the start of the server.
 * Nothing in them is ever the truth.  After a crash the postmaster makes them
 * anew, and what was there is found out again: see the essays of their files.
 *
 * Locks: each region has its own, but for the channels, which use that of the
 * directory; the queues of listeners may be locked under that.  They are held for
 * memory work, with no other lock under them but a spinlock: a slot's, or a
 * lane's.  What counts.c has for commits has a protocol of its own.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#include "base/shared_table.h"
#include "shared/channels.h"
#include "shared/counts.h"
#include "shared/cursor_table.h"
#include "shared/delays.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "shared/heartbeat_pool.h"
#include "shared/heartbeat_slots.h"
#include "shared/layout.h"
#include "shared/listened_queues.h"
#include "shared/queue_locks.h"
#include "shared/queues.h"
#include "shared/sizes.h"
#include "shared/stat_file.h"
#include "shared/timer_ring.h"
#include "shared/waiter_state.h"
#include "shared/watched_runs.h"

typedef struct Region
{
	const char *name;			/* of its locks */
	int			nlocks;
	Size		(*size) (void); /* NULL = nothing but locks */

	/* make its block, or find it; caller holds AddinShmemInitLock */
	void		(*init) (LWLockPadded *locks);

	/* lose what is known of a database; takes locks, does not fail */
	void		(*forget_database) (Oid database);	/* NULL = nothing is */
} Region;

static const Region regions[] = {
	{"taskq", 1, directory_shmem_size,
	directory_shmem_init, NULL},
	{"taskq sizes", 0, sizes_shmem_size,
	sizes_shmem_init, NULL},
	{"taskq timer hints", 0, timer_ring_shmem_size,
	timer_ring_shmem_init, timers_forget},
	{"taskq channels", 0, channels_shmem_size,
	channels_shmem_init, channel_forget_database},
	{"taskq listened queues", 1, listened_queues_shmem_size,
	listened_queues_shmem_init, listened_queues_forget_database},
	{"taskq watched runs", 1, watched_runs_shmem_size,
	watched_runs_shmem_init, watched_runs_forget_database},
	{"taskq commits", 0, counts_shmem_size,
	counts_shmem_init, NULL},
	{"taskq queues", TABLE_PARTS, NULL,
	queue_locks_shmem_init, NULL},
	{"taskq queues, lanes, pollers", 0, queue_state_shmem_size,
	queue_state_shmem_init, queue_state_forget_database},
	{"taskq delays", 0, delays_shmem_size,
	delays_shmem_init, NULL},
	{"taskq cursors", 1, cursors_shmem_size,
	cursors_shmem_init, cursors_forget_database},
	{"taskq waiters", 1, wait_shmem_size,
	wait_shmem_init, NULL},
	{"taskq heartbeats", HEARTBEAT_PARTITIONS, heartbeat_pool_shmem_size,
	heartbeat_pool_shmem_init, heartbeat_slots_forget},
	{"taskq function workers", 1, function_pool_shmem_size,
	function_pool_shmem_init, function_pool_forget},
};

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void request_shmem(void);
static void start_shmem(void);

/*
 * layout_install_hooks: have the postmaster make taskq's shared memory.
 */
void
layout_install_hooks(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
}

/*
 * request_shmem: shmem_request_hook.
 */
static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	for (int i = 0; i < (int) lengthof(regions); i++)
	{
		if (regions[i].size != NULL)
			RequestAddinShmemSpace(regions[i].size());
		if (regions[i].nlocks > 0)
			RequestNamedLWLockTranche(regions[i].name, regions[i].nlocks);
	}
}

/*
 * start_shmem: shmem_startup_hook.  Runs again after a crash of a backend.
 */
static void
start_shmem(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < (int) lengthof(regions); i++)
		regions[i].init(regions[i].nlocks == 0 ? NULL :
						GetNamedLWLockTranche(regions[i].name));
	LWLockRelease(AddinShmemInitLock);

	if (IsUnderPostmaster)
		return;
	on_shmem_exit(stat_file_write, (Datum) 0);
	stat_file_read();
}

/*
 * shared_forget_database: lose what shared memory knows of a database, but for
 * its slot: the database is gone, or a test wants others to find everything out
 * again, as after a crash.  For commit callbacks: does not fail.
 */
void
shared_forget_database(Oid database)
{
	for (int i = 0; i < (int) lengthof(regions); i++)
		if (regions[i].forget_database != NULL)
			regions[i].forget_database(database);
}
