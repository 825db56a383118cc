/*
 * watch.c
 *		taskq.watch: to hear what becomes of runs.
 *
 * Asking is no change of the database: it takes effect at once and is not undone
 * by a rollback.  On a standby nobody can LISTEN, and asking is an error.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "calls/args.h"
#include "shared/directory.h"
#include "shared/watched_runs.h"
#include "task/channel_names.h"

PG_FUNCTION_INFO_V1(taskq_watch);

/* taskq.watch(run_ids) returns text[]: the channel of each */
Datum
taskq_watch(PG_FUNCTION_ARGS)
{
	Datum	   *elements;
	Datum	   *channels;
	int64	   *run_ids;
	int			count;

	directory_require();
	elements = arg_elements(fcinfo, 0, INT8OID, "run_ids", &count);
	run_ids = palloc(sizeof(int64) * Max(count, 1));
	channels = palloc(sizeof(Datum) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		run_ids[i] = DatumGetInt64(elements[i]);
		channels[i] = CStringGetTextDatum(run_channel(run_ids[i]));
	}
	PreventCommandDuringRecovery("taskq.watch()");
	watched_runs_add(run_ids, count);
	PG_RETURN_ARRAYTYPE_P(construct_array(channels, count, TEXTOID, -1, false,
										  TYPALIGN_INT));
}
