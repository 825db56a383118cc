/*
 * counts.c
 *		How many open activities of each queue there are: keeping the numbers
 *		in shared memory right.
 *
 * For each queue shared memory has the number of tasks that wait, per level
 * (and which of them are due later: delays.c), of attempts in progress and of
 * paused activities.  Commits move them (ledger.c); views, max_backlog and
 * max_started read them.  Unless a queue's numbers are known, views and
 * max_backlog read the table instead, and max_started hands out nothing.
 *
 * A transaction that will move numbers announces itself before it commits
 * (counts_enter_commit), with its id, and signs off after it has moved them.  So
 * the worker can tell of each of them whether it is in the snapshot with which
 * it counts; see recount.c.  No commit waits there.
 *
 * Locks: slot->mutex covers the slot's fields about counts.  That a commit is
 * under way is said in a place of its own per backend, which only that backend
 * writes, without a lock; but for "counted", which the worker writes with the
 * locks of all queues, and which is read with that of any.  It names the
 * transaction that is meant, so it says nothing of the next one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/shared_table.h"
#include "shared/counts.h"
#include "shared/counts_known.h"
#include "shared/delays.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "task/task.h"

#define AWAIT_US		(2 * USECS_PER_SEC) /* that a poll waits for the count */
#define SIGN_OFF_US		USECS_PER_SEC	/* between two looks at others */

/* One per backend: it commits, and will move numbers of its database. */
typedef struct CommitPlace
{
	Oid			database;		/* InvalidOid = it does not */
	TransactionId xid;			/* of the commit */
	TransactionId counted;		/* the transaction whose numbers the worker
								 * counts itself */
	char		padding[PG_CACHE_LINE_SIZE - 3 * sizeof(uint32)];
} CommitPlace;

StaticAssertDecl(sizeof(CommitPlace) == PG_CACHE_LINE_SIZE,
				 "places of different backends lie in different cache lines");

static CommitPlace *commit_places = NULL;	/* MaxBackends */

/* this backend has announced a commit */
static bool entered = false;

/* counts_shmem_size: for the request hook. */
Size
counts_shmem_size(void)
{
	return mul_size(MaxBackends, sizeof(CommitPlace));
}

/* counts_shmem_init: caller holds AddinShmemInitLock. */
void
counts_shmem_init(LWLockPadded *locks)
{
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	commit_places = ShmemInitStruct("taskq commits", counts_shmem_size(), &found);
	if (!found)
		memset(commit_places, 0, counts_shmem_size());
}

/* ------------------------------------------------------------------------
 * Who wants numbers
 * ------------------------------------------------------------------------
 */

/*
 * counts_missed: somebody has read the table since the numbers were not known:
 * count when it is convenient.
 */
void
counts_missed(void)
{
	DatabaseSlot *slot = directory_my_slot();

	if (slot != NULL && errand_ask(slot, &slot->counts.missed))
		directory_wake_worker(slot);
}

static bool
is_known(const QueueKey *key)
{
	QueueState *state;
	bool		known;

	queue_state_lock(key, LW_SHARED);
	state = queue_state_find(key);
	known = state != NULL && state->known;
	queue_state_unlock();
	return known;
}

/*
 * counts_await: have the worker count now, and wait for it a moment; false
 * when the queue's numbers are still not known then.
 */
bool
counts_await(const QueueKey *key)
{
	DatabaseSlot *slot = directory_my_slot();
	TimestampTz until = GetCurrentTimestamp() + AWAIT_US;
	bool		known;

	if (slot == NULL)
		return false;
	(void) errand_ask(slot, &slot->counts.wanted);
	directory_wake_worker(slot);
	ConditionVariablePrepareToSleep(&slot->answered);
	while (!(known = is_known(key)) && !slot->counts.blocked &&
		   slot->worker_pid != 0)
		if (!directory_await(slot, until, custom_wait_event("TaskqCounts")))
			break;
	ConditionVariableCancelSleep();
	return known;
}

/* ------------------------------------------------------------------------
 * Known and unknown
 * ------------------------------------------------------------------------
 */

/*
 * counts_forget: rows have changed, and nobody knows which.  For commit
 * callbacks.
 */
void
counts_forget(void)
{
	QueueState *state = NULL;

	if (control == NULL)
		return;
	counts_lost();
	counts_moved_away(InvalidTransactionId);
	queue_state_lock_all(LW_EXCLUSIVE);
	while ((state = queue_state_next(state)) != NULL)
		if (state->key.database == MyDatabaseId)
			state->known = state->being_counted = false;
	queue_state_unlock();
}

/* ------------------------------------------------------------------------
 * Transactions that move numbers
 * ------------------------------------------------------------------------
 */

