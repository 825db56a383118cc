/*
 * commands.c
 *		taskq.command_...: what a worker answers a workflow task with, made of
 *		SQL's values.
 *
 * A table says for each command what its arguments become.  Each is written as
 * JSON, and the whole checked like a command that somebody else has written.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/json.h"
#include "base/json_print.h"
#include "base/proto_check.h"
#include "base/server_memory.h"
#include "calls/args.h"
#include "common/failure_form.h"
#include "common/json_text.h"
#include "common/payload_json.h"
#include "common/proto_commands.h"
#include "common/proto_events.h"
#include "common/proto_numbers.h"
#include "common/proto_times.h"
#include "model/duration.h"
#include "model/options.h"
#include "model/proto_values.h"
#include "model/retry_policy.h"

/* What an argument of SQL is, and what becomes of it. */
typedef enum PartForm
{
	PART_TEXT,
	PART_QUEUE,					/* a text, the name of a task queue */
	PART_INT,
	PART_BIGINT,
	PART_WEIGHT,				/* a finite number, the weight of a fairness key */
	PART_BOOLEAN,				/* not written if false */
	PART_INTERVAL,
	PART_PAYLOADS,				/* jsonb, the plain form of any number of payloads */
	PART_PAYLOAD_MAP,			/* an object of such, each one payload */
	PART_PAYLOADS_MAP,			/* likewise, each any number */
	PART_FAILURE,				/* an object, the plain form of a failure */
	PART_RETRY_POLICY,
	PART_SUMMARY				/* a text, beside the attributes */
} PartForm;

typedef struct Part
{
	const char *argument;		/* its name, for people */
	const char *within;			/* key of the object that it is in, or NULL; such parts are neighbours */
	const char *key;
	PartForm	form;
} Part;

static const Part schedule_activity[] = {
	{"activity_type", "activityType", "name", PART_TEXT},
	{"input", NULL, "input", PART_PAYLOADS},
	{"start_to_close_timeout", NULL, "startToCloseTimeout", PART_INTERVAL},
	{"schedule_to_close_timeout", NULL, "scheduleToCloseTimeout", PART_INTERVAL},
	{"schedule_to_start_timeout", NULL, "scheduleToStartTimeout", PART_INTERVAL},
	{"heartbeat_timeout", NULL, "heartbeatTimeout", PART_INTERVAL},
	{"activity_id", NULL, "activityId", PART_TEXT},
	{"task_queue", "taskQueue", "name", PART_QUEUE},
	{"retry_policy", NULL, "retryPolicy", PART_RETRY_POLICY},
	{"header", "header", "fields", PART_PAYLOAD_MAP},
	{"priority", "priority", "priorityKey", PART_INT},
	{"fairness_key", "priority", "fairnessKey", PART_TEXT},
	{"fairness_weight", "priority", "fairnessWeight", PART_WEIGHT},
	{"eager", NULL, "requestEagerExecution", PART_BOOLEAN},
	{"summary", NULL, NULL, PART_SUMMARY},
};

static const Part start_timer[] = {
	{"timer_id", NULL, "timerId", PART_TEXT},
	{"start_to_fire", NULL, "startToFireTimeout", PART_INTERVAL},
	{"summary", NULL, NULL, PART_SUMMARY},
};

static const Part cancel_timer[] = {
	{"timer_id", NULL, "timerId", PART_TEXT},
};

static const Part request_cancel_activity[] = {
	{"scheduled_event_id", NULL, "scheduledEventId", PART_BIGINT},
};

static const Part complete[] = {
	{"result", NULL, "result", PART_PAYLOADS},
};

static const Part fail_with[] = {
	{"failure", NULL, "failure", PART_FAILURE},
};

static const Part cancel[] = {
	{"details", NULL, "details", PART_PAYLOADS},
};

static const Part continue_as_new[] = {
	{"workflow_type", "workflowType", "name", PART_TEXT},
	{"input", NULL, "input", PART_PAYLOADS},
	{"task_queue", "taskQueue", "name", PART_QUEUE},
	{"run_timeout", NULL, "workflowRunTimeout", PART_INTERVAL},
	{"task_timeout", NULL, "workflowTaskTimeout", PART_INTERVAL},
	{"backoff", NULL, "backoffStartInterval", PART_INTERVAL},
	{"retry_policy", NULL, "retryPolicy", PART_RETRY_POLICY},
	{"header", "header", "fields", PART_PAYLOAD_MAP},
	{"memo", "memo", "fields", PART_PAYLOAD_MAP},
	{"search_attributes", "searchAttributes", "indexedFields", PART_PAYLOAD_MAP},
};

