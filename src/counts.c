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
 * They are unknown after a start of the server, after transactions were
 * prepared, when rows were changed by others than taskq's calls, and when there
 * was no room for all queues.  Then the worker counts the table once, as soon
 * as somebody has missed them.  A database is complete when each queue that
 * has no entry in shared memory has no open activity either: a queue that is
 * new then is known from the start.
 *
 * A transaction that will move numbers announces itself before it commits
 * (counts_enter_commit) and signs off after it has moved them, so that the
 * worker can take a snapshot between commits; see recount.c.
 *
 * Locks: slot->mutex covers the slot's fields about counts.  That a commit is
 * under way is said in a place of its own per backend, which nobody locks:
 * whoever enters writes there and then looks at slot->counting, the worker
 * sets that and then looks at all places.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "counts.h"
#include "delays.h"
#include "shmem.h"

#define POLL_US			1000	/* us between two looks at others */
#define AWAIT_US		(2 * 1000 * 1000)	/* us a poll waits for the count */

/* this backend has announced a commit */
static bool entered = false;

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
	DatabaseSlot *slot = shmem_my_slot();
	bool		wake;

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	wake = !slot->count_missed;
	slot->count_missed = true;
	SpinLockRelease(&slot->mutex);
	if (wake)
		shmem_wake_worker(slot);
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
	DatabaseSlot *slot = shmem_my_slot();

	if (slot == NULL)
		return false;
	SpinLockAcquire(&slot->mutex);
	slot->count_wanted = true;
	SpinLockRelease(&slot->mutex);
	shmem_wake_worker(slot);
	for (int i = 0; i < AWAIT_US / POLL_US; i++)
	{
		if (is_known(key))
			return true;
		if (slot->count_blocked || slot->worker_pid == 0)
			return false;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(POLL_US);
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Known and unknown
 * ------------------------------------------------------------------------
 */

/* the slot of a database, without making one; for use under other locks */
static DatabaseSlot *
slot_of(Oid database)
{
	if (control == NULL || !OidIsValid(database))
		return NULL;
	for (int i = 0; i < control->databases; i++)
		if (control->slots[i].database == database)
			return &control->slots[i];
	return NULL;
}

/* numbers of the database went missing: they have to be counted, not kept */
static void
lose(Oid database, bool complete)
{
	DatabaseSlot *slot = slot_of(database);

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->counts_lost = true;
	slot->counts_complete &= complete;
	SpinLockRelease(&slot->mutex);
}

/* counts_lost: there is no entry for what the transaction has moved. */
void
counts_lost(void)
{
	lose(MyDatabaseId, false);
}

/* counts_are_zero: as far as is known the queue has no open activity. */
bool
counts_are_zero(const QueueState *state)
{
	if (state->started != 0 || state->reserved != 0 || state->paused != 0)
		return false;
	for (int i = 0; i < LEVELS; i++)
		if (state->waiting[i] != 0)
			return false;
	return true;
}

/*
 * counts_complete: does a queue of this database that has no entry have no open
 * activity?
 */
bool
counts_complete(void)
{
	DatabaseSlot *slot = slot_of(MyDatabaseId);
	bool		complete;

	if (slot == NULL)
		return false;
	SpinLockAcquire(&slot->mutex);
	complete = slot->counts_complete;
	SpinLockRelease(&slot->mutex);
	return complete;
}

/* counts_begin: the entry is new, its numbers are zero. */
void
counts_begin(QueueState *state)
{
	DatabaseSlot *slot = slot_of(state->key.database);

	state->latest_due = state->delays_from = DT_NOBEGIN;
	state->delays_known = true;
	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	state->known = slot->counts_complete;
	state->being_counted = !state->known && slot->count_running &&
		!slot->counts_lost;
	SpinLockRelease(&slot->mutex);
}

/* counts_evicted: the entry goes. */
void
counts_evicted(const QueueState *state)
{
	lose(state->key.database, state->known && counts_are_zero(state));
}

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
	queue_state_lock_all(LW_EXCLUSIVE);
	while ((state = queue_state_next(state)) != NULL)
		if (state->key.database == MyDatabaseId)
			state->known = state->being_counted = false;
	queue_state_unlock();
}

/*
 * counts_forget_all: for tests: put nonsense in the place of the numbers of
 * this database, and let it be known that they are not known.
 */
void
counts_forget_all(void)
{
	QueueState *state = NULL;

	counts_forget();
	if (control == NULL)
		return;
	queue_state_lock_all(LW_EXCLUSIVE);
	while ((state = queue_state_next(state)) != NULL)
		if (state->key.database == MyDatabaseId && !state->known &&
			!state->being_counted)
		{
			state->started = 12345;
			state->paused = -6789;
			for (int i = 0; i < LEVELS; i++)
				state->waiting[i] = 1000 * i - 2000;
			delays_forget(state);
		}
	queue_state_unlock();
}

PG_FUNCTION_INFO_V1(taskq_counts_forget_all);

/* for tests, which declare it themselves: counts_forget_all() */
Datum
taskq_counts_forget_all(PG_FUNCTION_ARGS)
{
	counts_forget_all();
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Transactions that move numbers
 * ------------------------------------------------------------------------
 */

static volatile Oid *
my_place(void)
{
	return &control->committing[compat_my_proc_number()].database;
}

/*
 * counts_enter_commit: this transaction is about to commit, or to be prepared,
 * and will move numbers.  Waits while the worker takes its snapshot.
 */
void
counts_enter_commit(void)
{
	DatabaseSlot *slot = shmem_my_slot();

	for (;;)
	{
		*my_place() = MyDatabaseId;
		entered = true;
		pg_memory_barrier();
		if (slot == NULL || !*(volatile bool *) &slot->counting)
			return;
		counts_leave_commit();
		CHECK_FOR_INTERRUPTS();
		pg_usleep(POLL_US);
	}
}

/* counts_leave_commit: the numbers are moved, or never will be. */
void
counts_leave_commit(void)
{
	if (!entered)
		return;
	pg_write_barrier();
	*my_place() = InvalidOid;
	entered = false;
}

/* counts_others_commit: is anybody else between entering and leaving? */
bool
counts_others_commit(void)
{
	int			me = compat_my_proc_number();

	pg_memory_barrier();
	for (int i = 0; i < MaxBackends; i++)
		if (i != me &&
			*(volatile Oid *) &control->committing[i].database == MyDatabaseId)
			return true;
	return false;
}
