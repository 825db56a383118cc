/*
 * test_canonical.c
 *		Tests of proto_canonical.c, proto_scalars.c and the tables of messages:
 *		what is written of a message, what is refused of it, and that what a
 *		real server has recorded stays as it is.
 */
#include "tap.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_check.h"
#include "common/json_text.h"
#include "common/proto_answers.h"
#include "common/proto_canonical.h"
#include "common/proto_commands.h"
#include "common/proto_enums.h"
#include "common/proto_events.h"
#include "common/proto_parts.h"
#include "common/proto_requests.h"
#include "common/proto_scalars.h"
#include "common/utf8.h"
#include "gateway/memory.h"
#include "gateway/texts.h"

static int	objects_seen;

/* As it is written, to be freed; NULL: refused, and then error says why. */
static char *
canonical(const ProtoMessage *message, Slice json, ProtoError *error)
{
	/* memory of its own, so that what is read beyond it is seen */
	char	   *copy = malloc(json.length > 0 ? json.length : 1);
	TextBuffer	out = text_begin();
	bool		is_good;

	memcpy(copy, json.data, json.length);
	is_good = proto_canonical(message, "it", (Slice) {copy, json.length}, &out, error);
	free(copy);
	if (is_good)
		return text_end(&out);
	text_buffer_free(&out);
	return NULL;
}

/* ------------------------------------------------------------------------
 * One by one
 * ------------------------------------------------------------------------
 */

static const struct
{
	const ProtoMessage *message;
	const char *json;
	const char *wanted;			/* NULL: the same */
}			good[] = {
	{&proto_command, "{}", NULL},
	{&proto_command, " { } ", "{}"},
	{&proto_command, "{\"commandType\": 4, \"cancel_timer_command_attributes\": {\"timer_id\": \"a\"}}",
	"{\"commandType\":\"COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION\",\"cancelTimerCommandAttributes\":{\"timerId\":\"a\"}}"},
	/* nothing, and zeros, and what is given though it is empty */
	{&proto_command, "{\"commandType\": 0}", "{}"},
	{&proto_command, "{\"commandType\": \"COMMAND_TYPE_UNSPECIFIED\", \"userMetadata\": null}", "{}"},
	{&proto_command, "{\"userMetadata\":{}}", NULL},
	{&proto_command, "{\"startTimerCommandAttributes\":{\"timerId\":\"\",\"startToFireTimeout\":\"0s\"}}",
	"{\"startTimerCommandAttributes\":{\"startToFireTimeout\":\"0s\"}}"},
	{&proto_command, "{\"startTimerCommandAttributes\":null,\"cancelTimerCommandAttributes\":{}}",
	"{\"cancelTimerCommandAttributes\":{}}"},
	{&proto_task_queue, "{\"name\":\"\",\"kind\":\"TASK_QUEUE_KIND_STICKY\",\"normalName\":\"n\"}",
	"{\"kind\":\"TASK_QUEUE_KIND_STICKY\",\"normalName\":\"n\"}"},
	{&proto_payloads, "{\"payloads\":[]}", "{}"},
	{&proto_payloads, "{\"payloads\":[{}]}", NULL},
	{&proto_memo, "{\"fields\":{}}", "{}"},
	{&proto_memo, "{\"fields\":{\"\":{},\"a b\":{\"data\":\"\"}}}", "{\"fields\":{\"\":{},\"a b\":{}}}"},
	/* one of several that exclude each other is written, zero or not */
	{&proto_protocol_message, "{\"eventId\":0}", "{\"eventId\":\"0\"}"},
	{&proto_versioning_override, "{\"autoUpgrade\":false}", NULL},
	/* numbers */
	{&proto_request_cancel_activity_task_command_attributes, "{\"scheduledEventId\":9007199254740993}", "{\"scheduledEventId\":\"9007199254740993\"}"},
	{&proto_request_cancel_activity_task_command_attributes, "{\"scheduledEventId\":\"-9223372036854775808\"}", NULL},
	{&proto_request_cancel_activity_task_command_attributes, "{\"scheduledEventId\":5.0}", "{\"scheduledEventId\":\"5\"}"},
	{&proto_request_cancel_activity_task_command_attributes, "{\"scheduledEventId\":1e3}", "{\"scheduledEventId\":\"1000\"}"},
	{&proto_retry_policy, "{\"maximumAttempts\":\"2147483647\",\"backoffCoefficient\":\"2.50\"}",
	"{\"maximumAttempts\":2147483647,\"backoffCoefficient\":2.5}"},
	{&proto_retry_policy, "{\"backoffCoefficient\":0.1}", NULL},
	{&proto_retry_policy, "{\"backoffCoefficient\":\"NaN\"}", NULL},
	{&proto_retry_policy, "{\"backoffCoefficient\":\"-Infinity\"}", NULL},
	{&proto_retry_policy, "{\"backoffCoefficient\":0.0}", "{}"},
	{&proto_priority, "{\"priorityKey\":3,\"fairnessWeight\":0.10000000149011612}", "{\"priorityKey\":3,\"fairnessWeight\":0.1}"},
	{&proto_metering_metadata, "{\"nonfirstLocalActivityExecutionAttempts\":4294967295}", NULL},
	/* bytes */
	{&proto_payload, "{\"data\":\"-_8\"}", "{\"data\":\"+/8=\"}"},
	{&proto_payload, "{\"data\":\"+\\/8=\"}", "{\"data\":\"+/8=\"}"},
	{&proto_payload, "{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg\"}}", "{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"}}"},
	{&proto_payload, "{\"metadata\":{\"e\":\"\"}}", NULL},
	/* texts */
	{&proto_workflow_type, "{\"name\":\"\\u00e9\\u0041\\n\\\"\"}", "{\"name\":\"\xC3\xA9" "A\\n\\\"\"}"},
	/* times */
	{&proto_retry_policy, "{\"initialInterval\":\"1s\"}", NULL},
	{&proto_retry_policy, "{\"initialInterval\":\"1.5s\"}", "{\"initialInterval\":\"1.500s\"}"},
	{&proto_retry_policy, "{\"initialInterval\":\"-0.0000010s\"}", "{\"initialInterval\":\"-0.000001s\"}"},
	{&proto_retry_policy, "{\"initialInterval\":\"315576000000s\",\"maximumInterval\":\"0.000000001s\"}", NULL},
	{&proto_timestamp, "\"2026-01-31T12:00:00.50+01:00\"", "\"2026-01-31T11:00:00.500Z\""},
	/* what may be any message */
	{&proto_any, "{}", NULL},
	{&proto_any, "{\"value\":\"AA\",\"@type\":\"a/b.C\"}", "{\"@type\":\"a/b.C\",\"value\":\"AA==\"}"},
	{&proto_any, "{\"accepted_request_sequencing_event_id\":5,\"@type\":\"type.googleapis.com/temporal.api.update.v1.Acceptance\"}",
	"{\"@type\":\"type.googleapis.com/temporal.api.update.v1.Acceptance\",\"acceptedRequestSequencingEventId\":\"5\"}"},
};

