/*
 * toy.c
 *		A second kind of task: with an owner, and patience in place of timeouts.
 *
 * It shows what a kind has to bring along, and that lanes, cursors, counts and
 * timers need no change for it.  A toy that is not done by schedule_time plus
 * its patience, whatever its state, is broken: its row goes, and toy.broken
 * gets one.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/clock.h"
#include "engine/claim.h"
#include "engine/tasks.h"
#include "engine/token.h"
#include "store/find.h"
#include "store/open.h"
#include "store/open_columns.h"
#include "task/kinds.h"
#include "task/queue_keys.h"

PG_MODULE_MAGIC;

#define PREFIX			RESERVED_QUEUE_PREFIX "toy/"
#define OUT_OF_PATIENCE	1		/* the only type of deadline */

typedef struct Toy
{
	Task		task;
	int64		patience;		/* us */
	text	   *owner;
} Toy;

/* ------------------------------------------------------------------------
 * The kind
 * ------------------------------------------------------------------------
 */

static void
toy_deadlines_from_row(const Datum *values, const bool *nulls, Task *task)
{
	((Toy *) task)->patience = DatumGetInt64(values[OPEN_COL_START_TO_CLOSE]);
}

static void
toy_from_row(const Datum *values, const bool *nulls, Task *task)
{
	toy_deadlines_from_row(values, nulls, task);
	((Toy *) task)->owner = DatumGetTextPP(values[OPEN_COL_SUMMARY]);
}

static void
toy_to_row(Task *task, Datum *values, bool *nulls)
{
	const Toy  *toy = (const Toy *) task;

	nulls[OPEN_COL_ACTIVITY_TYPE] = nulls[OPEN_COL_START_TO_CLOSE] =
		nulls[OPEN_COL_SUMMARY] = false;
	values[OPEN_COL_ACTIVITY_TYPE] = CStringGetTextDatum("toy");
	values[OPEN_COL_START_TO_CLOSE] = Int64GetDatum(toy->patience);
	values[OPEN_COL_SUMMARY] = PointerGetDatum(toy->owner);
}

static Deadline
toy_next_deadline(const Task *task, TimestampTz last_alive)
{
	Deadline	deadline = {OUT_OF_PATIENCE, DT_NOEND, 0};

	deadline.when = instant_add(task->schedule_time, ((const Toy *) task)->patience);
	return deadline;
}

static const char *
toy_deadline_name(int type)
{
	return "patience";
}

static const text *
toy_taken_from(Task *task)
{
	return task->queue;
}

static bool
toy_start(Task *task, const Start *start)
{
	task->state = STATE_STARTED;
	task->started_time = start->now;
	task->nonce = start->nonce;
	task->worker = cstring_to_text(start->identity);
	task->transitions++;
	return true;
}

/* in the table goes what was lost, if the row does */
static StoreResult
toy_time_out(Task *task, int type, TimestampTz now)
{
	Oid			types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID};
	Datum		values[lengthof(types)];
	StoreResult result;
	TaskQueues	queues;

	task_queues(&queues, task, task);
	result = task_delete(task, STATE_COMPLETED, &queues, false);
	if (result != STORE_OK)
		return result;
	values[0] = Int64GetDatum(task->run_id);
	values[1] = PointerGetDatum(((Toy *) task)->owner);
	values[2] = TimestampTzGetDatum(now);
	SPI_connect();
	if (SPI_execute_with_args("INSERT INTO toy.broken VALUES ($1, $2, $3)",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not tell of toy " INT64_FORMAT, task->run_id);
	SPI_finish();
	return result;
}

static const Kind toys = {
	.name = "toy",
	.prefix = PREFIX,
	.size = sizeof(Toy),
	.from_row = toy_from_row,
	.deadlines_from_row = toy_deadlines_from_row,
	.to_row = toy_to_row,
	.next_deadline = toy_next_deadline,
	.deadline_name = toy_deadline_name,
	.taken_from = toy_taken_from,
	.start = toy_start,
	.time_out = toy_time_out,
};

void		_PG_init(void);

void
_PG_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		kind_register(&toys);
}

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------
 */

static text *
toy_queue(const text *name)
{
	return cstring_to_text(psprintf(PREFIX "%s", text_to_cstring(name)));
}

PG_FUNCTION_INFO_V1(toy_schedule);

/* toy.schedule(queue text, owner text, patience interval, delay interval) returns bigint */
Datum
toy_schedule(PG_FUNCTION_ARGS)
{
	Toy			toy = {0};
	Task	   *task = &toy.task;
	QueueRef	queue = queue_ref(toy_queue(PG_GETARG_TEXT_PP(0)));

	task->queue = toy_queue(PG_GETARG_TEXT_PP(0));
	task->run_id = store_next_run_id();
	task->schedule_time = clock_now();
	task->dispatch_time = task->schedule_time + PG_GETARG_INTERVAL_P(3)->time;
	task->started_time = task->last_complete_time = DT_NOBEGIN;
	task->state = STATE_SCHEDULED;
	task->transitions = task->attempt = 1;
	task->level = DEFAULT_LEVEL;
	toy.owner = PG_GETARG_TEXT_PP(1);
	toy.patience = PG_GETARG_INTERVAL_P(2)->time;
	task->alarm = toy_next_deadline(task, DT_NOBEGIN).when;
	if (!store_insert(task))
		elog(ERROR, "there is such a toy");
	task_scheduled(&queue, task, 1);
	PG_RETURN_INT64(task->run_id);
}

static void
put_toy(void *arg, const Task *task, bool started_before)
{
	ReturnSetInfo *result = (ReturnSetInfo *) ((FunctionCallInfo) arg)->resultinfo;
	Datum		values[4];
	bool		nulls[lengthof(values)] = {false};

	values[0] = UUIDPGetDatum(token_make(task->run_id, task->nonce));
	values[1] = Int64GetDatum(task->run_id);
	values[2] = PointerGetDatum(((const Toy *) task)->owner);
	values[3] = PointerGetDatum(task->worker);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(toy_poll);

/* toy.poll(queue text, identity text, max_tasks int) returns setof (token uuid, run_id bigint, owner text, worker text) */
Datum
toy_poll(PG_FUNCTION_ARGS)
{
	ClaimRequest request = {0};

	request.queue = queue_ref(toy_queue(PG_GETARG_TEXT_PP(0)));
	request.identity = text_to_cstring(PG_GETARG_TEXT_PP(1));
	request.max_tasks = PG_GETARG_INT32(2);
	InitMaterializedSRF(fcinfo, 0);
	claim_tasks(&request, put_toy, fcinfo);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(toy_complete);

/* toy.complete(token uuid) returns boolean: was it that toy's turn? */
Datum
toy_complete(PG_FUNCTION_ARGS)
{
	TaskRoom	room;
	TaskQueues	queues;
	int64		run_id;
	int64		nonce;

	if (!token_read(PG_GETARG_UUID_P(0), &run_id, &nonce))
		PG_RETURN_BOOL(false);
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!store_find_task(run_id, &room) || kind_of(&room.task) != &toys ||
			!state_in_progress(room.task.state) || room.task.nonce != nonce)
			PG_RETURN_BOOL(false);
		task_queues(&queues, &room.task, &room.task);
	} while (task_delete(&room.task, STATE_COMPLETED, &queues, true) != STORE_OK);
	PG_RETURN_BOOL(true);
}
