/*
 * test_recorded.c
 *		What a real server has recorded, there and back: all payloads, failures
 *		and messages that we know in the histories below test/temporal/raw.
 */
#include "tap.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/failure_form.h"
#include "common/json_check.h"
#include "common/json_text.h"
#include "common/payload_json.h"
#include "gateway/failures.h"
#include "gateway/message_from_json.h"
#include "gateway/message_to_json.h"
#include "gateway/payloads.h"
#include "gateway/texts.h"
#include "gateway/proto/common.pb-c.h"
#include "gateway/proto/failure.pb-c.h"
#include "gateway/proto/sdk.pb-c.h"
#include "gateway/proto/taskqueue.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

/* members that are such messages wherever they are */
static const struct
{
	const char *name;
	const ProtobufCMessageDescriptor *descriptor;
}			known[] = {
	{"failure", &temporal__failure__descriptor},
	{"cause", &temporal__failure__descriptor},
	{"lastFailure", &temporal__failure__descriptor},
	{"continuedFailure", &temporal__failure__descriptor},
	{"header", &temporal__header__descriptor},
	{"input", &temporal__payloads__descriptor},
	{"result", &temporal__payloads__descriptor},
	{"searchAttributes", &temporal__search_attributes__descriptor},
	{"retryPolicy", &temporal__retry_policy__descriptor},
	{"userMetadata", &temporal__user_metadata__descriptor},
	{"taskQueue", &temporal__task_queue__descriptor},
	{"activityType", &temporal__activity_type__descriptor},
	{"workflowType", &temporal__workflow_type__descriptor},
	{"workflowExecution", &temporal__workflow_execution__descriptor},
	{"priority", &temporal__priority__descriptor},
	{"eventTime", &google__protobuf__timestamp__descriptor},
	{"startToCloseTimeout", &google__protobuf__duration__descriptor},
	{"scheduleToCloseTimeout", &google__protobuf__duration__descriptor},
	{"heartbeatTimeout", &google__protobuf__duration__descriptor},
	{"workflowTaskTimeout", &google__protobuf__duration__descriptor},
	{"firstWorkflowTaskBackoff", &google__protobuf__duration__descriptor},
};

static int	payloads_seen;
static int	failures_seen;
static int	messages_seen;

static void
compare(const char *what, Slice json, const TextBuffer *again)
{
	if (!same_json(json, (Slice) {again->data, again->length}))
		fault("%s: %.*s comes back as %s", what, (int) json.length, json.data, again->data);
}

static void
try_payloads(Slice json, PayloadStyle style)
{
	TextBuffer	plain = text_begin();
	TextBuffer	again = text_begin();
	bool		is_null;

	payloads_seen++;
	if (!payloads_json_to_plain(&plain, json, style, &is_null))
		fault("%.*s is refused", (int) json.length, json.data);
	else if (is_null)
		text_buffer_text(&again, "{\"payloads\":[]}");
	else if (json_check((Slice) {plain.data, plain.length}, &gateway_allocator) != JSON_FAULT_NONE)
		fault("%s is no jsonb", plain.data);
	else
		payloads_json_from_plain(&again, (Slice) {plain.data, plain.length}, style);
	compare("payloads", json, &again);
	text_buffer_free(&plain);
	text_buffer_free(&again);
}

static void
try_payloads_message(Temporal__Payloads *payloads, Slice json)
{
	char	   *plain = payloads_to_text(payloads);
	Temporal__Payloads *same = payloads_from_text(plain);
	TextBuffer	again = text_begin();

	if (same != NULL)
	{
		message_to_json(&again, &same->base);
		compare("message of payloads", json, &again);
		protobuf_c_message_free_unpacked(&same->base, NULL);
	}
	text_buffer_free(&again);
	free(plain);
}

