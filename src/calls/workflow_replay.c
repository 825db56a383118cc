/*
 * workflow_replay.c
 *		taskq.replay: whether a run is what its history says.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/compat.h"
#include "calls/args.h"
#include "calls/workflow_args.h"
#include "engine/run_replay.h"

PG_FUNCTION_INFO_V1(taskq_replay);

/* taskq.replay(run_id) returns true; raises XX001 when the two differ */
Datum
taskq_replay(PG_FUNCTION_ARGS)
{
	NamedRun	named;
	char	   *found;

	begin_reading();
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to replay a history")));
	require_arg(fcinfo, 0, "run_id");
	named_run_find(NULL, arg_run_id(fcinfo, 0), &named);
	found = run_replay(named.is_open ? &named.run : &named.closed.run,
					   named.is_open ? NULL : &named.closed);
	if (found != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("run " INT64_FORMAT " is not what its history says", named.run_id),
				 errdetail_internal("%s", found)));
	PG_RETURN_BOOL(true);
}
