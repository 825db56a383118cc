/*
 * report_batch.c
 *		What workers report of many attempts at once: complete_many, fail_many,
 *		release_many, heartbeat_many, complete_and_poll.
 *
 * A batch never raises for a stale token: each token gets a row, in the order
 * of the input.  Rows are worked on in the order of run_id, so that two
 * batches with the same tokens cannot deadlock; a token that is given twice is
 * judged in the order given.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "calls/args.h"
#include "calls/poll.h"
#include "calls/report.h"
#include "engine/refusal.h"
#include "engine/token.h"
#include "store/closed.h"
#include "task/store_result.h"

/* One token of a batch and what became of it. */
typedef struct Entry
{
	Datum		token;
	int64		run_id;			/* what the token claims */
	struct varlena *payload;
	bool		ok;
	RetryState	retry_state;
	Flags		flags;
} Entry;

/* memory of reports whose closed rows are written together */
#define BYTES_AT_A_TIME	(512 * 1024)

static int
compare_entries(const void *a, const void *b)
{
	const Entry *x = *(Entry *const *) a;
	const Entry *y = *(Entry *const *) b;

	if (x->run_id != y->run_id)
		return x->run_id < y->run_id ? -1 : 1;
	return x < y ? -1 : x > y;	/* as given */
}

/* the tokens, and a payload for each unless "payload_arg" is negative */
static Entry *
read_entries(FunctionCallInfo fcinfo, int payload_arg, const char *name,
			 int *count)
{
	Datum	   *tokens = arg_tokens(fcinfo, 0, count);
	Entry	   *entries = palloc0(sizeof(Entry) * Max(*count, 1));

	for (int i = 0; i < *count; i++)
	{
		int64		nonce;

		entries[i].token = tokens[i];
		(void) token_read(DatumGetUUIDP(tokens[i]), &entries[i].run_id, &nonce);
	}
	if (payload_arg >= 0 && !PG_ARGISNULL(payload_arg))
	{
		bool	   *nulls;
		int			n;
		Datum	   *payloads = arg_array(fcinfo, payload_arg, JSONBOID, name,
										 &nulls, &n);

		if (n != *count)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("task_tokens and %s must have the same length", name),
					 errdetail("There are %d task_tokens and %d %s.",
							   *count, n, name)));
		for (int i = 0; i < n; i++)
			if (!nulls[i])
				entries[i].payload = (struct varlena *) DatumGetPointer(payloads[i]);
	}
	return entries;
}

/* the order of processing: by run_id, so that two batches cannot deadlock */
static Entry **
in_run_order(Entry *entries, int count)
{
	Entry	  **order = palloc(sizeof(Entry *) * Max(count, 1));

	for (int i = 0; i < count; i++)
		order[i] = &entries[i];
	qsort(order, count, sizeof(Entry *), compare_entries);
	return order;
}

/* makes the report of an entry from what is common to all */
typedef void (*PrepareReport) (Report *report, const Entry *entry,
							   const Report *common);

/* carry out the report of an entry; what is common is warned of once */
static void
report_entry(Entry *entry, PrepareReport prepare, Report *common,
			 ClosedRows *closed_rows)
{
	Report		report;
	Activity	activity;
	Verdict		verdict;

	prepare(&report, entry, common);
	report.data.closed_rows = closed_rows;
	verdict = report_by_token(&report, entry->token, &activity);
	entry->ok = verdict.answer == ANSWER_DONE ||
		verdict.answer == ANSWER_UNCHANGED;
	entry->retry_state = verdict.retry_state;
	if (!entry->ok)
		return;
	entry->flags = report_flags(&report, &activity);
	common->oversized = common->oversized_checkpoint = NULL;
}

/*
 * Carry out one report per entry.  What was closed is written some rows at a
 * time, whose memory is kept until then.
 */
