/*
 * ledger.c
 *		What a transaction has done to the state of queues.
 *
 * Limiters and virtual time are charged at once, since the next poll has to
 * see them, and given back when the transaction or savepoint that polled is
 * rolled back.  Counters, and the numbers of open activities, move only at
 * commit (ledger_end.c).
 *
 * Of queues that are private to a worker nothing is noted.
 */
#include "postgres.h"

#include "notes/ledger.h"
#include "notes/ledger_entries.h"
#include "notes/ledger_sums.h"
#include "shared/delays.h"
#include "shared/queue_state.h"
#include "task/queue_keys.h"
#include "task/task.h"

/* ------------------------------------------------------------------------
 * Noting
 * ------------------------------------------------------------------------
 */

/*
 * ledger_make_room: the next n entries will not fail.  To be called before
 * what they will tell of is done in shared memory.
 */
void
ledger_make_room(int n)
{
	ledger_reserve_entries(n);
}

/* ledger_count: n more events of a counter. */
void
ledger_count(const QueueRef *queue, int counter, int n)
{
	if (queue->is_private)
		return;
	ledger_named_entry(ENTRY_COUNT, counter, queue)->n += n;
}

/*
 * ledger_duration: one more sample of a histogram, whose buckets are the
 * counters from "first" on; in microseconds.
 */
void
ledger_duration(const QueueRef *queue, int first, int64 duration)
{
	int			bucket = 0;

	while (bucket < HISTOGRAM_BUCKETS - 1 &&
		   duration >= (INT64CONST(1000) << bucket))
		bucket++;
	ledger_count(queue, first + bucket, 1);
}

/*
 * ledger_open: n more tasks (or fewer) like this one, of the queue, are in
 * that state, if it is one in which no attempt is in progress.
 */
void
ledger_open(const QueueRef *queue, const Task *task, State state, int n)
{
	int			level = valid_level(task->level);
	LedgerEntry *entry;
	DelayKey	delay;

	Assert(queue_key(task->queue).hash == queue->key.hash);
	if (queue->is_private)
		return;
	if (state == STATE_PAUSED)
		ledger_named_entry(ENTRY_PAUSED, 0, queue)->n += n;
	if (state != STATE_SCHEDULED)
		return;
	entry = ledger_named_entry(ENTRY_WAITING, level, queue);
	ledger_add(entry, n);
	if (delay_key(&delay, &queue->key, level, task_waits_since(task),
				  task->dispatch_time))
		ledger_add(ledger_delay_entry(&queue->key, &delay), n);
	else
		entry->due = Max(entry->due, task->dispatch_time);
}

/* ledger_reserved: n attempts may be started (negative: fewer than said). */
void
ledger_reserved(const QueueRef *queue, int n)
{
	if (!queue->is_private)
		ledger_queue_entry(ENTRY_RESERVED, 0, &queue->key)->n += n;
}

/* ledger_started: n attempts were started without a reservation. */
void
ledger_started(const QueueRef *queue, int n)
{
	if (!queue->is_private)
		ledger_add(ledger_queue_entry(ENTRY_STARTED, 0, &queue->key), n);
}

/* ledger_ended: an attempt that was taken from the queue has ended. */
void
ledger_ended(const QueueRef *queue)
{
	if (!queue->is_private)
		ledger_add(ledger_queue_entry(ENTRY_ENDED, 0, &queue->key), 1);
}

/* ledger_tokens: that part of what the queue's limiter can hold was taken. */
void
ledger_tokens(const QueueKey *key, double part)
{
	ledger_queue_entry(ENTRY_TOKENS, 0, key)->amount += part;
}

/* ledger_lane_tokens: likewise for a fairness key. */
void
ledger_lane_tokens(const LaneKey *key, double part)
{
	ledger_lane_entry(ENTRY_LANE_TOKENS, key)->amount += part;
}

/* ledger_lane_time: the virtual time of a lane, and of its level, has moved. */
void
ledger_lane_time(const QueueKey *queue, const LaneKey *key, double amount,
				 double ahead)
{
	LedgerEntry *entry = ledger_lane_entry(ENTRY_LANE_TIME, key);

	entry->queue = *queue;
	entry->amount += amount;
	entry->ahead += ahead;
}

/* ------------------------------------------------------------------------
 * Asking
 * ------------------------------------------------------------------------
 */

/*
 * ledger_places: how many attempts of the queue the transaction has ended that
 * count as running until it commits.  Those that it started without a
 * reservation do not count as running yet.
 */
int64
ledger_places(const QueueKey *queue)
{
	int			n;
	const LedgerEntry *list = ledger_list(&n);

	return ledger_sums_of(queue->hash, list, n).places;
}

/*
 * ledger_backlog: how many tasks of the queue the transaction has added so far.
 * *delayed: some of them, or of those that it took away, are due later.
 */
int64
ledger_backlog(const QueueKey *queue, TimestampTz now, bool *delayed)
{
	int			n;
	const LedgerEntry *list = ledger_list(&n);
	LedgerSums	sums = ledger_sums_of(queue->hash, list, n);

	*delayed = sums.delayed > 0 && sums.until > now;
	return sums.waiting;
}