static void
written(void)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		const char *wanted = good[i].wanted ? good[i].wanted : good[i].json;
		ProtoError	error = {0};
		char	   *got = canonical(good[i].message, slice_of(good[i].json), &error);
		char	   *again;

		if (got == NULL)
			fault("%s: %s: %s", good[i].json, error.path, error.problem);
		else if (strcmp(got, wanted) != 0)
			fault("%s becomes %s, not %s", good[i].json, got, wanted);
		again = got ? canonical(good[i].message, slice_of(got), &error) : NULL;
		if (got != NULL && (again == NULL || strcmp(got, again) != 0))
			fault("%s becomes %s", got, again ? again : error.problem);
		free(got);
		free(again);
	}
	no_fault("there is one form of each message, which stays as it is");
}

#define ATTRIBUTES "it.scheduleActivityTaskCommandAttributes"

static const struct
{
	const ProtoMessage *message;
	const char *json;
	const char *path;
	const char *problem;
}			bad[] = {
	{&proto_command, "", "it", "not JSON"},
	{&proto_command, "{\"a\"", "it", "not JSON"},
	{&proto_command, "null", "it", "expected an object, found null"},
	{&proto_command, "[]", "it", "expected an object, found an array"},
	{&proto_command, "\"a\"", "it", "expected an object, found a string"},
	{&proto_command, "{\"commandTyp\":1}", "it", "unknown key: \"commandTyp\""},
	{&proto_command, "{\"commandType\":99}", "it.commandType", "expected a value of temporal.api.enums.v1.CommandType, found a number: 99"},
	{&proto_command, "{\"commandType\":\"1\"}", "it.commandType", "expected a value of temporal.api.enums.v1.CommandType, found a string: \"1\""},
	{&proto_command, "{\"commandType\":true}", "it.commandType", "expected a value of temporal.api.enums.v1.CommandType, found true"},
	{&proto_command, "{\"commandType\":[1]}", "it.commandType", "expected a value of temporal.api.enums.v1.CommandType, found an array"},
	{&proto_command, "{\"commandType\":1,\"command_type\":1}", "it.commandType", "given twice"},
	{&proto_command, "{\"a\":1,\"a\":1}", "it", "twice"},
	{&proto_command, "{\"cancelTimerCommandAttributes\":{},\"startTimerCommandAttributes\":{}}",
	"it.startTimerCommandAttributes", "excluded by: cancelTimerCommandAttributes, which is given"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"input\":{\"payloads\":[{},{\"data\":\"*\"}]}}}",
	ATTRIBUTES ".input.payloads[1].data", "expected bytes in base64, found a string"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"input\":{\"payloads\":[null]}}}",
	ATTRIBUTES ".input.payloads[0]", "expected an object, found null"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"input\":{\"payloads\":{}}}}",
	ATTRIBUTES ".input.payloads", "expected an array, found an object"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"header\":{\"fields\":{\"a.b\":{\"data\":1}}}}}",
	ATTRIBUTES ".header.fields[\"a.b\"].data", "expected bytes in base64, found a number: 1"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"header\":{\"fields\":[]}}}",
	ATTRIBUTES ".header.fields", "expected an object, found an array"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"requestEagerExecution\":\"true\"}}",
	ATTRIBUTES ".requestEagerExecution", "expected true or false, found a string"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"startToCloseTimeout\":1}}",
	ATTRIBUTES ".startToCloseTimeout", "expected a duration such as \"1.5s\", found a number: 1"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"startToCloseTimeout\":\"00:00:01\"}}",
	ATTRIBUTES ".startToCloseTimeout", "expected a duration such as \"1.5s\", found a string"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"startToCloseTimeout\":\"315576000001s\"}}",
	ATTRIBUTES ".startToCloseTimeout", "expected a duration such as \"1.5s\", found a string"},
	{&proto_command, "{\"scheduleActivityTaskCommandAttributes\":{\"startToCloseTimeout\":{\"seconds\":1}}}",
	ATTRIBUTES ".startToCloseTimeout", "expected a duration such as \"1.5s\", found an object"},
	{&proto_timestamp, "\"2026-02-30T00:00:00Z\"", "it", "expected an instant such as \"2026-01-31T12:00:00Z\", found a string"},
	{&proto_retry_policy, "{\"maximumAttempts\":2147483648}", "it.maximumAttempts", "expected a whole number of 32 bits, found a number: 2147483648"},
	{&proto_retry_policy, "{\"maximumAttempts\":1.5}", "it.maximumAttempts", "expected a whole number of 32 bits, found a number: 1.5"},
	{&proto_retry_policy, "{\"maximumAttempts\":\"\"}", "it.maximumAttempts", "expected a whole number of 32 bits, found a string"},
	{&proto_retry_policy, "{\"backoffCoefficient\":1e400}", "it.backoffCoefficient", "expected a number of double precision, found a number: 1e400"},
	{&proto_priority, "{\"fairnessWeight\":1e39}", "it.fairnessWeight", "expected a number of single precision, found a number: 1e39"},
	{&proto_metering_metadata, "{\"nonfirstLocalActivityExecutionAttempts\":-1}", "it.nonfirstLocalActivityExecutionAttempts",
	"expected a whole number of 32 bits that is not negative, found a number: -1"},
	{&proto_request_cancel_activity_task_command_attributes, "{\"scheduledEventId\":\"9223372036854775808\"}",
	"it.scheduledEventId", "expected a whole number of 64 bits, found a string"},
	{&proto_workflow_type, "{\"name\":7}", "it.name", "expected a string, found a number: 7"},
	{&proto_workflow_type, "{\"name\":\"\\u0000\"}", "it", "U+0000"},
	{&proto_workflow_type, "{\"name\":\"\xFF\"}", "it", "UTF-8"},
	{&proto_workflow_type, "{\"name\":{}}", "it.name", "expected a string, found an object"},
	{&proto_any, "{\"value\":\"AA\"}", "it", "expected a member \"@type\", found none"},
	{&proto_any, "{\"@type\":1}", "it", "\"@type\" is no string"},
	{&proto_any, "{\"@type\":\"a/b\",\"name\":1}", "it", "unknown key: \"name\""},
	{&proto_any, "{\"@type\":\"/temporal.api.update.v1.Acceptance\",\"value\":\"\"}", "it", "unknown key: \"value\""},
};