static void
report_all(Entry *entries, int count, PrepareReport prepare, Report *common)
{
	Entry	  **order = in_run_order(entries, count);
	ClosedRows *closed_rows = count > 1 ? store_collect_closed() : NULL;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "taskq batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		report_entry(order[i], prepare, common, closed_rows);
		if (i % STORE_BATCH < STORE_BATCH - 1 && i < count - 1 &&
			MemoryContextMemAllocated(context, false) < BYTES_AT_A_TIME)
			continue;
		if (closed_rows != NULL)
			store_insert_collected(closed_rows);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

static void
prepare_complete(Report *report, const Entry *entry, const Report *common)
{
	report_complete(report, false, entry->payload, common->data.identity);
}

/* the same for all */
static void
prepare_same(Report *report, const Entry *entry, const Report *common)
{
	*report = *common;
}

static void
prepare_heartbeat(Report *report, const Entry *entry, const Report *common)
{
	report_heartbeat(report, entry->payload, common->data.identity);
}

/* one row per token: was it valid? */
static void
put_verdicts(FunctionCallInfo fcinfo, const Entry *entries, int count)
{
	begin_result(fcinfo);
	for (int i = 0; i < count; i++)
	{
		Datum		values[2] = {entries[i].token, BoolGetDatum(entries[i].ok)};
		bool		nulls[2] = {false};

		put_row(fcinfo, values, nulls, lengthof(values));
	}
}

PG_FUNCTION_INFO_V1(taskq_complete_many);

/* taskq.complete_many(task_tokens, results, identity) */
Datum
taskq_complete_many(PG_FUNCTION_ARGS)
{
	Entry	   *entries;
	Report		common = {0};
	int			count;

	begin_writing("taskq.complete_many()");
	entries = read_entries(fcinfo, 1, "results", &count);
	common.data.identity = arg_identity(fcinfo, 2);
	report_all(entries, count, prepare_complete, &common);
	put_verdicts(fcinfo, entries, count);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_release_many);

/* taskq.release_many(task_tokens, delay, identity) */
Datum
taskq_release_many(PG_FUNCTION_ARGS)
{
	Entry	   *entries;
	Report		common;
	int			count;

	begin_writing("taskq.release_many()");
	entries = read_entries(fcinfo, -1, NULL, &count);
	report_release(&common, arg_delay(fcinfo, 1, "delay"), NULL,
				   arg_identity(fcinfo, 2));
	report_all(entries, count, prepare_same, &common);
	put_verdicts(fcinfo, entries, count);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_fail_many);

/* taskq.fail_many(task_tokens, message, ..., identity) */
Datum
taskq_fail_many(PG_FUNCTION_ARGS)
{
	Entry	   *entries;
	Report		common;
	int			count;

	begin_writing("taskq.fail_many()");
	entries = read_entries(fcinfo, -1, NULL, &count);
	report_arg_failure(&common, fcinfo, FAIL_IDENTITY);
	report_all(entries, count, prepare_same, &common);
	begin_result(fcinfo);
	for (int i = 0; i < count; i++)
	{
		Datum		values[3] = {entries[i].token, BoolGetDatum(entries[i].ok)};
		bool		nulls[3] = {false, false, !entries[i].ok};

		if (entries[i].ok)
			values[2] = retry_state_datum(entries[i].retry_state);
		put_row(fcinfo, values, nulls, lengthof(values));
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_heartbeat_many);

/* taskq.heartbeat_many(task_tokens, details, identity) */
Datum
taskq_heartbeat_many(PG_FUNCTION_ARGS)
{
	Entry	   *entries;
	Report		common = {0};
	int			count;

	begin_writing("taskq.heartbeat_many()");
	entries = read_entries(fcinfo, 1, "details", &count);
	common.data.identity = arg_identity(fcinfo, 2);
	report_all(entries, count, prepare_heartbeat, &common);
	begin_result(fcinfo);
	for (int i = 0; i < count; i++)
	{
		Datum		values[5] = {entries[i].token, BoolGetDatum(entries[i].ok),
			BoolGetDatum(entries[i].flags.cancel_requested),
			BoolGetDatum(entries[i].flags.activity_paused),
		BoolGetDatum(entries[i].flags.activity_reset)};
		bool		nulls[5] = {false};

		put_row(fcinfo, values, nulls, lengthof(values));
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_complete_and_poll);

/*
 * taskq.complete_and_poll(task_tokens, results, task_queue, identity,
 *	 max_tasks, max_tasks_per_second) returns setof taskq.activity_task
 */
Datum
taskq_complete_and_poll(PG_FUNCTION_ARGS)
{
	ClaimRequest request;
	Entry	   *entries;
	Report		common = {0};
	int			count;

	begin_writing("taskq.complete_and_poll()");
	entries = read_entries(fcinfo, 1, "results", &count);
	poll_arguments(fcinfo, 2, &request);
	common.data.identity = arg_identity(fcinfo, 3);
	report_all(entries, count, prepare_complete, &common);
	for (int i = 0; i < count; i++)
		if (!entries[i].ok)
			report_stale_token(WARNING, entries[i].token);
	begin_result(fcinfo);
	poll_result(fcinfo, &request);
	return (Datum) 0;
}
