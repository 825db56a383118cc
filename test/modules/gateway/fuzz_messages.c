/*
 * fuzz_messages.c
 *		A target for fuzzers: whatever a client sends, and whatever SQL has
 *		written, is decoded, converted, and comes back as it was.
 *
 *		make -C test/modules/gateway fuzz			clang's libFuzzer; SECONDS=600
 *
 * The first byte of an input says what the rest is.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_check.h"
#include "common/proto_answers.h"
#include "common/proto_canonical.h"
#include "common/proto_commands.h"
#include "common/proto_parts.h"
#include "common/proto_requests.h"
#include "gateway/failures.h"
#include "gateway/message_from_json.h"
#include "gateway/message_to_json.h"
#include "gateway/payloads.h"
#include "gateway/texts.h"
#include "gateway/visibility.h"
#include "gateway/wire_check.h"
#include "gateway/proto/common.pb-c.h"
#include "gateway/proto/failure.pb-c.h"
#include "gateway/proto/sdk.pb-c.h"
#include "gateway/proto/workflowservice.pb-c.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
	&temporal__start_activity_execution_request__descriptor,
	&temporal__respond_activity_task_failed_request__descriptor,
	&temporal__respond_activity_task_completed_by_id_request__descriptor,
	&temporal__update_activity_execution_options_request__descriptor,
	&temporal__poll_activity_task_queue_request__descriptor,
	&temporal__shutdown_worker_request__descriptor,
	&temporal__failure__descriptor,
	&temporal__payloads__descriptor,
	&temporal__header__descriptor,
	&temporal__user_metadata__descriptor,
};

static const ProtoMessage *const shapes[] = {
	&proto_command, &proto_start_workflow_execution_request, &proto_schedule_activity_task_command_attributes,
	&proto_failure, &proto_payloads, &proto_protocol_message, &proto_any, &proto_link, &proto_retry_policy, &proto_timestamp,
};

#define DESCRIPTORS (sizeof(descriptors) / sizeof(descriptors[0]))

static void
demand(bool condition, const char *what, const char *text)
{
	if (condition)
		return;
	fprintf(stderr, "%s: %s\n", what, text);
	abort();
}

/* The same key twice is the client's doing; jsonb keeps the last, as protobuf does. */
static void
demand_jsonb(const char *text)
{
	JsonFault	fault = json_check(slice_of(text), &gateway_allocator);

	demand(fault == JSON_FAULT_NONE || fault == JSON_FAULT_DUPLICATE_KEY, json_fault_text(fault), text);
}

static void
free_message(void *message)
{
	protobuf_c_message_free_unpacked(message, NULL);
}

static void
convert_payloads(const Temporal__Payloads *payloads)
{
	char	   *plain = payloads_to_text(payloads);
	Temporal__Payloads *same = payloads_from_text(plain);
	char	   *again = payloads_to_text(same);

	if (plain != NULL)
	{
		demand_jsonb(plain);
		demand(strcmp(plain, again) == 0, "payloads change", plain);
	}
	free(plain);
	free(again);
	free_message(same);
	plain = cancel_details_to_text(payloads);
	if (plain != NULL)
		demand_jsonb(plain);
	free(plain);
}

static void
convert_failure(const Temporal__Failure *failure)
{
	char	   *plain = failure_to_text(failure);
	Temporal__Failure *same = failure_from_text(plain);
	char	   *again = failure_to_text(same);

	if (plain != NULL)
	{
		demand_jsonb(plain);
		demand(strcmp(plain, again) == 0, again, plain);
	}
	free(plain);
	free(again);
	free_message(same);
}

static void
convert_header(const Temporal__Header *header, const Temporal__UserMetadata *metadata)
{
	char	   *plain = header_to_text(header, metadata);
	Temporal__Header *same = header_from_text(plain);
	Temporal__UserMetadata *details = user_metadata_from_text(NULL, plain);
	char	   *again = header_to_text(same, details);

	if (plain != NULL)
	{
		demand_jsonb(plain);
		demand(strcmp(plain, again) == 0, "header changes", plain);
	}
	free(plain);
	free(again);
	free_message(same);
	free_message(details);
}

