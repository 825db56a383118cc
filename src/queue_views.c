/*
 * queue_views.c
 *		What the views of queues show: counts, rates and limits, pollers,
 *		statistics.
 *
 * Counts come from the table, through a snapshot to which everything that the
 * own transaction has done is invisible.  The rest comes from shared memory:
 * each function copies what it needs under the lock and builds its rows after
 * it.  On a standby shared memory knows nothing, and when taskq is not
 * preloaded there is none: the views then show what the tables hold.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "args.h"
#include "clock.h"
#include "compat.h"
#include "guc.h"
#include "limits.h"
#include "options.h"
#include "queue_state.h"
#include "shmem.h"
#include "store.h"

/* a limit counts as active for so long after it held a task back */
#define LIMIT_ACTIVE		(30 * USECS_PER_SEC)

/*
 * The last 30 seconds, per second: the current bucket, five full ones, and of
 * the oldest as much as the current one is not over.
 */
static double
rate_of(const QueueState *state, const uint32 *buckets)
{
	double		clock = (double) GetCurrentTimestamp() /
		(RATE_BUCKET * USECS_PER_SEC);
	int64		now = (int64) clock;
	double		sum = 0;

	for (int i = 0; i < RATE_BUCKETS; i++)
	{
		int64		age = now - state->bucket_start[i];

		if (age == RATE_BUCKETS - 1)
			sum += buckets[i] * (1 - (clock - now));
		else if (age >= 0 && age < RATE_BUCKETS - 1)
			sum += buckets[i];
	}
	return sum / ((RATE_BUCKETS - 1) * RATE_BUCKET);
}

/* a copy of the state of a queue; false when there is none */
static bool
copy_state(const text *task_queue, QueueState *copy)
{
	QueueKey	key = queue_key(task_queue);
	QueueState *state;

	queue_state_lock(LW_SHARED);
	state = queue_state_find(&key);
	if (state != NULL)
		*copy = *state;
	queue_state_unlock();
	return state != NULL;
}

PG_FUNCTION_INFO_V1(taskq_queue_rates);

/*
 * taskq.queue_rates(task_queue) returns (add_rate, dispatch_rate, rate_limit,
 *	 rate_limit_source, rate_limiting_active)
 */
