/*
 * workflow_read.c
 *		What is read of workflows: workflow_history, workflow_run, workflow_outcome,
 *		describe_workflow, pending_activity.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/compat.h"
#include "calls/args.h"
#include "calls/history_text.h"
#include "calls/workflow_args.h"
#include "common/proto_events.h"
#include "engine/refusal.h"
#include "engine/run_refusal.h"
#include "model/options.h"
#include "store/catalog.h"
#include "store/extension.h"
#include "store/find_run.h"

/* ------------------------------------------------------------------------
 * History
 * ------------------------------------------------------------------------
 */

static Size
put_event(void *arg, const HistoryEvent *event)
{
	const ProtoKind *kind = proto_event_kind(event->type);
	Datum		values[6];
	bool		nulls[lengthof(values)] = {false};

	values[0] = Int64GetDatum(event->event_id);
	values[1] = TimestampTzGetDatum(event->time);
	values[2] = CStringGetTextDatum(kind->name);
	values[3] = PointerGetDatum(event->attributes);
	nulls[4] = event->user_metadata == NULL;
	values[4] = PointerGetDatum(event->user_metadata);
	nulls[5] = event->extra == NULL;
	values[5] = PointerGetDatum(event->extra);
	put_row((FunctionCallInfo) arg, values, nulls, lengthof(values));
	return VARSIZE(event->attributes);
}

PG_FUNCTION_INFO_V1(taskq_workflow_history);

/*
 * taskq.workflow_history(run_id, after_event_id, until_event_id, max_bytes,
 *	 newest_first) returns setof event
 */
