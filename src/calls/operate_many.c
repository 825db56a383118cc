/*
 * operate_many.c
 *		What operators do to many runs in one statement: request_cancel_many,
 *		terminate_many, pause_many, unpause_many, reset_many,
 *		update_options_many, delete_many, retry_many.
 *
 * A bulk operation never raises for one run: each run gets a row, in the order
 * of the input, with the SQLSTATE of its refusal.  Rows are worked on in the
 * order of run_id, as in the batches of workers, so that none of these can
 * deadlock with another; retry_many, which makes rows with activity ids, goes in
 * their order, as schedule_many does.
 *
 * A refusal is an answer, no error.  Errors that may come up all the same (the
 * id of a retried run is in use, a row cannot be read) need a subtransaction to
 * be caught.  One for each run would be a transaction id for each, so there is
 * one for some runs at a time; when it fails, those are done again one by one.
 * Errors that are not of one run end all of it (savepoint_try()).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/basics.h"
#include "base/compat.h"
#include "base/savepoint.h"
#include "calls/args.h"
#include "calls/operate.h"
#include "engine/enqueue.h"
#include "engine/execute.h"
#include "engine/refusal.h"
#include "store/closed.h"
#include "task/store_result.h"

/* runs per subtransaction; as many closed rows can be collected */
#define AT_A_TIME		64

StaticAssertDecl(AT_A_TIME <= STORE_BATCH, "they are collected to be written");

/* One run of the input and what became of it. */
typedef struct Entry
{
	int64		run_id;
	int			sqlstate;		/* 0 = done */
	text	   *activity_id;	/* retry_many */
	int64		new_run_id;		/* retry_many */
} Entry;

/* What is done to all runs. */
typedef struct Operation
{
	int			(*act) (Entry *entry, const struct Operation *operation,
						ClosedRows *closed_rows);	/* returns an SQLSTATE */
	Event		event;
	EventData	data;
} Operation;

/* ------------------------------------------------------------------------
 * One run
 * ------------------------------------------------------------------------
 */

static int
act_by_event(Entry *entry, const Operation *operation,
			 ClosedRows *closed_rows)
{
	EventData	data = operation->data;
	Activity	activity;
	Verdict		verdict;

	data.closed_rows = closed_rows;
	verdict = execute_control(entry->run_id, operation->event, &data,
							  &activity);
	return refusal_sqlstate(&verdict);
}

static int
act_delete(Entry *entry, const Operation *operation, ClosedRows *closed_rows)
{
	Activity	activity;
	Verdict		verdict = execute_delete(entry->run_id, &activity);

	return refusal_sqlstate(&verdict);
}

static int
act_retry(Entry *entry, const Operation *operation, ClosedRows *closed_rows)
{
	ScheduledRun again;

	operate_retry(entry->run_id, &again);
	entry->new_run_id = again.run_id;
	return 0;
}

/* ------------------------------------------------------------------------
 * Many
 * ------------------------------------------------------------------------
 */

/* What is done in one subtransaction. */
typedef struct Piece
{
	Entry	  **entries;
	int			n;
	const Operation *operation;
} Piece;

static bool
act_on(void *arg)
{
	const Piece *piece = arg;
	Entry	  **entries = piece->entries;
	ClosedRows *closed_rows = piece->n > 1 ? store_collect_closed() : NULL;

	for (int i = 0; i < piece->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0 && entries[i]->run_id == entries[i - 1]->run_id)
			store_insert_collected(closed_rows);	/* it is judged again */
		entries[i]->sqlstate = piece->operation->act(entries[i], piece->operation,
													 closed_rows);
	}
	if (closed_rows != NULL)
		store_insert_collected(closed_rows);
	return true;
}

static int
try_on(Entry **entries, int n, const Operation *operation)
{
	Piece		piece = {entries, n, operation};
	ErrorData  *error = savepoint_try(act_on, &piece);

	return error != NULL ? error->sqlerrcode : 0;
}