static void
refused(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		ProtoError	error = {0};
		char	   *got = canonical(bad[i].message, slice_of(bad[i].json), &error);

		/* what json_check() says is told in its words */
		if (got != NULL)
			fault("%s becomes %s", bad[i].json, got);
		else if (strcmp(error.path, bad[i].path) != 0 ||
				 (strchr(error.problem, ':') ? strcmp(error.problem, bad[i].problem) != 0 :
				  strstr(error.problem, bad[i].problem) == NULL))
			fault("%s: %s: %s", bad[i].json, error.path, error.problem);
		free(got);
	}
	no_fault("what is no such message is refused, with its path and what should have been there");
}

/* ------------------------------------------------------------------------
 * Depth and length
 * ------------------------------------------------------------------------
 */

static char *
nested_failure(int causes)
{
	char	   *open = repeated("{\"cause\":", (size_t) causes);
	char	   *closed = repeated("}", (size_t) causes);
	char	   *text = malloc(strlen(open) + strlen(closed) + 3);

	sprintf(text, "%s{}%s", open, closed);
	free(open);
	free(closed);
	return text;
}

static void
deep(void)
{
	char	   *most = nested_failure(PROTO_DEEPEST - 1);
	char	   *more = nested_failure(PROTO_DEEPEST);
	char	   *key = repeated("\xC3\xA9", 5000);
	char	   *long_key = malloc(strlen(key) + 64);
	ProtoError	error = {0};
	char	   *got = canonical(&proto_failure, slice_of(most), &error);

	is_text(got, most, "as deep as allowed");
	free(got);
	ok(canonical(&proto_failure, slice_of(more), &error) == NULL && strcmp(error.problem, "nested too deeply") == 0,
	   "not deeper");
	ok(strlen(error.path) < sizeof(error.path) && strncmp(error.path, "it.cause.cause", 14) == 0 &&
	   strstr(error.path, " ... ") != NULL, "a long path is told without its middle");
	sprintf(long_key, "{\"fields\":{\"%s\":{\"data\":1}}}", key);
	ok(canonical(&proto_memo, slice_of(long_key), &error) == NULL &&
	   strcmp(error.path + strlen(error.path) - 7, "\"].data") == 0 &&
	   utf8_valid(error.path, strlen(error.path)), "... and without half a character");
	sprintf(long_key, "{\"%s\":1}", key);
	ok(canonical(&proto_memo, slice_of(long_key), &error) == NULL &&
	   strlen(error.problem) < 100 && utf8_valid(error.problem, strlen(error.problem)), "a long key is told in part");
	free(most);
	free(more);
	free(key);
	free(long_key);
}

