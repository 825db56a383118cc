/*
 * schedule_args.c
 *		Arguments of taskq.schedule and taskq.schedule_many, with which those of
 *		taskq.execute begin.
 *
 * There are twenty-one of them, most of which a call leaves alone, and the
 * executor has work with each.  So the planner asks the support function
 * here, which drops those at the end that say nothing: the reverse of what
 * the planner did when it filled in the defaults.  A function that is called
 * with fewer arguments takes the others for NULL, which is what "not given"
 * means for all of them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "utils/jsonb.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "calls/args.h"
#include "calls/schedule_args.h"
#include "common/lengths.h"
#include "model/options.h"
#include "model/retry_policy.h"
#include "shared/directory.h"
#include "store/catalog.h"

/* check_activity_id_set: an id that is given is not empty. */
void
check_activity_id_set(const text *activity_id)
{
	if (activity_id != NULL && VARSIZE_ANY_EXHDR(activity_id) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("activity_id is not set"),
				 errhint("Leave it NULL for an activity without an id.")));
}

/* check_input: raise when it is too large. */
void
check_input(Datum input, bool null)
{
	if (!null)
		check_payload_size(input, "input");
}

/* "many": the activity ids are an array, which is read later */
static void
read_names(FunctionCallInfo fcinfo, Activity *activity, bool many)
{
	require_arg(fcinfo, ARG_TASK_QUEUE, "task_queue");
	activity->task.queue = check_queue_name(arg_text(fcinfo, ARG_TASK_QUEUE));
	require_arg(fcinfo, ARG_ACTIVITY_TYPE, "activity_type");
	if (!many)
	{
		activity->activity_id = arg_text(fcinfo, ARG_ACTIVITY_ID);
		check_activity_id_set(activity->activity_id);
	}
	activity->activity_type = arg_text(fcinfo, ARG_ACTIVITY_TYPE);
	if (VARSIZE_ANY_EXHDR(activity->activity_type) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("activity_type is not set")));
}

static void
read_options(FunctionCallInfo fcinfo, Options *options, Task *task)
{
	if (arg_is_null(fcinfo, ARG_RETRY_POLICY))
	{
		retry_policy_defaults(&options->retry_policy);
		retry_policy_check(&options->retry_policy);
	}
	else
		retry_policy_from_datum(PG_GETARG_DATUM(ARG_RETRY_POLICY),
								&options->retry_policy);
	options->has_priority = !arg_is_null(fcinfo, ARG_PRIORITY);
	if (options->has_priority)
		options->priority = PG_GETARG_INT32(ARG_PRIORITY);
	task->fairness_key = arg_text(fcinfo, ARG_FAIRNESS_KEY);
	if (task->fairness_key != NULL && VARSIZE_ANY_EXHDR(task->fairness_key) == 0)
		task->fairness_key = NULL;
	if (!arg_is_null(fcinfo, ARG_FAIRNESS_WEIGHT))
		task->fairness_weight = PG_GETARG_FLOAT8(ARG_FAIRNESS_WEIGHT);
}

static void
read_timeouts(FunctionCallInfo fcinfo, Options *options)
{
	options->schedule_to_close = arg_duration(fcinfo, ARG_SCHEDULE_TO_CLOSE,
											  "schedule_to_close_timeout");
	options->schedule_to_start = arg_duration(fcinfo, ARG_SCHEDULE_TO_START,
											  "schedule_to_start_timeout");
	options->start_to_close = arg_duration(fcinfo, ARG_START_TO_CLOSE,
										   "start_to_close_timeout");
	options->heartbeat_timeout = arg_duration(fcinfo, ARG_HEARTBEAT_TIMEOUT,
											  "heartbeat_timeout");
}

/* when the first attempt may start: a delay, or an instant */
static void
read_start(FunctionCallInfo fcinfo, ScheduleCall *call)
{
	call->activity.options.start_delay = arg_duration(fcinfo, ARG_START_DELAY,
													  "start_delay");
	call->start_at = DT_NOBEGIN;
	if (arg_is_null(fcinfo, ARG_START_AT))
		return;
	if (!arg_is_null(fcinfo, ARG_START_DELAY))
		raise_two_starts();
	call->start_at = PG_GETARG_TIMESTAMPTZ(ARG_START_AT);
	check_start_at(call->start_at);
}

