/*
 * policy.c
 *		taskq.retry_policy_from_jsonb and its reverse.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"

#include "model/retry_policy.h"
#include "model/retry_policy_json.h"

PG_FUNCTION_INFO_V1(taskq_retry_policy_to_jsonb);

/*
 * taskq.retry_policy_to_jsonb(policy) returns jsonb: a policy as it is stored,
 * NULL when it is the built-in one
 */
Datum
taskq_retry_policy_to_jsonb(PG_FUNCTION_ARGS)
{
	RetryPolicy policy;

	if (PG_ARGISNULL(0))
		retry_policy_builtin(&policy);
	else
		retry_policy_from_stored(PG_GETARG_DATUM(0), &policy);
	PG_RETURN_JSONB_P(retry_policy_to_jsonb(&policy));
}

PG_FUNCTION_INFO_V1(taskq_retry_policy_from_jsonb);

/*
 * taskq.retry_policy_from_jsonb(policy) returns taskq.retry_policy: what is
 * null or absent stays unset, all of it for NULL.  22023 for keys and values
 * that cannot be.
 */
Datum
taskq_retry_policy_from_jsonb(PG_FUNCTION_ARGS)
{
	TupleDesc	fields;
	Datum		values[RETRY_POLICY_FIELDS] = {0};
	bool		nulls[RETRY_POLICY_FIELDS];

	if (get_call_result_type(fcinfo, NULL, &fields) != TYPEFUNC_COMPOSITE ||
		fields->natts != RETRY_POLICY_FIELDS)
		elog(ERROR, "taskq.retry_policy is not the type it should be");
	memset(nulls, true, sizeof(nulls));
	if (!PG_ARGISNULL(0))
		retry_policy_read(PG_GETARG_JSONB_P(0), fields, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(fields),
													  values, nulls)));
}
