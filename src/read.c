/*
 * read.c
 *		taskq.describe and taskq.outcome.
 *
 * Both see what is committed now.  They work on a standby.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/htup_details.h"
#include "args.h"
#include "catalog.h"
#include "compat.h"
#include "extension.h"
#include "options.h"

/* the latest run of an activity id, 0 when there is none */
static int64
latest_run(text *activity_id)
{
	Activity	activity;

	check_name_length(activity_id, "activity ID");
	if (store_see_by_activity_id(activity_id, &activity) ||
		store_find_closed_by_activity_id(activity_id, &activity))
		return activity.run_id;
	return 0;
}

/* one row of taskq.activities into the result; false when there is none */
static bool
put_activity(FunctionCallInfo fcinfo, int64 run_id, text *activity_id)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[2] = {INT8OID, TEXTOID};
	Datum		arguments[2] = {Int64GetDatum(run_id), PointerGetDatum(activity_id)};
	char		nulls[2] = {' ', activity_id == NULL ? 'n' : ' '};
	OwnerSwitch saved;
	bool		found;

	owner_begin(&saved);
	SPI_connect();
	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT * FROM taskq.activities a"
						   " WHERE a.run_id OPERATOR(pg_catalog.=) $1"
						   " AND ($2 IS NULL OR a.activity_id OPERATOR(pg_catalog.=) $2)",
						   2, types);
		SPI_keepplan(plan);
	}
	if (SPI_execute_plan(plan, arguments, nulls, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read taskq.activities");
	found = SPI_processed > 0;
	if (found)
	{
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Datum	   *values = palloc(desc->natts * sizeof(Datum));
		bool	   *isnull = palloc(desc->natts * sizeof(bool));

		heap_deform_tuple(SPI_tuptable->vals[0], desc, values, isnull);
		put_row(fcinfo, values, isnull);
	}
	SPI_finish();
	owner_end(&saved);
	return found;
}

PG_FUNCTION_INFO_V1(taskq_describe);

/* taskq.describe(activity_id, run_id) returns one row of taskq.activities */
Datum
taskq_describe(PG_FUNCTION_ARGS)
{
	text	   *activity_id = arg_text(fcinfo, 0);
	int64		run_id;

	begin_reading();
	if (activity_id == NULL && PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("activity ID is required"),
				 errhint("Pass activity_id or run_id.")));
	InitMaterializedSRF(fcinfo, 0);
	run_id = PG_ARGISNULL(1) ? latest_run(activity_id) : PG_GETARG_INT64(1);
	if (!put_activity(fcinfo, run_id, activity_id))
		raise_not_found(activity_id, run_id);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_outcome);

/* taskq.outcome(run_id) returns (status, result, failure, retry_state) */
Datum
taskq_outcome(PG_FUNCTION_ARGS)
{
	Activity	activity;
	Datum		values[4];
	bool		nulls[4] = {false};

	begin_reading();
	require_arg(fcinfo, 0, "run_id");
	if (!store_see(PG_GETARG_INT64(0), &activity) &&
		!store_find_closed(PG_GETARG_INT64(0), &activity))
		raise_not_found(NULL, PG_GETARG_INT64(0));
	InitMaterializedSRF(fcinfo, 0);
	values[0] = ObjectIdGetDatum(catalog_status(activity.state));
	values[1] = PointerGetDatum(activity.result);
	nulls[1] = activity.result == NULL;
	values[2] = PointerGetDatum(activity.failure);
	nulls[2] = activity.failure == NULL;
	values[3] = ObjectIdGetDatum(catalog()->retry_state[activity.retry_state]);
	nulls[3] = activity.retry_state == RETRY_UNSPECIFIED;
	put_row(fcinfo, values, nulls);
	return (Datum) 0;
}
