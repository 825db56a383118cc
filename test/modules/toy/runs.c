/*
 * runs.c
 *		What the store keeps of runs, as SQL functions: test/t/store/runs.pl.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "store/closed_runs.h"
#include "store/find.h"
#include "store/history.h"
#include "store/inbox.h"
#include "store/open.h"
#include "store/run_requests.h"
#include "store/run_timers.h"
#include "store/search_attributes.h"

/* ------------------------------------------------------------------------
 * Histories
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(runs_append);

/* (run_id, first_event_id, attributes jsonb[]) returns int: the leaf; types are event ids */
Datum
runs_append(PG_FUNCTION_ARGS)
{
	HistoryEvent *events;
	Datum	   *elements;
	bool	   *nulls;
	Size		bytes;
	int			leaf;
	int			n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), JSONBOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	events = palloc0(n * sizeof(HistoryEvent));
	for (int i = 0; i < n; i++)
	{
		events[i].event_id = PG_GETARG_INT64(1) + i;
		events[i].type = (int) events[i].event_id;
		events[i].time = events[i].event_id * USECS_PER_SEC;
		if (!nulls[i])
			events[i].attributes = DatumGetJsonbP(elements[i]);
		if (i % 2 == 1)
			events[i].extra = events[i].attributes;
	}
	leaf = history_append(PG_GETARG_INT64(0), events, n, DT_NOEND, &bytes);
	if (bytes < (Size) n * sizeof(TimestampTz))
		elog(ERROR, "%d events take %zu bytes", n, bytes);
	PG_RETURN_INT32(leaf);
}

/* Rows that are wanted. */
typedef struct Sink
{
	ReturnSetInfo *result;
	int			left;
} Sink;

static bool
put_event(void *arg, const HistoryEvent *event)
{
	Sink	   *sink = arg;
	Datum		values[5] = {0};
	bool		nulls[lengthof(values)] = {false};

	values[0] = Int64GetDatum(event->event_id);
	values[1] = Int32GetDatum(event->type);
	values[2] = TimestampTzGetDatum(event->time);
	nulls[3] = event->attributes == NULL;
	if (!nulls[3])
		values[3] = JsonbPGetDatum(event->attributes);
	nulls[4] = event->extra == NULL;
	if (!nulls[4])
		values[4] = JsonbPGetDatum(event->extra);
	tuplestore_putvalues(sink->result->setResult, sink->result->setDesc, values, nulls);
	return --sink->left > 0;
}

PG_FUNCTION_INFO_V1(runs_read);

