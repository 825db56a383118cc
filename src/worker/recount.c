/*
 * recount.c
 *		The worker's chore: counting the open activities of queues whose numbers
 *		are not known.
 *
 * To count exactly while others commit, each transaction has to be in the
 * snapshot that is counted, or move the numbers after they were set to zero,
 * and never both or neither.  A commit becomes visible a moment before it moves
 * its numbers, with the locks of its queues.  So the worker takes the locks of
 * all queues, then its snapshot, and sets the numbers to zero: who is not in the
 * snapshot moves them later.  Who is, and has not moved them yet, has announced
 * his transaction id before he committed (counts_enter_commit); the worker tells
 * him that it counts what he did, and he passes those numbers by.  What was
 * counted in the snapshot is added at the end, when all who were told so have
 * signed off.  So no commit waits for a count, and no count for a commit that
 * takes long, since it waits for a standby, say.
 *
 * While transactions that wrote to taskq.open are prepared nobody knows what
 * they will move, so the worker waits for their end.  PREPARE makes unknown
 * what it moves; if that was between the look at prepared transactions and the
 * snapshot, the worker looks again.
 *
 * Queues whose numbers are known keep them: only the others are counted.  What
 * a queue without an entry moves while the worker counts makes an entry; if
 * there is no room, or one goes meanwhile, numbers are lost, and the database
 * is not complete after that count.
 *
 * The worker counts at once when a poll waits for it (max_started), otherwise
 * with pauses that keep it free for other chores: after a count for many times
 * as long as it took, longer when there was no room for all numbers.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "engine/count_queue.h"
#include "notes/effects.h"
#include "shared/counts.h"
#include "shared/counts_known.h"
#include "shared/delays.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "store/open_row.h"
#include "store/scan.h"
#include "task/queue_keys.h"
#include "task/task.h"
#include "worker/chore.h"
#include "worker/recount.h"

#define RETRY_US		(100 * INT64CONST(1000))

/* a count that nobody waits for comes so many times its duration after one */
#define PAUSE_FACTOR	20
#define MIN_PAUSE_US	USECS_PER_SEC
#define LONG_PAUSE_US	(10 * USECS_PER_SEC)	/* no room */
#define MAX_PAUSE_US	(60 * USECS_PER_SEC)

/* What the table holds of one queue, in the worker. */
typedef struct Count
{
	QueueKey	key;
	char	   *name;
	int			name_length;
	QueueCount	count;
	bool		absent;			/* from shared memory */
	bool		added;			/* to what is there */
} Count;

typedef struct DelayCount
{
	DelayKey	key;
	QueueKey	queue;
	int64		tasks;
} DelayCount;

typedef struct Recount
{
	HTAB	   *queues;
	HTAB	   *delays;
	bool		any_elsewhere;	/* see counts_may_be_elsewhere() */
} Recount;

static TimestampTz pause_until = 0; /* real clock */

/* ------------------------------------------------------------------------
 * The snapshot
 * ------------------------------------------------------------------------
 */

static void
set_blocked(DatabaseSlot *slot, bool blocked)
{
	SpinLockAcquire(&slot->mutex);
	slot->counts.blocked = blocked;
	SpinLockRelease(&slot->mutex);
}

/*
 * From now on numbers that were not known are what comes after the snapshot.
 * All queues are locked.
 */
static void
set_to_zero(DatabaseSlot *slot)
{
	QueueState *state = NULL;

	SpinLockAcquire(&slot->mutex);
	slot->counts.running = true;
	slot->counts.lost = false;
	SpinLockRelease(&slot->mutex);
	while ((state = queue_state_next(state)) != NULL)
	{
		if (state->key.database != MyDatabaseId || state->known)
			continue;
		count_from_zero(state, 0);
	}
}

/*
 * Push a snapshot, with the numbers set to zero as of it; false when something
 * was prepared since "prepared" was read.  Nothing may fail while the queues are
 * locked.
 */