static void
lists(void)
{
	TextBuffer	out = text_begin();
	ProtoError	error = {0};

	ok(proto_canonical_list(&proto_command, "commands", slice_of("[{}, {\"commandType\":1}]"), &out, &error),
	   "a list of messages");
	is_text(out.data, "[{},{\"commandType\":\"COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK\"}]", "... as it is written");
	out.length = 0;
	ok(!proto_canonical_list(&proto_command, "commands", slice_of("[{},{\"startTimerCommandAttributes\":{\"timerId\":1}}]"),
							 &out, &error), "... is refused for one of them");
	is_text(error.path, "commands[1].startTimerCommandAttributes.timerId", "... with its place");
	ok(!proto_canonical_list(&proto_command, "commands", slice_of("{}"), &out, &error) &&
	   strcmp(error.problem, "expected an array, found an object") == 0, "... and one message is no list");
	out.length = 0;
	ok(proto_canonical_list(&proto_command, "commands", slice_of("[]"), &out, &error) && strcmp(out.data, "[]") == 0,
	   "no messages are a list, too");
	text_buffer_free(&out);
}

/* ------------------------------------------------------------------------
 * Recorded
 * ------------------------------------------------------------------------
 */

/* What a command becomes, and what the server itself adds to that. */
static const struct
{
	const char *event;
	const ProtoMessage *message;
	const char *added;
}			derived[] = {
	{"activityTaskScheduledEventAttributes", &proto_schedule_activity_task_command_attributes, ""},
	{"timerStartedEventAttributes", &proto_start_timer_command_attributes, ""},
	{"workflowExecutionCompletedEventAttributes", &proto_complete_workflow_execution_command_attributes, "newExecutionRunId"},
	{"workflowExecutionFailedEventAttributes", &proto_fail_workflow_execution_command_attributes, "retryState newExecutionRunId"},
	{"workflowExecutionCanceledEventAttributes", &proto_cancel_workflow_execution_command_attributes, ""},
	{"activityTaskCancelRequestedEventAttributes", &proto_request_cancel_activity_task_command_attributes, ""},
	{"timerCanceledEventAttributes", &proto_cancel_timer_command_attributes, "startedEventId identity"},
	{"markerRecordedEventAttributes", &proto_record_marker_command_attributes, ""},
	{"workflowExecutionContinuedAsNewEventAttributes", &proto_continue_as_new_workflow_execution_command_attributes, "newExecutionRunId"},
	{"startChildWorkflowExecutionInitiatedEventAttributes", &proto_start_child_workflow_execution_command_attributes, "namespaceId"},
	{"signalExternalWorkflowExecutionInitiatedEventAttributes", &proto_signal_external_workflow_execution_command_attributes,
	"namespaceId workflowExecution"},
	{"requestCancelExternalWorkflowExecutionInitiatedEventAttributes",
	&proto_request_cancel_external_workflow_execution_command_attributes, "namespaceId workflowExecution"},
	{"upsertWorkflowSearchAttributesEventAttributes", &proto_upsert_workflow_search_attributes_command_attributes, ""},
	{"workflowPropertiesModifiedEventAttributes", &proto_modify_workflow_properties_command_attributes, ""},
	{"workflowExecutionSignaledEventAttributes", &proto_signal_workflow_execution_request, "externalInitiatedEventId externalWorkflowExecution"},
	/* parts of these and of other events */
	{"userMetadata", &proto_user_metadata, ""},
	{"failure", &proto_failure, ""},
	{"lastFailure", &proto_failure, ""},
	{"continuedFailure", &proto_failure, ""},
	{"header", &proto_header, ""},
	{"memo", &proto_memo, ""},
	{"searchAttributes", &proto_search_attributes, ""},
	{"retryPolicy", &proto_retry_policy, ""},
	{"taskQueue", &proto_task_queue, ""},
	{"workflowType", &proto_workflow_type, ""},
	{"workflowExecution", &proto_workflow_execution, ""},
	{"priority", &proto_priority, ""},
	{"sdkMetadata", &proto_workflow_task_completed_metadata, ""},
	{"meteringMetadata", &proto_metering_metadata, ""},
	{"acceptedRequest", &proto_update_request, ""},
	{"eventTime", &proto_timestamp, ""},
	{"workflowTaskTimeout", &proto_duration, ""},
	{"workflowRunTimeout", &proto_duration, ""},
};

