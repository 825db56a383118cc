/*
 * test_messages.c
 *		Tests of message_to_json.c, message_from_json.c and message_shape.c.
 */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/message_from_json.h"
#include "gateway/message_shape.h"
#include "gateway/message_to_json.h"
#include "gateway/texts.h"
#include "gateway/proto/common.pb-c.h"
#include "gateway/proto/failure.pb-c.h"
#include "gateway/proto/operatorservice.pb-c.h"
#include "gateway/proto/status.pb-c.h"
#include "gateway/proto/taskqueue.pb-c.h"
#include "gateway/proto/workflowservice.pb-c.h"

/* JSON to a message, to bytes, to a message, to JSON. */
static void
expect(const ProtobufCMessageDescriptor *descriptor, const char *json, const char *wanted)
{
	const char *problem;
	ProtobufCMessage *message = message_from_json(descriptor, slice_of(json), &problem);
	ProtobufCMessage *again;
	TextBuffer	text = text_begin();
	uint8_t    *bytes;
	size_t		length;

	if (message == NULL)
	{
		fault("%s: %s", json, problem);
		return;
	}
	length = protobuf_c_message_get_packed_size(message);
	bytes = malloc(length + 1);
	protobuf_c_message_pack(message, bytes);
	again = protobuf_c_message_unpack(descriptor, NULL, length, bytes);
	message_to_json(&text, again);
	if (strcmp(text.data, wanted) != 0)
		fault("%s: %s", json, text.data);
	text_buffer_free(&text);
	free(bytes);
	protobuf_c_message_free_unpacked(message, NULL);
	protobuf_c_message_free_unpacked(again, NULL);
}

