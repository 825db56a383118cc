/*
 * schedule.c
 *		taskq.schedule and taskq.schedule_many.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "calls/args.h"
#include "calls/schedule.h"
#include "calls/schedule_args.h"
#include "model/options.h"

/* put_scheduled: one more row of a result. */
void
put_scheduled(FunctionCallInfo fcinfo, int64 run_id, text *activity_id,
			  bool created)
{
	Datum		values[3];
	bool		nulls[3] = {false};

	values[0] = Int64GetDatum(run_id);
	values[1] = PointerGetDatum(activity_id);
	nulls[1] = activity_id == NULL;
	values[2] = BoolGetDatum(created);
	put_row(fcinfo, values, nulls, lengthof(values));
}

PG_FUNCTION_INFO_V1(taskq_schedule);

/*
 * taskq.schedule(...) returns (run_id, activity_id, created)
 */
Datum
taskq_schedule(PG_FUNCTION_ARGS)
{
	ScheduleCall call;
	struct varlena *input;
	ScheduledRun run;

	begin_writing("taskq.schedule()");
	schedule_read_call(fcinfo, &call, false);
	input = arg_varlena(fcinfo, ARG_INPUT);
	check_input(PointerGetDatum(input), input == NULL);
	call.activity.input = input;

	begin_result(fcinfo);
	enqueue_run(&call, &run);
	put_scheduled(fcinfo, run.run_id, run.activity_id, run.created);
	return (Datum) 0;
}

static NewRun *
read_items(FunctionCallInfo fcinfo, int *count)
{
	NewRun	   *items;
	Datum	   *inputs;
	Datum	   *ids = NULL;
	bool	   *input_nulls;
	bool	   *id_nulls = NULL;
	int			nids;

	require_arg(fcinfo, ARG_INPUT, "inputs");
	inputs = arg_array(fcinfo, ARG_INPUT, JSONBOID, "inputs", &input_nulls,
					   count);
	if (!arg_is_null(fcinfo, ARG_ACTIVITY_ID))
	{
		ids = arg_array(fcinfo, ARG_ACTIVITY_ID, TEXTOID, "activity_ids",
						&id_nulls, &nids);
		if (nids != *count)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("inputs and activity_ids must have the same length"),
					 errdetail("There are %d inputs and %d activity_ids.",
							   *count, nids)));
	}
	items = palloc0(sizeof(NewRun) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		check_input(inputs[i], input_nulls[i]);
		if (!input_nulls[i])
			items[i].input = (struct varlena *) DatumGetPointer(inputs[i]);
		if (ids != NULL && !id_nulls[i])
			items[i].activity_id = DatumGetTextPP(ids[i]);
		check_activity_id_set(items[i].activity_id);
		check_name_length(items[i].activity_id, "activity_id");
	}
	return items;
}

PG_FUNCTION_INFO_V1(taskq_schedule_many);

/*
 * taskq.schedule_many(...) returns setof (run_id, activity_id, created)
 *
 * Runs get their ids in the order of the inputs.
 */
Datum
taskq_schedule_many(PG_FUNCTION_ARGS)
{
	ScheduleCall call;
	NewRun	   *items;
	int			count;

	begin_writing("taskq.schedule_many()");
	schedule_read_call(fcinfo, &call, true);
	items = read_items(fcinfo, &count);

	begin_result(fcinfo);
	enqueue_many(&call, !arg_is_null(fcinfo, ARG_ACTIVITY_ID), items, count);
	for (int i = 0; i < count; i++)
		put_scheduled(fcinfo, items[i].run_id, items[i].activity_id,
					  items[i].created);
	return (Datum) 0;
}
