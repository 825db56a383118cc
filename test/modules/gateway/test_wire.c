/*
 * test_wire.c
 *		Tests of wire_check.c.
 */
#include "tap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/message_from_json.h"
#include "gateway/wire_check.h"
#include "gateway/proto/common.pb-c.h"
#include "gateway/proto/errordetails.pb-c.h"
#include "gateway/proto/failure.pb-c.h"
#include "gateway/proto/workflowservice.pb-c.h"

static uint64_t seed = 1;

static unsigned
random_below(unsigned limit)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned) (seed >> 33) % limit;
}

/* The check of a copy that has nothing behind it; what passes is unpacked. */
static const char *
check(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t length)
{
	uint8_t    *copy = malloc(length > 0 ? length : 1);
	const char *problem;

	memcpy(copy, data, length);
	problem = wire_check(descriptor, copy, length);
	if (problem == NULL)
		protobuf_c_message_free_unpacked(protobuf_c_message_unpack(descriptor, NULL, length, copy), NULL);
	free(copy);
	return problem;
}

static uint8_t *
pack(const ProtobufCMessageDescriptor *descriptor, const char *json, size_t *length)
{
	const char *problem;
	ProtobufCMessage *message = message_from_json(descriptor, slice_of(json), &problem);
	uint8_t    *bytes;

	if (message == NULL)
	{
		printf("Bail out! %s\n", problem);
		exit(2);
	}
	*length = protobuf_c_message_get_packed_size(message);
	bytes = malloc(*length);
	protobuf_c_message_pack(message, bytes);
	protobuf_c_message_free_unpacked(message, NULL);
	return bytes;
}

/* Failures within each other; the bytes are to be freed. */
static uint8_t *
nested(int depth, size_t *length)
{
	size_t		room = (size_t) depth * 6 + 16;
	uint8_t    *bytes = malloc(room);
	uint8_t    *at = bytes + room;

	*length = 0;
	for (int i = 0; i < depth; i++)
	{
		uint8_t		varint[10];
		size_t		digits = 0;
		size_t		left = *length;

		do
		{
			varint[digits++] = (uint8_t) ((left & 0x7F) | (left > 0x7F ? 0x80 : 0));
			left >>= 7;
		} while (left > 0);
		at -= digits;
		memcpy(at, varint, digits);
		*--at = 4 << 3 | 2;
		*length += digits + 1;
	}
	memmove(bytes, at, *length);
	return bytes;
}

static const char request[] =
"{\"namespace\":\"default\",\"activityId\":\"id\",\"activityType\":{\"name\":\"T\"},\"taskQueue\":{\"name\":\"q\"},"
"\"startToCloseTimeout\":\"5s\",\"retryPolicy\":{\"backoffCoefficient\":2,\"nonRetryableErrorTypes\":[\"A\",\"B\"]},"
"\"input\":{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"},{}]},"
"\"header\":{\"fields\":{\"h\":{\"data\":\"AA==\"}}},\"priority\":{\"fairnessWeight\":1.5},\"completionCallbacks\":[{}]}";

static void
depth(void)
{
	size_t		length;
	uint8_t    *bytes = nested(WIRE_DEPTH - 1, &length);

	is_text(check(&temporal__failure__descriptor, bytes, length), NULL, "as deep as is allowed");
	free(bytes);
	bytes = nested(WIRE_DEPTH, &length);
	is_text(check(&temporal__failure__descriptor, bytes, length),
			"temporal.api.failure.v1.Failure.cause: nested too deeply", "... and deeper");
	free(bytes);
	bytes = nested(100000, &length);
	ok(check(&temporal__failure__descriptor, bytes, length) != NULL, "... and much deeper");
	free(bytes);
}

