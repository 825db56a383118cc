/*
 * poll.c
 *		taskq.poll: arguments in, rows out.
 *
 * What is handed out is decided in claim.c.  Batches that poll use the same
 * arguments and rows (report_batch.c).
 */
#include "postgres.h"

#include <math.h>

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "calls/args.h"
#include "calls/poll.h"
#include "engine/token.h"
#include "model/duration.h"
#include "model/options.h"
#include "shared/queue_state.h"
#include "store/heartbeat_row.h"

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

/* poll_task_values: what the worker gets, with the last heartbeat of earlier attempts */
void
poll_task_values(const Task *task, bool started_before, Datum *values, bool *nulls)
{
	const Activity *activity = (const Activity *) task;
	Heartbeat	heartbeat = {0};
	const Options *options = &activity->options;

	memset(nulls, false, TASK_FIELDS * sizeof(bool));
	if (started_before)
		heartbeat_row_read(task->run_id, &heartbeat);
	values[TASK_TOKEN] = UUIDPGetDatum(token_make(activity->task.run_id,
												  activity->task.nonce));
	values[TASK_RUN_ID] = Int64GetDatum(activity->task.run_id);
	put_varlena(&values[TASK_ACTIVITY_ID], &nulls[TASK_ACTIVITY_ID],
				activity->activity_id);
	values[TASK_ACTIVITY_TYPE] = PointerGetDatum(activity->activity_type);
	values[TASK_TASK_QUEUE] = PointerGetDatum(activity->task.queue);
	put_varlena(&values[TASK_INPUT], &nulls[TASK_INPUT], activity->input);
	put_varlena(&values[TASK_HEADER], &nulls[TASK_HEADER], activity->header);
	put_varlena(&values[TASK_HEARTBEAT_DETAILS],
				&nulls[TASK_HEARTBEAT_DETAILS], heartbeat.details);
	values[TASK_ATTEMPT] = Int32GetDatum(activity->task.attempt);
	values[TASK_SCHEDULED_TIME] = TimestampTzGetDatum(activity->task.schedule_time);
	values[TASK_CURRENT_ATTEMPT_SCHEDULED_TIME] =
		TimestampTzGetDatum(activity->task.dispatch_time);
	values[TASK_STARTED_TIME] = TimestampTzGetDatum(activity->task.started_time);
	put_duration(&values[TASK_SCHEDULE_TO_CLOSE],
				 &nulls[TASK_SCHEDULE_TO_CLOSE], options->schedule_to_close);
	put_duration(&values[TASK_START_TO_CLOSE],
				 &nulls[TASK_START_TO_CLOSE], options->start_to_close);
	put_duration(&values[TASK_HEARTBEAT_TIMEOUT],
				 &nulls[TASK_HEARTBEAT_TIMEOUT], options->heartbeat_timeout);
	values[TASK_PRIORITY] = Int32GetDatum(options->priority);
	nulls[TASK_PRIORITY] = !options->has_priority;
	put_varlena(&values[TASK_FAIRNESS_KEY], &nulls[TASK_FAIRNESS_KEY],
				activity->task.fairness_key);
}

/* a row of the call whose fcinfo "arg" is */
static void
put_task(void *arg, const Task *task, bool started_before)
{
	Datum		values[TASK_FIELDS];
	bool		nulls[TASK_FIELDS];

	poll_task_values(task, started_before, values, nulls);
	put_row((FunctionCallInfo) arg, values, nulls, TASK_FIELDS);
}

/* poll_remember_identity: who polls now in this session. */
void
poll_remember_identity(const char *identity)
{
	strlcpy(last_identity, identity, sizeof(last_identity));
}

/*
 * poll_result: claim what was asked for, and put it into the result of the
 * call, which begin_result() has begun.
 */
void
poll_result(FunctionCallInfo fcinfo, const ClaimRequest *request)
{
	poll_remember_identity(request->identity);
	claim_tasks(request, put_task, fcinfo);
}

/* poll_last_identity: who polled last in this session. */
const char *
poll_last_identity(void)
{
	if (last_identity[0] == '\0')
		strlcpy(last_identity, default_identity(), sizeof(last_identity));
	return last_identity;
}

/* poll_check_rate: a rate that a worker asks for. */
double
poll_check_rate(double rate)
{
	if (!(rate > 0 && !isinf(rate)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_tasks_per_second must be a positive number")));
	return rate;
}

/*
 * poll_arguments: queue, identity, number of tasks and rate of a polling call,
 * which are its last arguments, from number "first" on.
 */
void
poll_arguments(FunctionCallInfo fcinfo, int first, ClaimRequest *request)
{
	require_arg(fcinfo, first, "task_queue");
	request->identities = NULL;
	request->queue = queue_ref(check_queue_name(arg_text(fcinfo, first)));
	request->identity = arg_identity(fcinfo, first + 1);
	if (request->identity == NULL)
		request->identity = default_identity();
	require_arg(fcinfo, first + 2, "max_tasks");
	request->max_tasks = (int) Max(Min(PG_GETARG_INT64(first + 2), PG_INT32_MAX), 0);
	if (request->max_tasks < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_tasks must be at least 1")));
	request->max_tasks_per_second = PG_ARGISNULL(first + 3) ? 0 :
		poll_check_rate(PG_GETARG_FLOAT8(first + 3));
}

PG_FUNCTION_INFO_V1(taskq_poll);

/*
 * taskq.poll(task_queue, identity, max_tasks, max_tasks_per_second)
 *	 returns setof taskq.activity_task
 */
Datum
taskq_poll(PG_FUNCTION_ARGS)
{
	ClaimRequest request;

	begin_writing("taskq.poll()");
	poll_arguments(fcinfo, 0, &request);
	begin_result(fcinfo);
	poll_result(fcinfo, &request);
	return (Datum) 0;
}
