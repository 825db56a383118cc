/*
 * args.c
 *		Arguments and results of the SQL functions.
 *
 * No function of taskq is STRICT: a required argument that is NULL is an
 * error (22004), not a NULL result.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "args.h"
#include "catalog.h"
#include "compat.h"
#include "instance.h"
#include "options.h"
#include "shmem.h"

/*
 * begin_writing: what every writing call does first.  "call" names it in the
 * error on a standby or in a READ ONLY transaction (25006).
 */
void
begin_writing(const char *call)
{
	shmem_require();
	PreventCommandDuringRecovery(call);
	PreventCommandIfReadOnly(call);
	PreventCommandIfParallelMode(call);
}

/* begin_reading: what every reading call does first. */
void
begin_reading(void)
{
	shmem_require();
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

text *
arg_text(FunctionCallInfo fcinfo, int n)
{
	return arg_is_null(fcinfo, n) ? NULL : PG_GETARG_TEXT_PP(n);
}

char *
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

/* arg_identity: of who calls; NULL when not told. */
char *
arg_identity(FunctionCallInfo fcinfo, int n)
{
	text	   *identity = arg_text(fcinfo, n);

	check_name_length(identity, "identity");
	return identity ? text_to_cstring(identity) : NULL;
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
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(n);
	Datum	   *elements;

	*count = 0;
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a one-dimensional array", name)));
	if (element_type == UUIDOID)
		deconstruct_array(array, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
						  &elements, nulls, count);
	else
		deconstruct_array(array, element_type, -1, false, TYPALIGN_INT,
						  &elements, nulls, count);
	return elements;
}

/* arg_tokens: an array of task tokens, none of them NULL. */
Datum *
arg_tokens(FunctionCallInfo fcinfo, int n, int *count)
{
	bool	   *nulls;
	Datum	   *tokens;

	require_arg(fcinfo, n, "task_tokens");
	tokens = arg_array(fcinfo, n, UUIDOID, "task_tokens", &nulls, count);
	for (int i = 0; i < *count; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("task_tokens must not contain NULL")));
	return tokens;
}

/*
 * raise_not_found: TQ001, naming the activity id or else the run id.
 */
void
raise_not_found(const text *activity_id, int64 run_id)
{
	if (activity_id != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_NOT_FOUND),
				 errmsg("activity not found for ID: %s",
						text_to_cstring(activity_id))));
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("activity not found for ID: " INT64_FORMAT, run_id)));
}

/*
 * raise_run_not_found: TQ001 for a run_id, naming the activity id if the run
 * is known.
 */
void
raise_run_not_found(int64 run_id)
{
	Activity	activity;

	if (store_find(run_id, &activity) || store_find_closed(run_id, &activity))
		raise_not_found(activity.activity_id, run_id);
	raise_not_found(NULL, run_id);
}

/*
 * resolve_open_run: the run that a call by id means, for calls that need an
 * open one.  Raises TQ001 when there is none.
 */
int64
resolve_open_run(text *activity_id, bool has_run_id, int64 run_id)
{
	Activity	activity;

	check_name_length(activity_id, "activityId");
	if (activity_id == NULL && !has_run_id)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("activityId is not set"),
				 errhint("Pass activity_id or run_id.")));
	if (activity_id == NULL)
		return run_id;
	if (!store_find_by_activity_id(activity_id, &activity) ||
		(has_run_id && activity.run_id != run_id))
		raise_not_found(activity_id, run_id);
	return activity.run_id;
}

/*
 * raise_refusal: the error of a verdict that refuses.  "activity" may be NULL.
 */
void
raise_refusal(const Verdict *verdict, const Activity *activity, int64 run_id)
{
	switch (verdict->answer)
	{
		case ANSWER_NOT_FOUND:
			raise_not_found(activity ? activity->activity_id : NULL, run_id);
			break;
		case ANSWER_PRECONDITION:
			ereport(ERROR,
					(errcode(ERRCODE_TASKQ_FAILED_PRECONDITION),
					 errmsg("%s", verdict->message)));
			break;
		case ANSWER_INVALID:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s", verdict->message)));
			break;
		default:
			break;
	}
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

/* put_row: one more row of it. */
void
put_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}
