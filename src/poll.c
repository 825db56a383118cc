/*
 * poll.c
 *		taskq.poll: handing attempts to workers.
 *
 * A poll looks at the lanes of the queue level by level, takes the best
 * candidate of all lanes of a level, and starts it by writing over the version
 * that it saw.  What another transaction has taken or holds is skipped, never
 * waited for: that is why two polls never start the same attempt, and why a
 * rolled-back poll leaves the task as it was.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "args.h"
#include "clock.h"
#include "compat.h"
#include "effects.h"
#include "fairness.h"
#include "instance.h"
#include "ledger.h"
#include "limits.h"
#include "options.h"
#include "poll.h"
#include "store.h"

/* fields of taskq.activity_task, zero-based */
enum
{
	TASK_TOKEN,
	TASK_RUN_ID,
	TASK_ACTIVITY_ID,
	TASK_ACTIVITY_TYPE,
	TASK_TASK_QUEUE,
	TASK_INPUT,
	TASK_HEADER,
	TASK_HEARTBEAT_DETAILS,
	TASK_ATTEMPT,
	TASK_SCHEDULED_TIME,
	TASK_CURRENT_ATTEMPT_SCHEDULED_TIME,
	TASK_STARTED_TIME,
	TASK_SCHEDULE_TO_CLOSE,
	TASK_START_TO_CLOSE,
	TASK_HEARTBEAT_TIMEOUT,
	TASK_PRIORITY,
	TASK_FAIRNESS_KEY,
	TASK_FIELDS
};

/* A poll in progress. */
typedef struct Poll
{
	FunctionCallInfo fcinfo;
	const Admission *admission;
	const char *identity;
	int			wanted;
	TimestampTz now;
} Poll;

/* who polled last in this session, for the list of those who wait */
static char last_identity[POLLER_IDENTITY + 1] = "";

static void
put_duration(Datum *value, bool *null, int64 duration)
{
	*null = duration == 0;
	if (!*null)
		*value = IntervalPGetDatum(duration_to_interval(duration));
}

static void
put_varlena(Datum *value, bool *null, const void *varlena)
{
	*null = varlena == NULL;
	*value = PointerGetDatum(varlena);
}

/* the row that the worker gets */
static void
put_task(FunctionCallInfo fcinfo, const Activity *activity,
		 const Heartbeat *heartbeat)
{
	const Options *options = &activity->options;
	Datum		values[TASK_FIELDS];
	bool		nulls[TASK_FIELDS] = {false};

	values[TASK_TOKEN] = UUIDPGetDatum(token_make(activity->run_id,
												  activity->nonce));
	values[TASK_RUN_ID] = Int64GetDatum(activity->run_id);
	put_varlena(&values[TASK_ACTIVITY_ID], &nulls[TASK_ACTIVITY_ID],
				activity->activity_id);
	values[TASK_ACTIVITY_TYPE] = PointerGetDatum(activity->activity_type);
	values[TASK_TASK_QUEUE] = PointerGetDatum(options->task_queue);
	put_varlena(&values[TASK_INPUT], &nulls[TASK_INPUT], activity->input);
	put_varlena(&values[TASK_HEADER], &nulls[TASK_HEADER], activity->header);
	put_varlena(&values[TASK_HEARTBEAT_DETAILS],
				&nulls[TASK_HEARTBEAT_DETAILS], heartbeat->details);
	values[TASK_ATTEMPT] = Int32GetDatum(activity->attempt);
	values[TASK_SCHEDULED_TIME] = TimestampTzGetDatum(activity->schedule_time);
	values[TASK_CURRENT_ATTEMPT_SCHEDULED_TIME] =
		TimestampTzGetDatum(activity->dispatch_time);
	values[TASK_STARTED_TIME] = TimestampTzGetDatum(activity->started_time);
	put_duration(&values[TASK_SCHEDULE_TO_CLOSE],
				 &nulls[TASK_SCHEDULE_TO_CLOSE], options->schedule_to_close);
	put_duration(&values[TASK_START_TO_CLOSE],
				 &nulls[TASK_START_TO_CLOSE], options->start_to_close);
	put_duration(&values[TASK_HEARTBEAT_TIMEOUT],
				 &nulls[TASK_HEARTBEAT_TIMEOUT], options->heartbeat_timeout);
	values[TASK_PRIORITY] = Int32GetDatum(options->priority);
	nulls[TASK_PRIORITY] = !options->has_priority;
	put_varlena(&values[TASK_FAIRNESS_KEY], &nulls[TASK_FAIRNESS_KEY],
				options->fairness_key);
	put_row(fcinfo, values, nulls);
}

