/*
 * call_activity.c
 *		CALL taskq.execute: schedule an activity, wait for its close, and return
 *		what it has returned, or raise what it has failed with.
 *
 * The run is committed before the wait begins.  A statement that is cancelled
 * while it waits asks for the run's cancellation first, in a transaction of its
 * own, if it has made the run; then it ends as any cancelled statement does.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "tcop/pquery.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/compat.h"
#include "base/json.h"
#include "calls/args.h"
#include "calls/schedule_args.h"
#include "calls/sleep.h"
#include "calls/wait_close.h"
#include "engine/execute.h"
#include "engine/refusal.h"

/* arguments after those of schedule; the last one is the result */
#define ARG_TIMEOUT		SCHEDULE_ARGS

/* How a run that has not completed is raised. */
typedef struct Outcome
{
	State		state;
	int			sqlstate;
	const char *word;
} Outcome;

static const Outcome outcomes[] = {
	{STATE_FAILED, ERRCODE_TASKQ_FAILED, WORD_FAILED},
	{STATE_CANCELED, ERRCODE_TASKQ_CANCELED, WORD_CANCELED},
	{STATE_TERMINATED, ERRCODE_TASKQ_TERMINATED, WORD_TERMINATED},
	{STATE_TIMED_OUT, ERRCODE_TASKQ_TIMED_OUT, WORD_TIMED_OUT},
};

static int
hint_run(const Activity *activity)
{
	return errhint("The activity is the one with run_id " INT64_FORMAT ".",
				   activity->task.run_id);
}

/* the run is closed and not completed */
static void
raise_outcome(const Activity *activity)
{
	Jsonb	   *failure = DatumGetJsonbP(PointerGetDatum(activity->failure));
	char	   *message = json_get_text(failure, "message");

	for (int i = 0; i < (int) lengthof(outcomes); i++)
		if (outcomes[i].state == activity->task.state)
			ereport(ERROR,
					(errcode(outcomes[i].sqlstate),
					 errmsg_internal("%s", message != NULL && *message != '\0' ?
									 message : "activity has not completed"),
					 errword(outcomes[i].word),
					 errdetail_internal("%s", JsonbToCString(NULL, &failure->root,
															 VARSIZE(failure))),
					 hint_run(activity)));
	elog(ERROR, "unexpected state of a closed run: %d", activity->task.state);
}

/* the run is still open */
static void
raise_time_is_up(const Activity *activity)
{
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_WAIT_OVER),
			 errmsg("activity has not closed in time, and goes on"),
			 errword(WORD_WAIT_OVER),
			 errdetail_internal("%s", facts_of_run(activity)),
			 hint_run(activity)));
}

/*
 * The statement was cancelled: have the run cancelled, too.  In an error; the
 * transaction in which it came is rolled back.  What a snapshot was taken for is
 * over, all but the one that belongs to the CALL, which SPI ends.
 */
static void
cancel_run(int64 run_id)
{
	Activity	activity;
	EventData	data = {.reason = "the statement that waits for it was canceled",
		.request_id = "taskq.execute()"};

	while (ActiveSnapshotSet() &&
		   GetActiveSnapshot() != ActivePortal->portalSnapshot)
		PopActiveSnapshot();
	SPI_rollback();
	begin_look();
	(void) execute_control(run_id, EVENT_REQUEST_CANCEL, &data, &activity);
	SPI_commit();
}

/* wait for the close of the run; "made" by this call */
static bool
wait_for_own_run(int64 run_id, bool made, TimestampTz deadline,
				 Activity *activity)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool found = false;

	PG_TRY();
	{
		SPI_commit();
		found = wait_for_run(run_id, deadline, activity);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_QUERY_CANCELED || !made)
			PG_RE_THROW();
		FlushErrorState();
		cancel_run(run_id);
		ReThrowError(error);
	}
	PG_END_TRY();
	return found;
}

/* schedule what the first arguments say */
static void
schedule_run(FunctionCallInfo fcinfo, ScheduledRun *run)
{
	ScheduleCall call;

	schedule_read_call(fcinfo, &call, false);
	call.activity.input = arg_varlena(fcinfo, ARG_INPUT);
	check_input(PointerGetDatum(call.activity.input),
				call.activity.input == NULL);
	enqueue_run(&call, run);
}

PG_FUNCTION_INFO_V1(taskq_execute);

/* CALL taskq.execute(... as schedule ..., timeout, INOUT result) */
Datum
taskq_execute(PG_FUNCTION_ARGS)
{
	ScheduledRun run;
	TimestampTz deadline;
	Activity	activity;
	Datum		value;
	bool		null;
	Datum		row;

	begin_writing("taskq.execute()");
	deadline = arg_deadline(fcinfo, ARG_TIMEOUT);
	require_own_transactions(fcinfo, "taskq.execute()");

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	begin_look();
	schedule_run(fcinfo, &run);
	if (!wait_for_own_run(run.run_id, run.created, deadline, &activity))
		raise_not_found(NULL, &run.run_id);
	if (!state_is_closed(activity.task.state))
		raise_time_is_up(&activity);
	if (activity.task.state != STATE_COMPLETED)
		raise_outcome(&activity);
	value = PointerGetDatum(activity.result);
	null = activity.result == NULL;
	row = return_row(fcinfo, &value, &null);
	row = SPI_datumTransfer(row, false, -1);
	SPI_finish();
	return row;
}
