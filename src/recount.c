/*
 * recount.c
 *		The worker's chore: counting the open activities of queues whose numbers
 *		are not known.
 *
 * To count exactly while others commit, the worker needs a snapshot such that
 * each transaction is either visible in it, or moves the numbers later, and
 * never both or neither.  So a transaction that will move numbers announces
 * itself before it commits (counts_enter_commit) and signs off after it has
 * moved them.  The worker keeps new ones from entering, waits until none is
 * in between, takes its snapshot and sets the numbers to zero, and lets them
 * go on: what they move from then on is not in the snapshot.  What it counts
 * in the snapshot is added at the end.
 *
 * While transactions that wrote to taskq.open are prepared nobody knows what
 * they will move, so the worker waits for their end.  PREPARE announces itself
 * as a commit does, and makes unknown what it moves; so none slips in between
 * the look at prepared transactions and the snapshot.
 *
 * Queues whose numbers are known keep them: only the others are counted.  What
 * a queue without an entry moves while the worker counts makes an entry; if
 * there is no room, or one goes meanwhile, numbers are lost, and the database
 * is not complete after that count.
 *
 * The worker counts at once when a poll waits for it (max_started), otherwise
 * with pauses that keep it free for other chores: after a count for many times
 * as long as it took, longer when there was no room for all numbers, or when
 * commits would not come to an end.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "clock.h"
#include "compat.h"
#include "counts.h"
#include "delays.h"
#include "effects.h"
#include "recount.h"
#include "shmem.h"
#include "worker.h"

#define POLL_US			1000	/* us between two looks at others */
#define QUIET_US		(500 * 1000)	/* us that commits are kept waiting at most */
#define RETRY_US		(100 * INT64CONST(1000))

/* a count that nobody waits for comes so many times its duration after one */
#define PAUSE_FACTOR	20
#define MIN_PAUSE_US	USECS_PER_SEC
#define LONG_PAUSE_US	(10 * USECS_PER_SEC)	/* no room, or no quiet */
#define MAX_PAUSE_US	(60 * USECS_PER_SEC)

/* What the table holds of one queue, in the worker. */
typedef struct Count
{
	QueueKey	key;
	char	   *name;
	int			name_length;
	int64		started;
	int64		paused;
	int64		waiting[LEVELS];
	TimestampTz latest_due;
	bool		absent;			/* from shared memory */
	bool		added;			/* to what is there */
} Count;

typedef struct DelayCount
{
	DelayKey	key;
	QueueKey	queue;
	int64		tasks;
} DelayCount;

typedef struct Counting
{
	HTAB	   *queues;
	HTAB	   *delays;
} Counting;

static bool at_work = false;
static TimestampTz pause_until = 0; /* real clock */

/* ------------------------------------------------------------------------
 * A snapshot that no commit straddles
 * ------------------------------------------------------------------------
 */

/* is a transaction prepared that wrote to taskq.open? */
static bool
prepared_writers_exist(void)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(catalog()->open)};
	bool		exist;

	if (max_prepared_xacts == 0)
		return false;
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
wait_until_quiet(void)
{
	for (int i = 0; i < QUIET_US / POLL_US; i++)
	{
		if (!counts_others_commit())
			return true;
		pg_usleep(POLL_US);
	}
	return false;
}

/* from now on numbers that were not known are what comes after the snapshot */
static void
set_to_zero(DatabaseSlot *slot)
{
	QueueState *state = NULL;

	queue_state_lock_all(LW_EXCLUSIVE);
	SpinLockAcquire(&slot->mutex);
	slot->count_running = true;
	slot->counts_lost = false;
	SpinLockRelease(&slot->mutex);
	while ((state = queue_state_next(state)) != NULL)
	{
		if (state->key.database != MyDatabaseId || state->known)
			continue;
		state->being_counted = true;
		state->started = state->paused = 0;
		memset(state->waiting, 0, sizeof(state->waiting));
		delays_forget(state);
		state->delays_known = true;
		state->latest_due = state->delays_from = DT_NOBEGIN;
	}
	queue_state_unlock();
}

/*
 * In a transaction: push a snapshot that no commit straddles, and set the
 * numbers to zero as of it.  False when that cannot be now.
 */