static bool
take_snapshot(DatabaseSlot *slot, uint32 prepared)
{
	Snapshot	snapshot = NULL;

	queue_state_lock_all(LW_EXCLUSIVE);
	if (counts_prepares(slot) == prepared)
	{
		snapshot = GetTransactionSnapshot();
		set_to_zero(slot);
		counts_mark_committed(snapshot);
	}
	queue_state_unlock();
	if (snapshot != NULL)
		PushActiveSnapshot(snapshot);
	return snapshot != NULL;
}

/*
 * In a transaction: push the snapshot to count with.  False when that cannot be
 * now.
 */
static bool
begin_count(DatabaseSlot *slot)
{
	uint32		prepared;
	bool		blocked;

	store_scan_lock();
	do
	{
		CHECK_FOR_INTERRUPTS();
		prepared = counts_prepares(slot);
		blocked = store_scan_unsettled();
	} while (!blocked && !take_snapshot(slot, prepared));
	set_blocked(slot, blocked);
	return !blocked;
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
count_of(Recount *counting, const QueueKey *key, const text *name)
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
	count->count.latest_due = DT_NOBEGIN;
	return count;
}

static void
count_open(const OpenCount *row, void *arg)
{
	Recount    *counting = arg;
	QueueRef	queue = queue_ref(row->task_queue);
	Count	   *count;
	DelayKey	delay;
	DelayCount *delayed;
	bool		found;

	counting->any_elsewhere |= row->elsewhere;
	if (queue.is_private)
		return;
	count = count_of(counting, &queue.key, row->task_queue);
	if (!count_row(&count->count, &queue.key, row, &delay))
		return;
	delayed = hash_search(counting->delays, &delay, HASH_ENTER, &found);
	delayed->queue = queue.key;
	delayed->tasks = found ? delayed->tasks + 1 : 1;
}

/* add what was counted of a queue to what has moved since */
static void
add_count(QueueState *state, Count *count)
{
	count_add(state, &count->count);
	count->added = true;
}

/* is it counted by us, and by no poll? */
static bool
is_ours(const QueueState *state)
{
	return state->being_counted && state->counted_by == 0;
}

/* queues that have an entry; of those that have none, nothing has moved */
static void
publish_present(Recount *counting)
{
	HASH_SEQ_STATUS scan;
	Count	   *count;
	QueueState *state = NULL;

	hash_seq_init(&scan, counting->queues);
	while ((count = hash_seq_search(&scan)) != NULL)
	{
		state = queue_state_find(&count->key);
		count->absent = state == NULL;
		if (state != NULL && is_ours(state))
			add_count(state, count);
	}
	state = NULL;
	while ((state = queue_state_next(state)) != NULL)
		if (state->key.database == MyDatabaseId && is_ours(state))
		{
			state->being_counted = false;
			state->known = true;
		}
}

/*
 * Make entries for the others; false when there is no room.  After the first
 * that finds none the rest does not try: nobody makes room meanwhile, and all
 * queues are locked.
 */
static bool
publish_absent(Recount *counting)
{
	HASH_SEQ_STATUS scan;
	Count	   *count;

	hash_seq_init(&scan, counting->queues);
	while ((count = hash_seq_search(&scan)) != NULL)
	{
		QueueState *state;

		if (!count->absent)
			continue;
		state = queue_state_make(&count->key, count->name, count->name_length,
								 EVICT_EMPTY);
		if (state == NULL)
		{
			hash_seq_term(&scan);
			return false;
		}
		add_count(state, count);
	}
	return true;
}

/*
 * Of queues whose numbers were added.  One whose tasks have all gone since the
 * snapshot was empty then, and its entry may have made room for another.
 */
static void
publish_delays(Recount *counting)
{
	HASH_SEQ_STATUS scan;
	DelayCount *delayed;
	TimestampTz now = clock_now();

	hash_seq_init(&scan, counting->delays);
	while ((delayed = hash_seq_search(&scan)) != NULL)
	{
		Count	   *count = hash_search(counting->queues, &delayed->queue,
										HASH_FIND, NULL);
		QueueState *state = count->added ? queue_state_find(&count->key) : NULL;

		if (state != NULL)
			delays_add(state, &delayed->key, delayed->tasks, now);
	}
}

