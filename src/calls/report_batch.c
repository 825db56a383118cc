/*
 * report_batch.c
 *		What workers report of many attempts at once: complete_many, fail_many,
 *		fail_with_many, release_many, heartbeat_many, complete_and_poll.
 *
 * A batch never raises for one token, stale or with a failure that is none:
 * each token gets a row, in the order of the input, with the SQLSTATE of its
 * refusal.  Rows are worked on in the order of run_id, so that two
 * batches with the same tokens cannot deadlock; a token that is given twice is
 * judged in the order given.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/basics.h"
#include "base/compat.h"
#include "calls/args.h"
#include "calls/poll.h"
#include "calls/report.h"
#include "engine/owner_mail.h"
#include "engine/refusal.h"
#include "engine/run_deliver.h"
#include "engine/token.h"
#include "model/duration.h"
#include "model/failure_given.h"
#include "store/closed.h"
#include "task/store_result.h"

/* One token of a batch, what is reported of it, and what became of that. */
typedef struct Entry
{
	Datum		token;
	int64		run_id;			/* what the token claims */
	struct varlena *payload;	/* result, details, failure */
	struct varlena *checkpoint;
	int64		delay;
	const char *identity;		/* NULL = that of all */
	int			sqlstate;		/* 0 = done */
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

/* the tokens */
static Entry *
read_entries(FunctionCallInfo fcinfo, int *count)
{
	Datum	   *tokens = arg_elements(fcinfo, 0, UUIDOID, "task_tokens",
									  count);
	Entry	   *entries = palloc0(sizeof(Entry) * Max(*count, 1));

	for (int i = 0; i < *count; i++)
	{
		int64		nonce;

		entries[i].token = tokens[i];
		(void) token_read(DatumGetUUIDP(tokens[i]), &entries[i].run_id, &nonce);
	}
	return entries;
}

/* an array beside the tokens, with an element for each; NULL = not given */
static Datum *
read_beside(FunctionCallInfo fcinfo, int arg, Oid type, const char *name,
			int count, bool **nulls)
{
	return arg_beside(fcinfo, arg, type, name, "task_tokens", count, nulls);
}

static void
read_payloads(FunctionCallInfo fcinfo, int arg, const char *name,
			  Entry *entries, int count)
{
	bool	   *nulls;
	Datum	   *payloads = read_beside(fcinfo, arg, JSONBOID, name, count,
									   &nulls);

	for (int i = 0; payloads != NULL && i < count; i++)
		if (!nulls[i])
			entries[i].payload = (struct varlena *) DatumGetPointer(payloads[i]);
}

static void
read_checkpoints(FunctionCallInfo fcinfo, int arg, Entry *entries, int count)
{
	bool	   *nulls;
	Datum	   *details = read_beside(fcinfo, arg, JSONBOID,
									  "last_heartbeat_details", count, &nulls);

	for (int i = 0; details != NULL && i < count; i++)
		if (!nulls[i])
			entries[i].checkpoint = (struct varlena *) DatumGetPointer(details[i]);
}

static void
read_delays(FunctionCallInfo fcinfo, int arg, Entry *entries, int count)
{
	bool	   *nulls;
	Datum	   *delays = read_beside(fcinfo, arg, INTERVALOID,
									 "next_retry_delays", count, &nulls);

	for (int i = 0; delays != NULL && i < count; i++)
		if (!nulls[i])
			entries[i].delay =
				check_delay(duration_from_interval(DatumGetIntervalP(delays[i]),
												   "next_retry_delays"),
							"next_retry_delays");
}

static void
read_identities(FunctionCallInfo fcinfo, int arg, Entry *entries, int count)
{
	bool	   *nulls;
	Datum	   *identities = read_beside(fcinfo, arg, TEXTOID, "identities",
										 count, &nulls);

	for (int i = 0; identities != NULL && i < count; i++)
	{
		if (nulls[i])
			continue;
		check_identity(DatumGetTextPP(identities[i]), true);
		entries[i].identity = TextDatumGetCString(identities[i]);
	}
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

/*
 * Makes the report of an entry, with what is common to all.  Returns the
 * SQLSTATE of what cannot be reported, else 0.
 */
typedef int (*PrepareReport) (Report *report, const Entry *entry,
							  const Report *common);

/* carry out the report of an entry; what is common is warned of once */
static void
report_entry(Entry *entry, PrepareReport prepare, Report *common,
			 ClosedRows *closed_rows)
{
	Report		report;
	Activity	activity;
	Verdict		verdict;

	entry->sqlstate = prepare(&report, entry, common);
	if (entry->sqlstate != 0)
		return;
	report.data.closed_rows = closed_rows;
	verdict = report_by_token(&report, entry->token, &activity);
	entry->sqlstate = refusal_sqlstate(&verdict);
	entry->retry_state = verdict.retry_state;
	if (entry->sqlstate != 0)
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
	run_deliver_closes();
}

/* likewise reports that may close activities: the runs that own these come first */
static void
report_ends(Entry *entries, int count, PrepareReport prepare, Report *common)
{
	int64	   *run_ids = palloc(sizeof(int64) * Max(count, 1));

	for (int i = 0; i < count; i++)
		run_ids[i] = entries[i].run_id;
	if (count > 1)
		owner_share_all(run_ids, count);
	report_all(entries, count, prepare, common);
}

static const char *
identity_of(const Entry *entry, const Report *common)
{
	return entry->identity != NULL ? entry->identity : common->data.identity;
}

static int
prepare_complete(Report *report, const Entry *entry, const Report *common)
{
	report_complete(report, false, entry->payload, identity_of(entry, common));
	return 0;
}

static int
prepare_failure(Report *report, const Entry *entry, const Report *common)
{
	const char *fault;
	Jsonb	   *failure = entry->payload == NULL ? NULL :
		DatumGetJsonbP(PointerGetDatum(entry->payload));

	failure = failure_given(failure, &fault);
	if (fault != NULL)
		return ERRCODE_INVALID_PARAMETER_VALUE;
	report_failure(report, failure, entry->delay, entry->checkpoint,
				   identity_of(entry, common));
	return 0;
}

/* the same for all */
static int
prepare_same(Report *report, const Entry *entry, const Report *common)
{
	*report = *common;
	return 0;
}

static int
prepare_heartbeat(Report *report, const Entry *entry, const Report *common)
{
	report_heartbeat(report, entry->payload, common->data.identity);
	return 0;
}

/* ------------------------------------------------------------------------
 * Answers
 * ------------------------------------------------------------------------
 */

/* adds what a batch answers beyond token, ok and error; returns how much */
typedef int (*PutMore) (const Entry *entry, Datum *values, bool *nulls);

#define MOST_MORE	3			/* columns */

static int
put_nothing(const Entry *entry, Datum *values, bool *nulls)
{
	return 0;
}

static int
put_retry_state(const Entry *entry, Datum *values, bool *nulls)
{
	nulls[0] = entry->sqlstate != 0;
	if (!nulls[0])
		values[0] = retry_state_datum(entry->retry_state);
	return 1;
}

static int
put_flags(const Entry *entry, Datum *values, bool *nulls)
{
	values[0] = BoolGetDatum(entry->flags.cancel_requested);
	values[1] = BoolGetDatum(entry->flags.activity_paused);
	values[2] = BoolGetDatum(entry->flags.activity_reset);
	return 3;
}

/* one row per token: was it valid, what there is to say, and if not, why */
static Datum
put_answers(FunctionCallInfo fcinfo, const Entry *entries, int count,
			PutMore put_more)
{
	begin_result(fcinfo);
	for (int i = 0; i < count; i++)
	{
		int			sqlstate = entries[i].sqlstate;
		Datum		values[3 + MOST_MORE] = {entries[i].token,
		BoolGetDatum(sqlstate == 0)};
		bool		nulls[3 + MOST_MORE] = {false};
		int			n = 2 + put_more(&entries[i], values + 2, nulls + 2);

		nulls[n] = sqlstate == 0;
		if (sqlstate != 0)
			values[n] = CStringGetTextDatum(unpack_sql_state(sqlstate));
		put_row(fcinfo, values, nulls, n + 1);
	}
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(taskq_complete_many);

/* taskq.complete_many(task_tokens, results, identity, identities) */
Datum
taskq_complete_many(PG_FUNCTION_ARGS)
{
	Entry	   *entries;
	Report		common = {0};
	int			count;

	begin_writing("taskq.complete_many()");
	entries = read_entries(fcinfo, &count);
	read_payloads(fcinfo, 1, "results", entries, count);
	common.data.identity = arg_identity(fcinfo, 2);
	read_identities(fcinfo, 3, entries, count);
	report_ends(entries, count, prepare_complete, &common);
	return put_answers(fcinfo, entries, count, put_nothing);
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
	entries = read_entries(fcinfo, &count);
	report_release(&common, arg_delay(fcinfo, 1, "delay"), NULL,
				   arg_identity(fcinfo, 2));
	report_all(entries, count, prepare_same, &common);
	return put_answers(fcinfo, entries, count, put_nothing);
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
	entries = read_entries(fcinfo, &count);
	report_arg_failure(&common, fcinfo, FAIL_IDENTITY);
	report_ends(entries, count, prepare_same, &common);
	return put_answers(fcinfo, entries, count, put_retry_state);
}

PG_FUNCTION_INFO_V1(taskq_fail_with_many);

/*
 * taskq.fail_with_many(task_tokens, failures, next_retry_delays, identities,
 *	 last_heartbeat_details)
 */
Datum
taskq_fail_with_many(PG_FUNCTION_ARGS)
{
	Entry	   *entries;
	Report		common = {0};
	int			count;

	begin_writing("taskq.fail_with_many()");
	entries = read_entries(fcinfo, &count);
	require_arg(fcinfo, 1, "failures");
	read_payloads(fcinfo, 1, "failures", entries, count);
	read_delays(fcinfo, 2, entries, count);
	read_identities(fcinfo, 3, entries, count);
	read_checkpoints(fcinfo, 4, entries, count);
	report_ends(entries, count, prepare_failure, &common);
	return put_answers(fcinfo, entries, count, put_retry_state);
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
	entries = read_entries(fcinfo, &count);
	read_payloads(fcinfo, 1, "details", entries, count);
	common.data.identity = arg_identity(fcinfo, 2);
	report_all(entries, count, prepare_heartbeat, &common);
	return put_answers(fcinfo, entries, count, put_flags);
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
	entries = read_entries(fcinfo, &count);
	read_payloads(fcinfo, 1, "results", entries, count);
	poll_arguments(fcinfo, 2, &request);
	common.data.identity = arg_identity(fcinfo, 3);
	report_ends(entries, count, prepare_complete, &common);
	for (int i = 0; i < count; i++)
		if (entries[i].sqlstate != 0)
			report_stale_token(WARNING, entries[i].token);
	begin_result(fcinfo);
	poll_result(fcinfo, &request);
	return (Datum) 0;
}