Datum
taskq_queue_rates(PG_FUNCTION_ARGS)
{
	static const char *const sources[] = {
		[RATE_NONE] = NULL,
		[RATE_API] = "api",
		[RATE_WORKER] = "worker",
		[RATE_SYSTEM] = "system",
	};
	text	   *task_queue = PG_GETARG_TEXT_PP(0);
	QueueState *state = palloc0(sizeof(QueueState));
	double		rate = 0;
	const QueueConfig *config = NULL;
	RateSource	source = RATE_NONE;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (control != NULL)
	{
		(void) copy_state(task_queue, state);
		config = queue_config(task_queue);
		source = limits_effective_rate(config, state->worker_rate, &rate);
	}
	values[0] = Float8GetDatum(rate_of(state, state->added));
	values[1] = Float8GetDatum(rate_of(state, state->dispatched));
	values[2] = Float8GetDatum(rate);
	nulls[2] = source == RATE_NONE;
	if (sources[source] != NULL)
		values[3] = CStringGetTextDatum(sources[source]);
	nulls[3] = source == RATE_NONE;
	values[4] = BoolGetDatum((source != RATE_NONE ||
							  (config != NULL && config->key_rate_limit >= 0)) &&
							 state->limited_at != 0 &&
							 GetCurrentTimestamp() - state->limited_at < LIMIT_ACTIVE);
	InitMaterializedSRF(fcinfo, 0);
	put_row(fcinfo, values, nulls);
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Counts
 * ------------------------------------------------------------------------
 */

/* Open activities of a level of a queue. */
typedef struct LevelCount
{
	LaneKey		key;			/* queue and level */
	text	   *task_queue;
	int64		backlog;
	int64		delayed;
	int64		started;
	int64		paused;
	TimestampTz oldest;			/* dispatch time in the backlog */
} LevelCount;

typedef struct Counting
{
	HTAB	   *levels;
	TimestampTz now;
} Counting;

static LevelCount *
level_count(HTAB *levels, const OpenCount *row)
{
	LaneKey		key = {0};
	LevelCount *count;
	bool		found;

	key.queue_hash = queue_key(row->task_queue).hash;
	key.level = row->level;
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
	LevelCount *count = level_count(counting->levels, row);

	if (row->state == STATE_PAUSED)
		count->paused++;
	else if (row->state != STATE_SCHEDULED)
		count->started++;
	else if (row->dispatch_time > counting->now)
		count->delayed++;
	else
	{
		count->backlog++;
		count->oldest = Min(count->oldest, row->dispatch_time);
	}
}

/* as of the caller's snapshot, but without what its transaction has done */
static void
count_committed(Counting *counting)
{
	PushCopiedSnapshot(GetActiveSnapshot());
	GetActiveSnapshot()->curcid = FirstCommandId;
	store_scan_open(GetActiveSnapshot(), count_open, counting);
	PopActiveSnapshot();
}

PG_FUNCTION_INFO_V1(taskq_queue_counts);

/*
 * taskq.queue_counts() returns setof (task_queue, priority, backlog_count,
 *	 oldest, delayed_count, started_count, paused_count)
 */
Datum
taskq_queue_counts(PG_FUNCTION_ARGS)
{
	HASHCTL		info = {0};
	Counting	counting;
	HASH_SEQ_STATUS scan;
	LevelCount *count;

	InitMaterializedSRF(fcinfo, 0);
	info.keysize = sizeof(LaneKey);
	info.entrysize = sizeof(LevelCount);
	info.hcxt = CurrentMemoryContext;
	counting.levels = hash_create("taskq queue counts", 64, &info,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	counting.now = clock_now();
	count_committed(&counting);
	hash_seq_init(&scan, counting.levels);
	while ((count = hash_seq_search(&scan)) != NULL)
	{
		Datum		values[7];
		bool		nulls[7] = {false};

		values[0] = PointerGetDatum(count->task_queue);
		values[1] = Int32GetDatum(count->key.level);
		values[2] = Int64GetDatum(count->backlog);
		values[3] = TimestampTzGetDatum(count->oldest);
		nulls[3] = count->oldest == DT_NOEND;
		values[4] = Int64GetDatum(count->delayed);
		values[5] = Int64GetDatum(count->started);
		values[6] = Int64GetDatum(count->paused);
		put_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Pollers
 * ------------------------------------------------------------------------
 */

/* One poller, copied. */
typedef struct PollerCopy
{
	PollerState poller;
	int			name_length;
	char		name[MAX_NAME_LENGTH];
} PollerCopy;

/* pollers of this database that were seen of late, with their queue's name */
static List *
copy_pollers(void)
{
	MemoryContext context = CurrentMemoryContext;
	HASH_SEQ_STATUS scan;
	PollerState *poller;
	PollerCopy *copies;
	List	   *list = NIL;
	TimestampTz now = GetCurrentTimestamp();
	int			n = 0;

	copies = MemoryContextAllocHuge(context,
									taskq_max_pollers * sizeof(PollerCopy));
	queue_state_lock(LW_SHARED);
	hash_seq_init(&scan, poller_states);
	while ((poller = hash_seq_search(&scan)) != NULL)
	{
		QueueKey	key = {0};
		QueueState *queue;

		if (poller->key.database != MyDatabaseId ||
			(poller->waiting == 0 &&
			 now - poller->last_access > POLLER_LIFETIME) ||
			n == taskq_max_pollers)
			continue;
		key.database = MyDatabaseId;
		key.hash = poller->key.queue_hash;
		queue = queue_state_find(&key);
		if (queue == NULL)
			continue;
		copies[n].poller = *poller;
		copies[n].name_length = queue->name_length;
		memcpy(copies[n].name, queue->name, queue->name_length);
		n++;
	}
	queue_state_unlock();
	for (int i = 0; i < n; i++)
		list = lappend(list, &copies[i]);
	return list;
}

PG_FUNCTION_INFO_V1(taskq_poller_states);

/*
 * taskq.poller_states() returns setof (task_queue, identity, last_access_time,
 *	 rate_per_second, waiting)
 */
Datum
taskq_poller_states(PG_FUNCTION_ARGS)
{
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	if (control == NULL)
		return (Datum) 0;
	foreach(cell, copy_pollers())
	{
		PollerCopy *copy = lfirst(cell);
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = PointerGetDatum(cstring_to_text_with_len(copy->name,
															 copy->name_length));
		values[1] = CStringGetTextDatum(copy->poller.identity);
		values[2] = TimestampTzGetDatum(copy->poller.last_access);
		values[3] = Float8GetDatum(copy->poller.rate);
		nulls[3] = copy->poller.rate == 0;
		values[4] = BoolGetDatum(copy->poller.waiting > 0);
		put_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Statistics
 * ------------------------------------------------------------------------
 */

static Datum
histogram_datum(const uint64 *buckets)
{
	Datum		elements[HISTOGRAM_BUCKETS];

	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		elements[i] = Int64GetDatum(buckets[i]);
	return PointerGetDatum(construct_array(elements, HISTOGRAM_BUCKETS, INT8OID,
										   8, true, TYPALIGN_DOUBLE));
}

/* shown counters: COUNT_ADDED is only there for the rates */
#define SHOWN_COUNTERS	COUNT_ADDED
#define STAT_COLUMNS	(1 + SHOWN_COUNTERS + 3)

static void
put_statistics(FunctionCallInfo fcinfo, const QueueState *state)
{
	Datum		values[STAT_COLUMNS];
	bool		nulls[STAT_COLUMNS] = {false};
	int			i = 0;

	values[i++] = PointerGetDatum(cstring_to_text_with_len(state->name,
														   state->name_length));
	for (int counter = 0; counter < SHOWN_COUNTERS; counter++)
		values[i++] = Int64GetDatum(state->counters[counter]);
	values[i++] = histogram_datum(&state->counters[COUNT_SCHEDULE_TO_START_FIRST]);
	values[i++] = histogram_datum(&state->counters[COUNT_EXECUTION_FIRST]);
	values[i++] = TimestampTzGetDatum(state->stats_reset);
	put_row(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(taskq_queue_statistics);

/* taskq.queue_statistics() returns setof rows of taskq.stat_task_queues */
Datum
taskq_queue_statistics(PG_FUNCTION_ARGS)
{
	QueueState *copies;
	HASH_SEQ_STATUS scan;
	QueueState *state;
	int			n = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (control == NULL)
		return (Datum) 0;
	copies = MemoryContextAllocHuge(CurrentMemoryContext,
									taskq_max_queues * sizeof(QueueState));
	queue_state_lock(LW_SHARED);
	hash_seq_init(&scan, queue_states);
	while ((state = hash_seq_search(&scan)) != NULL)
		if (state->key.database == MyDatabaseId && n < taskq_max_queues)
			copies[n++] = *state;
	queue_state_unlock();
	for (int i = 0; i < n; i++)
		put_statistics(fcinfo, &copies[i]);
	pfree(copies);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_stat_reset);

/* taskq.stat_reset(task_queue) returns void; NULL = all queues */
Datum
taskq_stat_reset(PG_FUNCTION_ARGS)
{
	text	   *task_queue = arg_text(fcinfo, 0);
	HASH_SEQ_STATUS scan;
	QueueState *state;
	TimestampTz now = GetCurrentTimestamp();
	QueueKey	key = {0};

	begin_writing("taskq.stat_reset()");
	if (task_queue != NULL)
		key = queue_key(check_queue_name(task_queue));
	queue_state_lock(LW_EXCLUSIVE);
	hash_seq_init(&scan, queue_states);
	while ((state = hash_seq_search(&scan)) != NULL)
		if (state->key.database == MyDatabaseId &&
			(task_queue == NULL || state->key.hash == key.hash))
		{
			memset(state->counters, 0, sizeof(state->counters));
			state->stats_reset = now;
		}
	queue_state_unlock();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_worker_status);

/*
 * taskq.worker_status() returns (pid, state): the background worker of this
 * database, for taskq.health
 */
Datum
taskq_worker_status(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		[WORKER_UNKNOWN] = "starting",
		[WORKER_STARTING] = "starting",
		[WORKER_RUNNING] = "running",
		[WORKER_ABSENT] = "starting",
		[WORKER_FAILED] = "failed",
	};
	DatabaseSlot *slot;
	Datum		values[2];
	bool		nulls[2] = {false};

	slot = RecoveryInProgress() ? NULL : shmem_my_slot();
	values[0] = Int32GetDatum(slot ? slot->worker_pid : 0);
	nulls[0] = slot == NULL || slot->worker_pid == 0;
	values[1] = CStringGetTextDatum(control == NULL ? "not loaded" :
									RecoveryInProgress() ? "standby" :
									slot == NULL ? "no slot" : names[slot->state]);
	InitMaterializedSRF(fcinfo, 0);
	put_row(fcinfo, values, nulls);
	return (Datum) 0;
}
