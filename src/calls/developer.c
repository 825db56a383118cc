/*
 * developer.c
 *		Functions that are activities: taskq.register_function and
 *		unregister_function, and what such a function can ask: record_heartbeat,
 *		current_task.
 *
 * Who may register a function is who could have done without: its owner, or a
 * superuser.  As whom it may run is in engine/functions.c, and judged again
 * whenever it runs.
 */
#include "postgres.h"

#include "catalog/objectaddress.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/texts.h"
#include "calls/args.h"
#include "calls/poll.h"
#include "calls/sleep.h"
#include "engine/functions.h"
#include "engine/own_attempt.h"
#include "model/options.h"
#include "notes/effects.h"
#include "shared/function_pool.h"
#include "store/function_rows.h"

#define MAX_CONCURRENCY		1000

/* What there is of a queue and a type. */
typedef struct Present
{
	const text *task_queue;
	const text *activity_type;
	FunctionRow row;			/* of the type; tid is valid if there is one */
	char	   *signature;
	Oid			others_run_as;	/* other functions of the queue, or InvalidOid */
} Present;

/* function_rows_each callback */
static void
compare_row(const FunctionRow *row, void *arg)
{
	Present    *present = arg;

	if (!text_equal(row->task_queue, present->task_queue))
		return;
	if (!text_equal(row->activity_type, present->activity_type))
	{
		present->others_run_as = row->run_as;
		return;
	}
	present->row.run_as = row->run_as;
	present->row.tid = row->tid;
	present->signature = text_to_cstring(row->function);
}

/* nobody else changes it until the end of the transaction */
static void
find_present(text *task_queue, text *activity_type, Present *present)
{
	memset(present, 0, sizeof(Present));
	present->task_queue = present->row.task_queue = task_queue;
	present->activity_type = present->row.activity_type = activity_type;
	ItemPointerSetInvalid(&present->row.tid);
	function_rows_lock();
	function_rows_each(compare_row, present);
}

static text *
arg_type(FunctionCallInfo fcinfo, int n)
{
	text	   *type;

	require_arg(fcinfo, n, "activity_type");
	type = arg_text(fcinfo, n);
	if (VARSIZE_ANY_EXHDR(type) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("activity_type is not set")));
	check_name_length(type, "activity_type");
	return type;
}

static text *
arg_queue(FunctionCallInfo fcinfo, int n)
{
	require_arg(fcinfo, n, "task_queue");
	return (text *) check_queue_name(arg_text(fcinfo, n));
}

static int
arg_concurrency(FunctionCallInfo fcinfo, int n)
{
	int			concurrency;

	require_arg(fcinfo, n, "concurrency");
	concurrency = PG_GETARG_INT32(n);
	if (concurrency < 1 || concurrency > MAX_CONCURRENCY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("concurrency must be between 1 and %d", MAX_CONCURRENCY)));
	return concurrency;
}

/* the caller has to own the function */
static void
require_owner(Oid function)
{
	if (!function_ownercheck(function, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FUNCTION,
					   format_procedure(function));
}

/* the caller has to be one who may have registered what there is */
static void
require_owner_of_present(const Present *present)
{
	Oid			function = function_resolve(present->signature);

	if (OidIsValid(function))
		require_owner(function);
	else if (!has_privs_of_role(GetUserId(), present->row.run_as))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the registration of function %s",
						present->signature),
				 errdetail("The function does not exist any more, and you are not a member of the role that it ran as.")));
}

/* raise unless the function can run as that role */
static void
check_run_as(Oid function, Oid run_as)
{
	const char *problem;

	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(run_as)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", run_as)));
	if (!function_may_log_in(run_as))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("role \"%s\" may not log in", GetUserNameFromId(run_as, false)),
				 errhint("Functions run in sessions of that role: ALTER ROLE ... LOGIN, or name another one as run_as.")));
	problem = function_problem(function, run_as);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("function %s cannot run as \"%s\": %s",
						format_procedure(function),
						GetUserNameFromId(run_as, false), problem)));
}

PG_FUNCTION_INFO_V1(taskq_register_function);

