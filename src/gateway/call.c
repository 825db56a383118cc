/*
 * call.c
 *		The life of a call: opened when its stream begins, handed to its method
 *		when the request is complete, and ended by an answer.
 *
 * Until it is handed on it belongs to the protocol, which may fail it. After
 * that it is its method's until that answers, even when the client has gone:
 * then there is no stream any more, and the answer goes nowhere.
 */
#include "gateway/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/call_internal.h"
#include "gateway/log.h"
#include "gateway/message.h"
#include "gateway/metadata.h"

/* What a message and its detail may take in header fields; clients refuse more. */
#define MAX_MESSAGE 2048
#define MAX_DETAILS 8192

#define CONTENT_TYPE {"content-type", "application/grpc"}
#define ACCEPTS {"grpc-accept-encoding", "gzip"}

static int	in_progress;

static double
read_in_progress(void)
{
	return in_progress;
}

static Metric calls_in_progress = {.kind = METRIC_GAUGE, .name = "taskq_gateway_calls_in_progress",
	.help = "Calls that are not answered yet.", .read = read_in_progress};

static const char *const code_names[STATUS_CODES] = {
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
	"OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"
};

static Metric *
counter(const char *name, const char *labels, const char *help)
{
	Metric	   *metric = memory_new(sizeof(Metric));

	*metric = (Metric) {.kind = METRIC_COUNTER, .name = name, .labels = labels, .help = help};
	return metric;
}

/* How a call ended, the first time that this is known. */
static void
count(OpenCall *open, StatusCode code)
{
	MethodCounts *counts = open->counts;

	if (counts == NULL || open->is_counted)
		return;
	open->is_counted = true;
	if (counts->by_code[code] == NULL)
	{
		Buffer		labels = {0};

		buffer_format(&labels, "%s,code=\"%s\"", counts->labels, code_names[code]);
		counts->by_code[code] = counter("taskq_gateway_calls_total", labels.data,
										"Calls that have ended, by method and status.");
	}
	if (counts->seconds == NULL)
		counts->seconds = counter("taskq_gateway_call_seconds_total", counts->labels,
								  "Time that calls took, those that wait included.");
	metric_count(counts->by_code[code]);
	metric_add(counts->seconds, (double) (loop_now() - open->began) / 1e6);
}

static void
free_call(OpenCall *open)
{
	in_progress--;
	loop_clear_timer(&open->timer);
	if (open->call.request != NULL)
		protobuf_c_message_free_unpacked(open->call.request, NULL);
	buffer_free(&open->body);
	free(open->path);
	free(open->authorization);
	free(open->client_name);
	free(open->client_version);
	free(open);
}

/* The stream goes on without the call. */
static void
detach(OpenCall *open)
{
	http2_set_state(open->stream, NULL);
	open->stream = NULL;
}

/*
 * A call for a stream that begins.
 */
OpenCall *
call_open(Http2Stream *stream)
{
	OpenCall   *open = memory_new(sizeof(OpenCall));

	in_progress++;
	metric_show(&calls_in_progress);
	open->stream = stream;
	open->began = loop_now();
	open->call.deadline = NEVER;
	open->call.client_name = "";
	open->call.client_version = "";
	http2_set_state(stream, open);
	return open;
}

/*
 * The client has gone: nobody waits for the answer.
 */
void
call_abandon(OpenCall *open)
{
	if (open->stream != NULL)
		detach(open);
	loop_clear_timer(&open->timer);
	open->call.is_gone = true;
	count(open, STATUS_CANCELLED);
	if (!open->is_handed)
		free_call(open);
	else if (open->call.gone != NULL)
		open->call.gone(&open->call);
}

/*
 * What the gateway itself did wrong is worth a line; what clients do, one for
 * those who look for it.
 */
static void
log_failure(const OpenCall *open, StatusCode code, const char *message)
{
	bool		is_own = open->is_handed && (code == STATUS_INTERNAL || code == STATUS_UNKNOWN || code == STATUS_DATA_LOSS);

	log_line(is_own ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "%s from %s: %s: %s",
			 open->path != NULL ? open->path : "call", http2_peer(open->stream), code_names[code], message);
}

/* A status without a message. */
static void
send_failure(OpenCall *open, StatusCode code, const char *message, const ProtobufCMessage *detail)
{
	char		number[4];
	Buffer		escaped = {0};
	Buffer		details = {0};
	Http2Field	fields[6] = {{":status", "200"}, CONTENT_TYPE, ACCEPTS};
	Http2Answer answer = {.headers = fields, .header_count = 5};

	count(open, code);
	log_failure(open, code, message);
	snprintf(number, sizeof(number), "%d", (int) code);
	metadata_escape(&escaped, message, MAX_MESSAGE);
	fields[3] = (Http2Field) {"grpc-status", number};
	fields[4] = (Http2Field) {"grpc-message", escaped.data != NULL ? escaped.data : ""};
	if (detail != NULL)
		metadata_details(&details, code, message, detail);
	if (details.length > 0 && details.length <= MAX_DETAILS)
	{
		fields[answer.header_count++] = (Http2Field) {"grpc-status-details-bin", details.data};
	}
	http2_answer(open->stream, &answer);
	buffer_free(&escaped);
	buffer_free(&details);
}

static void
expire(void *arg)
{
	OpenCall   *open = arg;

	send_failure(open, STATUS_DEADLINE_EXCEEDED, "deadline exceeded", NULL);
	call_abandon(open);
}

/*
 * The client waits until the deadline, or NEVER ends to.
 */
void
call_await(OpenCall *open, Instant deadline)
{
	loop_set_timer(&open->timer, deadline, expire, open);
}

/*
 * End a call with a message. The message stays the caller's.
 */
void
call_reply(Call *call, const ProtobufCMessage *response)
{
	call_reply_then(call, response, NULL, NULL);
}

/*
 * The same, and tell the handler whether the client got it; which is at once,
 * before this returns, if the client has gone or has not taken what it was sent before.
 */
void
call_reply_then(Call *call, const ProtobufCMessage *response, DeliveryHandler handler, void *arg)
{
	static const Http2Field trailers[] = {{"grpc-status", "0"}};
	OpenCall   *open = (OpenCall *) call;
	Http2Field	fields[4] = {{":status", "200"}, CONTENT_TYPE, ACCEPTS, {"grpc-encoding", "gzip"}};
	Http2Answer answer = {.headers = fields, .header_count = open->gzip_out ? 4 : 3,
		.trailers = trailers, .trailer_count = 1, .delivery = handler, .delivery_arg = arg};

	if (open->stream == NULL)
	{
		if (handler != NULL)
			handler(arg, false);
		free_call(open);
		return;
	}
	answer.body = message_frame(response, open->gzip_out, &answer.length);
	if (!http2_has_room(open->stream, answer.length))
	{
		free(answer.body);
		if (handler != NULL)
			handler(arg, false);
		call_fail(call, STATUS_RESOURCE_EXHAUSTED, "too many answers at once on one connection", NULL);
		return;
	}
	count(open, STATUS_OK);
	http2_answer(open->stream, &answer);
	detach(open);
	free_call(open);
}

/*
 * End a call with an error.
 */
void
call_fail(Call *call, StatusCode code, const char *message, const ProtobufCMessage *detail)
{
	OpenCall   *open = (OpenCall *) call;

	if (open->stream != NULL)
	{
		send_failure(open, code, message, detail);
		detach(open);
	}
	free_call(open);
}
