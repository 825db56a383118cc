/*
 * schedule.c
 *		taskq.schedule and taskq.schedule_many.
 *
 * Scheduling is one insert in the caller's transaction.  With an activity_id
 * it is "insert first, judge after": the unique index over open activities
 * serialises calls with the same id (an uncommitted rival is waited for), and
 * only when it finds a rival, or when closed runs matter, are the policies
 * looked at.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "args.h"
#include "catalog.h"
#include "clock.h"
#include "compat.h"
#include "effects.h"
#include "ledger.h"
#include "options.h"
#include "queue_config.h"
#include "queue_counts.h"
#include "schedule.h"
#include "schedule_args.h"
#include "store.h"

/* ------------------------------------------------------------------------
 * Scheduling
 * ------------------------------------------------------------------------
 */

static bool
same_text(const text *a, const text *b)
{
	return a != NULL && b != NULL &&
		VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static text *
stored_text(text *value)
{
	return value ? DatumGetTextPP(PointerGetDatum(value)) : NULL;
}

static void
raise_already_started(const Activity *existing)
{
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_ALREADY_STARTED),
			 errmsg("activity execution already started"),
			 errdetail("run_id is " INT64_FORMAT ", request_id is \"%s\".",
					   existing->run_id,
					   existing->request_id ?
					   text_to_cstring(existing->request_id) : "")));
}

/* what a new run starts with, as of "now" */
static void
schedule_prepare(Activity *activity, TimestampTz now)
{
	activity->schedule_time = now;
	activity->dispatch_time = activity_first_dispatch(activity);
	activity->started_time = DT_NOBEGIN;
	activity->last_complete_time = DT_NOBEGIN;
	activity->first_started_time = DT_NOBEGIN;
	activity->state = STATE_SCHEDULED;
	activity->transitions = 1;
	activity->attempt = 1;
	activity->level = options_level(&activity->options);
	activity->alarm = activity_next_deadline(activity, DT_NOBEGIN).when;
	if (activity->dispatch_time == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid StartDelay: out of range")));
}

/* inserted, but may a closed run with the same id forbid it? */
static bool
closed_run_allows(const Activity *activity, ReusePolicy reuse,
				  Activity *closed)
{
	if (reuse == REUSE_ALLOW && activity->request_id == NULL)
		return true;
	if (!store_find_closed_by_activity_id(activity->activity_id, closed))
		return true;
	if (same_text(stored_text(closed->request_id), activity->request_id))
		return false;
	if (reuse == REUSE_ALLOW ||
		(reuse == REUSE_FAILED_ONLY && closed->state != STATE_COMPLETED))
		return true;
	raise_already_started(closed);
	return false;				/* keep compiler quiet */
}

/* take back what this call has inserted */
static void
undo_insert(int64 run_id)
{
	Activity	inserted;

	if (!store_find(run_id, &inserted) ||
		store_delete(&inserted, true) != STORE_OK)
		elog(ERROR, "could not take back run " INT64_FORMAT, run_id);
}

/* an open run has the id: does the call mean that one? */
static bool
existing_run_serves(const Activity *activity, ConflictPolicy conflict,
					Activity *existing)
{
	if (!store_find_by_activity_id(activity->activity_id, existing))
		return false;			/* it is gone, try again */
	if (!same_text(stored_text(existing->request_id), activity->request_id) &&
		conflict != CONFLICT_USE_EXISTING)
		raise_already_started(existing);
	return true;
}

/*
 * Schedule one; false when an existing run serves, whose id *run_id becomes.
 */
static bool
schedule_one(Activity *activity, const ScheduleCall *call, int64 *run_id)
{
	Activity	other;

	*run_id = activity->run_id;
	while (!store_insert(activity))
	{
		CHECK_FOR_INTERRUPTS();
		if (existing_run_serves(activity, call->conflict, &other))
		{
			*run_id = other.run_id;
			return false;
		}
	}
	if (activity->activity_id != NULL &&
		!closed_run_allows(activity, call->reuse, &other))
	{
		undo_insert(activity->run_id);
		*run_id = other.run_id;
		return false;
	}
	return true;
}

/*
 * TQ004 when the queue has too many tasks that are due.  Called after the
 * insert: what turned out to exist already, or is due later, is no reason.
 */
static void
check_backlog(const Activity *activity)
{
	const text *task_queue = activity->options.task_queue;
	const QueueConfig *config = queue_config(task_queue);
	int			limit;

	if (config == NULL || config->max_backlog == 0 ||
		activity->options.start_delay > 0)
		return;
	limit = config->max_backlog;
	if (queue_backlog_exceeds(task_queue, limit))
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_RESOURCE_EXHAUSTED),
				 errmsg("backlog limit of task queue \"%s\" reached",
						text_to_cstring(task_queue)),
				 errdetail("max_backlog is %d.", limit),
				 errhint("Try again later, or raise max_backlog with taskq.configure_queue().")));
}

