/*
 * functions.c
 *		Functions of this database that are activities: the backend's copy of
 *		taskq.registered_function, and what a function must be to be one.
 *
 * A change invalidates the relation cache entry of the table: every backend drops
 * its copy when the change commits and reads it again when it needs it next.
 *
 * The table names a function by its signature, as a dump has to, and it is looked
 * up anew for each run: it may be another one by then, or its owner.  What counts
 * is whether that owner may become the role that runs it.  So nobody can have a
 * function run as somebody who its owner could not be, whoever registers it, and
 * whatever becomes of it later.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/grow.h"
#include "base/texts.h"
#include "engine/functions.h"
#include "store/catalog.h"
#include "store/function_rows.h"

static MemoryContext cache_context = NULL;
static RegisteredFunction *cached = NULL;
static int	ncached = 0;
static int	max_cached = 0;
static bool cache_valid = false;
static Oid	cached_relation = InvalidOid;

/* relcache callback */
static void
forget_functions(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == cached_relation)
		cache_valid = false;
}

static text *
copy_name(const text *name)
{
	return cstring_to_text_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/* function_rows_each callback */
static void
cache_row(const FunctionRow *row, void *arg)
{
	RegisteredFunction *function;
	MemoryContext old = MemoryContextSwitchTo(cache_context);

	cached = grow(cached, NULL, &max_cached, ncached + 1,
				  sizeof(RegisteredFunction), cache_context);
	function = &cached[ncached++];
	function->queue = queue_ref(copy_name(row->task_queue));
	function->first_of_queue = true;
	for (int i = 0; i < ncached - 1; i++)
		if (cached[i].queue.key.hash == function->queue.key.hash)
			function->first_of_queue = false;
	function->activity_type = copy_name(row->activity_type);
	function->type = name_digest(VARDATA_ANY(row->activity_type),
								 VARSIZE_ANY_EXHDR(row->activity_type));
	function->signature = text_to_cstring(row->function);
	function->run_as = row->run_as;
	function->concurrency = row->concurrency;
	MemoryContextSwitchTo(old);
}

static void
load(void)
{
	if (cache_context == NULL)
	{
		cache_context = AllocSetContextCreate(CacheMemoryContext,
											  "taskq functions",
											  ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(forget_functions, (Datum) 0);
	}
	cached_relation = catalog()->registered_function;
	MemoryContextReset(cache_context);
	cached = NULL;
	ncached = max_cached = 0;
	cache_valid = true;			/* before reading: a change meanwhile counts */
	function_rows_each(cache_row, NULL);
}

/*
 * functions_registered: all of them; valid until the next catalog access.  Reads
 * taskq.registered_function if it has changed, with AccessShareLock.
 */
int
functions_registered(RegisteredFunction **functions)
{
	AcceptInvalidationMessages();
	while (!cache_valid)
		load();
	*functions = cached;
	return ncached;
}

/* functions_cached: as they were then; reads nothing. */
int
functions_cached(RegisteredFunction **functions)
{
	*functions = cached;
	return ncached;
}

/* function_of: the one of a queue and a type, as long; NULL without one. */
const RegisteredFunction *
function_of(const text *task_queue, const text *activity_type)
{
	RegisteredFunction *functions;
	int			n = functions_registered(&functions);

	for (int i = 0; i < n; i++)
		if (text_equal(functions[i].queue.name, task_queue) &&
			text_equal(functions[i].activity_type, activity_type))
			return &functions[i];
	return NULL;
}

/* ------------------------------------------------------------------------
 * Functions
 * ------------------------------------------------------------------------
 */

/* function_signature: qualified, whatever the search path. */
char *
function_signature(Oid function)
{
	return format_procedure_qualified(function);
}

/* function_resolve: the function with that signature; InvalidOid without one. */
Oid
function_resolve(const char *signature)
{
	LOCAL_FCINFO(call, 1);
	Datum		function;

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = CStringGetTextDatum(signature);
	call->args[0].isnull = false;
	function = to_regprocedure(call);
	return call->isnull ? InvalidOid : DatumGetObjectId(function);
}

static HeapTuple
find_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	return tuple;
}

static bool
is_activity(Form_pg_proc proc)
{
	return proc->prokind == PROKIND_FUNCTION &&
		!proc->proretset && proc->provariadic == InvalidOid &&
		(proc->prorettype == VOIDOID || proc->prorettype == JSONBOID) &&
		(proc->pronargs == 0 ||
		 (proc->pronargs == 1 && proc->proargtypes.values[0] == JSONBOID));
}

static bool
can_be_activity(Oid function)
{
	HeapTuple	tuple = find_function(function);
	bool		can = is_activity((Form_pg_proc) GETSTRUCT(tuple));

	ReleaseSysCache(tuple);
	return can;
}

static Oid
owner_of(Oid function)
{
	HeapTuple	tuple = find_function(function);
	Oid			owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;

	ReleaseSysCache(tuple);
	return owner;
}

/*
 * function_shape: what it takes and returns.  Raises 42883, 42809 for what is not
 * a plain function, 42P13 for one that is no activity.
 */
FunctionShape
function_shape(Oid function)
{
	HeapTuple	tuple = find_function(function);
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	FunctionShape shape;

	if (proc->prokind != PROKIND_FUNCTION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a plain function", format_procedure(function))));
	if (!is_activity(proc))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %s cannot be an activity", format_procedure(function)),
				 errdetail("It has to take nothing or one jsonb, and to return jsonb or void.")));
	shape.takes_input = proc->pronargs == 1;
	shape.returns_result = proc->prorettype == JSONBOID;
	ReleaseSysCache(tuple);
	return shape;
}

/* function_may_log_in: can there be sessions of the role? */
bool
function_may_log_in(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		may = HeapTupleIsValid(tuple) &&
		((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return may;
}

/*
 * function_problem: why the function cannot run as that role now; NULL when it
 * can.  Its present owner has to be that role, or has to be able to become it.
 */
const char *
function_problem(Oid function, Oid run_as)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(run_as)))
		return "the role does not exist";
	if (!function_may_log_in(run_as))
		return "the role may not log in";
	if (database_aclcheck(MyDatabaseId, run_as, ACL_CONNECT) != ACLCHECK_OK)
		return "the role may not CONNECT to the database";
	if (!SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(function)))
		return "the function does not exist";
	if (!can_be_activity(function))
		return "the function cannot be an activity";
	if (!may_set_role(owner_of(function), run_as))
		return "the owner of the function may not SET ROLE to the role";
	if (function_aclcheck(function, run_as, ACL_EXECUTE) != ACLCHECK_OK)
		return "the role may not EXECUTE the function";
	return NULL;
}