static bool
is_word(const char *words, Slice key)
{
	char		name[80];
	const char *found;

	if (json_text_equals(key, "workflowTaskCompletedEventId"))
		return true;
	snprintf(name, sizeof(name), "%.*s", (int) key.length - 2, key.data + 1);
	found = strstr(words, name);
	return found != NULL && (found == words || found[-1] == ' ') &&
		(found[strlen(name)] == ' ' || found[strlen(name)] == '\0');
}

/* Without white space, escapes that need not be, and members that are named. */
static void
squeeze(TextBuffer *to, Slice json, const char *without)
{
	JsonReader	reader = json_text_open(json);
	char		kind = json_text_type(json);
	Slice		key;
	Slice		value;

	if (kind == '"')
		proto_string_write(to, json);
	else if (kind == '{')
	{
		text_buffer_char(to, '{');
		while (json_text_member(&reader, &key, &value))
		{
			if (without != NULL && is_word(without, key))
				continue;
			if (to->data[to->length - 1] != '{')
				text_buffer_char(to, ',');
			proto_string_write(to, key);
			text_buffer_char(to, ':');
			squeeze(to, value, NULL);
		}
		text_buffer_char(to, '}');
	}
	else if (kind == '[')
	{
		text_buffer_char(to, '[');
		while (json_text_element(&reader, &value))
		{
			if (to->data[to->length - 1] != '[')
				text_buffer_char(to, ',');
			squeeze(to, value, NULL);
		}
		text_buffer_char(to, ']');
	}
	else
		text_buffer_slice(to, json);
}

