/*
 * queue_views.c
 *		What the views of queues show of shared memory: rates and limits,
 *		pollers, statistics.
 *
 * Each function copies what it needs under the lock and builds its rows after
 * it.  On a standby shared memory knows nothing, and when taskq is not
 * preloaded there is none: the views then show what the tables hold.  Counts
 * are in queue_counts.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/settings.h"
#include "calls/args.h"
#include "calls/queue_kinds.h"
#include "common/lengths.h"
#include "engine/admission.h"
#include "engine/queue_config.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "task/queue_keys.h"

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

/* lock one queue, *key becomes its key, or all (NULL) */
static void
lock_queues(const text *one_queue, LWLockMode mode, QueueKey *key)
{
	if (one_queue == NULL)
		queue_state_lock_all(mode);
	else
	{
		*key = queue_key(one_queue);
		queue_state_lock(key, mode);
	}
}

/* of what is so locked the queue after "previous" (NULL = the first), or NULL */
static QueueState *
next_wanted(const text *one_queue, const QueueKey *key, QueueState *previous)
{
	QueueState *state = previous;

	if (one_queue != NULL)
		return previous == NULL ? queue_state_find(key) : NULL;
	while ((state = queue_state_next(state)) != NULL &&
		   state->key.database != MyDatabaseId)
		;
	return state;
}

/* a copy of the state of a queue; false when there is none */
static bool
copy_state(const QueueKey *key, QueueState *copy)
{
	QueueState *state;

	queue_state_lock(key, LW_SHARED);
	state = queue_state_find(key);
	if (state != NULL)
		*copy = *state;
	queue_state_unlock();
	return state != NULL;
}

PG_FUNCTION_INFO_V1(taskq_queue_rates);

/*
 * taskq.queue_rates(task_queue, kind) returns (add_rate, dispatch_rate, rate_limit,
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
	QueueRef	queue = queue_ref(queue_of_kind(PG_GETARG_TEXT_PP(0), arg_queue_kind(fcinfo, 1)));
	QueueState *state = palloc0(sizeof(QueueState));
	double		rate = 0;
	const QueueConfig *config = NULL;
	RateSource	source = RATE_NONE;
	Datum		values[5];
	bool		nulls[5] = {false};

	StaticAssertStmt(lengthof(sources) == RATE_SYSTEM + 1,
					 "each has a name");
	if (control != NULL)
	{
		(void) copy_state(&queue.key, state);
		config = queue_config(&queue);
		source = admission_rate(config, state->worker_rate, &rate);
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
	put_row(fcinfo, values, nulls, lengthof(values));
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
	char		name[MAX_QUEUE_NAME_LENGTH];
} PollerCopy;

/*
 * Pollers of this database, or of one queue, that were seen of late, with their
 * queue's name.
 */
