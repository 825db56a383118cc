/*
 * counts.c
 *		Finding out how many attempts of each queue run.
 *
 * The number is kept in shared memory: commits move it (ledger.c), and only
 * queues with max_started need it.  It is unknown after a start of the server,
 * for a queue that shared memory has not seen before, and after transactions
 * were prepared; then the worker counts the table once.
 *
 * To count exactly while others commit, the worker needs a snapshot such that
 * each transaction is either visible in it, or moves the number later, and
 * never both or neither.  So a transaction that will move numbers announces
 * itself before it commits (counts_enter_commit) and signs off after it has
 * moved them.  The worker keeps new ones from entering, waits until none is
 * in between, takes its snapshot and sets the numbers to zero, and lets them
 * go on: what they move from then on is not in the snapshot.  What it counts
 * in the snapshot is added at the end.
 *
 * While transactions that wrote to taskq.open are prepared nobody knows what
 * they will move, so the worker waits for their end: queues with max_started
 * whose number is not known hand out nothing until then, that is, they fail
 * closed.  PREPARE announces itself as a commit does, and makes unknown what it
 * moves; so none slips in between the look at prepared transactions and the
 * snapshot.
 *
 * Queues whose number is known keep it: only the others are counted.
 *
 * Locks: slot->mutex covers "committing", "counting" and "count_wanted".
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "clock.h"
#include "compat.h"
#include "effects.h"
#include "limits.h"
#include "shmem.h"
#include "worker.h"

#define POLL_US			1000	/* us between two looks at others */
#define AWAIT_US		(2 * 1000 * 1000)	/* us a poll waits for the count */
#define RETRY_US		(100 * INT64CONST(1000))
#define QUIET_US		(500 * 1000)	/* us that commits are kept waiting at most */
#define QUIET_RETRY_US	(500 * INT64CONST(1000))

/* Count of one queue, in the worker. */
typedef struct Count
{
	QueueKey	key;
	int64		started;
} Count;

/* the slot where this backend has announced a commit */
static DatabaseSlot *entered = NULL;

/* the worker is at it */
static bool at_work = false;

/* counts_wanted: have the worker count. */
void
counts_wanted(void)
{
	DatabaseSlot *slot = shmem_my_slot();

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->count_wanted = true;
	SpinLockRelease(&slot->mutex);
	shmem_wake_worker(slot);
}

/*
 * counts_forget: rows have changed, and nobody knows which.  For commit
 * callbacks.
 */
void
counts_forget(void)
{
	HASH_SEQ_STATUS scan;
	QueueState *state;

	queue_state_lock(LW_EXCLUSIVE);
	hash_seq_init(&scan, queue_states);
	while ((state = hash_seq_search(&scan)) != NULL)
		if (state->key.database == MyDatabaseId)
		{
			state->started_known = false;
			state->being_counted = false;
		}
	queue_state_unlock();
	counts_wanted();
}

static bool
is_known(const QueueKey *key)
{
	QueueState *state;
	bool		known;

	queue_state_lock(LW_SHARED);
	state = queue_state_find(key);
	known = state != NULL && state->started_known;
	queue_state_unlock();
	return known;
}

/*
 * counts_await: have the worker count, and wait for it a moment; false when
 * the number is still not known then.
 */
