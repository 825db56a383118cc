/*
 * test_failures.c
 *		Tests of failure_form.c and failures.c.
 */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "common/failure_form.h"
#include "gateway/failures.h"
#include "gateway/texts.h"
#include "gateway/wire_check.h"
#include "gateway/proto/failure.pb-c.h"

/* JSON of a failure, there and back. */
static void
both_ways(const char *json, const char *wanted)
{
	TextBuffer	plain = text_begin();
	TextBuffer	again = text_begin();

	if (!failure_to_plain(&plain, slice_of(json), PAYLOADS_PLAIN))
		fault("%s is refused", json);
	else if (!same_json((Slice) {plain.data, plain.length}, slice_of(wanted)))
		fault("%s gives %s", json, plain.data);
	else
	{
		failure_from_plain(&again, slice_of(wanted), true);
		if (!same_json((Slice) {again.data, again.length}, slice_of(json)))
			fault("%s comes back as %s", wanted, again.data);
	}
	text_buffer_free(&plain);
	text_buffer_free(&again);
}

static void
kinds(void)
{
	both_ways("{}", "{}");
	both_ways("{\"message\":\"m\"}", "{\"message\":\"m\"}");
	both_ways("{\"message\":\"m\",\"source\":\"GoSDK\",\"stackTrace\":\"s\",\"applicationFailureInfo\":{}}",
			  "{\"kind\":\"application\",\"message\":\"m\",\"source\":\"GoSDK\",\"stack_trace\":\"s\"}");
	both_ways("{\"applicationFailureInfo\":{\"type\":\"T\",\"nonRetryable\":true,\"nextRetryDelay\":\"1.500s\","
			  "\"category\":\"APPLICATION_ERROR_CATEGORY_BENIGN\","
			  "\"details\":{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"}]}}}",
			  "{\"kind\":\"application\",\"type\":\"T\",\"non_retryable\":true,\"next_retry_delay\":\"1.500s\","
			  "\"category\":\"benign\",\"details\":1}");
	both_ways("{\"applicationFailureInfo\":{\"category\":7}}", "{\"kind\":\"application\",\"category\":7}");
	both_ways("{\"timeoutFailureInfo\":{\"timeoutType\":\"TIMEOUT_TYPE_HEARTBEAT\",\"lastHeartbeatDetails\":{\"payloads\":[{}]}}}",
			  "{\"kind\":\"timeout\",\"timeout_type\":\"heartbeat\",\"last_heartbeat_details\":{\"$payloads\":[{}]}}");
	both_ways("{\"canceledFailureInfo\":{\"identity\":\"i\",\"details\":{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"InIi\"}]}}}",
			  "{\"kind\":\"canceled\",\"identity\":\"i\",\"details\":\"r\"}");
	both_ways("{\"terminatedFailureInfo\":{\"identity\":\"i\"}}", "{\"kind\":\"terminated\",\"identity\":\"i\"}");
	both_ways("{\"serverFailureInfo\":{\"nonRetryable\":true}}", "{\"kind\":\"server\",\"non_retryable\":true}");
	both_ways("{\"activityFailureInfo\":{\"identity\":\"i\",\"activityType\":{\"name\":\"A\"},\"retryState\":\"RETRY_STATE_TIMEOUT\"}}",
			  "{\"info\":{\"activityFailureInfo\":{\"identity\":\"i\",\"activityType\":{\"name\":\"A\"},\"retryState\":\"RETRY_STATE_TIMEOUT\"}}}");
	both_ways("{\"message\":\"Encoded failure\",\"encodedAttributes\":{\"metadata\":{\"encoding\":\"YmluYXJ5L2VuY3J5cHRlZA==\"},\"data\":\"AQI=\"},\"applicationFailureInfo\":{}}",
			  "{\"kind\":\"application\",\"message\":\"Encoded failure\",\"encoded_attributes\":{\"$payloads\":[{\"metadata\":{\"encoding\":\"binary/encrypted\"},\"data\":\"AQI=\"}]}}");
	both_ways("{\"message\":\"a\",\"cause\":{\"message\":\"b\",\"cause\":{\"message\":\"c\",\"serverFailureInfo\":{}}},\"applicationFailureInfo\":{}}",
			  "{\"message\":\"a\",\"kind\":\"application\",\"cause\":{\"message\":\"b\",\"cause\":{\"message\":\"c\",\"kind\":\"server\"}}}");
	no_fault("failures of all kinds, there and back");
}