/* start the lane's candidate; false when somebody else has it */
static bool
claim(Poll *poll, Lane *lane)
{
	Activity	activity;
	EventData	data = {0};
	Heartbeat	heartbeat = {0};
	bool		started_before;
	bool		timer_reserved = effects_reserve_timer();
	StoreResult result;

	lane_activity(lane, &activity);
	started_before = activity.started_time != DT_NOBEGIN;
	data.now = poll->now;
	data.identity = poll->identity;
	data.nonce = token_new_nonce();
	if (machine_apply(&activity, EVENT_START, &data).answer != ANSWER_DONE)
		return false;
	if (!timer_reserved)
		activity.alarm = activity_next_deadline(&activity, DT_NOBEGIN).when;
	result = store_update(&activity, false);
	lane_passed(lane);
	if (result != STORE_OK)
		return false;

	if (timer_reserved)
		effects_attempt_started(activity.run_id,
								activity_next_deadline(&activity, DT_NOBEGIN).when);
	else
		effects_alarm(activity.alarm);
	if (started_before)
		heartbeat_row_read(activity.run_id, &heartbeat);
	ledger_open(&activity, STATE_SCHEDULED, -1);
	ledger_count(activity.options.task_queue, COUNT_STARTED, 1);
	ledger_duration(activity.options.task_queue, COUNT_SCHEDULE_TO_START_FIRST,
					activity.started_time - activity.dispatch_time);
	put_task(poll->fcinfo, &activity, &heartbeat);
	return true;
}

/* the candidate to hand out next */
static Lane *
best_lane(const Admission *admission, Lane **lanes, int n)
{
	Lane	   *best = NULL;
	double		best_pass = 0;

	for (int i = 0; i < n; i++)
	{
		Lane	   *lane = lanes[i];
		double		pass;

		if (lane == NULL)
			continue;
		pass = lane->pass + fairness_stride(admission, lane);
		if (best == NULL || pass < best_pass ||
			(pass == best_pass &&
			 (lane->dispatch_time < best->dispatch_time ||
			  (lane->dispatch_time == best->dispatch_time &&
			   lane->run_id < best->run_id))))
		{
			best = lane;
			best_pass = pass;
		}
	}
	return best;
}

static void
drop_lane(Lane **lanes, int n, Lane *lane)
{
	for (int i = 0; i < n; i++)
		if (lanes[i] == lane)
			lanes[i] = NULL;
	lane_end(lane);
}

/*
 * The lane whose candidate is next, NULL when there is none.  A lane that was
 * not looked at yet stands where its cursor does, which is not behind its
 * candidate, and is taken for as heavy as it was last: so few are looked at.
 */
static Lane *
choose_lane(const Admission *admission, Lane **lanes, int n)
{
	Lane	   *lane;
	bool		found;

	while ((lane = best_lane(admission, lanes, n)) != NULL && !lane->opened)
	{
		CHECK_FOR_INTERRUPTS();
		lane->opened = true;
		found = lane_next(lane);
		fairness_seen(admission, lane, found);
		if (!found)
			drop_lane(lanes, n, lane);
	}
	return lane;
}

/* hand out tasks of one level */
static void
poll_level(Poll *poll, Lane **lanes, int n)
{
	Lane	   *lane;

	fairness_begin(poll->admission, lanes, n);
	while (poll->wanted > 0 &&
		   (lane = choose_lane(poll->admission, lanes, n)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!fairness_admit(poll->admission, lane))
		{
			drop_lane(lanes, n, lane);
			continue;
		}
		if (claim(poll, lane))
		{
			poll->wanted--;
			fairness_dispatched(poll->admission, lane);
		}
		else
			fairness_refund(poll->admission, lane);
		if (poll->wanted > 0 && !lane_next(lane))
			drop_lane(lanes, n, lane);
	}
	for (int i = 0; i < n; i++)
		if (lanes[i] != NULL)
			lane_end(lanes[i]);
}

/*
 * Collect the lanes of the level after "lane" (or of the first one), at least
 * one.  Returns the first lane of the level that follows, or NULL.
 */
static Lane *
collect_level(ReadyScan *ready, Lane *lane, Lane ***lanes, int *n, int *max)
{
	int16		level = lane->level;

	*n = 0;
	while (lane != NULL && lane->level == level)
	{
		if (*n == *max)
		{
			*max *= 2;
			*lanes = repalloc_huge(*lanes, *max * sizeof(Lane *));
		}
		(*lanes)[(*n)++] = lane;
		lane = ready_next_lane(ready, lane);
	}
	return lane;
}

