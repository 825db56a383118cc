/*
 * read.c
 *		taskq.describe and taskq.outcome, and what taskq.activities computes.
 *
 * The former see what is committed now.  All of it works on a standby.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "calls/args.h"
#include "engine/refusal.h"
#include "model/duration.h"
#include "model/options.h"
#include "store/catalog.h"
#include "store/closed.h"
#include "store/extension.h"
#include "store/find.h"

/* ------------------------------------------------------------------------
 * Columns of taskq.activities
 *
 * In int64 throughout: a float8 is exact for 285 years only.
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(taskq_duration);

/* taskq.duration(microseconds) returns interval, of hours and less */
Datum
taskq_duration(PG_FUNCTION_ARGS)
{
	PG_RETURN_INTERVAL_P(duration_to_interval(PG_GETARG_INT64(0)));
}

PG_FUNCTION_INFO_V1(taskq_later);

/*
 * taskq.later(instant, microseconds) returns timestamptz: NULL when that is
 * beyond its range.
 */
Datum
taskq_later(PG_FUNCTION_ARGS)
{
	TimestampTz sum = instant_add(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_INT64(1));

	if (TIMESTAMP_NOT_FINITE(sum))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(sum);
}

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------
 */

/* the latest run of an activity id; false when there is none */
static bool
latest_run(text *activity_id, int64 *run_id)
{
	Activity	activity;

	if (!store_see_by_activity_id(activity_id, &activity) &&
		!store_find_closed_by_activity_id(activity_id, &activity))
		return false;
	*run_id = activity.task.run_id;
	return true;
}

/* one row of taskq.activities into the result; false when there is none */
static bool
put_activity(FunctionCallInfo fcinfo, int64 run_id, text *activity_id)
{
	static SPIPlanPtr kept = NULL;
	Oid			types[2] = {INT8OID, TEXTOID};
	Datum		arguments[2] = {Int64GetDatum(run_id), PointerGetDatum(activity_id)};
	char		nulls[2] = {' ', activity_id == NULL ? 'n' : ' '};
	OwnerSwitch saved;
	bool		found;

	owner_begin(&saved);
	SPI_connect();
	if (kept == NULL)
	{
		SPIPlanPtr	plan;

		plan = SPI_prepare("SELECT * FROM taskq.activities a"
						   " WHERE a.run_id OPERATOR(pg_catalog.=) $1"
						   " AND ($2 IS NULL OR a.activity_id OPERATOR(pg_catalog.=) $2)",
						   2, types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare to read taskq.activities");
		kept = plan;
	}
	if (SPI_execute_plan(kept, arguments, nulls, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read taskq.activities");
	found = SPI_processed > 0;
	if (found)
	{
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Datum	   *values = palloc(desc->natts * sizeof(Datum));
		bool	   *isnull = palloc(desc->natts * sizeof(bool));

		heap_deform_tuple(SPI_tuptable->vals[0], desc, values, isnull);
		put_row(fcinfo, values, isnull, desc->natts);
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
	bool		has_run_id = !PG_ARGISNULL(1);
	int64		run_id = has_run_id ? PG_GETARG_INT64(1) : 0;

	begin_reading();
	require_run(fcinfo, 0, 1);
	check_name_length(activity_id, "activity ID");
	InitMaterializedSRF(fcinfo, 0);
	if ((!has_run_id && !latest_run(activity_id, &run_id)) ||
		!put_activity(fcinfo, run_id, activity_id))
		raise_not_found(activity_id, has_run_id ? &run_id : NULL);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(taskq_outcome);

/* taskq.outcome(run_id) returns (status, result, failure, retry_state) */
Datum
taskq_outcome(PG_FUNCTION_ARGS)
{
	Activity	activity;
	int64		run_id;
	Datum		values[4];
	bool		nulls[4] = {false};

	begin_reading();
	require_arg(fcinfo, 0, "run_id");
	run_id = PG_GETARG_INT64(0);
	if (!store_see(run_id, &activity) && !store_find_closed(run_id, &activity))
		raise_not_found(NULL, &run_id);
	InitMaterializedSRF(fcinfo, 0);
	values[0] = ObjectIdGetDatum(catalog_status(activity.task.state));
	values[1] = PointerGetDatum(activity.result);
	nulls[1] = activity.result == NULL;
	values[2] = PointerGetDatum(activity.failure);
	nulls[2] = activity.failure == NULL;
	values[3] = ObjectIdGetDatum(catalog()->retry_state[activity.retry_state]);
	nulls[3] = activity.retry_state == RETRY_UNSPECIFIED;
	put_row(fcinfo, values, nulls, lengthof(values));
	return (Datum) 0;
}
