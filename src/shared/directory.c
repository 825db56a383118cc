/*
 * directory.c
 *		The directory of databases in shared memory, and of their workers.
 *
 * For each database that is or may be served there is a slot: what others have
 * to know of its worker, and what they want of it.
 *
 * Locks:
 *
 *	control->lock, an LWLock, covers which slot belongs to which database, the
 *	life of its worker (state, worker_pid, worker_proc, held_by, failures,
 *	restart_at, look_again), Control's own fields and the channels of channels.c.
 *	It is held for memory work only: no catalog access, no allocation, nothing
 *	that can fail, and no other lock of taskq's under it but a slot's mutex.
 *
 *	slot->mutex, a spinlock, covers the timer hints, current_leaf and what
 *	counts.c and heartbeats need.  It is held for a few instructions.
 *
 * Some things are read without a lock, since being wrong is harmless there:
 * database and state in directory_my_slot() (a hint may go astray), worker_proc
 * and launcher_proc when a latch is set (PGPROCs are never freed: at worst a
 * stranger wakes up).
 *
 * Who has asked a worker for something sleeps on slot->answered, which says no
 * more than that it is time to look again.
 *
 * A slot is made when a database is found or makes itself known, and freed
 * when the database is gone or turns out to be without the extension, so
 * taskq.max_databases counts databases that use taskq.  Backends of that
 * database may still hold a pointer to a freed slot; they notice by its
 * database field.
 *
 * After a crash the launcher, which is started again, finds everything out from
 * the catalogs.  On a standby there is no launcher: slots can be made, nobody
 * looks at them before the promotion.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/settings.h"
#include "shared/directory.h"

Control    *control = NULL;

/* directory_shmem_size: for the request hook. */
Size
directory_shmem_size(void)
{
	return add_size(MAXALIGN(sizeof(Control)),
					mul_size(taskq_max_databases, sizeof(DatabaseSlot)));
}

/*
 * lay_out: initialize the zeroed block that "control" points to.
 */
static void
lay_out(LWLockPadded *locks)
{
	control->lock = &locks->lock;
	control->databases = taskq_max_databases;
	control->slots = (DatabaseSlot *) ((char *) control +
									   MAXALIGN(sizeof(Control)));
	for (int i = 0; i < control->databases; i++)
	{
		SpinLockInit(&control->slots[i].mutex);
		pg_atomic_init_u32(&control->slots[i].wakes, 0);
		ConditionVariableInit(&control->slots[i].answered);
	}
}

/* directory_shmem_init: caller holds AddinShmemInitLock. */
void
directory_shmem_init(LWLockPadded *locks)
{
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	control = ShmemInitStruct("taskq", directory_shmem_size(), &found);
	if (found)
		return;
	memset(control, 0, directory_shmem_size());
	lay_out(locks);
}

/*
 * directory_require: raise an error unless taskq was preloaded.
 */
void
directory_require(void)
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
	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	slot->state = WORKER_UNKNOWN;
	slot->worker_pid = 0;
	slot->worker_proc = NULL;
	slot->held_by = 0;
	slot->failures = 0;
	slot->restart_at = 0;
	slot->look_again = false;
	slot->debts_at = DT_NOEND;
	slot->functions_wait = slot->functions_adopted = false;

	SpinLockAcquire(&slot->mutex);
	slot->ticked_at = DT_NOBEGIN;
	memset(&slot->instance, 0, sizeof(slot->instance));
	memset(&slot->functions, 0, sizeof(slot->functions));
	memset(&slot->timers, 0, sizeof(slot->timers));
	slot->timers.wake_at = DT_NOBEGIN;
	slot->timers.called_at = DT_NOBEGIN;
	slot->timers.alarm_from = DT_NOEND;
	memset(&slot->heartbeats, 0, sizeof(slot->heartbeats));
	slot->heartbeats.lost_at = DT_NOBEGIN;
	memset(&slot->counts, 0, sizeof(slot->counts));
	for (LeafKind kind = 0; kind < LEAF_KINDS; kind++)
		slot->leaves.of[kind].current = slot->leaves.of[kind].blocked = -1;
	slot->leaves.limit = -1;
	memset(slot->put_off, 0, sizeof(slot->put_off));
	SpinLockRelease(&slot->mutex);

	slot->database = database;
}

/*
 * directory_slot: the slot of a database; with "create", a new one when it has
 * none.  NULL when there is none, or no room.  Caller holds control->lock,
 * exclusively when creating.
 */
DatabaseSlot *
directory_slot(Oid database, bool create)
{
	DatabaseSlot *free_slot = NULL;

	Assert(create ? LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE) :
		   LWLockHeldByMe(control->lock));
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
 * directory_slot_of: the slot of a database; NULL when it has none, or taskq is not
 * loaded.  For use under other locks: reads the directory without one.
 */
DatabaseSlot *
directory_slot_of(Oid database)
{
	if (control == NULL || !OidIsValid(database))
		return NULL;
	for (int i = 0; i < control->databases; i++)
		if (control->slots[i].database == database)
			return &control->slots[i];
	return NULL;
}