static volatile CommitPlace *
my_place(void)
{
	return &commit_places[compat_my_proc_number()];
}

/*
 * counts_enter_commit: this transaction is about to commit, or to be prepared,
 * and will move numbers.
 */
void
counts_enter_commit(void)
{
	volatile CommitPlace *place = my_place();

	place->counted = InvalidTransactionId;
	place->xid = GetTopTransactionIdIfAny();
	pg_write_barrier();
	place->database = MyDatabaseId;
	pg_memory_barrier();
	entered = true;
}

/*
 * counts_in_snapshot: does the worker count what this transaction did, which
 * has committed?  Caller holds the lock of a queue.
 */
bool
counts_in_snapshot(void)
{
	Assert(queue_state_locked_parts() != 0);
	return entered && TransactionIdIsValid(my_place()->xid) &&
		my_place()->counted == my_place()->xid;
}

/* counts_leave_commit: the numbers are moved, or never will be. */
void
counts_leave_commit(void)
{
	volatile CommitPlace *place = my_place();
	DatabaseSlot *slot;

	if (!entered)
		return;
	pg_write_barrier();
	place->database = InvalidOid;
	entered = false;
	pg_memory_barrier();
	if (!TransactionIdIsValid(place->counted))
		return;
	slot = directory_slot_of(MyDatabaseId);
	if (slot != NULL)
		directory_answered(slot);
}

/*
 * counts_prepared: this transaction, which moves numbers, was prepared instead.
 * Caller makes them unknown after that, if only when he lets go of the locks of
 * its queues.
 */
void
counts_prepared(void)
{
	DatabaseSlot *slot = directory_slot_of(MyDatabaseId);

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->counts.prepares++;
	SpinLockRelease(&slot->mutex);
}

/* counts_prepares: how many transactions that move numbers were prepared so far. */
uint32
counts_prepares(DatabaseSlot *slot)
{
	uint32		n;

	SpinLockAcquire(&slot->mutex);
	n = slot->counts.prepares;
	SpinLockRelease(&slot->mutex);
	return n;
}

/*
 * counts_in_flight: has a transaction, ours aside, not moved its numbers yet,
 * though it is in the snapshot?
 */
bool
counts_in_flight(Snapshot snapshot)
{
	int			me = compat_my_proc_number();

	pg_memory_barrier();
	for (int i = 0; i < MaxBackends; i++)
	{
		volatile CommitPlace *place = &commit_places[i];
		TransactionId xid;

		if (i == me || place->database != MyDatabaseId)
			continue;
		pg_read_barrier();
		xid = place->xid;
		if (TransactionIdIsValid(xid) && !XidInMVCCSnapshot(xid, snapshot))
			return true;
	}
	return false;
}

/* counts_others_commit: is anybody else between entering and leaving? */
bool
counts_others_commit(void)
{
	int			me = compat_my_proc_number();

	pg_memory_barrier();
	for (int i = 0; i < MaxBackends; i++)
		if (i != me &&
			*(volatile Oid *) &commit_places[i].database == MyDatabaseId)
			return true;
	return false;
}

/* ------------------------------------------------------------------------
 * For the worker, which counts
 * ------------------------------------------------------------------------
 */

/*
 * counts_mark_committed: tell transactions that are in the snapshot, and have
 * not moved their numbers yet, that they are counted.  Caller holds the locks
 * of all queues since before the snapshot was taken.
 */
void
counts_mark_committed(Snapshot snapshot)
{
	Assert(queue_state_locked_parts() == ALL_PARTS);
	for (int i = 0; i < MaxBackends; i++)
	{
		volatile CommitPlace *place = &commit_places[i];
		TransactionId xid;

		if (place->database != MyDatabaseId)
			continue;
		pg_read_barrier();
		xid = place->xid;
		if (TransactionIdIsValid(xid) && !XidInMVCCSnapshot(xid, snapshot))
			place->counted = xid;
	}
}

/* has somebody been told that he is counted, and not signed off yet? */
static bool
marked_remain(void)
{
	pg_memory_barrier();
	for (int i = 0; i < MaxBackends; i++)
	{
		volatile CommitPlace *place = &commit_places[i];

		if (place->database == MyDatabaseId &&
			TransactionIdIsValid(place->xid) && place->counted == place->xid)
			return true;
	}
	return false;
}

/*
 * counts_await_marked: wait until those who were told that they are counted
 * have passed their numbers by.  They have committed, so it does not take long.
 */
void
counts_await_marked(DatabaseSlot *slot)
{
	ConditionVariablePrepareToSleep(&slot->answered);
	while (marked_remain())
		(void) directory_await(slot, GetCurrentTimestamp() + SIGN_OFF_US,
						   custom_wait_event("TaskqCommits"));
	ConditionVariableCancelSleep();
}
