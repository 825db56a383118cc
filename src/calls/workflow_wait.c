/*
 * workflow_wait.c
 *		CALL taskq.wait_for_workflow: sleep until a workflow is closed, with all runs
 *		that it goes on as.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "calls/args.h"
#include "calls/sleep.h"
#include "calls/workflow_args.h"
#include "engine/run_refusal.h"
#include "model/options.h"
#include "shared/waiters.h"
#include "store/catalog.h"

/*
 * Look and sleep until the run that was found, or the last one of those that follow, is
 * closed, or the time is up.  One that was deleted meanwhile is TQ001: whoever waits for
 * the outcome will never hear of it.
 */
static void
wait_for(TimestampTz deadline, NamedRun *named)
{
	int64		run_id = named->run_id;
	text	   *workflow_id = DatumGetTextPCopy(PointerGetDatum(named->is_open ? named->run.workflow_id :
																named->closed.run.workflow_id));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "taskq wait",
												  ALLOCSET_SMALL_SIZES);

	for (;;)
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);
		uint64		key = wait_run_key(run_id);

		wait_enter(&key, 1);
		begin_look();
		if (!named_run_look(NULL, run_id, named))
			raise_run_gone(workflow_id, run_id);
		MemoryContextSwitchTo(old_context);
		if (!named->is_open && named->closed.next_run_id != 0)
		{
			run_id = named->closed.next_run_id;
			wait_leave(false);
			MemoryContextReset(context);
			end_look();
			continue;
		}
		if (!named->is_open || clock_now() >= deadline)
		{
			check_client();
			wait_leave(false);
			return;
		}
		MemoryContextReset(context);
		end_look();
		sleep_unless_woken(deadline, custom_wait_event("TaskqWaitForWorkflow"));
	}
}

PG_FUNCTION_INFO_V1(taskq_wait_for_workflow);

/*
 * CALL taskq.wait_for_workflow(workflow_id, run_id, timeout, INOUT status, result, failure)
 */
Datum
taskq_wait_for_workflow(PG_FUNCTION_ARGS)
{
	TimestampTz deadline;
	NamedRun	named;
	Datum		values[4];
	bool		nulls[4];
	Datum		row;
	text	   *workflow_id = arg_text(fcinfo, 0);

	begin_writing("taskq.wait_for_workflow()");
	if (arg_is_null(fcinfo, 0) && arg_is_null(fcinfo, 1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("neither workflow_id nor run_id is set")));
	deadline = arg_deadline(fcinfo, 2);
	require_own_transactions(fcinfo, "taskq.wait_for_workflow()");

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	begin_look();
	named_run_find(workflow_id, arg_run_id(fcinfo, 1), &named);
	wait_for(deadline, &named);
	outcome_values(&named, values, nulls);
	row = return_row(fcinfo, values + 1, nulls + 1);
	row = SPI_datumTransfer(row, false, -1);
	SPI_finish();
	return row;
}
