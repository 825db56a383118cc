/*
 * args.c
 *		Arguments and results of the SQL functions.
 *
 * No function of taskq is STRICT: a required argument that is NULL is an
 * error (22004), not a NULL result.
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "calls/args.h"
#include "engine/refusal.h"
#include "model/duration.h"
#include "model/options.h"
#include "shared/directory.h"
#include "store/find.h"

/*
 * begin_writing: what every writing call does first.  "call" names it in the
 * error on a standby or in a READ ONLY transaction (25006).
 */
void
begin_writing(const char *call)
{
	directory_require();
	PreventCommandDuringRecovery(call);
	PreventCommandIfReadOnly(call);
	PreventCommandIfParallelMode(call);
}

/* begin_reading: what every reading call does first. */
void
begin_reading(void)
{
	directory_require();
}

/* require_arg: raise when the argument is NULL. */
void
require_arg(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (arg_is_null(fcinfo, n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s is not set", name)));
}

/*
 * require_run: raise (22004) unless a call that takes both names a run, by its
 * activity_id or its run_id.  Before any other argument is judged.
 */
void
require_run(FunctionCallInfo fcinfo, int activity_id, int run_id)
{
	if (arg_is_null(fcinfo, activity_id) && arg_is_null(fcinfo, run_id))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("neither activity_id nor run_id is set"),
				 errhint("Pass one of them.")));
}

/* arg_text: detoasted; NULL is NULL. */
text *
arg_text(FunctionCallInfo fcinfo, int n)
{
	return arg_is_null(fcinfo, n) ? NULL : PG_GETARG_TEXT_PP(n);
}