static void
read_extras(FunctionCallInfo fcinfo, Activity *activity)
{
	activity->request_id = arg_text(fcinfo, ARG_REQUEST_ID);
	check_name_length(activity->request_id, "request ID");
	if (activity->request_id != NULL &&
		VARSIZE_ANY_EXHDR(activity->request_id) == 0)
		activity->request_id = NULL;
	(void) arg_identity(fcinfo, ARG_IDENTITY);

	activity->header = arg_varlena(fcinfo, ARG_HEADER);
	if (activity->header != NULL)
		check_payload_size(PointerGetDatum(activity->header), "header");
	activity->summary = arg_text(fcinfo, ARG_SUMMARY);
	if (activity->summary != NULL &&
		VARSIZE_ANY_EXHDR(activity->summary) > MAX_SUMMARY_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("summary exceeds length limit"),
				 errdetail("Length is %d bytes, limit is %d.",
						   (int) VARSIZE_ANY_EXHDR(activity->summary),
						   MAX_SUMMARY_LENGTH)));
	activity->search_attributes = arg_varlena(fcinfo, ARG_SEARCH_ATTRIBUTES);
	if (activity->search_attributes != NULL)
	{
		check_payload_size(PointerGetDatum(activity->search_attributes),
						   "search_attributes");
		if (!JB_ROOT_IS_OBJECT(arg_jsonb(fcinfo, ARG_SEARCH_ATTRIBUTES)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("search_attributes must be a JSON object")));
	}
}

static void
read_policies(FunctionCallInfo fcinfo, ScheduleCall *call)
{
	Oid			reuse = arg_is_null(fcinfo, ARG_ID_REUSE_POLICY) ? InvalidOid :
		PG_GETARG_OID(ARG_ID_REUSE_POLICY);
	Oid			conflict = arg_is_null(fcinfo, ARG_ID_CONFLICT_POLICY) ? InvalidOid :
		PG_GETARG_OID(ARG_ID_CONFLICT_POLICY);

	call->reuse = REUSE_ALLOW;
	if (reuse == catalog()->reuse_failed_only)
		call->reuse = REUSE_FAILED_ONLY;
	else if (reuse == catalog()->reuse_reject)
		call->reuse = REUSE_REJECT;
	call->conflict = conflict == catalog()->conflict_use_existing ?
		CONFLICT_USE_EXISTING : CONFLICT_FAIL;
}

/*
 * schedule_read_call: all arguments but arrays and inputs, in the order in
 * which they are judged.  "many": the activity ids are an array.
 */
void
schedule_read_call(FunctionCallInfo fcinfo, ScheduleCall *call, bool many)
{
	Activity   *activity = &call->activity;

	memset(call, 0, sizeof(ScheduleCall));
	read_names(fcinfo, activity, many);
	read_options(fcinfo, &activity->options, &activity->task);
	check_name_length(activity->activity_id, "activity_id");
	check_name_length(activity->activity_type, "activity_type");
	options_check_priority(&activity->options, &activity->task);
	read_timeouts(fcinfo, &activity->options);
	options_normalise(&activity->options, activity->activity_id,
					  activity->activity_type);
	read_start(fcinfo, call);
	read_extras(fcinfo, activity);
	read_policies(fcinfo, call);
}

/* ------------------------------------------------------------------------
 * What the planner asks
 * ------------------------------------------------------------------------
 */

/* does the argument say the same as if it were not there? */
static bool
says_nothing(const Node *arg, int n)
{
	const Const *constant = (const Const *) arg;

	if (!IsA(arg, Const))
		return false;
	if (constant->constisnull)
		return true;
	if (n == ARG_ID_REUSE_POLICY)
		return DatumGetObjectId(constant->constvalue) == catalog()->reuse_allow;
	if (n == ARG_ID_CONFLICT_POLICY)
		return DatumGetObjectId(constant->constvalue) == catalog()->conflict_fail;
	return false;
}

/* how many arguments of the function have no default */
static int
required_args(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	int			n;

	if (!HeapTupleIsValid(tuple))
		return SCHEDULE_ARGS;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	n = form->pronargs - form->pronargdefaults;
	ReleaseSysCache(tuple);
	return n;
}

PG_FUNCTION_INFO_V1(taskq_schedule_support);

/*
 * taskq.schedule_support(internal) returns internal: the same call without
 * arguments at its end that say nothing.  Those without a default stay: the
 * planner may see the call once more, and fills in what has one.
 */
Datum
taskq_schedule_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	FuncExpr   *call;
	FuncExpr   *brief;
	int			n;
	int			required;

	if (control == NULL || !IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	call = ((SupportRequestSimplify *) request)->fcall;
	n = list_length(call->args);
	Assert(n <= SCHEDULE_ARGS);
	required = required_args(call->funcid);
	while (n > required && says_nothing(list_nth(call->args, n - 1), n - 1))
		n--;
	if (n == list_length(call->args))
		PG_RETURN_POINTER(NULL);
	brief = makeNode(FuncExpr);
	*brief = *call;
	brief->args = list_truncate(list_copy(call->args), n);
	PG_RETURN_POINTER(brief);
}