static void
refuse(const ProtobufCMessageDescriptor *descriptor, const char *json)
{
	const char *problem;
	ProtobufCMessage *message = message_from_json(descriptor, slice_of(json), &problem);

	if (message != NULL)
	{
		fault("%s is taken", json);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	else if (problem == NULL || *problem == '\0')
		fault("%s: nobody says why", json);
}

static void
values(void)
{
	const ProtobufCMessageDescriptor *start = &temporal__start_activity_execution_request__descriptor;

	expect(start, "{}", "{}");
	expect(start, "{\"namespace\":\"n\",\"activity_id\":\"a\",\"idReusePolicy\":2}",
		   "{\"namespace\":\"n\",\"activityId\":\"a\",\"idReusePolicy\":\"ACTIVITY_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY\"}");
	expect(start, "{\"idReusePolicy\":77}", "{\"idReusePolicy\":77}");
	expect(start, "{\"idReusePolicy\":\"ACTIVITY_ID_REUSE_POLICY_UNSPECIFIED\",\"identity\":null}", "{}");
	expect(start, "{\"scheduleToCloseTimeout\":\"1.500s\",\"startDelay\":\"0s\",\"heartbeatTimeout\":\"-0.000000001s\"}",
		   "{\"scheduleToCloseTimeout\":\"1.500s\",\"heartbeatTimeout\":\"-0.000000001s\",\"startDelay\":\"0s\"}");
	expect(&temporal__retry_policy__descriptor, "{\"backoffCoefficient\":1e1,\"maximumAttempts\":\"-3\",\"nonRetryableErrorTypes\":[\"a\",\"\"]}",
		   "{\"backoffCoefficient\":10,\"maximumAttempts\":-3,\"nonRetryableErrorTypes\":[\"a\",\"\"]}");
	expect(&temporal__retry_policy__descriptor, "{\"backoffCoefficient\":\"NaN\"}", "{\"backoffCoefficient\":\"NaN\"}");
	expect(&temporal__retry_policy__descriptor, "{\"backoffCoefficient\":0.1}", "{\"backoffCoefficient\":0.1}");
	expect(&temporal__priority__descriptor, "{\"fairnessWeight\":0.1,\"priorityKey\":3.0}", "{\"priorityKey\":3,\"fairnessWeight\":0.1}");
	expect(&temporal__task_queue_metadata__descriptor, "{\"maxTasksPerSecond\":0}", "{\"maxTasksPerSecond\":0}");
	expect(&temporal__activity_execution_info__descriptor,
		   "{\"stateSizeBytes\":\"9007199254740993\",\"stateTransitionCount\":-1,\"closeTime\":\"2026-01-31T12:00:00.25+01:00\"}",
		   "{\"closeTime\":\"2026-01-31T11:00:00.250Z\",\"stateTransitionCount\":\"-1\",\"stateSizeBytes\":\"9007199254740993\"}");
	expect(&temporal__payload__descriptor, "{\"metadata\":{\"encoding\":\"_-8\",\"a\\n\":\"\"},\"data\":\"\"}",
		   "{\"metadata\":{\"encoding\":\"/+8=\",\"a\\n\":\"\"}}");
	expect(&temporal__list_search_attributes_response__descriptor,
		   "{\"systemAttributes\":{\"A\":\"INDEXED_VALUE_TYPE_INT\",\"B\":0}}",
		   "{\"systemAttributes\":{\"A\":\"INDEXED_VALUE_TYPE_INT\",\"B\":\"INDEXED_VALUE_TYPE_UNSPECIFIED\"}}");
	expect(&temporal__update_activity_execution_options_request__descriptor, "{\"updateMask\":\"taskQueue,retryPolicy.maximumAttempts\"}",
		   "{\"updateMask\":\"taskQueue,retryPolicy.maximumAttempts\"}");
	expect(&temporal__failure__descriptor, "{\"applicationFailureInfo\":{}}", "{\"applicationFailureInfo\":{}}");
	no_fault("values of all types");
}

static void
any(void)
{
	expect(&google__rpc__status__descriptor, "{\"details\":[{\"@type\":\"type.googleapis.com/x.Y\",\"value\":\"AQ==\"}]}",
		   "{\"details\":[{\"@type\":\"type.googleapis.com/x.Y\",\"value\":\"AQ==\"}]}");
	message_know(&temporal__failure__descriptor);
	message_know(&google__protobuf__duration__descriptor);
	expect(&google__rpc__status__descriptor,
		   "{\"details\":[{\"@type\":\"type.googleapis.com/temporal.api.failure.v1.Failure\",\"message\":\"m\"},"
		   "{\"value\":\"3s\",\"@type\":\"type.googleapis.com/google.protobuf.Duration\"}]}",
		   "{\"details\":[{\"@type\":\"type.googleapis.com/temporal.api.failure.v1.Failure\",\"message\":\"m\"},"
		   "{\"@type\":\"type.googleapis.com/google.protobuf.Duration\",\"value\":\"3s\"}]}");
	refuse(&google__rpc__status__descriptor, "{\"details\":[{}]}");
	refuse(&google__rpc__status__descriptor, "{\"details\":[{\"@type\":\"type.googleapis.com/temporal.api.failure.v1.Failure\",\"x\":1}]}");
	refuse(&google__rpc__status__descriptor, "{\"details\":[{\"@type\":\"type.googleapis.com/google.protobuf.Duration\"}]}");
	no_fault("messages in Any, known and not");
}

static void
what_is_refused(void)
{
	const ProtobufCMessageDescriptor *start = &temporal__start_activity_execution_request__descriptor;
	char	   *deep = repeated("{\"cause\":", 10000);
	char	   *open = repeated("{\"cause\":", 120);
	char	   *close = repeated("}", 120);
	TextBuffer	text = text_begin();

	refuse(start, "");
	refuse(start, "[]");
	refuse(start, "1");
	refuse(start, "{\"nothing\":1}");
	refuse(start, "{\"namespace\":1}");
	refuse(start, "{\"namespace\":\"\\u0000\"}");
	refuse(start, "{\"activityId\":\"a\",\"activity_id\":\"b\"}");
	refuse(start, "{\"header\":{},\"header\":{}}");
	refuse(start, "{\"idReusePolicy\":\"NO_SUCH\"}");
	refuse(start, "{\"idReusePolicy\":1.5}");
	refuse(start, "{\"idReusePolicy\":2147483648}");
	refuse(start, "{\"scheduleToCloseTimeout\":\"1.5\\u0073x\"}");
	refuse(start, "{\"scheduleToCloseTimeout\":\"315576000001s\"}");
	refuse(start, "{\"scheduleToCloseTimeout\":5}");
	refuse(start, "{\"completionCallbacks\":{}}");
	refuse(start, "{\"completionCallbacks\":[null]}");
	refuse(&temporal__retry_policy__descriptor, "{\"maximumAttempts\":\"x\"}");
	refuse(&temporal__retry_policy__descriptor, "{\"maximumAttempts\":99999999999}");
	refuse(&temporal__retry_policy__descriptor, "{\"backoffCoefficient\":\"0x10\"}");
	refuse(&temporal__retry_policy__descriptor, "{\"backoffCoefficient\":1e999}");
	refuse(&temporal__activity_execution_info__descriptor, "{\"closeTime\":\"2026-02-29T12:00:00Z\"}");
	refuse(&temporal__activity_execution_info__descriptor, "{\"stateSizeBytes\":\"9223372036854775808\"}");
	refuse(&temporal__payload__descriptor, "{\"data\":\"?\"}");
	refuse(&temporal__payload__descriptor, "{\"metadata\":{\"a\":\"x\",\"b\":1}}");
	refuse(&temporal__failure__descriptor, "{\"applicationFailureInfo\":{},\"serverFailureInfo\":{}}");
	refuse(&temporal__failure__descriptor, deep);
	text_buffer_text(&text, open);
	text_buffer_text(&text, "{}");
	text_buffer_text(&text, close);
	refuse(&temporal__failure__descriptor, text.data);
	no_fault("what is no such message");
	text_buffer_free(&text);
	free(deep);
	free(open);
	free(close);
}

int
main(void)
{
	values();
	any();
	what_is_refused();
	return done();
}
