/*
 * internal.c
 *		SQL functions that only views and triggers of the extension call.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "engine/heartbeat.h"
#include "engine/queue_config.h"
#include "model/queue_settings.h"
#include "notes/effects.h"
#include "shared/directory.h"

PG_FUNCTION_INFO_V1(taskq_clock);

/* taskq.clock(): clock_now() for the views. */
Datum
taskq_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(clock_now());
}

PG_FUNCTION_INFO_V1(taskq_newest_heartbeat);

/*
 * taskq.newest_heartbeat(run_id, nonce, last_time, count, details) returns
 * taskq.heartbeat_state: for the view of activities.  What is stored is passed
 * in, as the caller's snapshot shows it.
 */
Datum
taskq_newest_heartbeat(PG_FUNCTION_ARGS)
{
	TupleDesc	desc = fcinfo->flinfo->fn_extra;
	Heartbeat	heartbeat;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (desc == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		fcinfo->flinfo->fn_extra = BlessTupleDesc(desc);
		MemoryContextSwitchTo(old_context);
	}
	heartbeat.last_time = PG_ARGISNULL(2) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(2);
	heartbeat.count = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3);
	heartbeat.details = PG_ARGISNULL(4) ? NULL :
		(struct varlena *) PG_GETARG_POINTER(4);
	(void) heartbeat_add_newer(PG_GETARG_INT64(0), PG_GETARG_INT64(1),
							   &heartbeat);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = TimestampTzGetDatum(heartbeat.last_time);
	nulls[1] = heartbeat.last_time == DT_NOBEGIN;
	values[2] = Int64GetDatum(heartbeat.count);
	values[3] = PointerGetDatum(heartbeat.details);
	nulls[3] = heartbeat.details == NULL;
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

PG_FUNCTION_INFO_V1(taskq_is_paused);

/*
 * taskq.is_paused(config) returns boolean: does a queue with that configuration
 * hand nothing out?  As polls take it, but without a warning.
 */
Datum
taskq_is_paused(PG_FUNCTION_ARGS)
{
	QueueConfig config;

	(void) queue_config_read(PG_GETARG_JSONB_P(0), &config);
	PG_RETURN_BOOL(config.paused);
}

/* ------------------------------------------------------------------------
 * Triggers
 * ------------------------------------------------------------------------
 */

static TriggerData *
require_trigger(FunctionCallInfo fcinfo, const char *function)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						function)));
	return (TriggerData *) fcinfo->context;
}

PG_FUNCTION_INFO_V1(taskq_queue_config_changed);

/*
 * taskq.queue_config_changed(): statement trigger of taskq.queue_config.  taskq's
 * own writes fire no triggers, so this is a restore, or an administrator.
 */
Datum
taskq_queue_config_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = require_trigger(fcinfo, "taskq.queue_config_changed");

	CacheInvalidateRelcache(trigger->tg_relation);
	if (control != NULL)
		effects_all_configured();
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(taskq_functions_changed);

/*
 * taskq.functions_changed(): likewise of taskq.registered_function.
 */
Datum
taskq_functions_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = require_trigger(fcinfo, "taskq.functions_changed");

	CacheInvalidateRelcache(trigger->tg_relation);
	if (control != NULL)
		effects_functions();
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(taskq_instance_changed);

/*
 * taskq.instance_changed(): statement trigger of taskq.instance; the key may be
 * another.
 */
Datum
taskq_instance_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = require_trigger(fcinfo, "taskq.instance_changed");

	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(taskq_rows_changed);

/*
 * taskq.rows_changed(): statement trigger of taskq.open.  taskq's own writes do
 * not fire triggers, so this is a restore, or an administrator.
 */
Datum
taskq_rows_changed(PG_FUNCTION_ARGS)
{
	if (control != NULL)
		effects_rows_changed();
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(taskq_inbox_changed);

/*
 * taskq.inbox_changed(): likewise of taskq.run_inbox.
 */
Datum
taskq_inbox_changed(PG_FUNCTION_ARGS)
{
	if (control != NULL)
		effects_mail();
	return PointerGetDatum(NULL);
}