static List *
copy_pollers(const text *one_queue)
{
	MemoryContext context = CurrentMemoryContext;
	PollerState *poller = NULL;
	PollerCopy *copies;
	List	   *list = NIL;
	TimestampTz now = GetCurrentTimestamp();
	QueueKey	wanted;
	int			n = 0;

	copies = MemoryContextAllocHuge(context,
									taskq_max_pollers * sizeof(PollerCopy));
	lock_queues(one_queue, LW_SHARED, &wanted);
	while ((poller = poller_state_next(poller)) != NULL)
	{
		QueueKey	key = {0};
		QueueState *queue;

		if (poller->key.database != MyDatabaseId ||
			(one_queue != NULL && poller->key.queue_hash != wanted.hash) ||
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

static void
put_pollers(FunctionCallInfo fcinfo, const text *one_queue)
{
	ListCell   *cell;

	foreach(cell, copy_pollers(one_queue))
	{
		PollerCopy *copy = lfirst(cell);
		Datum		values[6];
		bool		nulls[6] = {false};

		if (!put_queue_name(copy->name, copy->name_length, &values[0], &values[5]))
			continue;
		values[1] = CStringGetTextDatum(copy->poller.identity);
		values[2] = TimestampTzGetDatum(copy->poller.last_access);
		values[3] = Float8GetDatum(copy->poller.rate);
		nulls[3] = copy->poller.rate == 0;
		values[4] = BoolGetDatum(copy->poller.waiting > 0);
		put_row(fcinfo, values, nulls, lengthof(values));
	}
}

PG_FUNCTION_INFO_V1(taskq_poller_states);

/*
 * taskq.poller_states(one_queue) returns setof (task_queue, identity,
 *	 last_access_time, rate_per_second, waiting, kind); NULL = of all queues
 */
Datum
taskq_poller_states(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	if (control != NULL)
		put_of_queues(fcinfo, put_pollers);
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

/* shown first: COUNT_ADDED is only there for the rates, COUNT_RELEASED is last */
#define SHOWN_COUNTERS	COUNT_ADDED
#define STAT_COLUMNS	(1 + SHOWN_COUNTERS + 5)

static void
put_statistics(FunctionCallInfo fcinfo, const QueueState *state)
{
	Datum		values[STAT_COLUMNS];
	bool		nulls[STAT_COLUMNS] = {false};
	int			i = 1;

	if (!put_queue_name(state->name, state->name_length, &values[0],
						&values[STAT_COLUMNS - 1]))
		return;
	for (int counter = 0; counter < SHOWN_COUNTERS; counter++)
		values[i++] = Int64GetDatum(state->counters[counter]);
	values[i++] = histogram_datum(&state->counters[COUNT_SCHEDULE_TO_START_FIRST]);
	values[i++] = histogram_datum(&state->counters[COUNT_EXECUTION_FIRST]);
	values[i++] = TimestampTzGetDatum(state->stats_reset);
	values[i++] = Int64GetDatum(state->counters[COUNT_RELEASED]);
	Assert(i == STAT_COLUMNS - 1);
	put_row(fcinfo, values, nulls, lengthof(values));
}

static void
put_statistics_of(FunctionCallInfo fcinfo, const text *one_queue)
{
	int			max = one_queue == NULL ? taskq_max_queues : 1;
	QueueState *copies;
	QueueState *state = NULL;
	QueueKey	key;
	int			n = 0;

	copies = MemoryContextAllocHuge(CurrentMemoryContext,
									max * sizeof(QueueState));
	lock_queues(one_queue, LW_SHARED, &key);
	while ((state = next_wanted(one_queue, &key, state)) != NULL && n < max)
		copies[n++] = *state;
	queue_state_unlock();
	for (int i = 0; i < n; i++)
		put_statistics(fcinfo, &copies[i]);
	pfree(copies);
}

PG_FUNCTION_INFO_V1(taskq_queue_statistics);

/*
 * taskq.queue_statistics(one_queue) returns setof rows of taskq.stat_task_queues;
 *	 NULL = of all queues
 */
Datum
taskq_queue_statistics(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	if (control != NULL)
		put_of_queues(fcinfo, put_statistics_of);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_stat_reset);

/* taskq.stat_reset(task_queue, kind) returns void; NULL = all queues, of all kinds */
Datum
taskq_stat_reset(PG_FUNCTION_ARGS)
{
	text	   *task_queue = NULL;
	QueueState *state = NULL;
	TimestampTz now = GetCurrentTimestamp();
	QueueKey	key;

	begin_writing("taskq.stat_reset()");
	if (!arg_is_null(fcinfo, 0))
		task_queue = arg_queue(fcinfo, 0, 1);
	lock_queues(task_queue, LW_EXCLUSIVE, &key);
	while ((state = next_wanted(task_queue, &key, state)) != NULL)
	{
		memset(state->counters, 0, sizeof(state->counters));
		state->stats_reset = now;
	}
	queue_state_unlock();
	PG_RETURN_VOID();
}
