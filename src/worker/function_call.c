/*
 * function_call.c
 *		Calls the function that is an attempt's.
 *
 * It is called as a query of the role would, by SPI.  The signature of the table
 * becomes a function, and the query a plan, once: both are kept until something
 * has changed among functions, schemas and types.  Whether the function may run as
 * the role is looked at before each call.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/basics.h"
#include "base/compat.h"
#include "engine/functions.h"
#include "shared/function_pool.h"
#include "worker/function_call.h"

/* A function that was called. */
typedef struct KnownFunction
{
	char	   *signature;
	Oid			function;
	FunctionShape shape;
	char	   *query;
	SPIPlanPtr	plan;
} KnownFunction;

#define KNOWN_FUNCTIONS	64		/* more than that are forgotten, and known anew */

static KnownFunction known[KNOWN_FUNCTIONS];
static int	nknown = 0;
static bool known_valid = true;
static MemoryContext known_context = NULL;

/* syscache callback */
static void
forget_known(Datum arg, int cache, uint32 hash)
{
	known_valid = false;
}

/* nothing is known */
static void
begin_to_know(void)
{
	if (known_context == NULL)
	{
		known_context = AllocSetContextCreate(TopMemoryContext,
											  "taskq known functions",
											  ALLOCSET_SMALL_SIZES);
		CacheRegisterSyscacheCallback(PROCOID, forget_known, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_known, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, forget_known, (Datum) 0);
	}
	while (nknown > 0)
		SPI_freeplan(known[--nknown].plan);
	MemoryContextReset(known_context);
	known_valid = true;
}

/* its plan; the caller is connected to SPI */
static SPIPlanPtr
make_plan(const char *query, bool takes_input)
{
	Oid			types[] = {JSONBOID};
	SPIPlanPtr	plan = SPI_prepare(query, takes_input ? 1 : 0, types);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not prepare \"%s\": %s", query,
						SPI_result_code_string(SPI_result))));
	return plan;
}

/* know it */
static KnownFunction *
learn(const char *signature)
{
	KnownFunction function = {.function = function_resolve(signature)};

	if (!OidIsValid(function.function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s does not exist", signature)));
	function.shape = function_shape(function.function);
	function.signature = MemoryContextStrdup(known_context, signature);
	function.query = MemoryContextStrdup(known_context,
										 psprintf("SELECT %s(%s)",
												  quote_qualified_identifier(get_namespace_name(get_func_namespace(function.function)),
																			 get_func_name(function.function)),
												  function.shape.takes_input ? "$1" : ""));
	function.plan = make_plan(function.query, function.shape.takes_input);
	known[nknown] = function;
	return &known[nknown++];
}

static KnownFunction *
know(const char *signature)
{
	if (known_context == NULL || !known_valid || nknown == KNOWN_FUNCTIONS)
		begin_to_know();
	for (int i = 0; i < nknown; i++)
		if (strcmp(known[i].signature, signature) == 0)
			return &known[i];
	return learn(signature);
}

/* as for a worker that does not know the type: another attempt may find it */
static void
raise_unknown_type(const Activity *activity)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("unable to find activityType=%s",
					text_to_cstring(activity->activity_type)),
			 errhint("Register a function with taskq.register_function().")));
}

/* the function to run, if it may run as it is now */
static KnownFunction *
find_function(const Activity *activity)
{
	const RegisteredFunction *registered =
		function_of(activity->task.queue, activity->activity_type);
	KnownFunction *function;
	char	   *signature;
	const char *problem;
	Oid			run_as;

	if (registered == NULL)
		raise_unknown_type(activity);
	signature = pstrdup(registered->signature);
	run_as = registered->run_as;
	function = know(signature);
	problem = run_as == function_worker_me->role ?
		function_problem(function->function, run_as) :
		"it is to run as another role by now";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("function %s cannot run as an activity: %s", signature,
						problem)));
	return function;
}

/*
 * function_call: call the function of the activity; its result, NULL without one,
 * in the memory of the caller.  Raises whatever it raises, 42883 when there is
 * none, 42501 when it may not run as this role.
 */
struct varlena *
function_call(const Activity *activity)
{
	KnownFunction *function;
	Datum		values[] = {PointerGetDatum(activity->input)};
	const char *nulls = activity->input == NULL ? "n" : " ";
	struct varlena *result = NULL;
	bool		returns_result;
	Datum		value;
	bool		null;

	SPI_connect();
	function = find_function(activity);
	/* what is known may be forgotten by what the function does */
	returns_result = function->shape.returns_result;
	pgstat_report_activity(STATE_RUNNING, function->query);
	if (SPI_execute_plan(function->plan, values, nulls, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("the function has not returned one row")));
	if (returns_result)
	{
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							  &null);
		if (!null)
			result = (struct varlena *)
				DatumGetPointer(SPI_datumTransfer(value, false, -1));
	}
	SPI_finish();
	return result;
}
