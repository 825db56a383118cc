/*
 * wait_close.c
 *		CALL taskq.wait_for_close: sleep until a run is closed.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/texts.h"
#include "calls/args.h"
#include "calls/sleep.h"
#include "calls/wait_close.h"
#include "engine/refusal.h"
#include "model/options.h"
#include "shared/waiters.h"
#include "store/catalog.h"
#include "store/closed.h"
#include "store/find.h"

/* The run whose close a call waits for. */
typedef struct CloseWait
{
	text	   *activity_id;	/* NULL = not told */
	bool		has_run_id;
	int64		run_id;
} CloseWait;

static bool
find_open_or_closed(int64 run_id, Activity *activity)
{
	return store_find(run_id, activity) || store_find_closed(run_id, activity);
}

/* is it a run of that activity id? */
static bool
has_activity_id(int64 run_id, const text *activity_id)
{
	Activity	activity;

	return find_open_or_closed(run_id, &activity) &&
		text_equal(activity.activity_id, activity_id);
}

/* the run that the call means: of an activity id the latest */
static int64
run_meant(const CloseWait *wait)
{
	Activity	activity;

	if (wait->activity_id == NULL)
		return wait->run_id;
	if (wait->has_run_id)
	{
		if (!has_activity_id(wait->run_id, wait->activity_id))
			raise_not_found(wait->activity_id, &wait->run_id);
		return wait->run_id;
	}
	if (!store_find_by_activity_id(wait->activity_id, &activity) &&
		!store_find_closed_by_activity_id(wait->activity_id, &activity))
		raise_not_found(wait->activity_id, NULL);
	return activity.task.run_id;
}

/*
 * wait_for_run: look and sleep until the run is closed or the time is up.  False
 * when it is not known; else *activity is the run as it was last seen, and what it
 * points to is palloc'd.  For a call that has connected to SPI, with leave to commit.
 */
bool
wait_for_run(int64 run_id, TimestampTz deadline, Activity *activity)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "taskq wait",
												  ALLOCSET_SMALL_SIZES);
	uint64		key = wait_run_key(run_id);

	for (;;)
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);
		bool		found;

		wait_enter(&key, 1);
		begin_look();
		found = find_open_or_closed(run_id, activity);
		MemoryContextSwitchTo(old_context);
		if (!found || state_is_closed(activity->task.state) ||
			clock_now() >= deadline)
		{
			check_client();
			wait_leave(false);
			return found;
		}
		MemoryContextReset(context);
		end_look();
		sleep_unless_woken(deadline, custom_wait_event("TaskqWaitForClose"));
	}
}

static void
arg_close(FunctionCallInfo fcinfo, int run, int id, CloseWait *wait)
{
	wait->activity_id = arg_text(fcinfo, id);
	check_name_length(wait->activity_id, "activity_id");
	wait->has_run_id = !PG_ARGISNULL(run);
	wait->run_id = wait->has_run_id ? PG_GETARG_INT64(run) : 0;
}

PG_FUNCTION_INFO_V1(taskq_wait_for_close);

/*
 * CALL taskq.wait_for_close(run_id, timeout, INOUT status, result, failure,
 *							 activity_id)
 */
Datum
taskq_wait_for_close(PG_FUNCTION_ARGS)
{
	CloseWait	wait;
	TimestampTz deadline;
	Activity	activity;
	int64		run_id;
	Datum		values[3];
	bool		nulls[3] = {false};
	Datum		row;

	begin_writing("taskq.wait_for_close()");
	require_run(fcinfo, 5, 0);
	arg_close(fcinfo, 0, 5, &wait);
	deadline = arg_deadline(fcinfo, 1);
	require_own_transactions(fcinfo, "taskq.wait_for_close()");

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	begin_look();
	run_id = run_meant(&wait);
	if (!wait_for_run(run_id, deadline, &activity))
		raise_not_found(wait.activity_id,
						wait.has_run_id ? &run_id : NULL);
	values[0] = ObjectIdGetDatum(catalog_status(activity.task.state));
	values[1] = PointerGetDatum(activity.result);
	nulls[1] = activity.result == NULL;
	values[2] = PointerGetDatum(activity.failure);
	nulls[2] = activity.failure == NULL;
	row = return_row(fcinfo, values, nulls);
	row = SPI_datumTransfer(row, false, -1);
	SPI_finish();
	return row;
}