/*
 * directory_free_slot: forget a database.  Caller holds control->lock exclusively;
 * no worker is attached.
 */
void
directory_free_slot(DatabaseSlot *slot)
{
	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	Assert(slot->worker_pid == 0);
	slot->database = InvalidOid;
	slot->state = WORKER_UNKNOWN;
	slot->held_by = 0;
}

/*
 * directory_worker_failed: note one more failure of a slot's worker, to be
 * started again later and later.  Caller holds control->lock exclusively.
 */
void
directory_worker_failed(DatabaseSlot *slot)
{
	Assert(LWLockHeldByMeInMode(control->lock, LW_EXCLUSIVE));
	slot->state = WORKER_FAILED;
	slot->restart_at = GetCurrentTimestamp() +
		back_off_s(slot->failures++, MAX_BACK_OFF_S) * USECS_PER_SEC;
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
	slot = directory_slot(MyDatabaseId, false);
	if (slot == NULL)
	{
		slot = directory_slot(MyDatabaseId, true);
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
		directory_wake_worker(slot);
	}
	LWLockRelease(control->lock);

	if (poke)
		directory_wake_launcher();
	return slot;
}

/*
 * directory_my_slot: the slot of the current database.  Without a lock as long as
 * a worker runs there or is on its way.  Since whoever asks was called through
 * the extension, a database without a worker gets one.  NULL when taskq is not
 * loaded or taskq.max_databases is reached: the caller does without.
 */
DatabaseSlot *
directory_my_slot(void)
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

/* directory_slot_number: which of the control->databases slots it is. */
int
directory_slot_number(const DatabaseSlot *slot)
{
	return (int) (slot - control->slots);
}

/*
 * directory_extension_changed: the extension was created or dropped in this
 * database, and that is committed.  For commit callbacks: does not fail.
 */
void
directory_extension_changed(void)
{
	if (control != NULL && OidIsValid(MyDatabaseId))
		(void) make_known(true);
}

/*
 * directory_answered: the worker of the database has done what it was asked for, or
 * cannot.  Does not fail.
 */
void
directory_answered(DatabaseSlot *slot)
{
	ConditionVariableBroadcast(&slot->answered);
}

/*
 * directory_await: sleep until the worker may have answered; false when it is later
 * than "until" (real clock).  Who wants to miss nothing looks once more between
 * ConditionVariablePrepareToSleep() and the first call, and cancels the sleep at
 * the end.  Interrupts are served.
 */
bool
directory_await(DatabaseSlot *slot, TimestampTz until, uint32 wait_event)
{
	long		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													 until);

	if (ms <= 0)
		return false;
	(void) ConditionVariableTimedSleep(&slot->answered, ms, wait_event);
	SetLatch(MyLatch);			/* the sleep may have used up what was another's */
	return true;
}

/*
 * directory_wake_worker: have the worker of a database look at its chores.
 */
void
directory_wake_worker(DatabaseSlot *slot)
{
	PGPROC	   *proc = slot == NULL ? NULL : slot->worker_proc;

	if (proc == NULL)
		return;
	pg_atomic_fetch_add_u32(&slot->wakes, 1);
	SetLatch(&proc->procLatch);
}

/*
 * directory_wakes: changes with each wake of the worker, whose latch alone does not
 * tell: what waits within a chore, for a lock or a standby, uses it up.
 */
uint32
directory_wakes(DatabaseSlot *slot)
{
	return pg_atomic_read_u32(&slot->wakes);
}

/*
 * directory_wake_launcher: have the launcher look at the directory.
 */
void
directory_wake_launcher(void)
{
	PGPROC	   *proc = control == NULL ? NULL : control->launcher_proc;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

/*
 * errand_ask: ask the worker for something; true when nobody had, so that it
 * has to be woken.  Takes the slot's mutex; does not fail.
 */
bool
errand_ask(DatabaseSlot *slot, Errand *errand)
{
	bool		first;

	SpinLockAcquire(&slot->mutex);
	first = errand->asked == errand->done;
	errand->asked++;
	SpinLockRelease(&slot->mutex);
	return first;
}

/*
 * errand_look: is something asked of the worker?  *asked is for errand_done().
 * To be called before the snapshot is taken in which the worker sees to it.
 * Takes the slot's mutex; does not fail.
 */
bool
errand_look(DatabaseSlot *slot, const Errand *errand, uint32 *asked)
{
	bool		pending;

	SpinLockAcquire(&slot->mutex);
	*asked = errand->asked;
	pending = errand->asked != errand->done;
	SpinLockRelease(&slot->mutex);
	return pending;
}

/*
 * errand_done: what had been asked for at errand_look() is done, and that is
 * committed.  Takes the slot's mutex; does not fail.
 */
void
errand_done(DatabaseSlot *slot, Errand *errand, uint32 asked)
{
	SpinLockAcquire(&slot->mutex);
	errand->done = asked;
	SpinLockRelease(&slot->mutex);
}