bool
counts_await(const QueueKey *key)
{
	DatabaseSlot *slot = shmem_my_slot();

	counts_wanted();
	for (int i = 0; slot != NULL && i < AWAIT_US / POLL_US; i++)
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

/*
 * counts_enter_commit: this transaction is about to commit, or to be prepared,
 * and will move numbers.  Waits while the worker takes its snapshot.
 */
void
counts_enter_commit(void)
{
	DatabaseSlot *slot = shmem_my_slot();

	entered = NULL;
	while (slot != NULL && entered == NULL)
	{
		SpinLockAcquire(&slot->mutex);
		if (!slot->counting)
		{
			slot->committing++;
			entered = slot;
		}
		SpinLockRelease(&slot->mutex);
		if (entered == NULL)
		{
			CHECK_FOR_INTERRUPTS();
			pg_usleep(POLL_US);
		}
	}
}

/* counts_leave_commit: the numbers are moved, or never will be. */
void
counts_leave_commit(void)
{
	DatabaseSlot *slot = entered;

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	if (slot->committing > 0)
		slot->committing--;
	SpinLockRelease(&slot->mutex);
	entered = NULL;
}

/* is a transaction prepared that wrote to taskq.open? */
static bool
prepared_writers_exist(void)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(catalog()->open)};
	bool		exist;

	SPI_connect();
	if (SPI_execute_with_args("SELECT 1 FROM pg_catalog.pg_locks"
							  " WHERE relation OPERATOR(pg_catalog.=) $1"
							  " AND mode OPERATOR(pg_catalog.<>) 'AccessShareLock'"
							  " AND pid IS NULL",
							  1, types, values, NULL, true,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_locks");
	exist = SPI_processed > 0;
	SPI_finish();
	return exist;
}

static void
set_counting(DatabaseSlot *slot, bool counting)
{
	SpinLockAcquire(&slot->mutex);
	slot->counting = counting;
	SpinLockRelease(&slot->mutex);
}

static void
set_blocked(DatabaseSlot *slot, bool blocked)
{
	SpinLockAcquire(&slot->mutex);
	slot->count_blocked = blocked;
	SpinLockRelease(&slot->mutex);
}

/* nobody is between announcement and sign-off; false when it takes too long */
static bool
wait_until_quiet(DatabaseSlot *slot)
{
	for (int i = 0; i < QUIET_US / POLL_US; i++)
	{
		uint32		committing;

		SpinLockAcquire(&slot->mutex);
		committing = slot->committing;
		SpinLockRelease(&slot->mutex);
		if (committing == 0)
			return true;
		pg_usleep(POLL_US);
	}
	return false;
}

/* from now on the numbers of these queues are what comes after the snapshot */
static void
set_to_zero(void)
{
	HASH_SEQ_STATUS scan;
	QueueState *state;

	queue_state_lock(LW_EXCLUSIVE);
	hash_seq_init(&scan, queue_states);
	while ((state = hash_seq_search(&scan)) != NULL)
		if (state->key.database == MyDatabaseId && !state->started_known)
		{
			state->started = 0;
			state->being_counted = true;
		}
	queue_state_unlock();
}

static void
count_attempt(const text *task_queue, void *arg)
{
	HTAB	   *counts = arg;
	QueueKey	key = queue_key(task_queue);
	bool		found;
	Count	   *count = hash_search(counts, &key, HASH_ENTER, &found);

	if (!found)
		count->started = 0;
	count->started++;
}

/* add what was counted to what has moved since */
static void
publish(HTAB *counts)
{
	HASH_SEQ_STATUS scan;
	QueueState *state;

	queue_state_lock(LW_EXCLUSIVE);
	hash_seq_init(&scan, queue_states);
	while ((state = hash_seq_search(&scan)) != NULL)
		if (state->key.database == MyDatabaseId && state->being_counted)
		{
			Count	   *count = hash_search(counts, &state->key, HASH_FIND, NULL);

			if (count != NULL)
				state->started += count->started;
			state->being_counted = false;
			state->started_known = true;
		}
	queue_state_unlock();
}

static void
count_all(void)
{
	HASHCTL		info = {0};
	HTAB	   *counts;

	info.keysize = sizeof(QueueKey);
	info.entrysize = sizeof(Count);
	info.hcxt = CurrentMemoryContext;
	counts = hash_create("taskq counts", 64, &info,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	store_scan_attempts(count_attempt, counts);
	publish(counts);
	effects_all_queues();
}

static void
set_wanted(DatabaseSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->count_wanted = true;
	SpinLockRelease(&slot->mutex);
}

/* counts_stop: the worker ends; nobody may wait for it. */
void
counts_stop(void)
{
	DatabaseSlot *slot = shmem_my_slot();

	if (slot == NULL)
		return;
	set_counting(slot, false);
	if (at_work)
		set_wanted(slot);
}

/*
 * Open a transaction whose active snapshot no commit straddles, with the
 * numbers set to zero as of it.  False, without a transaction, when that
 * cannot be now.
 */
static bool
begin_count(DatabaseSlot *slot)
{
	bool		blocked;

	set_counting(slot, true);
	if (!wait_until_quiet(slot))
	{
		set_counting(slot, false);
		return false;
	}
	worker_begin("counts");
	blocked = prepared_writers_exist();
	if (!blocked)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		set_to_zero();
	}
	set_counting(slot, false);
	set_blocked(slot, blocked);
	if (blocked)
		worker_commit();
	return !blocked;
}

/* take the request for a count; those that come later want another one */
static bool
take_request(DatabaseSlot *slot)
{
	bool		wanted;

	SpinLockAcquire(&slot->mutex);
	wanted = slot->count_wanted;
	slot->count_wanted = false;
	SpinLockRelease(&slot->mutex);
	return wanted;
}

/*
 * counts_run: count when somebody wants it.  Returns when to try again.
 */
TimestampTz
counts_run(void)
{
	DatabaseSlot *slot = shmem_my_slot();
	volatile bool counted = false;

	if (!take_request(slot))
		return DT_NOEND;
	at_work = true;
	PG_TRY();
	{
		if (begin_count(slot))
		{
			count_all();
			PopActiveSnapshot();
			worker_commit();
			counted = true;
		}
	}
	PG_FINALLY();
	{
		set_counting(slot, false);
		if (!counted)
			set_wanted(slot);
		at_work = false;
	}
	PG_END_TRY();
	if (counted)
		return DT_NOEND;
	return instant_add(clock_now(),
					   slot->count_blocked ? RETRY_US : QUIET_RETRY_US);
}