static void
fields(void)
{
	const ProtobufCMessageDescriptor *start = &temporal__start_activity_execution_request__descriptor;
	const ProtobufCMessageDescriptor *status = &temporal__resource_exhausted_failure__descriptor;

	is_text(check(start, "", 0), NULL, "an empty message");
	is_text(check(start, "\x0A\x02\xC3\xA9", 4), NULL, "UTF-8 in a string");
	is_text(check(start, "\x0A\x01\xC3", 3), "temporal.api.workflowservice.v1.StartActivityExecutionRequest.namespace: not UTF-8", "no UTF-8");
	is_text(check(start, "\x0A\x01\0", 3), "temporal.api.workflowservice.v1.StartActivityExecutionRequest.namespace: has the character U+0000", "U+0000");
	is_text(check(start, "\x0A\x05" "abcd", 6), "temporal.api.workflowservice.v1.StartActivityExecutionRequest.namespace: truncated", "a string that is cut");
	is_text(check(start, "\x0A", 1), "temporal.api.workflowservice.v1.StartActivityExecutionRequest.namespace: broken length", "no length");
	is_text(check(start, "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11),
			"temporal.api.workflowservice.v1.StartActivityExecutionRequest.namespace: truncated", "a length beyond everything");
	is_text(check(start, "\x08\x01", 2), "temporal.api.workflowservice.v1.StartActivityExecutionRequest.namespace: wire type of another type", "a number for a string");
	is_text(check(start, "\x2A\0\x2A\0", 4), "temporal.api.workflowservice.v1.StartActivityExecutionRequest.activity_type: given twice", "a message that is given twice");
	is_text(check(start, "\x9A\x01\0\x9A\x01\0", 6), NULL, "... is fine where several may be");
	is_text(check(start, "\x0A\1a\x0A\1b", 6), NULL, "... as are strings, of which the last counts");
	is_text(check(start, "\0\0", 2), "temporal.api.workflowservice.v1.StartActivityExecutionRequest: broken key of a field", "field 0");
	is_text(check(start, "\x0B", 1), "temporal.api.workflowservice.v1.StartActivityExecutionRequest.namespace: wire type that is not in use", "groups");
	is_text(check(status, "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11), NULL, "an enum without a name");
	is_text(check(status, "\x08\xFF", 2), "temporal.api.errordetails.v1.ResourceExhaustedFailure.cause: broken number", "a number that is cut");
	is_text(check(start, "\xFA\x3F\3xyz\xF8\x3F\1\xF9\x3F" "12345678", 19), NULL, "fields that are not known");
}

static void
memory(void)
{
	size_t		length = 4 * 1024 * 1024;
	uint8_t    *bytes = malloc(length);
	const ProtobufCMessageDescriptor *payloads = &temporal__payloads__descriptor;

	for (size_t i = 0; i < length; i += 2)
	{
		bytes[i] = 0x0A;
		bytes[i + 1] = 0;
	}
	is_text(check(payloads, bytes, length), "temporal.api.common.v1.Payloads: takes too much memory", "four megabytes of nothing");
	for (size_t i = 0; i < length; i += 2)
	{
		bytes[i] = 0x78;
		bytes[i + 1] = 0;
	}
	is_text(check(payloads, bytes, length), "temporal.api.common.v1.Payloads: takes too much memory", "... and of fields that are not known");
	free(bytes);
	length = 1000;
	bytes = malloc(length);
	for (size_t i = 0; i < length; i += 2)
	{
		bytes[i] = 0x0A;
		bytes[i + 1] = 0;
	}
	is_text(check(payloads, bytes, length), NULL, "five hundred payloads are fine");
	free(bytes);
}

static void
broken(void)
{
	const ProtobufCMessageDescriptor *start = &temporal__start_activity_execution_request__descriptor;
	size_t		length;
	uint8_t    *bytes = pack(start, request, &length);
	uint8_t    *changed = malloc(length);
	int			passed = 0;

	is_text(check(start, bytes, length), NULL, "a request as clients send it");
	for (size_t cut = 0; cut < length; cut++)
		check(start, bytes, cut);
	for (int i = 0; i < 200000; i++)
	{
		memcpy(changed, bytes, length);
		for (unsigned n = random_below(4) + 1; n > 0; n--)
			changed[random_below((unsigned) length)] = (uint8_t) random_below(256);
		passed += check(start, changed, length) == NULL;
	}
	ok(passed > 0, "whatever passes is unpacked");
	free(bytes);
	free(changed);
}

int
main(void)
{
	depth();
	fields();
	memory();
	broken();
	return done();
}