/* n new runs are in: may they be, and what do others hear of them */
static void
tell_scheduled(const Activity *activity, int n)
{
	ledger_open(activity, activity->state, n);
	check_backlog(activity);
	ledger_count(activity->options.task_queue, COUNT_SCHEDULED, n);
	ledger_count(activity->options.task_queue, COUNT_ADDED, n);
	effects_tasks_due(activity->options.task_queue, activity->dispatch_time, n);
	if (activity->alarm != DT_NOEND)
		effects_alarm(activity->alarm);
}

static void
put_scheduled(FunctionCallInfo fcinfo, int64 run_id, text *activity_id,
			  bool created)
{
	Datum		values[3];
	bool		nulls[3] = {false};

	values[0] = Int64GetDatum(run_id);
	values[1] = PointerGetDatum(activity_id);
	nulls[1] = activity_id == NULL;
	values[2] = BoolGetDatum(created);
	put_row(fcinfo, values, nulls);
}

/*
 * schedule_again: a new run of a closed one, with the same input and options
 * but no start delay.  Raises TQ002 when its activity_id is in use.
 */
void
schedule_again(FunctionCallInfo fcinfo, Activity *closed)
{
	ScheduleCall call = {0};
	Activity   *activity = &call.activity;
	int64		run_id;

	activity->options = closed->options;
	activity->options.start_delay = 0;
	activity->activity_type = closed->activity_type;
	activity->input = closed->input;
	activity->activity_id = stored_text(closed->activity_id);
	activity->header = closed->header;
	activity->summary = closed->summary;
	activity->search_attributes = closed->search_attributes;
	schedule_prepare(activity, clock_now());
	activity->run_id = store_next_run_id();
	(void) schedule_one(activity, &call, &run_id);
	tell_scheduled(activity, 1);
	put_scheduled(fcinfo, run_id, activity->activity_id, true);
}

PG_FUNCTION_INFO_V1(taskq_schedule);

/*
 * taskq.schedule(...) returns (run_id, activity_id, created)
 */
