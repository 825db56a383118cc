/*
 * workflow_args.c
 *		Arguments that calls about workflows share.
 *
 * Each writing call has two forms: typed arguments, from which a request of the
 * protocol is made, and that request itself, as JSON.  What both do is one function.
 */
#include "postgres.h"

#include <ctype.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "base/proto_check.h"
#include "base/texts.h"
#include "calls/args.h"
#include "calls/workflow_args.h"
#include "engine/run_refusal.h"
#include "engine/run_uuid.h"
#include "model/duration.h"
#include "model/options.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "store/catalog.h"
#include "store/find_run.h"

/* bytes of a uuid as text */
#define UUID_TEXT		36

/* ------------------------------------------------------------------------
 * Runs
 * ------------------------------------------------------------------------
 */

/* is it a run of the workflow?  NULL = of any */
static bool
run_has_id(const Run *run, const text *workflow_id)
{
	return workflow_id == NULL ||
		text_equal(DatumGetTextPP(PointerGetDatum(run->workflow_id)), workflow_id);
}

/*
 * named_run_look: by the run_id, or (0) the latest run of the workflow_id; what is not
 * told is 0 or NULL.  False when there is none.  Raises 22023 for too long a workflow_id.
 */
bool
named_run_look(const text *workflow_id, int64 run_id, NamedRun *named)
{
	check_name_length(workflow_id, "workflow ID");
	if (run_id == 0 && workflow_id == NULL)
		return false;
	named->is_open = run_id != 0 ? see_run(run_id, &named->run) :
		see_run_by_workflow_id(workflow_id, &named->run);
	if (named->is_open && run_has_id(&named->run, workflow_id))
	{
		named->run_id = named->run.task.run_id;
		return true;
	}
	named->is_open = false;
	if (!(run_id != 0 ? closed_run_find(run_id, &named->closed) :
		  closed_run_see_newest(workflow_id, &named->closed)) ||
		!run_has_id(&named->closed.run, workflow_id))
		return false;
	named->run_id = named->closed.run.task.run_id;
	return true;
}

/* named_run_find: likewise; raises TQ001. */
void
named_run_find(const text *workflow_id, int64 run_id, NamedRun *named)
{
	if (!named_run_look(workflow_id, run_id, named))
		raise_workflow_not_found(workflow_id, run_id);
}

/* outcome_values: run_id, status, result, failure. */
void
outcome_values(const NamedRun *named, Datum *values, bool *nulls)
{
	const ClosedRun *closed = &named->closed;
	bool		has_result = !named->is_open && closed->result != NULL;
	bool		has_failure = !named->is_open && closed->failure != NULL;

	memset(nulls, false, 4 * sizeof(bool));
	values[0] = Int64GetDatum(named->run_id);
	values[1] = ObjectIdGetDatum(catalog()->workflow_status[named->is_open ? RUN_STATUS_RUNNING :
															closed->status]);
	nulls[2] = !has_result;
	if (has_result)
		values[2] = PointerGetDatum(closed->result);
	nulls[3] = !has_failure;
	if (has_failure)
		values[3] = PointerGetDatum(closed->failure);
}

/* arg_run_id: 0 when it is not told.  Raises TQ001 for a number that no run has. */
int64
arg_run_id(FunctionCallInfo fcinfo, int n)
{
	if (arg_is_null(fcinfo, n))
		return 0;
	if (!run_uuid_fits(PG_GETARG_INT64(n)))
		raise_workflow_unknown(NULL, PG_GETARG_INT64(n));
	return PG_GETARG_INT64(n);
}

/* open_run_look: likewise, but it has to be open; for calls that write. */
bool
open_run_look(const text *workflow_id, int64 run_id, Run *run)
{
	bool		found;

	check_name_length(workflow_id, "workflow ID");
	found = run_id != 0 ? find_run(run_id, run) :
		workflow_id != NULL && find_run_by_workflow_id(workflow_id, run);
	return found && run_has_id(run, workflow_id);
}