static const Part record_marker[] = {
	{"marker_name", NULL, "markerName", PART_TEXT},
	{"details", NULL, "details", PART_PAYLOADS_MAP},
	{"failure", NULL, "failure", PART_FAILURE},
	{"header", "header", "fields", PART_PAYLOAD_MAP},
};

static const Part upsert_search_attributes[] = {
	{"search_attributes", "searchAttributes", "indexedFields", PART_PAYLOAD_MAP},
};

static const Part modify_properties[] = {
	{"memo", "upsertedMemo", "fields", PART_PAYLOAD_MAP},
};

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */

static void
add_text(TextBuffer *to, text *value)
{
	json_text_encode(to, (Slice) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)});
}

static void
add_number(TextBuffer *to, int64 number)
{
	char		digits[32];

	snprintf(digits, sizeof(digits), INT64_FORMAT, number);
	text_buffer_text(to, digits);
}

static void
add_interval(TextBuffer *to, const Interval *interval, const char *name)
{
	int64		duration = check_proto_duration(duration_from_interval(interval, name), name);

	text_buffer_char(to, '"');
	proto_duration_write(to, (ProtoTime) {duration / USECS_PER_SEC, (int32) (duration % USECS_PER_SEC) * 1000});
	text_buffer_char(to, '"');
}