static void
convert_summary(const Temporal__UserMetadata *metadata)
{
	char	   *summary = summary_to_text(metadata);
	Temporal__UserMetadata *same = user_metadata_from_text(summary, NULL);
	char	   *again = summary_to_text(same);

	demand(summary == NULL ? again == NULL : strcmp(summary, again) == 0, "summary changes", summary);
	free(summary);
	free(again);
	free_message(same);
}

/* To JSON and back. */
static void
transcode(const ProtobufCMessage *message)
{
	TextBuffer	json = text_begin();
	TextBuffer	again = text_begin();
	const char *problem;
	ProtobufCMessage *same;

	message_to_json(&json, message);
	demand_jsonb(json.data);
	same = message_from_json(message->descriptor, (Slice) {json.data, json.length}, &problem);
	if (same != NULL)
	{
		message_to_json(&again, same);
		demand(strcmp(json.data, again.data) == 0, again.data, json.data);
		free_message(same);
	}
	text_buffer_free(&json);
	text_buffer_free(&again);
}

static void
try_message(const ProtobufCMessageDescriptor *descriptor, uint8_t *data, size_t size)
{
	ProtobufCMessage *message;

	if (wire_check(descriptor, data, size) != NULL)
		return;
	message = protobuf_c_message_unpack(descriptor, NULL, size, data);
	if (message == NULL)
		return;
	transcode(message);
	if (descriptor == &temporal__payloads__descriptor)
		convert_payloads((Temporal__Payloads *) message);
	else if (descriptor == &temporal__failure__descriptor)
		convert_failure((Temporal__Failure *) message);
	else if (descriptor == &temporal__header__descriptor)
		convert_header((Temporal__Header *) message, NULL);
	else if (descriptor == &temporal__user_metadata__descriptor)
		convert_summary((Temporal__UserMetadata *) message);
	free_message(message);
}

/* There is one form of it, and that is jsonb. */
static void
write_canonical(const ProtoMessage *message, Slice json)
{
	TextBuffer	once = text_begin();
	TextBuffer	twice = text_begin();
	ProtoError	error;
	JsonFault	fault;

	if (proto_canonical(message, "it", json, &once, &error))
	{
		fault = json_check((Slice) {once.data, once.length}, &gateway_allocator);
		demand(fault == JSON_FAULT_NONE || fault == JSON_FAULT_EXPONENT, json_fault_text(fault), once.data);
		demand(proto_canonical(message, "it", (Slice) {once.data, once.length}, &twice, &error), error.problem, once.data);
		demand(strcmp(once.data, twice.data) == 0, twice.data, once.data);
	}
	else
		demand(error.path[0] != '\0' && error.problem[0] != '\0', "no reason", "");
	text_buffer_free(&once);
	text_buffer_free(&twice);
}

/* What jsonb could hold, and a query. */
static void
try_text(const char *text, size_t size)
{
	VisibilityQuery query;
	const char *problem;
	void	   *message;
	void	   *metadata;

	visibility_parse(&query, text, 1, &problem);
	visibility_free(&query);
	message = user_metadata_from_text(text, NULL);
	free(summary_to_text(message));
	free_message(message);
	for (size_t i = 0; i < DESCRIPTORS; i++)
		free_message(message_from_json(descriptors[i], (Slice) {text, size}, &problem));
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		write_canonical(shapes[i], (Slice) {text, size});
	if (json_check((Slice) {text, size}, &gateway_allocator) != JSON_FAULT_NONE)
		return;
	message = payloads_from_text(text);
	convert_payloads(message);
	free_message(message);
	message = failure_from_text(text);
	convert_failure(message);
	free_message(message);
	message = header_from_text(text);
	metadata = user_metadata_from_text(NULL, text);
	convert_header(message, metadata);
	free_message(message);
	free_message(metadata);
	free_message(search_attributes_from_text(text));
}

/*
 * One input.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *copy;

	if (size == 0)
		return 0;
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	if (data[0] < DESCRIPTORS)
		try_message(descriptors[data[0]], (uint8_t *) copy, size - 1);
	else if (strlen(copy) == size - 1)
		try_text(copy, size - 1);
	free(copy);
	return 0;
}