/* likewise, ended with a zero byte */
static char *
arg_cstring(FunctionCallInfo fcinfo, int n)
{
	return arg_is_null(fcinfo, n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* arg_varlena: as it comes, perhaps toasted. */
struct varlena *
arg_varlena(FunctionCallInfo fcinfo, int n)
{
	return arg_is_null(fcinfo, n) ? NULL :
		(struct varlena *) PG_GETARG_POINTER(n);
}

/* arg_jsonb: detoasted; NULL is NULL. */
Jsonb *
arg_jsonb(FunctionCallInfo fcinfo, int n)
{
	return arg_is_null(fcinfo, n) ? NULL : PG_GETARG_JSONB_P(n);
}

/* arg_bool: NULL is false. */
bool
arg_bool(FunctionCallInfo fcinfo, int n)
{
	return !arg_is_null(fcinfo, n) && PG_GETARG_BOOL(n);
}

/* arg_duration: microseconds, NULL is 0. */
int64
arg_duration(FunctionCallInfo fcinfo, int n, const char *name)
{
	return arg_is_null(fcinfo, n) ? 0 :
		duration_from_interval(PG_GETARG_INTERVAL_P(n), name);
}

/*
 * check_identity: raise unless it may be that of a worker or caller; NULL may.
 */
void
check_identity(const text *identity, bool has_default)
{
	if (identity != NULL && VARSIZE_ANY_EXHDR(identity) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("identity must not be empty"),
				 has_default ? errhint("Pass NULL, or leave it out, for the default.") : 0));
	check_name_length(identity, "identity");
}

/*
 * check_delay: a duration in microseconds, after which something is to happen.
 * Raises 22023 when that would be beyond the end of time.
 */
int64
check_delay(int64 delay, const char *name)
{
	if (instant_add(clock_now(), delay) == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: out of range", name)));
	return delay;
}

/* arg_delay: likewise, of an argument; NULL is 0. */
int64
arg_delay(FunctionCallInfo fcinfo, int n, const char *name)
{
	return check_delay(arg_duration(fcinfo, n, name), name);
}

/* arg_identity: of who calls; NULL when not told. */
char *
arg_identity(FunctionCallInfo fcinfo, int n)
{
	text	   *identity = arg_text(fcinfo, n);

	check_identity(identity, true);
	return identity ? text_to_cstring(identity) : NULL;
}

/* arg_reason: as long as a payload at most; NULL when not told. */
char *
arg_reason(FunctionCallInfo fcinfo, int n)
{
	char	   *reason = arg_cstring(fcinfo, n);
	Size		limit = (Size) taskq_max_payload_size * 1024;

	if (reason != NULL && strlen(reason) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason exceeds length limit"),
				 errdetail("Size is %zu bytes, taskq.max_payload_size is %zu.",
						   strlen(reason), limit)));
	return reason;
}

/* address of the client, which stays the same for the session */
static const char *
client_host(void)
{
	static const char *host = NULL;
	LOCAL_FCINFO(call, 0);
	Datum		address;

	if (host != NULL)
		return host;
	InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
	address = inet_client_addr(call);
	if (call->isnull)
		host = "local";
	else
		host = MemoryContextStrdup(TopMemoryContext,
								   DatumGetCString(DirectFunctionCall1(inet_out, address)));
	return host;
}

/*
 * default_identity: pid@client address/application_name of this session.
 */
char *
default_identity(void)
{
	return psprintf("%d@%s/%s", MyProcPid, client_host(),
					application_name ? application_name : "");
}

/*
 * arg_array: the elements of a one-dimensional array; *count 0 when it is
 * empty.  The argument must not be NULL.
 */
Datum *
arg_array(FunctionCallInfo fcinfo, int n, Oid element_type, const char *name,
		  bool **nulls, int *count)
{
	ArrayType  *array;
	Datum	   *elements;
	int16		length;
	bool		by_value;
	char		alignment;

	Assert(!arg_is_null(fcinfo, n));
	array = PG_GETARG_ARRAYTYPE_P(n);
	*count = 0;
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a one-dimensional array", name)));
	get_typlenbyvalalign(element_type, &length, &by_value, &alignment);
	deconstruct_array(array, element_type, length, by_value, alignment,
					  &elements, nulls, count);
	return elements;
}

/*
 * arg_beside: likewise of an array that has an element for each of those of
 * another, "beside", which has "count" (else 22023); NULL = not given.
 */
Datum *
arg_beside(FunctionCallInfo fcinfo, int n, Oid element_type, const char *name,
		   const char *beside, int count, bool **nulls)
{
	Datum	   *elements;
	int			found;

	if (arg_is_null(fcinfo, n))
		return NULL;
	elements = arg_array(fcinfo, n, element_type, name, nulls, &found);
	if (found != count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s and %s must have the same length", beside, name),
				 errdetail("There are %d %s and %d %s.",
						   count, beside, found, name)));
	return elements;
}

/* arg_elements: the elements of an array that has to be given, without NULLs. */
Datum *
arg_elements(FunctionCallInfo fcinfo, int n, Oid element_type,
			 const char *name, int *count)
{
	bool	   *nulls;
	Datum	   *elements;

	require_arg(fcinfo, n, name);
	elements = arg_array(fcinfo, n, element_type, name, &nulls, count);
	for (int i = 0; i < *count; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not contain NULL", name)));
	return elements;
}

/*
 * resolve_open_run: the run that a call by id means, for calls that need an
 * open one.  Raises TQ001 when there is none.
 */
int64
resolve_open_run(text *activity_id, bool has_run_id, int64 run_id)
{
	Activity	activity;

	check_name_length(activity_id, "activity_id");
	if (activity_id == NULL)
		return run_id;
	if (!store_find_by_activity_id(activity_id, &activity) ||
		(has_run_id && activity.task.run_id != run_id))
		raise_not_found(activity_id, has_run_id ? &run_id : NULL);
	return activity.task.run_id;
}

/*
 * begin_result: a result of rows.  Its columns are those of the function's
 * declaration, which the executor has looked up already.
 */
void
begin_result(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
}

/* put_row: one more row of it, which has n columns. */
void
put_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls, int n)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	Assert(result->setResult != NULL && result->setDesc->natts == n);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}
