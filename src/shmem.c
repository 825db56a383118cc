/*
 * shmem.c
 *		taskq's shared memory: the directory of databases, and room for hints.
 *
 * One block, laid out once at server start: Control, then the slots of the
 * databases, their rings of timer hints, the listened channels, a dense array
 * of the channels' hashes, and a place per backend for commits.  Nothing in it is ever the truth.  After a
 * crash the postmaster makes it anew and the launcher, which it starts again,
 * finds everything out from the catalogs.
 *
 * Locks:
 *
 *	control->lock, an LWLock, covers which slot belongs to which database, the
 *	life of its worker (state, worker_pid, worker_proc, held_by, failures,
 *	restart_at, look_again), Control's own fields and the listened channels.
 *	It is held for memory work only: no catalog access, no allocation, nothing
 *	that can fail, and no other lock of taskq's under it but a slot's mutex.
 *
 *	control->queue_locks, LWLocks, cover the parts of the tables of
 *	queue_state.c and delays.c, control->waiter_lock the lists of wait.c, and
 *	control->cursor_lock those of cursors.c; for memory work, with no other lock
 *	under them but a spinlock: a slot's, or a lane's.  heartbeat_slots.c has locks
 *	of its own, held likewise.
 *
 *	slot->mutex, a spinlock, covers the timer hints, current_leaf and what
 *	counts.c and heartbeats need.  It is held for a few instructions.
 *
 * Some things are read without a lock, since being wrong is harmless there:
 * database and state in shmem_my_slot() (a hint may go astray), worker_proc
 * and launcher_proc when a latch is set (PGPROCs are never freed: at worst a
 * stranger wakes up), and control->listened.  control->committing and
 * slot->counting have a protocol of their own; see counts.c.
 *
 * A slot is made when a database is found or makes itself known, and freed
 * when the database is gone or turns out to be without the extension, so
 * taskq.max_databases counts databases that use taskq.  Backends of that
 * database may still hold a pointer to a freed slot; they notice by its
 * database field.
 *
 * On a standby there is no launcher: slots can be made, nobody looks at them
 * before the promotion.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "cursors.h"
#include "guc.h"
#include "heartbeat_slots.h"
#include "queue_state.h"
#include "shmem.h"
#include "stat_file.h"
#include "wait.h"

#define TRANCHE_NAME	"taskq"
#define LOCKS			(3 + TABLE_PARTS)

Control    *control = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void request_shmem(void);
static void start_shmem(void);

/*
 * shmem_install_hooks: have the postmaster make taskq's shared memory.
 */
void
shmem_install_hooks(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
}

/* Sizes of the parts of the block, in their order. */
static Size
slots_size(void)
{
	return MAXALIGN(mul_size(taskq_max_databases, sizeof(DatabaseSlot)));
}

static Size
ring_size(void)
{
	return MAXALIGN(mul_size(taskq_timer_buffer, sizeof(TimerHint)));
}

static Size
channels_size(void)
{
	return MAXALIGN(mul_size(taskq_max_listened_queues, sizeof(ListenedChannel)));
}

static Size
hashes_size(void)
{
	return MAXALIGN(mul_size(taskq_max_listened_queues, sizeof(uint64)));
}

static Size
places_size(void)
{
	return mul_size(MaxBackends, sizeof(CommitPlace));
}

static Size
block_size(void)
{
	Size		size = MAXALIGN(sizeof(Control));

	size = add_size(size, slots_size());
	size = add_size(size, mul_size(taskq_max_databases, ring_size()));
	size = add_size(size, channels_size());
	size = add_size(size, hashes_size());
	return add_size(size, places_size());
}

/*
 * request_shmem: shmem_request_hook.
 */
static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(block_size());
	RequestAddinShmemSpace(queue_state_shmem_size());
	RequestAddinShmemSpace(cursors_shmem_size());
	RequestAddinShmemSpace(wait_shmem_size());
	heartbeat_slots_shmem_request();
	RequestNamedLWLockTranche(TRANCHE_NAME, LOCKS);
}

/*
 * lay_out: initialize the zeroed block that "control" points to.
 */
static void
lay_out(void)
{
	char	   *next = (char *) control + MAXALIGN(sizeof(Control));

	control->lock = &GetNamedLWLockTranche(TRANCHE_NAME)[0].lock;
	control->waiter_lock = &GetNamedLWLockTranche(TRANCHE_NAME)[1].lock;
	control->cursor_lock = &GetNamedLWLockTranche(TRANCHE_NAME)[2].lock;
	control->queue_locks = &GetNamedLWLockTranche(TRANCHE_NAME)[3];
	control->databases = taskq_max_databases;
	control->channels = taskq_max_listened_queues;

	control->slots = (DatabaseSlot *) next;
	next += slots_size();
	for (int i = 0; i < control->databases; i++)
	{
		SpinLockInit(&control->slots[i].mutex);
		control->slots[i].ring = (TimerHint *) next;
		next += ring_size();
	}

	control->channel = (ListenedChannel *) next;
	next += channels_size();
	control->channel_hash = (uint64 *) next;
	next += hashes_size();
	control->committing = (CommitPlace *) next;
}

/*
 * start_shmem: shmem_startup_hook.  Runs again after a crash of a backend.
 */