/*
 * What was counted is known from now on; false when not all of it has room.
 * In a database that is complete queues without an entry are empty, whatever
 * the snapshot shows; when something went missing meanwhile, they may be not.
 */
static bool
publish_all(DatabaseSlot *slot, Recount *counting)
{
	bool		all;
	bool		complete;

	queue_state_lock_all(LW_EXCLUSIVE);
	SpinLockAcquire(&slot->mutex);
	slot->counts.running = false;
	all = !slot->counts.complete && !slot->counts.lost;
	slot->counts.complete |= all;
	SpinLockRelease(&slot->mutex);

	publish_present(counting);
	if (all && !publish_absent(counting))
		counts_lost();
	publish_delays(counting);
	complete = counts_complete();
	queue_state_unlock();
	return complete;
}

/*
 * Count what the snapshot shows, which was taken after so many moves; false when
 * not all of it has room.
 */
static bool
count_all(DatabaseSlot *slot, uint32 moves)
{
	Recount		counting = {0};

	counting.queues = make_table("taskq counts", sizeof(QueueKey),
								 sizeof(Count));
	counting.delays = make_table("taskq delay counts", sizeof(DelayKey),
								 sizeof(DelayCount));
	store_scan_open(GetActiveSnapshot(), count_open, &counting);
	if (!counting.any_elsewhere)
		counts_none_elsewhere(slot, GetActiveSnapshot()->xmin, moves);
	effects_all_queues();
	counts_await_marked(slot);
	return publish_all(slot, &counting);
}

/* ------------------------------------------------------------------------
 * The chore
 * ------------------------------------------------------------------------
 */

static void
end_count(DatabaseSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->counts.running = false;
	SpinLockRelease(&slot->mutex);
}

/* recount_stop: the worker ends; nobody may wait for it. */
void
recount_stop(void)
{
	DatabaseSlot *slot = directory_my_slot();

	if (slot != NULL)
		end_count(slot);
}

/* it was done, or could not be: when to do what nobody waits for */
static void
take_a_break(DatabaseSlot *slot, bool counted, bool complete, TimestampTz begin)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		length = RETRY_US;

	if (counted)
		length = Max((now - begin) * PAUSE_FACTOR, MIN_PAUSE_US);
	if (counted && !complete)
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
	uint32		moves;

	chore_begin("counts");
	moves = counts_moves(slot);
	counted = begin_count(slot);
	if (counted)
	{
		complete = count_all(slot, moves);
		PopActiveSnapshot();
	}
	chore_commit();
	directory_answered(slot);
	take_a_break(slot, counted, complete, begin);
	return counted;
}

/*
 * Count, if that can be now.  Requests that come after the look at them want
 * another count; those that this one was for stay until it is published.
 */
static void
try_to_count(DatabaseSlot *slot, uint32 wanted, uint32 missed)
{
	PG_TRY();
	{
		if (count(slot))
		{
			errand_done(slot, &slot->counts.wanted, wanted);
			errand_done(slot, &slot->counts.missed, missed);
		}
	}
	PG_CATCH();
	{
		end_count(slot);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * recount_run: count when somebody wants it: at once when somebody waits,
 * otherwise not during a pause.  Returns when to try again.
 */
TimestampTz
recount_run(void)
{
	DatabaseSlot *slot = directory_my_slot();
	bool		pausing = is_ahead(pause_until, GetCurrentTimestamp(),
								   MAX_PAUSE_US);
	uint32		wanted;
	uint32		missed;
	bool		is_missed = errand_look(slot, &slot->counts.missed, &missed);

	if (errand_look(slot, &slot->counts.wanted, &wanted) ||
		(is_missed && !pausing))
		try_to_count(slot, wanted, missed);

	if (errand_look(slot, &slot->counts.wanted, &wanted))
		return instant_add(clock_now(), RETRY_US);
	if (errand_look(slot, &slot->counts.missed, &missed))
		return instant_add(clock_now(), pause_until - GetCurrentTimestamp());
	return DT_NOEND;
}