/* all entries, in this order */
static void
operate_on_all(Entry **entries, int count, const Operation *operation)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "taskq bulk operation",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);

	for (int done = 0; done < count; done += AT_A_TIME)
	{
		int			n = Min(AT_A_TIME, count - done);

		if (try_on(entries + done, n, operation) != 0)
		{
			for (int i = done; i < done + n; i++)
			{
				int			sqlstate = try_on(entries + i, 1, operation);

				if (sqlstate != 0)
					entries[i]->sqlstate = sqlstate;
			}
		}
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

static Entry *
read_runs(FunctionCallInfo fcinfo, int *count)
{
	Datum	   *runs = arg_elements(fcinfo, 0, INT8OID, "run_ids", count);
	Entry	   *entries = palloc0(sizeof(Entry) * Max(*count, 1));

	for (int i = 0; i < *count; i++)
		entries[i].run_id = DatumGetInt64(runs[i]);
	return entries;
}

static int
compare_run_ids(const void *a, const void *b)
{
	const Entry *x = *(Entry *const *) a;
	const Entry *y = *(Entry *const *) b;

	if (x->run_id != y->run_id)
		return x->run_id < y->run_id ? -1 : 1;
	return x < y ? -1 : x > y;	/* as given */
}

static int
compare_activity_ids(const void *a, const void *b)
{
	const Entry *x = *(Entry *const *) a;
	const Entry *y = *(Entry *const *) b;
	int			order = enqueue_compare_ids(x->activity_id, y->activity_id);

	return order != 0 ? order : compare_run_ids(a, b);
}

static Entry **
in_order(Entry *entries, int count,
		 int (*compare) (const void *a, const void *b))
{
	Entry	  **order = palloc(sizeof(Entry *) * Max(count, 1));

	for (int i = 0; i < count; i++)
		order[i] = &entries[i];
	qsort(order, count, sizeof(Entry *), compare);
	return order;
}

static void
put_entry(FunctionCallInfo fcinfo, const Entry *entry, bool has_new_run)
{
	Datum		values[4] = {0};
	bool		nulls[4] = {false};

	values[0] = Int64GetDatum(entry->run_id);
	values[1] = BoolGetDatum(entry->sqlstate == 0);
	nulls[2] = entry->sqlstate == 0;
	if (!nulls[2])
		values[2] = CStringGetTextDatum(unpack_sql_state(entry->sqlstate));
	nulls[3] = !has_new_run || entry->sqlstate != 0;
	values[3] = Int64GetDatum(entry->new_run_id);
	put_row(fcinfo, values, nulls, has_new_run ? 4 : 3);
}

/* the whole of a call but for its options */
static Datum
operate_many(FunctionCallInfo fcinfo, const Operation *operation)
{
	int			count;
	Entry	   *entries = read_runs(fcinfo, &count);

	operate_on_all(in_order(entries, count, compare_run_ids), count,
				   operation);
	begin_result(fcinfo);
	for (int i = 0; i < count; i++)
		put_entry(fcinfo, &entries[i], false);
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------
 */

static Datum
operate_by_event(FunctionCallInfo fcinfo, const char *call, Event event)
{
	Operation	operation = {.act = act_by_event, .event = event};

	begin_writing(call);
	operate_arguments(fcinfo, 1, event, &operation.data);
	return operate_many(fcinfo, &operation);
}

PG_FUNCTION_INFO_V1(taskq_request_cancel_many);

/* taskq.request_cancel_many(run_ids, reason, identity, request_id) */
Datum
taskq_request_cancel_many(PG_FUNCTION_ARGS)
{
	return operate_by_event(fcinfo, "taskq.request_cancel_many()",
							EVENT_REQUEST_CANCEL);
}

PG_FUNCTION_INFO_V1(taskq_terminate_many);

/* taskq.terminate_many(run_ids, reason, identity, request_id) */
Datum
taskq_terminate_many(PG_FUNCTION_ARGS)
{
	return operate_by_event(fcinfo, "taskq.terminate_many()", EVENT_TERMINATE);
}

PG_FUNCTION_INFO_V1(taskq_pause_many);

/* taskq.pause_many(run_ids, reason, identity, request_id) */
Datum
taskq_pause_many(PG_FUNCTION_ARGS)
{
	return operate_by_event(fcinfo, "taskq.pause_many()", EVENT_PAUSE);
}

PG_FUNCTION_INFO_V1(taskq_unpause_many);

/*
 * taskq.unpause_many(run_ids, reason, identity, request_id, jitter,
 *	 skip_backoff)
 */
Datum
taskq_unpause_many(PG_FUNCTION_ARGS)
{
	return operate_by_event(fcinfo, "taskq.unpause_many()", EVENT_UNPAUSE);
}

PG_FUNCTION_INFO_V1(taskq_reset_many);

/*
 * taskq.reset_many(run_ids, identity, request_id, keep_paused,
 *	 reset_heartbeat, restore_original_options, jitter)
 */
Datum
taskq_reset_many(PG_FUNCTION_ARGS)
{
	return operate_by_event(fcinfo, "taskq.reset_many()", EVENT_RESET);
}

PG_FUNCTION_INFO_V1(taskq_update_options_many);

/*
 * taskq.update_options_many(run_ids, options, restore_original, identity,
 *	 request_id)
 */
Datum
taskq_update_options_many(PG_FUNCTION_ARGS)
{
	return operate_by_event(fcinfo, "taskq.update_options_many()",
							EVENT_UPDATE_OPTIONS);
}

PG_FUNCTION_INFO_V1(taskq_delete_many);

/* taskq.delete_many(run_ids) */
Datum
taskq_delete_many(PG_FUNCTION_ARGS)
{
	Operation	operation = {.act = act_delete};

	begin_writing("taskq.delete_many()");
	return operate_many(fcinfo, &operation);
}

/* the activity ids of closed runs; the rest of their rows is not kept */
static void
read_activity_ids(Entry *entries, int count)
{
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "taskq retry_many",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = CurrentMemoryContext;

	for (int i = 0; i < count; i++)
	{
		Activity	activity;
		bool		found;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(row_context);
		found = store_find_closed(entries[i].run_id, &activity);
		MemoryContextSwitchTo(old_context);
		if (found && activity.activity_id != NULL)
			entries[i].activity_id =
				DatumGetTextPCopy(PointerGetDatum(activity.activity_id));
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
}

PG_FUNCTION_INFO_V1(taskq_retry_many);

/* taskq.retry_many(run_ids) returns setof (run_id, ok, error, new_run_id) */
Datum
taskq_retry_many(PG_FUNCTION_ARGS)
{
	Operation	operation = {.act = act_retry};
	Entry	   *entries;
	int			count;

	begin_writing("taskq.retry_many()");
	entries = read_runs(fcinfo, &count);
	read_activity_ids(entries, count);
	operate_on_all(in_order(entries, count, compare_activity_ids), count,
				   &operation);
	begin_result(fcinfo);
	for (int i = 0; i < count; i++)
		put_entry(fcinfo, &entries[i], true);
	return (Datum) 0;
}