Datum
taskq_schedule(PG_FUNCTION_ARGS)
{
	ScheduleCall call;
	Activity   *activity = &call.activity;
	int64		run_id;
	bool		created;

	begin_writing("taskq.schedule()");
	schedule_read_call(fcinfo, &call, false);
	activity->input = arg_varlena(fcinfo, ARG_INPUT);
	check_input(PointerGetDatum(activity->input), activity->input == NULL);

	begin_result(fcinfo);
	schedule_prepare(activity, clock_now());
	activity->run_id = store_next_run_id();
	created = schedule_one(activity, &call, &run_id);
	if (created)
		tell_scheduled(activity, 1);
	put_scheduled(fcinfo, run_id, activity->activity_id, created);
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Many at once
 * ------------------------------------------------------------------------
 */

/* One of the runs to schedule. */
typedef struct NewRun
{
	struct varlena *input;
	text	   *activity_id;
	int64		run_id;
	bool		created;
} NewRun;

static int
compare_items(const void *a, const void *b)
{
	const text *x = (*(NewRun *const *) a)->activity_id;
	const text *y = (*(NewRun *const *) b)->activity_id;
	int			order;

	if (x == NULL || y == NULL)
		return (x != NULL) - (y != NULL);
	order = memcmp(VARDATA_ANY(x), VARDATA_ANY(y),
				   Min(VARSIZE_ANY_EXHDR(x), VARSIZE_ANY_EXHDR(y)));
	if (order != 0)
		return order;
	if (VARSIZE_ANY_EXHDR(x) != VARSIZE_ANY_EXHDR(y))
		return VARSIZE_ANY_EXHDR(x) < VARSIZE_ANY_EXHDR(y) ? -1 : 1;
	return (*(NewRun *const *) a)->run_id < (*(NewRun *const *) b)->run_id ? -1 : 1;
}

static NewRun *
read_items(FunctionCallInfo fcinfo, int *count)
{
	NewRun	   *items;
	Datum	   *inputs;
	Datum	   *ids = NULL;
	bool	   *input_nulls;
	bool	   *id_nulls = NULL;
	int			nids;

	require_arg(fcinfo, ARG_INPUT, "inputs");
	inputs = arg_array(fcinfo, ARG_INPUT, JSONBOID, "inputs", &input_nulls,
					   count);
	if (!arg_is_null(fcinfo, ARG_ACTIVITY_ID))
	{
		ids = arg_array(fcinfo, ARG_ACTIVITY_ID, TEXTOID, "activity_ids",
						&id_nulls, &nids);
		if (nids != *count)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("inputs and activity_ids must have the same length"),
					 errdetail("There are %d inputs and %d activity_ids.",
							   *count, nids)));
	}
	items = palloc0(sizeof(NewRun) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		check_input(inputs[i], input_nulls[i]);
		if (!input_nulls[i])
			items[i].input = (struct varlena *) DatumGetPointer(inputs[i]);
		if (ids != NULL && !id_nulls[i])
			items[i].activity_id = DatumGetTextPP(ids[i]);
		check_activity_id_set(items[i].activity_id);
		check_name_length(items[i].activity_id, "activityId");
	}
	return items;
}

/* rows without ids: nobody can be in the way, and all go in together */
static int
schedule_anonymous(ScheduleCall *call, NewRun *items, int count)
{
	StoreBatch *batch;

	if (count == 0)
		return 0;
	batch = store_begin_many(&call->activity);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		items[i].run_id = store_next_run_id();
		items[i].created = true;
		store_put(batch, items[i].run_id, items[i].input);
	}
	store_end_many(batch);
	return count;
}

/*
 * Rows with activity ids are inserted in the order of those ids, so that two
 * calls with the same ones cannot deadlock.
 */
static int
schedule_named(const ScheduleCall *call, NewRun *items, int count)
{
	NewRun	  **order = palloc(sizeof(NewRun *) * Max(count, 1));
	int			created = 0;
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "taskq schedule_many",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(row_context);

	for (int i = 0; i < count; i++)
	{
		items[i].run_id = store_next_run_id();
		order[i] = &items[i];
	}
	qsort(order, count, sizeof(NewRun *), compare_items);
	for (int i = 0; i < count; i++)
	{
		NewRun	   *item = order[i];
		Activity	activity = call->activity;

		CHECK_FOR_INTERRUPTS();
		activity.run_id = item->run_id;
		activity.input = item->input;
		activity.activity_id = item->activity_id;
		item->created = schedule_one(&activity, call, &item->run_id);
		created += item->created;
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(row_context);
	return created;
}

PG_FUNCTION_INFO_V1(taskq_schedule_many);

/*
 * taskq.schedule_many(...) returns setof (run_id, activity_id, created)
 *
 * Runs get their ids in the order of the inputs.
 */
Datum
taskq_schedule_many(PG_FUNCTION_ARGS)
{
	ScheduleCall call;
	NewRun	   *items;
	int			count;
	int			created;

	begin_writing("taskq.schedule_many()");
	schedule_read_call(fcinfo, &call, true);
	items = read_items(fcinfo, &count);

	begin_result(fcinfo);
	schedule_prepare(&call.activity, clock_now());
	created = arg_is_null(fcinfo, ARG_ACTIVITY_ID) ?
		schedule_anonymous(&call, items, count) :
		schedule_named(&call, items, count);
	if (created > 0)
		tell_scheduled(&call.activity, created);
	for (int i = 0; i < count; i++)
		put_scheduled(fcinfo, items[i].run_id, items[i].activity_id,
					  items[i].created);
	return (Datum) 0;
}
