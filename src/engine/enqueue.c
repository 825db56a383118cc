/*
 * enqueue.c
 *		Scheduling activities.
 *
 * Scheduling is one insert in the caller's transaction.  With an activity_id
 * it is "insert first, judge after": the unique index over open activities
 * serialises calls with the same id (an uncommitted rival is waited for), and
 * only when it finds a rival, or when closed runs matter, are the policies
 * looked at.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/texts.h"
#include "engine/enqueue.h"
#include "engine/execute.h"
#include "engine/queue_config.h"
#include "engine/refusal.h"
#include "engine/tasks.h"
#include "model/options.h"
#include "notes/effects.h"
#include "notes/ledger.h"
#include "shared/counts.h"
#include "shared/counts_known.h"
#include "shared/delays.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "store/closed.h"
#include "store/find.h"
#include "store/open.h"
#include "store/ready_count.h"
#include "task/queue_keys.h"
#include "task/store_result.h"

/* ------------------------------------------------------------------------
 * Insert first, judge after
 * ------------------------------------------------------------------------
 */

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
			 errword(state_is_closed(existing->task.state) ? WORD_CLOSED :
					 WORD_RUNNING),
			 errdetail_internal("%s", facts_of_run(existing))));
}

/* what a new run starts with, as of "now" */
static void
schedule_prepare(ScheduleCall *call, TimestampTz now)
{
	Activity   *activity = &call->activity;

	activity->task.schedule_time = now;
	if (call->start_at != DT_NOBEGIN)
		activity->options.start_delay = start_delay_until(call->start_at, now);
	check_start_delay(activity->options.start_delay, now);
	activity->task.dispatch_time = activity_first_dispatch(activity);
	activity->task.started_time = DT_NOBEGIN;
	activity->task.last_complete_time = DT_NOBEGIN;
	activity->first_started_time = DT_NOBEGIN;
	activity->task.state = STATE_SCHEDULED;
	activity->task.transitions = 1;
	activity->task.attempt = 1;
	activity->task.level = options_level(&activity->options);
	activity->task.alarm = activity_next_deadline(activity, DT_NOBEGIN).when;
}

/* inserted, but may a closed run with the same id forbid it? */
static bool
closed_run_allows(const Activity *activity, ReusePolicy reuse,
				  Activity *closed)
{
	if (reuse == REUSE_ALLOW && activity->request_id == NULL)
		return true;
	if (!store_newest_closed(activity->activity_id, closed))
		return true;
	if (text_equal(stored_text(closed->request_id), activity->request_id))
		return false;
	if (reuse == REUSE_ALLOW ||
		(reuse == REUSE_FAILED_ONLY && closed->task.state != STATE_COMPLETED))
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
		store_delete(&inserted.task, true) != STORE_OK)
		elog(ERROR, "could not take back run " INT64_FORMAT, run_id);
}

/* was the run the answer to that request before? */
static bool
is_attached(Activity *existing, const text *request_id)
{
	return request_id != NULL && existing->task.control != NULL &&
		json_array_has(activity_controls(existing)->attached,
					   text_to_cstring(request_id));
}

/*
 * Have an open run remember the request that it answers, so that a repeat finds
 * it, too.  False when it is gone.  Waits for whoever holds the row.
 */
static bool
attach_request(int64 run_id, const text *request_id)
{
	Address		address = {.run_id = run_id};
	EventData	data = {0};
	Activity	attached;

	Assert(request_id != NULL);
	data.request_id = text_to_cstring(request_id);
	return execute(&address, EVENT_ATTACH, &data, NULL,
				   &attached).answer != ANSWER_NOT_FOUND;
}

/*
 * An open run has the id: does the call mean that one?  *attach: then it has to
 * remember the request.
 */
static bool
existing_run_serves(const Activity *activity, ConflictPolicy conflict,
					Activity *existing, bool *attach)
{
	if (!store_find_by_activity_id(activity->activity_id, existing))
		return false;			/* it is gone, try again */
	if (text_equal(stored_text(existing->request_id), activity->request_id) ||
		is_attached(existing, activity->request_id))
		return true;
	if (conflict != CONFLICT_USE_EXISTING)
		raise_already_started(existing);
	*attach = activity->request_id != NULL;
	return true;
}

/*
 * Schedule one; false when an existing run serves, whose id *run_id becomes,
 * and which, with *attach, is still to remember the request.
 */
static bool
insert_or_find(Activity *activity, const ScheduleCall *call, int64 *run_id,
			   bool *attach)
{
	Activity	other;

	*run_id = activity->task.run_id;
	*attach = false;
	while (!store_insert(&activity->task))
	{
		CHECK_FOR_INTERRUPTS();
		if (existing_run_serves(activity, call->conflict, &other, attach))
		{
			*run_id = other.task.run_id;
			return false;
		}
	}
	if (activity->activity_id != NULL &&
		!closed_run_allows(activity, call->reuse, &other))
	{
		undo_insert(activity->task.run_id);
		*run_id = other.task.run_id;
		return false;
	}
	return true;
}

