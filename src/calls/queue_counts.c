/*
 * queue_counts.c
 *		How many open activities of each queue there are: reading the numbers.
 *
 * Shared memory knows how many tasks of a level wait, how many of them are due
 * later, and which ones have to be looked up in the index to be exact, namely
 * some that are due soon (delays.c).  What is not due later is the backlog; its
 * oldest task is found in the index.  When shared memory does not know
 * (counts.c), or on a standby, all open activities are counted in the table.
 * Who asks for one queue (one_queue.c) costs what that queue holds: known or
 * not, the others are neither copied nor counted.
 *
 * Either way what is counted is what is committed, without anything that the
 * own transaction has done.  The numbers of all queues are copied at once, so
 * that they contain a transaction in all queues or in none.  What is looked up
 * is seen a moment later: tasks that come or go meanwhile may count as due
 * though they are not, or the other way round.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/texts.h"
#include "calls/args.h"
#include "calls/queue_counts.h"
#include "calls/queue_kinds.h"
#include "common/lengths.h"
#include "model/run.h"
#include "shared/counts.h"
#include "shared/counts_known.h"
#include "shared/delays.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "store/open_row.h"
#include "store/ready_count.h"
#include "store/scan.h"
#include "task/queue_keys.h"
#include "task/task.h"

/* Numbers of a queue, copied from shared memory. */
typedef struct QueueNumbers
{
	int64		started;
	int64		paused;
	int64		waiting[LEVELS];
	LevelDelays delays[LEVELS];
	int			name_length;
	char		name[MAX_QUEUE_NAME_LENGTH];
} QueueNumbers;

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------
 */

/* a row of taskq.queue_counts() about the tasks of one level that wait */
static void
put_level(FunctionCallInfo fcinfo, text *task_queue, int level,
		  int64 backlog, int64 delayed, TimestampTz oldest)
{
	Datum		values[8];
	bool		nulls[8] = {false};

	if (!put_queue_name(VARDATA_ANY(task_queue), VARSIZE_ANY_EXHDR(task_queue),
						&values[0], &values[7]))
		return;
	values[1] = Int32GetDatum(level);
	values[2] = Int64GetDatum(backlog);
	values[3] = TimestampTzGetDatum(oldest);
	nulls[3] = oldest == DT_NOEND;
	values[4] = Int64GetDatum(delayed);
	values[5] = values[6] = Int64GetDatum(0);
	put_row(fcinfo, values, nulls, lengthof(values));
}

/* one about what is counted per queue only; priority is NULL */
static void
put_queue(FunctionCallInfo fcinfo, text *task_queue, int64 started,
		  int64 paused)
{
	Datum		values[8] = {0};
	bool		nulls[8] = {false};

	if (!put_queue_name(VARDATA_ANY(task_queue), VARSIZE_ANY_EXHDR(task_queue),
						&values[0], &values[7]))
		return;
	nulls[1] = nulls[3] = true;
	values[2] = values[4] = Int64GetDatum(0);
	values[5] = Int64GetDatum(started);
	values[6] = Int64GetDatum(paused);
	put_row(fcinfo, values, nulls, lengthof(values));
}

/* ------------------------------------------------------------------------
 * From shared memory
 * ------------------------------------------------------------------------
 */

static void
copy_queue(QueueNumbers *copy, QueueState *state, TimestampTz now)
{
	copy->started = state->started;
	copy->paused = state->paused;
	memcpy(copy->waiting, state->waiting, sizeof(copy->waiting));
	delays_sum(state, now, copy->delays);
	copy->name_length = state->name_length;
	memcpy(copy->name, state->name, state->name_length);
}

/* copy the numbers of all queues that have any; false when some are unknown */
static bool
copy_locked(QueueNumbers *copies, int max, int *n, TimestampTz now)
{
	QueueState *state = NULL;

	*n = 0;
	if (!counts_complete())
		return false;
	while ((state = queue_state_next(state)) != NULL)
	{
		if (state->key.database != MyDatabaseId)
			continue;
		if (!state->known)
			return false;
		if (!counts_are_zero(state) && (*n)++ < max)
			copy_queue(&copies[*n - 1], state, now);
	}
	return true;
}

