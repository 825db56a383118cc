/*
 * run_ids.c
 *		taskq.run_uuid and taskq.run_of: run ids as uuids, and back.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "calls/args.h"
#include "engine/refusal.h"
#include "engine/run_uuid.h"
#include "store/instance.h"

PG_FUNCTION_INFO_V1(taskq_run_uuid);

/*
 * taskq.run_uuid(run_id) returns uuid.  The first one ever is drawn, which
 * writes; 25006 where that cannot be.
 */
Datum
taskq_run_uuid(PG_FUNCTION_ARGS)
{
	InstanceKeys keys;

	begin_reading();
	if (!instance_keys(&keys, false))
		begin_writing("taskq.run_uuid()");
	return UUIDPGetDatum(run_uuid_make(PG_GETARG_INT64(0)));
}

PG_FUNCTION_INFO_V1(taskq_run_of);

/*
 * taskq.run_of(run_uuid) returns bigint; TQ001 for a uuid that taskq.run_uuid()
 * has not made here.  Whether there is such a run is not looked up.
 */
Datum
taskq_run_of(PG_FUNCTION_ARGS)
{
	Datum		uuid = PG_GETARG_DATUM(0);
	int64		run_id;

	begin_reading();
	if (!run_uuid_read(DatumGetUUIDP(uuid), &run_id))
		raise_unknown_uuid(uuid);
	PG_RETURN_INT64(run_id);
}