/* (run_id, after, until, newest_first, leaves, wanted) returns setof (event_id, event_type int, event_time, attributes, extra) */
Datum
runs_read(PG_FUNCTION_ARGS)
{
	HistoryRange range = {
		.run_id = PG_GETARG_INT64(0), .after = PG_GETARG_INT64(1),
		.until = PG_GETARG_INT64(2), .newest_first = PG_GETARG_BOOL(3),
		.leaves = PG_GETARG_INT32(4)
	};
	Sink		sink = {(ReturnSetInfo *) fcinfo->resultinfo, PG_GETARG_INT32(5)};

	InitMaterializedSRF(fcinfo, 0);
	history_read(&range, put_event, &sink);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(runs_event);

/* (run_id, event_id) returns its attributes; NULL without such an event */
Datum
runs_event(PG_FUNCTION_ARGS)
{
	HistoryEvent event;

	if (!history_event(PG_GETARG_INT64(0), 0, PG_GETARG_INT64(1), &event) ||
		event.attributes == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(event.attributes);
}

PG_FUNCTION_INFO_V1(runs_forget);

/* (run_id) returns void: nothing is left of the run but its row */
Datum
runs_forget(PG_FUNCTION_ARGS)
{
	int64		run_id = PG_GETARG_INT64(0);

	history_delete(run_id, 0);
	inbox_remove_run(run_id);
	run_timers_delete(run_id);
	run_requests_delete(run_id);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Mail, timers, requests, search attributes
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(runs_put_mail);

/* (run_id, mail) returns void */
Datum
runs_put_mail(PG_FUNCTION_ARGS)
{
	inbox_put(PG_GETARG_INT64(0), PG_GETARG_JSONB_P(1));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(runs_take_mail);

/* (run_id) returns setof jsonb, that is not there any more */
Datum
runs_take_mail(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	InboxRow   *rows;
	int			n = inbox_read(PG_GETARG_INT64(0), &rows);

	if ((n > 0) != inbox_any(PG_GETARG_INT64(0)))
		elog(ERROR, "is there mail or not?");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < n; i++)
	{
		Datum		value = JsonbPGetDatum(rows[i].mail);
		bool		null = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &null);
	}
	inbox_remove(rows, n);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(runs_next_mail);

/* (after) returns the run_id of the next run with mail; NULL without one */
Datum
runs_next_mail(PG_FUNCTION_ARGS)
{
	int64		run_id;

	if (!inbox_next_run(PG_GETARG_INT64(0), &run_id))
		PG_RETURN_NULL();
	PG_RETURN_INT64(run_id);
}

PG_FUNCTION_INFO_V1(runs_start_timer);

/* (run_id, timer_id, started_event_id, fire_time) returns the instant of the run's first timer */
Datum
runs_start_timer(PG_FUNCTION_ARGS)
{
	RunTimer	timer = {
		.run_id = PG_GETARG_INT64(0),
		.timer_id = text_to_cstring(PG_GETARG_TEXT_PP(1)),
		.started_event_id = PG_GETARG_INT64(2),
		.fire_time = PG_GETARG_TIMESTAMPTZ(3)
	};

	run_timer_insert(&timer);
	PG_RETURN_TIMESTAMPTZ(run_timers_next(timer.run_id));
}

PG_FUNCTION_INFO_V1(runs_fire_timers);

/* (run_id, until) returns setof text: the timers, which are gone */
Datum
runs_fire_timers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RunTimer   *timers;
	int			n = run_timers_due(PG_GETARG_INT64(0), PG_GETARG_TIMESTAMPTZ(1), &timers);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < n; i++)
	{
		Datum		value = CStringGetTextDatum(timers[i].timer_id);
		bool		null = false;
		RunTimer	found;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &null);
		if (!run_timer_find(timers[i].run_id, timers[i].timer_id, &found))
			elog(ERROR, "timer \"%s\" is not found by its id", timers[i].timer_id);
		run_timer_delete(&found);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(runs_remember);

/* (run_id, request_id) returns boolean: is it new? */
Datum
runs_remember(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(run_request_remember(PG_GETARG_INT64(0), PG_GETARG_TEXT_PP(1)));
}

PG_FUNCTION_INFO_V1(runs_declare);

/* (name, type) returns the type that holds */
Datum
runs_declare(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(search_attribute_declare(text_to_cstring(PG_GETARG_TEXT_PP(0)),
															  text_to_cstring(PG_GETARG_TEXT_PP(1)))));
}

/* ------------------------------------------------------------------------
 * Closed runs, and locks
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(runs_close);

/* (run_id, workflow_id, kept interval, result jsonb) returns void */
Datum
runs_close(PG_FUNCTION_ARGS)
{
	ClosedRun	closed = {0};
	Run		   *run = &closed.run;

	run->task.run_id = PG_GETARG_INT64(0);
	run->workflow_id = PG_GETARG_TEXT_PP(1);
	run->workflow_type = run->home_queue = cstring_to_text("toy");
	run->deadline = DT_NOEND;
	run->start_time = closed.close_time = clock_now();
	closed.expire_time = closed.close_time + PG_GETARG_INTERVAL_P(2)->time;
	closed.result = PG_GETARG_JSONB_P(3);
	closed.status = RUN_STATUS_CONTINUED_AS_NEW;
	closed.next_run_id = run->task.run_id + 1;
	closed_run_insert(&closed);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(runs_newest);

/* (workflow_id) returns (run_id, result) of its newest closed run */
Datum
runs_newest(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ClosedRun	newest;
	ClosedRun	same;
	Datum		values[2];
	bool		nulls[2] = {false};

	InitMaterializedSRF(fcinfo, 0);
	if (!closed_run_newest(PG_GETARG_TEXT_PP(0), &newest))
		return (Datum) 0;
	if (!closed_run_find(newest.run.task.run_id, &same) ||
		same.status != RUN_STATUS_CONTINUED_AS_NEW ||
		same.next_run_id != newest.run.task.run_id + 1)
		elog(ERROR, "the run is another by its run_id");
	values[0] = Int64GetDatum(newest.run.task.run_id);
	values[1] = JsonbPGetDatum(newest.result);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(runs_forget_closed);

/* (run_id) returns boolean: was there one? */
Datum
runs_forget_closed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(closed_run_delete(PG_GETARG_INT64(0)));
}

PG_FUNCTION_INFO_V1(runs_share);

/* (run_id, wait boolean) returns text: ok, changed, busy or gone */
Datum
runs_share(PG_FUNCTION_ARGS)
{
	static const char *const words[] = {
		[STORE_OK] = "ok", [STORE_CHANGED] = "changed", [STORE_BUSY] = "busy"
	};
	TaskRoom	room;

	if (!store_find_task(PG_GETARG_INT64(0), &room))
		PG_RETURN_TEXT_P(cstring_to_text("gone"));
	PG_RETURN_TEXT_P(cstring_to_text(words[store_share(&room.task, PG_GETARG_BOOL(1))]));
}