static void
try_failure(Slice json)
{
	TextBuffer	plain = text_begin();
	TextBuffer	again = text_begin();

	failures_seen++;
	if (!failure_to_plain(&plain, json, PAYLOADS_PLAIN))
		fault("%.*s is refused", (int) json.length, json.data);
	failure_from_plain(&again, (Slice) {plain.data, plain.length}, true);
	compare("failure", json, &again);
	text_buffer_free(&plain);
	text_buffer_free(&again);
}

static void
try_failure_message(const Temporal__Failure *failure, Slice json)
{
	char	   *plain = failure_to_text(failure);
	Temporal__Failure *same = failure_from_text(plain);
	TextBuffer	again = text_begin();

	message_to_json(&again, &same->base);
	compare("message of a failure", json, &again);
	text_buffer_free(&again);
	protobuf_c_message_free_unpacked(&same->base, NULL);
	free(plain);
}

/* JSON to a message, to bytes, to a message, to JSON. */
static void
try_message(const ProtobufCMessageDescriptor *descriptor, Slice json)
{
	const char *problem;
	ProtobufCMessage *message = message_from_json(descriptor, json, &problem);
	ProtobufCMessage *same;
	TextBuffer	again = text_begin();
	uint8_t    *bytes;
	size_t		length;

	messages_seen++;
	if (message == NULL)
	{
		fault("%s: %.*s", problem, (int) json.length, json.data);
		return;
	}
	length = protobuf_c_message_get_packed_size(message);
	bytes = malloc(length + 1);
	protobuf_c_message_pack(message, bytes);
	same = protobuf_c_message_unpack(descriptor, NULL, length, bytes);
	message_to_json(&again, same);
	compare(descriptor->name, json, &again);
	if (descriptor == &temporal__failure__descriptor)
		try_failure_message((Temporal__Failure *) same, json);
	if (descriptor == &temporal__payloads__descriptor)
		try_payloads_message((Temporal__Payloads *) same, json);
	text_buffer_free(&again);
	free(bytes);
	protobuf_c_message_free_unpacked(message, NULL);
	protobuf_c_message_free_unpacked(same, NULL);
}

/* Names are used again: the cause of a failed workflow task is a word, the input of an update a message. */
static bool
is_such(const ProtobufCMessageDescriptor *descriptor, Slice value)
{
	JsonReader	reader = json_text_open(value);
	Slice		key;
	Slice		member;

	if (descriptor == &temporal__failure__descriptor)
		return json_text_type(value) == '{';
	if (descriptor == &temporal__payloads__descriptor)
		return json_text_member(&reader, &key, &member) && json_text_equals(key, "payloads");
	return !json_text_is_null(value);
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
		if (json_text_equals(key, "payloads") && json_text_type(value) == '[')
		{
			try_payloads(json, PAYLOADS_PLAIN);
			try_payloads(json, PAYLOADS_EXACT);
			try_payloads(json, PAYLOADS_OF_CANCEL);
		}
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		{
			if (!json_text_equals(key, known[i].name) || !is_such(known[i].descriptor, value))
				continue;
			try_message(known[i].descriptor, value);
			if (known[i].descriptor == &temporal__failure__descriptor)
				try_failure(value);
		}
		look_at(value);
	}
}

int
main(void)
{
	glob_t		files;

	if (glob(RAW "/*.json", 0, NULL, &files) != 0)
	{
		printf("Bail out! nothing in %s\n", RAW);
		return 2;
	}
	for (size_t i = 0; i < files.gl_pathc; i++)
	{
		Slice		text = read_file(files.gl_pathv[i]);

		if (json_check(text, &gateway_allocator) != JSON_FAULT_NONE)
			fault("%s", files.gl_pathv[i]);
		look_at(json_text_trim(text));
		free((char *) text.data);
	}
	globfree(&files);
	no_fault("all that was recorded comes back as it was");
	ok(payloads_seen > 100 && failures_seen > 20 && messages_seen > 1000,
	   "... %d times payloads, %d failures, %d messages", payloads_seen, failures_seen, messages_seen);
	return done();
}