static void
start_shmem(void)
{
	bool		found;
	bool		fresh;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	control = NULL;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = ShmemInitStruct("taskq", block_size(), &found);
	if (!found)
	{
		memset(control, 0, block_size());
		lay_out();
	}
	queue_state_shmem_init();
	cursors_shmem_init();
	heartbeat_slots_shmem_init();
	wait_shmem_init();
	fresh = !found;
	LWLockRelease(AddinShmemInitLock);

	if (!IsUnderPostmaster)
		on_shmem_exit(stat_file_write, (Datum) 0);
	if (fresh)
		stat_file_read();
}

/*
 * shmem_require: raise an error unless taskq was preloaded.
 */
void
shmem_require(void)
{
	if (unlikely(control == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("taskq is not loaded"),
				 errhint("Add taskq to shared_preload_libraries in postgresql.conf (shared_preload_libraries = 'taskq') and restart the server.")));
}

/*
 * reset_slot: give a free slot to a database.  Caller holds control->lock
 * exclusively.
 */
static void
reset_slot(DatabaseSlot *slot, Oid database)
{
	slot->state = WORKER_UNKNOWN;
	slot->worker_pid = 0;
	slot->worker_proc = NULL;
	slot->held_by = 0;
	slot->failures = 0;
	slot->restart_at = 0;
	slot->look_again = false;

	SpinLockAcquire(&slot->mutex);
	slot->wake_at = DT_NOBEGIN;
	slot->alarm_from = DT_NOEND;
	slot->rescan = true;
	slot->flush_wanted = false;
	slot->heartbeats_lost_at = DT_NOBEGIN;
	slot->heartbeats_lost_run = 0;
	slot->instance_wanted = false;
	slot->count_wanted = false;
	slot->count_missed = false;
	slot->count_blocked = false;
	slot->counting = false;
	slot->count_running = false;
	slot->counts_lost = false;
	slot->counts_complete = false;
	slot->current_leaf = -1;
	slot->ring_first = 0;
	slot->ring_used = 0;
	slot->ring_reserved = 0;
	SpinLockRelease(&slot->mutex);

	slot->database = database;
}

/*
 * shmem_slot: the slot of a database; with "create", a new one when it has
 * none.  NULL when there is none, or no room.  Caller holds control->lock,
 * exclusively when creating.
 */
DatabaseSlot *
shmem_slot(Oid database, bool create)
{
	DatabaseSlot *free_slot = NULL;

	for (int i = 0; i < control->databases; i++)
	{
		DatabaseSlot *slot = &control->slots[i];

		if (slot->database == database)
			return slot;
		if (free_slot == NULL && !OidIsValid(slot->database))
			free_slot = slot;
	}
	if (!create || free_slot == NULL)
		return NULL;

	reset_slot(free_slot, database);
	return free_slot;
}

/*
 * shmem_free_slot: forget a database.  Caller holds control->lock exclusively;
 * no worker is attached.
 */
void
shmem_free_slot(DatabaseSlot *slot)
{
	Assert(slot->worker_pid == 0);
	slot->database = InvalidOid;
	slot->state = WORKER_UNKNOWN;
	slot->held_by = 0;
}

/*
 * make_known: find or make the slot of the current database, and wake the
 * launcher when it has no worker and none is on its way.  With "changed", a
 * worker that is there is told to see for itself.  Does not fail, does not
 * allocate; NULL when there is no room.
 */
static DatabaseSlot *
make_known(bool changed)
{
	DatabaseSlot *slot;
	bool		poke = false;

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	slot = shmem_slot(MyDatabaseId, false);
	if (slot == NULL)
	{
		slot = shmem_slot(MyDatabaseId, true);
		poke = slot != NULL;
	}
	else if (slot->state == WORKER_ABSENT)
	{
		slot->state = WORKER_UNKNOWN;
		poke = true;
	}
	else if (changed)
	{
		slot->look_again = true;
		shmem_wake_worker(slot);
	}
	LWLockRelease(control->lock);

	if (poke)
		shmem_wake_launcher();
	return slot;
}

/*
 * shmem_my_slot: the slot of the current database.  Without a lock as long as
 * a worker runs there or is on its way.  Since whoever asks was called through
 * the extension, a database without a worker gets one.  NULL when taskq is not
 * loaded or taskq.max_databases is reached: the caller does without.
 */
DatabaseSlot *
shmem_my_slot(void)
{
	static DatabaseSlot *mine = NULL;

	if (control == NULL || !OidIsValid(MyDatabaseId))
		return NULL;
	if (likely(mine != NULL && mine->database == MyDatabaseId &&
			   mine->state != WORKER_ABSENT))
		return mine;

	mine = make_known(false);
	return mine;
}

/*
 * shmem_extension_changed: the extension was created or dropped in this
 * database, and that is committed.  For commit callbacks: does not fail.
 */
void
shmem_extension_changed(void)
{
	if (control != NULL && OidIsValid(MyDatabaseId))
		(void) make_known(true);
}

/*
 * shmem_wake_worker: have the worker of a database look at its chores.
 */
void
shmem_wake_worker(DatabaseSlot *slot)
{
	PGPROC	   *proc = slot == NULL ? NULL : slot->worker_proc;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

/*
 * shmem_wake_launcher: have the launcher look at the directory.
 */
void
shmem_wake_launcher(void)
{
	PGPROC	   *proc = control == NULL ? NULL : control->launcher_proc;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}