/*
 * Schedule one; false when an existing run serves, whose id *run_id becomes.
 */
static bool
schedule_one(Activity *activity, const ScheduleCall *call, int64 *run_id)
{
	bool		created;
	bool		attach;

	do
	{
		CHECK_FOR_INTERRUPTS();
		created = insert_or_find(activity, call, run_id, &attach);
	} while (attach && !attach_request(*run_id, activity->request_id));
	return created;
}

/* ------------------------------------------------------------------------
 * max_backlog
 * ------------------------------------------------------------------------
 */

/*
 * How many tasks of a queue wait, as committed; false when that is not known.
 * Which of them are due later is only found out when there are more than
 * "enough".
 */
static bool
copy_waiting(const QueueKey *key, int64 enough, int64 *waiting,
			 LevelDelays *delays, TimestampTz *now)
{
	QueueState *state;
	bool		known;

	*waiting = 0;
	for (int i = 0; i < LEVELS; i++)
	{
		delays[i].later = 0;
		delays[i].until = DT_NOBEGIN;
	}
	queue_state_lock(key, LW_SHARED);
	*now = clock_now();
	state = queue_state_find(key);
	known = state != NULL ? state->known : counts_complete();
	if (state != NULL && known)
	{
		for (int i = 0; i < LEVELS; i++)
			*waiting += state->waiting[i];
		if (*waiting > enough)
			delays_sum(state, *now, delays);
	}
	queue_state_unlock();
	return known;
}

/*
 * Are more than "limit" tasks of the queue due and waiting?  Counts what is
 * committed, and what the own transaction has done.
 */
static bool
backlog_exceeds(const QueueRef *queue, int limit)
{
	TimestampTz now = clock_now();
	LevelDelays delays[LEVELS];
	bool		own_delayed;
	int64		own = ledger_backlog(&queue->key, now, &own_delayed);
	int64		backlog;
	bool		known = copy_waiting(&queue->key, limit - own, &backlog, delays,
									 &now);

	if (!known)
		counts_missed();
	if (!known || own_delayed)
		return limit < PG_INT32_MAX &&
			store_count_due(queue, clock_now(), limit + 1) > limit;
	backlog += own;
	if (backlog <= limit)
		return false;
	for (int i = 0; i < LEVELS; i++)
		backlog -= delays[i].later;
	for (int i = 0; i < LEVELS && backlog > limit; i++)
		if (delays[i].until != DT_NOBEGIN)
			backlog -= store_count_between(queue, i + 1, now,
										   delays[i].until, false);
	return backlog > limit;
}

/*
 * TQ004 when the queue has too many tasks that are due.  Called after the
 * insert: what turned out to exist already, or is due later, is no reason.
 */
static void
check_max_backlog(const QueueRef *queue, const Activity *activity)
{
	const QueueConfig *config = queue_config(queue);
	int			limit;

	if (config == NULL || config->max_backlog == 0 ||
		activity->options.start_delay > 0)
		return;
	limit = config->max_backlog;
	if (backlog_exceeds(queue, limit))
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_RESOURCE_EXHAUSTED),
				 errmsg("backlog limit of task queue \"%s\" reached",
						text_to_cstring(queue->name)),
				 errword(WORD_MAX_BACKLOG),
				 errdetail_internal("%s", facts_of_queue(queue->name,
														 "max_backlog", limit)),
				 errhint("Try again later, or raise max_backlog with taskq.configure_queue().")));
}

/* ------------------------------------------------------------------------
 * One run
 * ------------------------------------------------------------------------
 */

/* n new runs are in: may they be, and what do others hear of them */
static void
tell_scheduled(const Activity *activity, int n)
{
	QueueRef	queue = queue_ref(activity->task.queue);

	task_scheduled(&queue, &activity->task, n);
	check_max_backlog(&queue, activity);
}

/*
 * enqueue_run: schedule what the call describes, as of now.  "run" becomes the
 * new run, or the one that serves.  Raises TQ002, TQ004.
 */
void
enqueue_run(ScheduleCall *call, ScheduledRun *run)
{
	Activity   *activity = &call->activity;

	schedule_prepare(call, clock_now());
	activity->task.run_id = store_next_run_id();
	run->activity_id = activity->activity_id;
	run->created = schedule_one(activity, call, &run->run_id);
	if (run->created)
		tell_scheduled(activity, 1);
}

/*
 * enqueue_again: a new run of a closed one, with the same input and options
 * but no start delay.  Raises TQ002 when its activity_id is in use, TQ004.
 */