/*
 * taskq.register_function(activity_type, function, task_queue, run_as,
 *	 concurrency) returns void
 */
Datum
taskq_register_function(PG_FUNCTION_ARGS)
{
	text	   *type;
	text	   *queue;
	Oid			function;
	Oid			run_as;
	int			concurrency;
	Present		present;

	begin_writing("taskq.register_function()");
	type = arg_type(fcinfo, 0);
	queue = arg_queue(fcinfo, 2);
	require_arg(fcinfo, 1, "function");
	concurrency = arg_concurrency(fcinfo, 4);
	function = PG_GETARG_OID(1);
	run_as = PG_ARGISNULL(3) ? GetUserId() : PG_GETARG_OID(3);
	(void) function_shape(function);
	require_owner(function);
	check_run_as(function, run_as);

	find_present(queue, type, &present);
	if (ItemPointerIsValid(&present.row.tid))
		require_owner_of_present(&present);
	if (OidIsValid(present.others_run_as) && present.others_run_as != run_as)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("functions of task queue \"%s\" run as another role",
						text_to_cstring(queue)),
				 errdetail("All functions of a task queue have the same run_as."),
				 errhint("Use another task queue.")));
	present.row.function = cstring_to_text(function_signature(function));
	present.row.run_as = run_as;
	present.row.concurrency = concurrency;
	function_row_write(&present.row);
	effects_functions();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_unregister_function);

/* taskq.unregister_function(activity_type, task_queue) returns void */
Datum
taskq_unregister_function(PG_FUNCTION_ARGS)
{
	text	   *type;
	text	   *queue;
	Present		present;

	begin_writing("taskq.unregister_function()");
	type = arg_type(fcinfo, 0);
	queue = arg_queue(fcinfo, 1);
	find_present(queue, type, &present);
	if (!ItemPointerIsValid(&present.row.tid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no function is registered for activity type \"%s\" of task queue \"%s\"",
						text_to_cstring(type), text_to_cstring(queue))));
	require_owner_of_present(&present);
	function_row_delete(&present.row);
	effects_functions();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_function_problem);

/* taskq.function_problem(function text, run_as oid) returns text: NULL = none */
Datum
taskq_function_problem(PG_FUNCTION_ARGS)
{
	const char *problem = function_problem(function_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0))),
										   PG_GETARG_OID(1));

	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/* ------------------------------------------------------------------------
 * Inside of a function
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(taskq_record_heartbeat);

/* taskq.record_heartbeat(details) returns flags */
Datum
taskq_record_heartbeat(PG_FUNCTION_ARGS)
{
	Jsonb	   *details;
	State		state;
	Datum		values[3];
	bool		nulls[3] = {false};

	begin_reading();
	if (own_attempt() == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("taskq.record_heartbeat() was not called by a function that runs as an activity"),
				 errhint("Workers of other kinds call taskq.heartbeat().")));
	details = arg_jsonb(fcinfo, 0);
	if (details != NULL && VARSIZE_ANY_EXHDR(details) > FUNCTION_DETAILS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("details exceed size limit"),
				 errdetail("Size is %d bytes, limit is %d.",
						   (int) VARSIZE_ANY_EXHDR(details), FUNCTION_DETAILS)));
	state = own_attempt_heartbeat((struct varlena *) details);
	values[0] = BoolGetDatum(state == STATE_CANCEL_REQUESTED);
	values[1] = BoolGetDatum(state == STATE_PAUSE_REQUESTED);
	values[2] = BoolGetDatum(state == STATE_RESET_REQUESTED);
	return return_row(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(taskq_current_task);

/* taskq.current_task() returns taskq.activity_task: NULL outside of functions */
Datum
taskq_current_task(PG_FUNCTION_ARGS)
{
	const OwnAttempt *attempt = own_attempt();
	Datum		values[TASK_FIELDS];
	bool		nulls[TASK_FIELDS];

	begin_reading();
	if (attempt == NULL)
		PG_RETURN_NULL();
	poll_task_values(&attempt->activity.task, true, values, nulls);
	return return_row(fcinfo, values, nulls);
}