static bool
begin_count(DatabaseSlot *slot)
{
	bool		blocked = prepared_writers_exist();
	bool		quiet = false;

	if (!blocked)
	{
		set_counting(slot, true);
		pg_memory_barrier();
		quiet = wait_until_quiet();
		blocked = quiet && prepared_writers_exist();
		if (quiet && !blocked)
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			set_to_zero(slot);
		}
		set_counting(slot, false);
	}
	set_blocked(slot, blocked);
	return quiet && !blocked;
}

/* ------------------------------------------------------------------------
 * Counting the table
 * ------------------------------------------------------------------------
 */

static HTAB *
make_table(const char *name, Size key, Size entry)
{
	HASHCTL		info = {0};

	info.keysize = key;
	info.entrysize = entry;
	info.hcxt = CurrentMemoryContext;
	return hash_create(name, 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Count *
count_of(Counting *counting, const QueueKey *key, const text *name)
{
	bool		found;
	Count	   *count = hash_search(counting->queues, key, HASH_ENTER, &found);

	if (found)
		return count;
	memset((char *) count + sizeof(QueueKey), 0,
		   sizeof(Count) - sizeof(QueueKey));
	count->name_length = VARSIZE_ANY_EXHDR(name);
	count->name = palloc(count->name_length);
	memcpy(count->name, VARDATA_ANY(name), count->name_length);
	count->latest_due = DT_NOBEGIN;
	return count;
}

static void
count_row(const OpenCount *row, void *arg)
{
	Counting   *counting = arg;
	QueueKey	key = queue_key(row->task_queue);
	Count	   *count = count_of(counting, &key, row->task_queue);
	DelayKey	delay;

	if (row->state == STATE_PAUSED)
		count->paused++;
	else if (row->state != STATE_SCHEDULED)
		count->started++;
	else
	{
		count->waiting[row->level - 1]++;
		if (delay_key(&delay, &key, row->level, row->since,
					  row->dispatch_time))
		{
			bool		found;
			DelayCount *delayed = hash_search(counting->delays, &delay,
											  HASH_ENTER, &found);

			delayed->queue = key;
			delayed->tasks = found ? delayed->tasks + 1 : 1;
		}
		else
			count->latest_due = Max(count->latest_due, row->dispatch_time);
	}
}

/* add what was counted of a queue to what has moved since */
static void
add_count(QueueState *state, Count *count)
{
	state->started += count->started;
	state->paused += count->paused;
	for (int i = 0; i < LEVELS; i++)
		state->waiting[i] += count->waiting[i];
	state->latest_due = Max(state->latest_due, count->latest_due);
	count->added = true;
}

/* queues that have an entry; of those that have none, nothing has moved */
static void
publish_present(Counting *counting)
{
	HASH_SEQ_STATUS scan;
	Count	   *count;
	QueueState *state = NULL;

	hash_seq_init(&scan, counting->queues);
	while ((count = hash_seq_search(&scan)) != NULL)
	{
		state = queue_state_find(&count->key);
		count->absent = state == NULL;
		if (state != NULL && state->being_counted)
			add_count(state, count);
	}
	state = NULL;
	while ((state = queue_state_next(state)) != NULL)
		if (state->key.database == MyDatabaseId && state->being_counted)
		{
			state->being_counted = false;
			state->known = true;
		}
}

/* make entries for the others; false when there is no room */
static bool
publish_absent(Counting *counting)
{
	HASH_SEQ_STATUS scan;
	Count	   *count;
	bool		room = true;

	hash_seq_init(&scan, counting->queues);
	while ((count = hash_seq_search(&scan)) != NULL)
	{
		QueueState *state;

		if (!count->absent)
			continue;
		state = queue_state_make(&count->key, count->name, count->name_length,
								 EVICT_EMPTY);
		if (state != NULL)
			add_count(state, count);
		room &= state != NULL;
	}
	return room;
}

static void
publish_delays(Counting *counting)
{
	HASH_SEQ_STATUS scan;
	DelayCount *delayed;
	TimestampTz now = clock_now();

	hash_seq_init(&scan, counting->delays);
	while ((delayed = hash_seq_search(&scan)) != NULL)
	{
		Count	   *count = hash_search(counting->queues, &delayed->queue,
										HASH_FIND, NULL);

		if (count->added)
			delays_add(queue_state_find(&count->key), &delayed->key,
					   delayed->tasks, now);
	}
}

/*
 * What was counted is known from now on; false when not all of it has room.
 * In a database that is complete queues without an entry are empty, whatever
 * the snapshot shows; when something went missing meanwhile, they may be not.
 */
static bool
publish(DatabaseSlot *slot, Counting *counting)
{
	bool		all;
	bool		complete;

	queue_state_lock_all(LW_EXCLUSIVE);
	SpinLockAcquire(&slot->mutex);
	slot->count_running = false;
	all = !slot->counts_complete && !slot->counts_lost;
	slot->counts_complete |= all;
	SpinLockRelease(&slot->mutex);

	publish_present(counting);
	if (all && !publish_absent(counting))
		counts_lost();
	publish_delays(counting);
	complete = counts_complete();
	queue_state_unlock();
	return complete;
}

/* count what the snapshot shows; false when not all of it has room */
static bool
count_all(DatabaseSlot *slot)
{
	Counting	counting;

	counting.queues = make_table("taskq counts", sizeof(QueueKey),
								 sizeof(Count));
	counting.delays = make_table("taskq delay counts", sizeof(DelayKey),
								 sizeof(DelayCount));
	store_scan_open(GetActiveSnapshot(), count_row, &counting);
	effects_all_queues();
	return publish(slot, &counting);
}

/* ------------------------------------------------------------------------
 * The chore
 * ------------------------------------------------------------------------
 */

static void
end_count(DatabaseSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->counting = false;
	slot->count_running = false;
	SpinLockRelease(&slot->mutex);
}

/*
 * Take the requests for a count; those that come later want another one.  What
 * nobody waits for is left for later during a pause.
 */
static bool
take_request(DatabaseSlot *slot, bool pausing, bool *urgent)
{
	bool		take;

	SpinLockAcquire(&slot->mutex);
	*urgent = slot->count_wanted;
	take = slot->count_wanted || (slot->count_missed && !pausing);
	if (take)
		slot->count_wanted = slot->count_missed = false;
	SpinLockRelease(&slot->mutex);
	return take;
}

/* it could not be: put it back */
static void
put_back_request(DatabaseSlot *slot, bool urgent)
{
	SpinLockAcquire(&slot->mutex);
	slot->count_wanted |= urgent;
	slot->count_missed = true;
	SpinLockRelease(&slot->mutex);
}

/* recount_stop: the worker ends; nobody may wait for it. */
void
recount_stop(void)
{
	DatabaseSlot *slot = shmem_my_slot();

	if (slot == NULL)
		return;
	end_count(slot);
	if (at_work)
		put_back_request(slot, true);
}

/* it was done, or could not be: when to do what nobody waits for */
static void
take_a_break(DatabaseSlot *slot, bool counted, bool complete, TimestampTz begin)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		length = RETRY_US;

	if (counted)
		length = Max((now - begin) * PAUSE_FACTOR, MIN_PAUSE_US);
	if (counted ? !complete : !slot->count_blocked)
		length = Max(length, LONG_PAUSE_US);
	pause_until = now + Min(length, MAX_PAUSE_US);
}

/* one count; false when it cannot be now */
static bool
count(DatabaseSlot *slot)
{
	TimestampTz begin = GetCurrentTimestamp();
	bool		complete = false;
	bool		counted;

	worker_begin("counts");
	counted = begin_count(slot);
	if (counted)
	{
		complete = count_all(slot);
		PopActiveSnapshot();
	}
	worker_commit();
	take_a_break(slot, counted, complete, begin);
	return counted;
}

/* when to look at requests again that were left or put back */
static TimestampTz
next_look(const DatabaseSlot *slot)
{
	if (slot->count_wanted)
		return instant_add(clock_now(), RETRY_US);
	if (slot->count_missed)
		return instant_add(clock_now(), pause_until - GetCurrentTimestamp());
	return DT_NOEND;
}

static void
try_to_count(DatabaseSlot *slot, bool urgent)
{
	at_work = true;
	PG_TRY();
	{
		if (!count(slot))
			put_back_request(slot, urgent);
	}
	PG_CATCH();
	{
		end_count(slot);
		put_back_request(slot, urgent);
		at_work = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	at_work = false;
}

/*
 * recount_run: count when somebody wants it.  Returns when to try again.
 */
TimestampTz
recount_run(void)
{
	DatabaseSlot *slot = shmem_my_slot();
	int64		left = pause_until - GetCurrentTimestamp();
	bool		urgent;

	if (take_request(slot, left > 0 && left <= MAX_PAUSE_US, &urgent))
		try_to_count(slot, urgent);
	return next_look(slot);
}