/* open_run_named: likewise; raises TQ001. */
int64
open_run_named(const text *workflow_id, int64 run_id, Run *run)
{
	if (!open_run_look(workflow_id, run_id, run))
		raise_workflow_not_found(workflow_id, run_id);
	return run->task.run_id;
}

/* as the protocol writes them: 8-4-4-4-12 */
static bool
is_uuid(const char *text)
{
	for (int i = 0; i < UUID_TEXT; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' :
			!isxdigit((unsigned char) text[i]))
			return false;
	return text[UUID_TEXT] == '\0';
}

/*
 * run_of_uuid_text: the run that a request names so, in its field "name", which is at
 * that path.  Raises 22023 for what is no uuid, TQ001.
 */
int64
run_of_uuid_text(const char *uuid, const char *name, const char *path)
{
	int64		run_id;

	if (!is_uuid(uuid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid %s.", name),
				 errdetail("request.%s: expected the UUID of a run.", path)));
	if (!run_uuid_read(DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(uuid))), &run_id))
		raise_workflow_not_found(cstring_to_text(uuid), 0);
	return run_id;
}

/*
 * execution_of_request: the workflow that a request names, and its run, 0 if that is not
 * told; of a typed call without a workflow_id the run alone.  Raises 22004 without
 * both, 22023, TQ001.
 */
void
execution_of_request(Jsonb *request, text **workflow_id, int64 *run_id)
{
	Jsonb	   *execution = json_get_object(request, "workflowExecution");
	char	   *id = execution == NULL ? NULL : json_get_text(execution, "workflowId");
	char	   *uuid = execution == NULL ? NULL : json_get_text(execution, "runId");
	bool		has_run = uuid != NULL && uuid[0] != '\0';

	if (id == NULL ? !has_run : id[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("WorkflowId is not set on request.")));
	*workflow_id = id == NULL ? NULL : cstring_to_text(id);
	*run_id = has_run ? run_of_uuid_text(uuid, "RunId", "workflowExecution.runId") : 0;
}

/* ------------------------------------------------------------------------
 * Requests
 * ------------------------------------------------------------------------
 */

/* arg_request: the only argument, a request of that shape.  Raises 22004, 22023. */
Jsonb *
arg_request(FunctionCallInfo fcinfo, const ProtoMessage *message)
{
	require_arg(fcinfo, 0, "request");
	return proto_check("request", message, arg_jsonb(fcinfo, 0));
}

/* add_payloads_arg: plain JSON as payloads. */
void
add_payloads_arg(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int n)
{
	Jsonb	   *plain = arg_jsonb(fcinfo, n);

	if (plain == NULL)
		return;
	check_payload_size(PointerGetDatum(plain), key);
	json_add(builder, key, payloads_exact(plain));
}

/* add_map_arg: a plain object as a Header or Memo. */
void
add_map_arg(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int n)
{
	Jsonb	   *plain = arg_jsonb(fcinfo, n);
	JsonBuilder message;

	if (plain == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(plain))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", key)));
	check_payload_size(PointerGetDatum(plain), key);
	json_begin(&message);
	if (JB_ROOT_COUNT(plain) > 0)
		json_add(&message, "fields", payload_map_exact(plain));
	json_add(builder, key, json_end(&message));
}

/* add_duration_arg: NULL is not given, zero is.  Raises 22023 for what the protocol cannot hold. */
void
add_duration_arg(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int n,
				 const char *name)
{
	if (!arg_is_null(fcinfo, n))
		json_add_duration(builder, key, check_proto_duration(arg_duration(fcinfo, n, name), name));
}

/* add_text_arg: NULL and '' are not given. */
void
add_text_arg(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int n)
{
	text	   *value = arg_text(fcinfo, n);

	if (value != NULL && VARSIZE_ANY_EXHDR(value) > 0)
		json_add_text(builder, key, text_to_cstring(value));
}

/* add_named: a message with one member, such as a WorkflowType. */
void
add_named(JsonBuilder *builder, const char *key, const char *member, const char *name)
{
	JsonBuilder message;

	json_begin(&message);
	json_add_text(&message, member, name);
	json_add(builder, key, json_end(&message));
}