/* likewise, all at once; NULL when some are unknown */
static QueueNumbers *
copy_numbers(int *n, TimestampTz *now)
{
	QueueNumbers *copies = NULL;
	int			max;
	bool		known;

	do
	{
		max = queue_states_used() + 16;
		if (copies != NULL)
			pfree(copies);
		copies = MemoryContextAllocHuge(CurrentMemoryContext,
										max * sizeof(QueueNumbers));
		queue_state_lock_all(LW_SHARED);
		*now = clock_now();
		known = copy_locked(copies, max, n, *now);
		queue_state_unlock();
	} while (known && *n > max);
	return known ? copies : NULL;
}

/* likewise of one queue */
static QueueNumbers *
copy_one(const text *one_queue, int *n, TimestampTz *now)
{
	QueueKey	key = queue_key(one_queue);
	QueueNumbers *copy = palloc(sizeof(QueueNumbers));
	QueueState *state;
	bool		known;

	queue_state_lock(&key, LW_SHARED);
	*now = clock_now();
	state = queue_state_find(&key);
	known = state == NULL ? counts_complete() : state->known;
	*n = known && state != NULL && !counts_are_zero(state) ? 1 : 0;
	if (*n > 0)
		copy_queue(copy, state, *now);
	queue_state_unlock();
	return known ? copy : NULL;
}

static void
put_numbers(FunctionCallInfo fcinfo, const QueueNumbers *numbers,
			TimestampTz now)
{
	text	   *task_queue = cstring_to_text_with_len(numbers->name,
													  numbers->name_length);
	QueueRef	queue = queue_ref(task_queue);
	TimestampTz oldest[LEVELS];
	int64		backlog[LEVELS];
	int64		delayed[LEVELS];
	bool		any = false;

	for (int i = 0; i < LEVELS; i++)
	{
		const LevelDelays *delays = &numbers->delays[i];

		delayed[i] = delays->later;
		if (delays->until != DT_NOBEGIN)
			delayed[i] += store_count_between(&queue, i + 1, now,
											  delays->until, true);
		delayed[i] = Max(Min(delayed[i], numbers->waiting[i]), 0);
		backlog[i] = numbers->waiting[i] - delayed[i];
		oldest[i] = DT_NOEND;
		any |= backlog[i] > 0;
	}
	if (any)
		store_oldest_due(&queue, now, oldest);
	for (int i = 0; i < LEVELS; i++)
		if (numbers->waiting[i] > 0)
			put_level(fcinfo, task_queue, i + 1, backlog[i], delayed[i],
					  backlog[i] > 0 ? oldest[i] : DT_NOEND);
	if (numbers->started > 0 || numbers->paused > 0)
		put_queue(fcinfo, task_queue, Max(numbers->started, 0),
				  Max(numbers->paused, 0));
}

/* false when shared memory does not know */
static bool
put_from_memory(FunctionCallInfo fcinfo, const text *one_queue)
{
	QueueNumbers *numbers;
	TimestampTz now;
	int			n;

	if (control == NULL || RecoveryInProgress())
		return false;
	numbers = one_queue == NULL ? copy_numbers(&n, &now) :
		copy_one(one_queue, &n, &now);
	if (numbers == NULL)
	{
		counts_missed();
		return false;
	}
	for (int i = 0; i < n; i++)
		put_numbers(fcinfo, &numbers[i], now);
	return true;
}

/* ------------------------------------------------------------------------
 * From the table
 * ------------------------------------------------------------------------
 */

/* Open activities of a level of a queue. */
typedef struct LevelCount
{
	LaneKey		key;			/* queue and level, 0 = on any level */
	text	   *task_queue;
	int64		backlog;
	int64		delayed;
	int64		started;
	int64		paused;
	TimestampTz oldest;			/* dispatch time in the backlog */
} LevelCount;

typedef struct Counting
{
	const text *one_queue;		/* NULL = of all */
	HTAB	   *levels;
	TimestampTz now;
} Counting;

static LevelCount *
level_count(HTAB *levels, const OpenCount *row, int level)
{
	LaneKey		key = {0};
	LevelCount *count;
	bool		found;

	key.queue_hash = queue_key(row->task_queue).hash;
	key.level = level;
	count = hash_search(levels, &key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) count + sizeof(LaneKey), 0,
			   sizeof(LevelCount) - sizeof(LaneKey));
		count->oldest = DT_NOEND;
		count->task_queue = (text *)
			DatumGetPointer(datumCopy(PointerGetDatum(row->task_queue),
									  false, -1));
	}
	return count;
}

