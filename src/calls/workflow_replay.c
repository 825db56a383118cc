/*
 * workflow_replay.c
 *		taskq.replay: whether a run is what its history says.
 *
 * Row, history, activities, timers and inbox are read one after the other, and a run
 * that goes on changes in between.  So what differs is looked at again: what is wrong
 * stays so, and everything else has another difference, or none.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "calls/args.h"
#include "calls/history_text.h"
#include "calls/workflow_args.h"
#include "engine/run_replay.h"
#include "store/find_run.h"

/* looks in a row that have to find the same */
#define ENOUGH_LOOKS	3

/* what is wrong with the run, NULL if nothing is; raises TQ001 when it is gone */
static char *
look(int64 run_id)
{
	NamedRun	named;

	named_run_find(NULL, run_id, &named);
	return run_replay(named.is_open ? &named.run : &named.closed.run,
					  named.is_open ? NULL : &named.closed);
}

/* likewise, of a run that others may be changing */
static char *
fault_of(int64 run_id)
{
	char	   *found = look(run_id);

	for (int same = 1; found != NULL && same < ENOUGH_LOOKS; same++)
	{
		char	   *before = found;

		CHECK_FOR_INTERRUPTS();
		found = look(run_id);
		if (found != NULL && strcmp(found, before) != 0)
			same = 0;
	}
	return found;
}

static Size
skip_event(void *arg, const HistoryEvent *event)
{
	return 0;
}

/*
 * Under a transaction's snapshot the row may be older than all else that was read:
 * 40001 if it has changed since, or the history has gone.
 */
static void
check_snapshot(int64 run_id)
{
	NamedRun	named;
	HistoryPage page;
	Run			newest;

	if (!IsolationUsesXactSnapshot())
		return;
	named_run_find(NULL, run_id, &named);
	page = history_of(&named);
	history_page(&page, skip_event, NULL);
	history_check_there(&page);
	if (named.is_open)
		(void) find_run(run_id, &newest);
}

PG_FUNCTION_INFO_V1(taskq_replay);

/* taskq.replay(run_id) returns true; raises XX001 when the two differ */
Datum
taskq_replay(PG_FUNCTION_ARGS)
{
	int64		run_id;
	char	   *found;

	begin_reading();
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to replay a history")));
	require_arg(fcinfo, 0, "run_id");
	run_id = arg_run_id(fcinfo, 0);
	found = fault_of(run_id);
	if (found != NULL)
		check_snapshot(run_id);
	if (found != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("run " INT64_FORMAT " is not what its history says", run_id),
				 errdetail_internal("%s", found)));
	PG_RETURN_BOOL(true);
}