Datum
taskq_workflow_history(PG_FUNCTION_ARGS)
{
	HistoryPage page;
	NamedRun	named;

	begin_reading();
	require_arg(fcinfo, 0, "run_id");
	named_run_find(NULL, arg_run_id(fcinfo, 0), &named);
	page = history_of(&named);
	page.after = arg_is_null(fcinfo, 1) ? 0 : PG_GETARG_INT64(1);
	page.until = arg_is_null(fcinfo, 2) ? 0 : PG_GETARG_INT64(2);
	page.max_bytes = arg_is_null(fcinfo, 3) ? 0 : PG_GETARG_INT32(3);
	page.newest_first = arg_bool(fcinfo, 4);
	if (page.max_bytes < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_bytes must not be negative")));
	begin_result(fcinfo);
	if (!arg_is_null(fcinfo, 2) && page.until < 1)
		return (Datum) 0;
	history_page(&page, put_event, fcinfo);
	history_check_there(&page);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_run_events);

/*
 * taskq.run_events(run_id) returns setof event: for a view, whose snapshot shows the
 * run; raises 40001 if it is gone, or the view would show a run without its events.
 */
Datum
taskq_run_events(PG_FUNCTION_ARGS)
{
	HistoryPage page;
	NamedRun	named;

	begin_reading();
	InitMaterializedSRF(fcinfo, 0);
	if (!named_run_look(NULL, PG_GETARG_INT64(0), &named))
		raise_history_gone(PG_GETARG_INT64(0));
	page = history_of(&named);
	history_page(&page, put_event, fcinfo);
	history_check_there(&page);
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Runs
 * ------------------------------------------------------------------------
 */

/* all of it in one statement, so as of one instant */
static const char description_query[] =
"SELECT pg_catalog.row_to_json(d) FROM ("
" SELECT w.*,"
" COALESCE((SELECT pg_catalog.json_agg(pg_catalog.row_to_json(a) ORDER BY a.scheduled_event_id USING OPERATOR(pg_catalog.<))"
"  FROM (SELECT * FROM taskq.activities v WHERE v.workflow_run_id OPERATOR(pg_catalog.=) $1) a), '[]') AS activities,"
" COALESCE((SELECT pg_catalog.json_agg(pg_catalog.row_to_json(t) ORDER BY t.started_event_id USING OPERATOR(pg_catalog.<))"
"  FROM (SELECT v.timer_id, v.started_event_id, v.fire_time FROM taskq.workflow_timers v WHERE v.run_id OPERATOR(pg_catalog.=) $1) t), '[]') AS timers,"
" '[]'::pg_catalog.json AS children"
" FROM taskq.workflows w WHERE w.run_id OPERATOR(pg_catalog.=) $1) d";

/* what names a run in reading calls: workflow_id, run_id */
static void
arg_named(FunctionCallInfo fcinfo, NamedRun *named)
{
	if (arg_is_null(fcinfo, 0) && arg_is_null(fcinfo, 1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("neither workflow_id nor run_id is set")));
	named_run_find(arg_text(fcinfo, 0), arg_run_id(fcinfo, 1), named);
}

PG_FUNCTION_INFO_V1(taskq_workflow_run);

/* taskq.workflow_run(workflow_id) returns the run_id of the latest run */
Datum
taskq_workflow_run(PG_FUNCTION_ARGS)
{
	NamedRun	named;

	begin_reading();
	require_arg(fcinfo, 0, "workflow_id");
	named_run_find(arg_text(fcinfo, 0), 0, &named);
	PG_RETURN_INT64(named.run_id);
}

/* the run that the closed one went on as, and so on, as far as they are kept */
static void
follow(NamedRun *named)
{
	NamedRun	next;

	while (!named->is_open && named->closed.next_run_id != 0 &&
		   named_run_look(NULL, named->closed.next_run_id, &next))
	{
		CHECK_FOR_INTERRUPTS();
		*named = next;
	}
}

PG_FUNCTION_INFO_V1(taskq_workflow_outcome);

/* taskq.workflow_outcome(workflow_id, run_id, follow_runs) returns one row */
Datum
taskq_workflow_outcome(PG_FUNCTION_ARGS)
{
	NamedRun	named;
	Datum		values[4];
	bool		nulls[4];

	begin_reading();
	arg_named(fcinfo, &named);
	if (arg_bool(fcinfo, 2))
		follow(&named);
	outcome_values(&named, values, nulls);
	begin_result(fcinfo);
	put_row(fcinfo, values, nulls, lengthof(values));
	return (Datum) 0;
}

/* a run and what it waits for, as one JSON object; NULL if it is gone */
static text *
read_description(int64 run_id)
{
	static SPIPlanPtr kept = NULL;
	Oid			type = INT8OID;
	Datum		argument = Int64GetDatum(run_id);
	MemoryContext context = CurrentMemoryContext;
	text	   *description = NULL;
	OwnerSwitch saved;

	owner_begin(&saved);
	SPI_connect();
	if (kept == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(description_query, 1, &type);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare to read taskq.workflows");
		kept = plan;
	}
	if (SPI_execute_plan(kept, &argument, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read taskq.workflows");
	if (SPI_processed > 0)
	{
		char	   *json = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		MemoryContext old_context = MemoryContextSwitchTo(context);

		description = cstring_to_text(json);
		MemoryContextSwitchTo(old_context);
	}
	SPI_finish();
	owner_end(&saved);
	return description;
}

PG_FUNCTION_INFO_V1(taskq_describe_workflow);

/* taskq.describe_workflow(workflow_id, run_id) returns json */
Datum
taskq_describe_workflow(PG_FUNCTION_ARGS)
{
	NamedRun	named;
	text	   *description;

	begin_reading();
	arg_named(fcinfo, &named);
	description = read_description(named.run_id);
	if (description == NULL)
		raise_workflow_not_found(arg_text(fcinfo, 0), named.run_id);
	PG_RETURN_TEXT_P(description);
}

PG_FUNCTION_INFO_V1(taskq_pending_activity);

/* taskq.pending_activity(workflow_id, activity_id, workflow_run_id) returns its run_id */
Datum
taskq_pending_activity(PG_FUNCTION_ARGS)
{
	Activity	activity;
	Run			run;
	int64		run_id;

	begin_reading();
	require_arg(fcinfo, 0, "workflow_id");
	require_arg(fcinfo, 1, "activity_id");
	check_name_length(arg_text(fcinfo, 1), "activity ID");
	run_id = open_run_named(arg_text(fcinfo, 0), arg_run_id(fcinfo, 2), &run);
	if (!find_activity_of_run(run_id, arg_text(fcinfo, 1), &activity))
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_NOT_FOUND),
				 errmsg("activity not found for ID: %s", text_to_cstring(arg_text(fcinfo, 1))),
				 errword(WORD_UNKNOWN),
				 errdetail_internal("%s", facts_of_open_run(&run))));
	PG_RETURN_INT64(activity.task.run_id);
}