void
enqueue_again(const Activity *closed, ScheduledRun *again)
{
	ScheduleCall call = {0};
	Activity   *activity = &call.activity;

	call.start_at = DT_NOBEGIN;
	activity->task.queue = closed->task.queue;
	activity->task.fairness_key = closed->task.fairness_key;
	activity->task.fairness_weight = closed->task.fairness_weight;
	activity->options = closed->options;
	activity->options.start_delay = 0;
	activity->activity_type = closed->activity_type;
	activity->input = closed->input;
	activity->activity_id = stored_text(closed->activity_id);
	activity->header = closed->header;
	activity->summary = closed->summary;
	activity->search_attributes = closed->search_attributes;
	enqueue_run(&call, again);
}

/* ------------------------------------------------------------------------
 * Many at once
 * ------------------------------------------------------------------------
 */

/*
 * enqueue_compare_ids: the order in which activity ids are written by whoever
 * writes several, so that two of them cannot deadlock.  NULL comes first.
 */
int
enqueue_compare_ids(const text *x, const text *y)
{
	if (x == NULL || y == NULL)
		return (x != NULL) - (y != NULL);
	return text_compare(x, y);
}

static int
compare_items(const void *a, const void *b)
{
	const NewRun *x = *(NewRun *const *) a;
	const NewRun *y = *(NewRun *const *) b;
	int			order = enqueue_compare_ids(x->activity_id, y->activity_id);

	return order != 0 ? order : x->new_run_id < y->new_run_id ? -1 : 1;
}

static int
compare_existing(const void *a, const void *b)
{
	const NewRun *x = *(NewRun *const *) a;
	const NewRun *y = *(NewRun *const *) b;

	return x->run_id < y->run_id ? -1 : x->run_id > y->run_id;
}

/* rows without ids: nobody can be in the way, and all go in together */
static void
schedule_anonymous(ScheduleCall *call, NewRun *items, int count)
{
	StoreBatch *batch;

	if (count == 0)
		return;
	batch = store_begin_many(&call->activity.task);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		Assert(items[i].activity_id == NULL);
		items[i].run_id = store_next_run_id();
		items[i].created = true;
		store_put(batch, items[i].run_id, items[i].input);
	}
	store_end_many(batch);
}

/* a new run as an activity */
static void
make_activity(const ScheduleCall *call, const NewRun *item, Activity *activity)
{
	*activity = call->activity;
	activity->task.run_id = item->new_run_id;
	activity->input = item->input;
	activity->activity_id = item->activity_id;
}

/*
 * Have the runs that serve remember the request.  One that is gone meanwhile is
 * scheduled after all; that is out of any order, as its id was free before.
 */
static void
attach_all(const ScheduleCall *call, NewRun **order, int count,
		   MemoryContext row_context)
{
	int			n = 0;

	for (int i = 0; i < count; i++)
		if (order[i]->attach)
			order[n++] = order[i];
	qsort(order, n, sizeof(NewRun *), compare_existing);
	for (int i = 0; i < n; i++)
	{
		NewRun	   *item = order[i];
		Activity	activity;

		CHECK_FOR_INTERRUPTS();
		if (!attach_request(item->run_id, call->activity.request_id))
		{
			make_activity(call, item, &activity);
			item->created = schedule_one(&activity, call, &item->run_id);
		}
		MemoryContextReset(row_context);
	}
}

/*
 * Rows with activity ids are inserted in the order of those ids, so that two
 * calls with the same ones cannot deadlock.  Rows that are there already are
 * written after that, in the order of run_id, as by all batches: who waits for
 * an id has locked none of them.
 */
static void
schedule_named(const ScheduleCall *call, NewRun *items, int count)
{
	NewRun	  **order = palloc(sizeof(NewRun *) * Max(count, 1));
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "taskq schedule_many",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(row_context);

	for (int i = 0; i < count; i++)
	{
		items[i].new_run_id = store_next_run_id();
		order[i] = &items[i];
	}
	qsort(order, count, sizeof(NewRun *), compare_items);
	for (int i = 0; i < count; i++)
	{
		NewRun	   *item = order[i];
		Activity	activity;

		CHECK_FOR_INTERRUPTS();
		make_activity(call, item, &activity);
		item->created = insert_or_find(&activity, call, &item->run_id,
									   &item->attach);
		MemoryContextReset(row_context);
	}
	attach_all(call, order, count, row_context);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(row_context);
}

/*
 * enqueue_many: schedule the items with what else the call describes, as of
 * now.  Each of them learns which run is its own.  They may have activity ids if
 * they are "named".  Raises TQ002, TQ004.
 */
void
enqueue_many(ScheduleCall *call, bool named, NewRun *items, int count)
{
	int			created = 0;

	schedule_prepare(call, clock_now());
	if (named)
		schedule_named(call, items, count);
	else
		schedule_anonymous(call, items, count);
	for (int i = 0; i < count; i++)
		created += items[i].created;
	if (created > 0)
		tell_scheduled(&call->activity, created);
}