static void
try_recorded(const ProtoMessage *message, Slice json, const char *without)
{
	TextBuffer	same = text_begin();
	ProtoError	error = {0};
	char	   *got;

	objects_seen++;
	squeeze(&same, json, without);
	got = canonical(message, (Slice) {same.data, same.length}, &error);
	if (got == NULL)
		fault("%s: %s: %s", same.data, error.path, error.problem);
	else if (strcmp(got, same.data) != 0)
		fault("%s becomes %s", same.data, got);
	free(got);
	text_buffer_free(&same);
}

static void
look_at(Slice json)
{
	JsonReader	reader = json_text_open(json);
	Slice		key;
	Slice		value;

	if (json_text_type(json) == '[')
		while (json_text_element(&reader, &value))
			look_at(value);
	if (json_text_type(json) != '{')
		return;
	while (json_text_member(&reader, &key, &value))
	{
		for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++)
			if (json_text_equals(key, derived[i].event))
				try_recorded(derived[i].message, value, derived[i].added);
		if (json_text_equals(key, "eventType") && proto_event_named((Slice) {value.data + 1, value.length - 2}) == NULL)
			fault("%.*s is not known", (int) value.length, value.data);
		look_at(value);
	}
}

static void
recorded(void)
{
	glob_t		files;

	if (glob(RAW "/*.json", 0, NULL, &files) != 0)
	{
		printf("Bail out! nothing in %s\n", RAW);
		exit(2);
	}
	for (size_t i = 0; i < files.gl_pathc; i++)
	{
		Slice		text = read_file(files.gl_pathv[i]);

		look_at(json_text_trim(text));
		free((char *) text.data);
	}
	globfree(&files);
	no_fault("what was recorded stays as it is");
	ok(objects_seen > 1000, "... %d objects", objects_seen);
}

/* ------------------------------------------------------------------------
 * Tables
 * ------------------------------------------------------------------------
 */

static bool
is_camel(const ProtoField *field)
{
	char		camel[128];
	size_t		length = 0;

	for (const char *at = field->name; *at != '\0'; at++)
		camel[length++] = *at == '_' ? (char) (*++at - 'a' + 'A') : *at;
	camel[length] = '\0';
	return strcmp(camel, field->key) == 0;
}

static void
tables(void)
{
	static const ProtoMessage *const messages[] = {
		&proto_command, &proto_start_workflow_execution_request, &proto_signal_with_start_workflow_execution_request,
		&proto_terminate_workflow_execution_request, &proto_request_cancel_workflow_execution_request, &proto_failure,
		&proto_link, &proto_workflow_query_result, &proto_sticky_execution_attributes, &proto_event_group_marker,
	};

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		for (int j = 0; j < messages[i]->count; j++)
		{
			const ProtoField *field = &messages[i]->fields[j];

			if (!is_camel(field) || (field->type == PROTO_MESSAGE) != (field->message != NULL) ||
				(field->type == PROTO_ENUM) != (field->names != NULL))
				fault("%s.%s", messages[i]->name, field->name);
		}
	for (int i = 1; i < proto_command_type.count; i++)
	{
		const ProtoKind *kind = proto_command_kind(proto_command_type.names[i].number);
		const ProtoField *field = kind != NULL ? proto_field(&proto_command, slice_of(kind->key)) : NULL;

		if (field == NULL || !field->is_choice || strcmp(kind->constant, proto_command_type.names[i].name) != 0 ||
			proto_command_named(slice_of(kind->name)) != kind || proto_command_named(slice_of(kind->constant)) != kind)
			fault("%s", proto_command_type.names[i].name);
	}
	for (int i = 1; i < proto_event_type.count; i++)
	{
		const ProtoKind *kind = proto_event_kind(proto_event_type.names[i].number);

		if (kind == NULL || strcmp(kind->constant, proto_event_type.names[i].name) != 0 ||
			proto_event_named(slice_of(kind->name)) != kind)
			fault("%s", proto_event_type.names[i].name);
	}
	no_fault("each field, command and event has what goes with it");
	ok(EVENT_TYPE_TIMER_FIRED == 18 && COMMAND_TYPE_CANCEL_TIMER == 6 &&
	   WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR == 24, "numbers are those of the protocol");
	ok(proto_event_kind(0) == NULL && proto_event_named(slice_of("timer")) == NULL && proto_command_kind(999) == NULL,
	   "what is unknown has none");
}

int
main(void)
{
	written();
	refused();
	deep();
	lists();
	recorded();
	tables();
	return done();
}
