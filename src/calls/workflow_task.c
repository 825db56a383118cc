/*
 * workflow_task.c
 *		What workers of workflows poll: poll_workflow_task, and rows of it.
 *
 * What is handed out is decided in claim.c, as for activities.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "base/json.h"
#include "base/settings.h"
#include "calls/args.h"
#include "calls/history_text.h"
#include "calls/poll.h"
#include "calls/queue_kinds.h"
#include "calls/workflow_task.h"
#include "engine/claim.h"
#include "engine/run_token.h"
#include "engine/run_uuid.h"
#include "model/options.h"
#include "model/run_step.h"
#include "store/catalog.h"

enum
{
	FIELD_TASK_TOKEN,
	FIELD_RUN_ID,
	FIELD_RUN_UUID,
	FIELD_WORKFLOW_ID,
	FIELD_WORKFLOW_TYPE,
	FIELD_TASK_QUEUE,
	FIELD_ATTEMPT,
	FIELD_PREVIOUS_STARTED_EVENT_ID,
	FIELD_STARTED_EVENT_ID,
	FIELD_SCHEDULED_TIME,
	FIELD_STARTED_TIME,
	FIELD_HISTORY,
	FIELD_TRANSIENT,
	FIELD_QUERY,
	FIELD_QUERIES,
	FIELD_MESSAGES,
	FIELD_NEXT_EVENT_ID
};

StaticAssertDecl(FIELD_NEXT_EVENT_ID + 1 == WORKFLOW_TASK_FIELDS, "each field is known");

/* the history that the worker gets: all of it, or what its cache does not have */
static text *
history(const Run *run, bool from_sticky, int64 *next_event_id)
{
	HistoryPage page = {0};
	StringInfoData json;
	text	   *result;

	page.run_id = run->task.run_id;
	page.run = run;
	page.is_open = true;
	page.after = from_sticky ? run->previous_started_event_id : 0;
	page.max_bytes = (int64) taskq_max_history_page * 1024;
	initStringInfo(&json);
	history_page_text(&page, &json);
	*next_event_id = page.next_event_id;
	result = cstring_to_text_with_len(json.data, json.len);
	pfree(json.data);
	return result;
}

/* the two events of an attempt that are not part of the history */
static Jsonb *
transient(const Run *run)
{
	HistoryEvent events[2];
	StringInfoData json;

	run_synthetic_events(run, &events[0], &events[1]);
	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	history_event_text(&json, &events[0]);
	appendStringInfoChar(&json, ',');
	history_event_text(&json, &events[1]);
	appendStringInfoChar(&json, ']');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* workflow_task_values: what the worker of a started task gets. */
void
workflow_task_values(const Run *run, bool from_sticky, Datum *values, bool *nulls)
{
	bool		is_transient = run_task_is_transient(run);
	int64		next_event_id;

	memset(nulls, false, WORKFLOW_TASK_FIELDS * sizeof(bool));
	values[FIELD_TASK_TOKEN] = UUIDPGetDatum(run_token_make(run->task.run_id, run->task.nonce));
	values[FIELD_RUN_ID] = Int64GetDatum(run->task.run_id);
	values[FIELD_RUN_UUID] = UUIDPGetDatum(run_uuid_make(run->task.run_id));
	values[FIELD_WORKFLOW_ID] = PointerGetDatum(run->workflow_id);
	values[FIELD_WORKFLOW_TYPE] = PointerGetDatum(run->workflow_type);
	values[FIELD_TASK_QUEUE] = PointerGetDatum(queue_shown(run->task.queue));
	values[FIELD_ATTEMPT] = Int32GetDatum(run->task.attempt);
	values[FIELD_PREVIOUS_STARTED_EVENT_ID] = Int64GetDatum(run->previous_started_event_id);
	values[FIELD_STARTED_EVENT_ID] = Int64GetDatum(is_transient ? run->next_event_id + 1 :
												   run->started_event_id);
	values[FIELD_SCHEDULED_TIME] = TimestampTzGetDatum(run->task.schedule_time);
	values[FIELD_STARTED_TIME] = TimestampTzGetDatum(run->task.started_time);
	values[FIELD_HISTORY] = PointerGetDatum(history(run, from_sticky, &next_event_id));
	nulls[FIELD_TRANSIENT] = !is_transient;
	if (is_transient)
		values[FIELD_TRANSIENT] = PointerGetDatum(transient(run));
	nulls[FIELD_QUERY] = nulls[FIELD_QUERIES] = nulls[FIELD_MESSAGES] = true;
	nulls[FIELD_NEXT_EVENT_ID] = next_event_id == 0;
	values[FIELD_NEXT_EVENT_ID] = Int64GetDatum(next_event_id);
}

/* workflow_task_datum: the same as one value of the type. */
Datum
workflow_task_datum(const Run *run, bool from_sticky)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum("workflow_task"),
									   ObjectIdGetDatum(catalog()->namespace));
	TupleDesc	desc = lookup_rowtype_tupdesc(type, -1);
	Datum		values[WORKFLOW_TASK_FIELDS];
	bool		nulls[WORKFLOW_TASK_FIELDS];
	HeapTuple	tuple;

	Assert(desc->natts == WORKFLOW_TASK_FIELDS);
	workflow_task_values(run, from_sticky, values, nulls);
	tuple = heap_form_tuple(desc, values, nulls);
	ReleaseTupleDesc(desc);
	return HeapTupleGetDatum(tuple);
}

/* A poll in progress. */
typedef struct WorkflowPoll
{
	FunctionCallInfo fcinfo;
	bool		sticky;
} WorkflowPoll;

static void
put_task(void *arg, const Task *task, bool started_before)
{
	WorkflowPoll *poll = arg;
	Datum		values[WORKFLOW_TASK_FIELDS];
	bool		nulls[WORKFLOW_TASK_FIELDS];

	workflow_task_values((const Run *) task, poll->sticky, values, nulls);
	put_row(poll->fcinfo, values, nulls, WORKFLOW_TASK_FIELDS);
}

/* arg_sticky_queue: the name of a worker's private queue, or NULL. */
text *
arg_sticky_queue(FunctionCallInfo fcinfo, int n)
{
	text	   *name = arg_text(fcinfo, n);

	return name == NULL || VARSIZE_ANY_EXHDR(name) == 0 ? NULL : check_queue_name(name);
}

PG_FUNCTION_INFO_V1(taskq_poll_workflow_task);

/*
 * taskq.poll_workflow_task(task_queue, identity, max_tasks, sticky_for)
 *	 returns setof taskq.workflow_task
 */
Datum
taskq_poll_workflow_task(PG_FUNCTION_ARGS)
{
	ClaimRequest request = {0};
	WorkflowPoll poll = {fcinfo, arg_sticky_queue(fcinfo, 3) != NULL};

	begin_writing("taskq.poll_workflow_task()");
	require_arg(fcinfo, 0, "task_queue");
	request.queue = queue_ref(queue_of_worker(check_queue_name(arg_text(fcinfo, 0)), QUEUE_OF_WORKFLOWS,
											  arg_text(fcinfo, 3)));
	request.identity = arg_identity(fcinfo, 1);
	if (request.identity == NULL)
		request.identity = default_identity();
	require_arg(fcinfo, 2, "max_tasks");
	request.max_tasks = (int) Max(Min(PG_GETARG_INT64(2), PG_INT32_MAX), 0);
	if (request.max_tasks < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_tasks must be at least 1")));
	poll_remember_identity(request.identity);
	begin_result(fcinfo);
	claim_tasks(&request, put_task, &poll);
	return (Datum) 0;
}