static void
expect_message(const char *plain, const char *wanted_again)
{
	Temporal__Failure *failure = failure_from_text(plain);
	char	   *again = failure_to_text(failure);

	if (!same_json(slice_of(again), slice_of(wanted_again)))
		fault("%s: %s", plain, again);
	free(again);
	protobuf_c_message_free_unpacked(&failure->base, NULL);
}

static void
what_sql_writes(void)
{
	expect_message("{\"kind\":\"canceled\",\"message\":\"Activity canceled\",\"details\":[\"r\"]}",
				   "{\"kind\":\"canceled\",\"message\":\"Activity canceled\",\"details\":\"r\"}");
	expect_message("{\"message\":\"m\",\"type\":\"T\"}", "{\"kind\":\"application\",\"message\":\"m\",\"type\":\"T\"}");
	expect_message("{\"kind\":\"application\",\"non_retryable\":false,\"next_retry_delay\":\"00:01:00\"}",
				   "{\"kind\":\"application\",\"next_retry_delay\":\"60s\"}");
	expect_message("{\"kind\":\"timeout\",\"timeout_type\":\"tea_time\",\"identity\":\"x\",\"truncated\":true}", "{\"kind\":\"timeout\"}");
	expect_message("{\"kind\":\"application\",\"message\":5,\"type\":null,\"non_retryable\":\"yes\",\"cause\":7,\"next_retry_delay\":\"soon\",\"category\":\"x\"}",
				   "{\"kind\":\"application\",\"message\":\"5\"}");
	expect_message("{\"kind\":\"application\",\"details\":null}", "{\"kind\":\"application\",\"details\":null}");
	expect_message("{\"message\":\"m\",\"info\":{\"nothingInfo\":{}}}", "{\"message\":\"m\"}");
	expect_message("{\"message\":\"m\",\"info\":{}}", "{\"message\":\"m\"}");
	expect_message("\"text\"", "{}");
	expect_message("[]", "{}");
	no_fault("whatever SQL writes is a failure");
	ok(failure_from_text(NULL) == NULL && failure_to_text(NULL) == NULL, "NULL is NULL");
}

static void
deep(void)
{
	TextBuffer	plain = text_begin();
	char	   *open = repeated("{\"message\":\"m\",\"cause\":", 1000);
	char	   *close = repeated("}", 1000);
	Temporal__Failure *failure;
	char	   *again;
	int			causes = 0;

	text_buffer_text(&plain, open);
	text_buffer_text(&plain, "{}");
	text_buffer_text(&plain, close);
	failure = failure_from_text(plain.data);
	for (const Temporal__Failure *cause = failure; cause->cause != NULL; cause = cause->cause)
		causes++;
	ok(causes == FAILURE_DEPTH - 1, "causes that are too deep are left out");
	again = failure_to_text(failure);
	ok(strlen(again) > 0, "... both ways");
	free(again);
	protobuf_c_message_free_unpacked(&failure->base, NULL);
	free(open);
	free(close);
	text_buffer_free(&plain);
}

/* a failure as it comes from a client */
static void
zeros(void)
{
	uint8_t		wire[] = {0x0A, 3, 'a', 0, 'b', 0x1A, 1, 0, 0x12, 1, 'S'};
	uint8_t		bad[] = {0x12, 3, 'a', 0, 'b'};
	ProtobufCMessage *failure;
	char	   *plain;

	ok(wire_check(&temporal__failure__descriptor, wire, sizeof(wire)) == NULL, "U+0000 is allowed in a message and a stack trace");
	failure = protobuf_c_message_unpack(&temporal__failure__descriptor, NULL, sizeof(wire), wire);
	plain = failure_to_text((Temporal__Failure *) failure);
	is_text(plain, "{\"message\":\"a\xEF\xBF\xBD" "b\",\"source\":\"S\",\"stack_trace\":\"\xEF\xBF\xBD\"}", "... and becomes U+FFFD");
	free(plain);
	protobuf_c_message_free_unpacked(failure, NULL);
	is_text(wire_check(&temporal__failure__descriptor, bad, sizeof(bad)),
			"temporal.api.failure.v1.Failure.source: has the character U+0000", "... but not elsewhere");
}

int
main(void)
{
	kinds();
	what_sql_writes();
	deep();
	zeros();
	return done();
}