static void
count_open(const OpenCount *row, void *arg)
{
	Counting   *counting = arg;
	bool		waits = row->state == STATE_SCHEDULED;
	LevelCount *count;

	if (counting->one_queue != NULL && !text_equal(row->task_queue, counting->one_queue))
		return;
	count = level_count(counting->levels, row, waits ? row->level : 0);
	if (row->state == STATE_PAUSED)
		count->paused++;
	else if (!waits)
		count->started++;
	else if (row->dispatch_time > counting->now)
		count->delayed++;
	else
	{
		count->backlog++;
		count->oldest = Min(count->oldest, row->dispatch_time);
	}
}

/*
 * Are all attempts that count for a queue in its rows?  To be asked after the
 * snapshot was taken; an older one may show attempts that have ended since.
 */
static bool
rows_are_of_queue(void)
{
	DatabaseSlot *slot = directory_my_slot();

	return slot != NULL && !RecoveryInProgress() && !IsolationUsesXactSnapshot() &&
		!counts_may_be_elsewhere(slot);
}

/*
 * As of the transaction's snapshot, or of now, but without what it has done.  An
 * older snapshot shows nothing of a table that was written anew.
 */
static void
count_committed(Counting *counting, const text *one_queue)
{
	store_scan_lock();
	PushCopiedSnapshot(GetTransactionSnapshot());
	GetActiveSnapshot()->curcid = FirstCommandId;
	if (one_queue != NULL && rows_are_of_queue())
		store_scan_queue(one_queue, GetActiveSnapshot(), count_open, counting);
	else
		store_scan_open(GetActiveSnapshot(), count_open, counting);
	PopActiveSnapshot();
}

static void
put_from_table(FunctionCallInfo fcinfo, const text *one_queue)
{
	HASHCTL		info = {0};
	Counting	counting;
	HASH_SEQ_STATUS scan;
	LevelCount *count;

	info.keysize = sizeof(LaneKey);
	info.entrysize = sizeof(LevelCount);
	info.hcxt = CurrentMemoryContext;
	counting.levels = hash_create("taskq queue counts", 64, &info,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	counting.one_queue = one_queue;
	counting.now = clock_now();
	count_committed(&counting, one_queue);
	hash_seq_init(&scan, counting.levels);
	while ((count = hash_seq_search(&scan)) != NULL)
		if (count->key.level > 0)
			put_level(fcinfo, count->task_queue, count->key.level,
					  count->backlog, count->delayed, count->oldest);
		else
			put_queue(fcinfo, count->task_queue, count->started,
					  count->paused);
}

static void
put_counts(FunctionCallInfo fcinfo, const text *one_queue)
{
	if (!put_from_memory(fcinfo, one_queue))
		put_from_table(fcinfo, one_queue);
}

PG_FUNCTION_INFO_V1(taskq_queue_counts);

/*
 * taskq.queue_counts(one_queue) returns setof (task_queue, priority,
 *	 backlog_count, oldest, delayed_count, started_count, paused_count, kind);
 *	 NULL = of all queues
 */
Datum
taskq_queue_counts(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	put_of_queues(fcinfo, put_counts);
	return (Datum) 0;
}

/* is the queue one of workflows? */
static bool
is_of_workflows(const QueueState *state)
{
	return state->name_length > strlen(WORKFLOW_QUEUE_PREFIX) &&
		memcmp(state->name, WORKFLOW_QUEUE_PREFIX, strlen(WORKFLOW_QUEUE_PREFIX)) == 0;
}

/*
 * queue_counts_started: how many attempts run in this database but for those of
 * workflows, as committed; -1 when that is not known.
 */
int64
queue_counts_started(void)
{
	QueueState *state = NULL;
	int64		started = 0;
	bool		known;

	queue_state_lock_all(LW_SHARED);
	known = counts_complete();
	while (known && (state = queue_state_next(state)) != NULL)
	{
		if (state->key.database != MyDatabaseId || is_of_workflows(state))
			continue;
		known = state->known;
		started += state->started;
	}
	queue_state_unlock();
	return known ? Max(started, 0) : -1;
}