/* go through the levels until enough is claimed */
static void
poll_levels(Poll *poll, ReadyScan *ready)
{
	int			max = 8;
	Lane	  **lanes = palloc(max * sizeof(Lane *));
	int			n;
	Lane	   *lane;

	ready_open(ready, poll->wanted, !fairness_may_refuse(poll->admission));
	lane = ready_next_lane(ready, NULL);
	poll->now = Max(poll->now, ready_now(ready));
	while (lane != NULL && poll->wanted > 0)
	{
		lane = collect_level(ready, lane, &lanes, &n, &max);
		poll_level(poll, lanes, n);
	}
	ready_end(ready);
}

/*
 * poll_queue: start up to max_tasks attempts and put them into the result.  Of
 * an empty queue nothing is wanted, so that it costs no tokens.
 */
void
poll_queue(FunctionCallInfo fcinfo, const PollArguments *arguments)
{
	ReadyScan  *ready = ready_look(arguments->task_queue, clock_now());
	Admission	admission;
	Poll		poll;
	int			claimed;

	strlcpy(last_identity, arguments->identity, sizeof(last_identity));
	limits_admit(&admission, arguments->task_queue, arguments->identity,
				 ready_is_empty(ready) ? 0 : arguments->max_tasks,
				 arguments->max_tasks_per_second);
	poll.fcinfo = fcinfo;
	poll.admission = &admission;
	poll.identity = arguments->identity;
	poll.wanted = admission.granted;
	poll.now = clock_now();
	if (admission.granted > 0)
		poll_levels(&poll, ready);
	claimed = admission.granted - poll.wanted;
	limits_settle(&admission, claimed);
	if (claimed > 0)
		effects_polled(arguments->task_queue, claimed);
	else
		ledger_count(arguments->task_queue, COUNT_EMPTY_POLLS, 1);
}

/* poll_last_identity: who polled last in this session. */
const char *
poll_last_identity(void)
{
	if (last_identity[0] == '\0')
		strlcpy(last_identity, default_identity(), sizeof(last_identity));
	return last_identity;
}

/* tasks that a poll would find in a lane: 0, 1, or 2 for more */
static int
ready_in_lane(const Admission *admission, Lane *lane, TimestampTz *next)
{
	int			found = 0;

	while (found < 2 && lane_next(lane))
	{
		if (!fairness_would_admit(admission, lane, next))
			break;
		if (lane_is_free(lane))
			found++;
	}
	lane_end(lane);
	return found;
}

/*
 * poll_ready: would a poll now return tasks?  0, 1, or 2 for more.  If not 2,
 * *next is the instant at which to look for another one unless something
 * changes.
 */
int
poll_ready(text *task_queue, TimestampTz *next)
{
	Admission	admission = {0};
	ReadyScan  *ready;
	Lane	   *lane = NULL;
	int			found = 0;

	if (!limits_would_admit(task_queue, next))
		return 0;
	*next = DT_NOEND;
	admission.key = queue_key(task_queue);
	admission.config = queue_config(task_queue);
	ready = ready_look(task_queue, clock_now());
	ready_open(ready, 0, false);
	while (found < 2 && (lane = ready_next_lane(ready, lane)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		found += ready_in_lane(&admission, lane, next);
	}
	*next = Min(*next, ready_next_due(ready));
	ready_end(ready);
	return found;
}

/*
 * poll_arguments: queue, identity, number of tasks and rate of a polling call,
 * which are its last arguments, from number "first" on.
 */
void
poll_arguments(FunctionCallInfo fcinfo, int first, PollArguments *arguments)
{
	require_arg(fcinfo, first, "taskQueue");
	arguments->task_queue = check_queue_name(arg_text(fcinfo, first));
	arguments->identity = arg_identity(fcinfo, first + 1);
	if (arguments->identity == NULL)
		arguments->identity = default_identity();
	require_arg(fcinfo, first + 2, "max_tasks");
	arguments->max_tasks = PG_GETARG_INT32(first + 2);
	if (arguments->max_tasks < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_tasks must be at least 1")));
	arguments->max_tasks_per_second = PG_ARGISNULL(first + 3) ? 0 :
		PG_GETARG_FLOAT8(first + 3);
	if (!PG_ARGISNULL(first + 3) &&
		!(arguments->max_tasks_per_second > 0 &&
		  !isinf(arguments->max_tasks_per_second)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_tasks_per_second must be a positive number")));
}

PG_FUNCTION_INFO_V1(taskq_poll);

/*
 * taskq.poll(task_queue, identity, max_tasks, max_tasks_per_second)
 *	 returns setof taskq.activity_task
 */
Datum
taskq_poll(PG_FUNCTION_ARGS)
{
	PollArguments arguments;

	begin_writing("taskq.poll()");
	poll_arguments(fcinfo, 0, &arguments);
	begin_result(fcinfo);
	poll_queue(fcinfo, &arguments);
	return (Datum) 0;
}