/* An object; 22023 for any other value. */
static Slice
object_of(Jsonb *value, const char *name)
{
	if (!JB_ROOT_IS_OBJECT(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
	return json_printed(value);
}

static void
add_payloads_map(TextBuffer *to, Slice object)
{
	JsonReader	reader = json_text_open(object);
	Slice		key;
	Slice		value;
	bool		is_first = true;

	text_buffer_char(to, '{');
	while (json_text_member(&reader, &key, &value))
	{
		if (!is_first)
			text_buffer_char(to, ',');
		is_first = false;
		text_buffer_slice(to, key);
		text_buffer_char(to, ':');
		payloads_json_from_plain(to, value, PAYLOADS_PLAIN);
	}
	text_buffer_char(to, '}');
}

static void
add_error_types(TextBuffer *to, ArrayType *types)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	bool		is_first = true;

	deconstruct_array(types, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	text_buffer_char(to, '[');
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			continue;
		if (!is_first)
			text_buffer_char(to, ',');
		is_first = false;
		add_text(to, DatumGetTextPP(elements[i]));
	}
	text_buffer_char(to, ']');
}

static void
add_failure(TextBuffer *to, Jsonb *failure, const char *name)
{
	Slice		object = object_of(failure, name);

	failure_check(failure, name);
	failure_from_plain(to, object, true);
}

/* A number; 22023 for what is none, of which the protocol would make nothing. */
static void
add_finite(TextBuffer *to, float8 number, const char *problem)
{
	if (isnan(number) || isinf(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", problem)));
	proto_double_write(to, number, false);
}

/* What is not set is left out: the server has its defaults. */
static void
add_retry_policy(TextBuffer *to, Datum composite)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(composite);
	Datum		values[RETRY_POLICY_FIELDS];
	bool		nulls[RETRY_POLICY_FIELDS];

	for (int i = 0; i < RETRY_POLICY_FIELDS; i++)
		values[i] = GetAttributeByNum(header, i + 1, &nulls[i]);
	if (!nulls[5] && DatumGetFloat8(values[5]) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid retry_policy: jitter is not for activities of workflows")));
	text_buffer_char(to, '{');
	if (!nulls[0])
	{
		json_text_key(to, "initialInterval");
		add_interval(to, DatumGetIntervalP(values[0]), "initial_interval set on retry policy");
	}
	if (!nulls[1])
	{
		json_text_key(to, "backoffCoefficient");
		add_finite(to, DatumGetFloat8(values[1]), "backoff_coefficient must be a finite number on retry policy");
	}
	if (!nulls[2])
	{
		json_text_key(to, "maximumInterval");
		add_interval(to, DatumGetIntervalP(values[2]), "maximum_interval set on retry policy");
	}
	if (!nulls[3])
	{
		json_text_key(to, "maximumAttempts");
		add_number(to, DatumGetInt32(values[3]));
	}
	if (!nulls[4])
	{
		json_text_key(to, "nonRetryableErrorTypes");
		add_error_types(to, DatumGetArrayTypeP(values[4]));
	}
	text_buffer_char(to, '}');
}

static void
add_value(TextBuffer *to, FunctionCallInfo fcinfo, int n, const Part *part)
{
	switch (part->form)
	{
		case PART_TEXT:
		case PART_SUMMARY:
			add_text(to, PG_GETARG_TEXT_PP(n));
			break;
		case PART_QUEUE:
			add_text(to, check_queue_name(PG_GETARG_TEXT_PP(n)));
			break;
		case PART_INT:
			add_number(to, PG_GETARG_INT32(n));
			break;
		case PART_BIGINT:
			add_number(to, PG_GETARG_INT64(n));
			break;
		case PART_WEIGHT:
			add_finite(to, PG_GETARG_FLOAT8(n), "invalid priorities: fairness weight must be a finite number");
			break;
		case PART_BOOLEAN:
			text_buffer_text(to, PG_GETARG_BOOL(n) ? "true" : "false");
			break;
		case PART_INTERVAL:
			add_interval(to, PG_GETARG_INTERVAL_P(n), part->argument);
			break;
		case PART_PAYLOADS:
			payloads_json_from_plain(to, json_printed(PG_GETARG_JSONB_P(n)), PAYLOADS_PLAIN);
			break;
		case PART_PAYLOAD_MAP:
			payload_map_json_from_plain(to, object_of(PG_GETARG_JSONB_P(n), part->argument));
			break;
		case PART_PAYLOADS_MAP:
			add_payloads_map(to, object_of(PG_GETARG_JSONB_P(n), part->argument));
			break;
		case PART_FAILURE:
			add_failure(to, PG_GETARG_JSONB_P(n), part->argument);
			break;
		case PART_RETRY_POLICY:
			add_retry_policy(to, PG_GETARG_DATUM(n));
			break;
	}
}

/* ------------------------------------------------------------------------
 * Commands
 * ------------------------------------------------------------------------
 */

/* Those arguments that are set; neighbours within the same object share it. */
static void
add_attributes(TextBuffer *to, FunctionCallInfo fcinfo, const Part *parts, int count)
{
	const char *within = NULL;

	text_buffer_char(to, '{');
	for (int i = 0; i < count; i++)
	{
		const Part *part = &parts[i];

		if (arg_is_null(fcinfo, i) || part->form == PART_SUMMARY)
			continue;
		if (within != NULL && (part->within == NULL || strcmp(part->within, within) != 0))
		{
			text_buffer_char(to, '}');
			within = NULL;
		}
		if (part->within != NULL && within == NULL)
		{
			json_text_key(to, part->within);
			text_buffer_char(to, '{');
			within = part->within;
		}
		json_text_key(to, part->key);
		add_value(to, fcinfo, i, part);
	}
	text_buffer_text(to, within != NULL ? "}}" : "}");
}

/* The command of this type. */
static Datum
build(FunctionCallInfo fcinfo, ProtoCommandType type, const Part *parts, int count)
{
	const ProtoKind *kind = proto_command_kind(type);
	TextBuffer	json;
	TextBuffer	summary;

	text_buffer_init(&json, &server_allocator);
	text_buffer_text(&json, "{\"commandType\":\"");
	text_buffer_text(&json, kind->constant);
	text_buffer_char(&json, '"');
	json_text_key(&json, kind->key);
	add_attributes(&json, fcinfo, parts, count);
	if (parts[count - 1].form == PART_SUMMARY && !arg_is_null(fcinfo, count - 1))
	{
		text_buffer_init(&summary, &server_allocator);
		add_value(&summary, fcinfo, count - 1, &parts[count - 1]);
		text_buffer_text(&json, ",\"userMetadata\":{\"summary\":");
		payload_json_from_plain(&json, (Slice) {summary.data, summary.length});
		text_buffer_char(&json, '}');
	}
	text_buffer_char(&json, '}');
	PG_RETURN_JSONB_P(proto_check_text("command", &proto_command, (Slice) {json.data, json.length}));
}

#define BUILD(type, parts) build(fcinfo, COMMAND_TYPE_##type, parts, lengthof(parts))

PG_FUNCTION_INFO_V1(taskq_command_schedule_activity);

/*
 * taskq.command_schedule_activity(activity_type, input, ...) returns jsonb; an
 * activity without an id gets a uuid.  The arguments are the caller's, who passes the
 * same ones again for the next row: the uuid goes into a copy of them.
 */
Datum
taskq_command_schedule_activity(PG_FUNCTION_ARGS)
{
	const int	activity_id = 6;
	char	   *uuid;
	LOCAL_FCINFO(none, 0);
	LOCAL_FCINFO(given, lengthof(schedule_activity));

	require_arg(fcinfo, 0, "activity_type");
	memcpy(given, fcinfo, SizeForFunctionCallInfo(Min(PG_NARGS(), (int) lengthof(schedule_activity))));
	if (arg_is_null(given, activity_id))
	{
		InitFunctionCallInfoData(*none, NULL, 0, InvalidOid, NULL, NULL);
		uuid = DatumGetCString(DirectFunctionCall1(uuid_out, gen_random_uuid(none)));
		given->args[activity_id].value = PointerGetDatum(cstring_to_text(uuid));
		given->args[activity_id].isnull = false;
	}
	return build(given, COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, schedule_activity,
				 lengthof(schedule_activity));
}

PG_FUNCTION_INFO_V1(taskq_command_start_timer);

/* taskq.command_start_timer(timer_id, start_to_fire, summary) returns jsonb */
Datum
taskq_command_start_timer(PG_FUNCTION_ARGS)
{
	require_arg(fcinfo, 0, "timer_id");
	require_arg(fcinfo, 1, "start_to_fire");
	return BUILD(START_TIMER, start_timer);
}

PG_FUNCTION_INFO_V1(taskq_command_cancel_timer);

/* taskq.command_cancel_timer(timer_id) returns jsonb */
Datum
taskq_command_cancel_timer(PG_FUNCTION_ARGS)
{
	require_arg(fcinfo, 0, "timer_id");
	return BUILD(CANCEL_TIMER, cancel_timer);
}

PG_FUNCTION_INFO_V1(taskq_command_request_cancel_activity);

/* taskq.command_request_cancel_activity(scheduled_event_id) returns jsonb */
Datum
taskq_command_request_cancel_activity(PG_FUNCTION_ARGS)
{
	require_arg(fcinfo, 0, "scheduled_event_id");
	return BUILD(REQUEST_CANCEL_ACTIVITY_TASK, request_cancel_activity);
}

PG_FUNCTION_INFO_V1(taskq_command_complete);

/* taskq.command_complete(result) returns jsonb */
Datum
taskq_command_complete(PG_FUNCTION_ARGS)
{
	return BUILD(COMPLETE_WORKFLOW_EXECUTION, complete);
}

PG_FUNCTION_INFO_V1(taskq_command_fail_with);

/* taskq.command_fail_with(failure) returns jsonb */
Datum
taskq_command_fail_with(PG_FUNCTION_ARGS)
{
	require_arg(fcinfo, 0, "failure");
	return BUILD(FAIL_WORKFLOW_EXECUTION, fail_with);
}

PG_FUNCTION_INFO_V1(taskq_command_fail);

/* taskq.command_fail(message, type, details, non_retryable) returns jsonb */
Datum
taskq_command_fail(PG_FUNCTION_ARGS)
{
	JsonBuilder builder;
	text	   *message = arg_text(fcinfo, 0);
	text	   *type = arg_text(fcinfo, 1);
	LOCAL_FCINFO(call, 1);

	require_arg(fcinfo, 0, "message");
	json_begin(&builder);
	json_add_text(&builder, "kind", "application");
	json_add_text(&builder, "message", text_to_cstring(message));
	json_add_text(&builder, "type", type != NULL ? text_to_cstring(type) : NULL);
	json_add(&builder, "details", arg_jsonb(fcinfo, 2));
	json_add_true(&builder, "non_retryable", arg_bool(fcinfo, 3));
	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = JsonbPGetDatum(json_end(&builder));
	call->args[0].isnull = false;
	return build(call, COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, fail_with, lengthof(fail_with));
}

PG_FUNCTION_INFO_V1(taskq_command_cancel);

/* taskq.command_cancel(details) returns jsonb */
Datum
taskq_command_cancel(PG_FUNCTION_ARGS)
{
	return BUILD(CANCEL_WORKFLOW_EXECUTION, cancel);
}

PG_FUNCTION_INFO_V1(taskq_command_continue_as_new);

/* taskq.command_continue_as_new(workflow_type, input, ...) returns jsonb */
Datum
taskq_command_continue_as_new(PG_FUNCTION_ARGS)
{
	return BUILD(CONTINUE_AS_NEW_WORKFLOW_EXECUTION, continue_as_new);
}

PG_FUNCTION_INFO_V1(taskq_command_record_marker);

/* taskq.command_record_marker(marker_name, details, failure, header) returns jsonb */
Datum
taskq_command_record_marker(PG_FUNCTION_ARGS)
{
	require_arg(fcinfo, 0, "marker_name");
	return BUILD(RECORD_MARKER, record_marker);
}

PG_FUNCTION_INFO_V1(taskq_command_upsert_search_attributes);

/* taskq.command_upsert_search_attributes(search_attributes) returns jsonb */
Datum
taskq_command_upsert_search_attributes(PG_FUNCTION_ARGS)
{
	require_arg(fcinfo, 0, "search_attributes");
	return BUILD(UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, upsert_search_attributes);
}

PG_FUNCTION_INFO_V1(taskq_command_modify_properties);

/* taskq.command_modify_properties(memo) returns jsonb */
Datum
taskq_command_modify_properties(PG_FUNCTION_ARGS)
{
	require_arg(fcinfo, 0, "memo");
	return BUILD(MODIFY_WORKFLOW_PROPERTIES, modify_properties);
}
