/*
 * grpc.c
 *		The protocol: what comes in on HTTP/2 becomes calls of methods.
 *
 * Every method is a unary one: a request is one message, an answer one message
 * or an error. A request is checked as early as what it takes is there, and
 * refused without reading the rest.
 */
#include "gateway/grpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api_keys.h"
#include "gateway/call_internal.h"
#include "gateway/health_service.h"
#include "gateway/http2.h"
#include "gateway/message.h"
#include "gateway/metadata.h"
#include "gateway/wire_check.h"

#define MAX_REQUEST (4 << 20)	/* bytes, compressed or not */
#define UPLOAD_TIME INT64_C(30000000)	/* for a request to be complete */

typedef struct Served
{
	const Method *method;
	MethodCounts counts;
} Served;

static Served *served;			/* in the order of their paths */
static int	served_count;
static MethodCounts unknown = {.labels = "service=\"unknown\",method=\"unknown\""};

static int
compare(const void *a, const void *b)
{
	return strcmp(((const Served *) a)->method->path, ((const Served *) b)->method->path);
}

/* False: there is no such method. */
static bool
find_method(OpenCall *open)
{
	Method		method = {.path = open->path != NULL ? open->path : ""};
	Served		wanted = {.method = &method};
	Served	   *found = bsearch(&wanted, served, (size_t) served_count, sizeof(served[0]), compare);

	open->counts = found != NULL ? &found->counts : &unknown;
	open->call.method = found != NULL ? found->method : NULL;
	return found != NULL;
}

/* ---- what comes in ------------------------------------------------------ */

static void
on_begin(Http2Stream *stream)
{
	OpenCall   *open = call_open(stream);

	call_await(open, loop_now() + UPLOAD_TIME);
}

/* A request has to be complete by its deadline, and soon. */
static void
take_timeout(OpenCall *open, const char *value)
{
	Instant		timeout;

	if (!metadata_timeout(value, &timeout))
		return;
	open->call.deadline = open->began + timeout;
	call_await(open, open->began + (timeout < UPLOAD_TIME ? timeout : UPLOAD_TIME));
}

static void
keep(char **field, const char *value)
{
	free(*field);
	*field = memory_text(value);
}

/* With or without parameters, and no other encoding of messages. */
static bool
is_grpc(const char *type)
{
	if (strncmp(type, "application/grpc", 16) != 0)
		return false;
	type += strncmp(type + 16, "+proto", 6) == 0 ? 22 : 16;
	return *type == '\0' || *type == ';' || *type == ' ';
}

static void
on_header(Http2Stream *stream, const char *name, const char *value)
{
	OpenCall   *open = http2_state(stream);

	if (open == NULL)
		return;
	if (strcmp(name, ":path") == 0)
		keep(&open->path, value);
	else if (strcmp(name, ":method") == 0)
		open->is_post = strcmp(value, "POST") == 0;
	else if (strcmp(name, "content-type") == 0)
		open->is_grpc = is_grpc(value);
	else if (strcmp(name, "grpc-timeout") == 0)
		take_timeout(open, value);
	else if (strcmp(name, "grpc-encoding") == 0)
	{
		open->gzip_in = strcmp(value, "gzip") == 0;
		open->has_unknown_encoding = !open->gzip_in && strcmp(value, "identity") != 0;
	}
	else if (strcmp(name, "grpc-accept-encoding") == 0)
		open->gzip_out = metadata_lists(value, "gzip");
	else if (strcmp(name, "authorization") == 0)
		keep(&open->authorization, value);
	else if (strcmp(name, "client-name") == 0)
		keep(&open->client_name, value);
	else if (strcmp(name, "client-version") == 0)
		keep(&open->client_version, value);
}

static void
fail_too_large(OpenCall *open, size_t length)
{
	char		message[100];

	/* clients know a request that is not worth repeating by these words */
	snprintf(message, sizeof(message), "grpc: received message larger than max (%zu vs. %d)", length, MAX_REQUEST);
	call_fail(&open->call, STATUS_RESOURCE_EXHAUSTED, message, NULL);
}

static void
on_data(Http2Stream *stream, const void *data, size_t length)
{
	OpenCall   *open = http2_state(stream);
	Buffer	   *body;

	if (open == NULL)
		return;
	body = &open->body;
	if (!http2_hold(stream, length))
	{
		call_fail(&open->call, STATUS_RESOURCE_EXHAUSTED, "too many requests at once on one connection", NULL);
		return;
	}
	buffer_append(body, data, length);
	if (body->length < MESSAGE_PREFIX)
		return;
	if (message_length(body->data) > MAX_REQUEST)
		fail_too_large(open, message_length(body->data));
	else if (body->length > MESSAGE_PREFIX + message_length(body->data))
		call_fail(&open->call, STATUS_UNIMPLEMENTED, "more than one message in a request", NULL);
}

/* ---- what becomes of it ------------------------------------------------- */

/* Not a request of gRPC at all: the answer is one of HTTP. */
static void
refuse_http(OpenCall *open, const char *status)
{
	Http2Field	field = {":status", status};
	Http2Answer answer = {.headers = &field, .header_count = 1};

	http2_answer(open->stream, &answer);
	call_abandon(open);
}

static void
fail_unknown(OpenCall *open)
{
	const char *path = open->path != NULL ? open->path : "";
	const char *slash = strrchr(path, '/');
	Buffer		message = {0};

	if (path[0] == '/' && slash > path)
		buffer_format(&message, "unknown method %s for service %.*s", slash + 1, (int) (slash - path - 1), path + 1);
	else
		buffer_format(&message, "unknown method %s", path);
	call_fail(&open->call, STATUS_UNIMPLEMENTED, message.data, NULL);
	buffer_free(&message);
}

/* Whoever asks for health needs no key. False: the call was failed. */
static bool
is_allowed(OpenCall *open)
{
	const char *refusal;

	if (strcmp(open->path, HEALTH_CHECK_PATH) == 0)
		return true;
	refusal = api_key_refusal(open->authorization, &open->call.role);
	if (refusal != NULL)
		call_fail(&open->call, STATUS_UNAUTHENTICATED, refusal, NULL);
	return refusal == NULL;
}

/* Replace a compressed message by what it stands for. False: it was failed. */
static bool
decompress(OpenCall *open)
{
	Buffer		plain = {0};
	InflateResult result;

	if (!open->gzip_in)
	{
		call_fail(&open->call, STATUS_INTERNAL, "compressed message without grpc-encoding", NULL);
		return false;
	}
	buffer_append(&plain, open->body.data, MESSAGE_PREFIX);
	result = message_inflate(&plain, open->body.data + MESSAGE_PREFIX, open->body.length - MESSAGE_PREFIX,
							 MESSAGE_PREFIX + MAX_REQUEST);
	buffer_free(&open->body);
	open->body = plain;
	if (result == INFLATE_DONE)
		return true;
	if (result == INFLATE_TOO_LARGE)
		fail_too_large(open, plain.length - MESSAGE_PREFIX);
	else
		call_fail(&open->call, STATUS_INTERNAL, "broken gzip data", NULL);
	return false;
}

/* Is the request one message, unpacked now? False: it was failed. */
static bool
unpack(OpenCall *open)
{
	Buffer	   *body = &open->body;
	const Method *method = open->call.method;

	if (body->length < MESSAGE_PREFIX || body->length != MESSAGE_PREFIX + message_length(body->data))
	{
		call_fail(&open->call, STATUS_INTERNAL, "truncated request", NULL);
		return false;
	}
	if (message_is_compressed(body->data) && !decompress(open))
		return false;
	if (method->request != NULL)
	{
		uint8_t    *data = (uint8_t *) body->data + MESSAGE_PREFIX;
		size_t		length = body->length - MESSAGE_PREFIX;
		const char *fault = wire_check(method->request, data, length);

		if (fault == NULL)
			open->call.request = protobuf_c_message_unpack(method->request, NULL, length, data);
		if (open->call.request == NULL)
		{
			call_fail(&open->call, STATUS_INVALID_ARGUMENT, fault != NULL ? fault : "broken message", NULL);
			return false;
		}
	}
	buffer_free(body);
	return true;
}

static void
on_end(Http2Stream *stream)
{
	OpenCall   *open = http2_state(stream);

	if (open == NULL)
		return;
	if (!open->is_post)
		refuse_http(open, "405");
	else if (!open->is_grpc)
		refuse_http(open, "415");
	else if (open->has_unknown_encoding)
		call_fail(&open->call, STATUS_UNIMPLEMENTED, "unknown grpc-encoding", NULL);
	else if (!find_method(open))
		fail_unknown(open);
	else if (is_allowed(open) && unpack(open))
	{
		if (open->client_name != NULL)
			open->call.client_name = open->client_name;
		if (open->client_version != NULL)
			open->call.client_version = open->client_version;
		call_await(open, open->call.deadline);
		open->is_handed = true;
		open->call.method->handle(&open->call);
	}
}

static void
on_closed(Http2Stream *stream)
{
	OpenCall   *open = http2_state(stream);

	if (open != NULL)
		call_abandon(open);
}

/* "/service/method" as labels. */
static char *
labels_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	Buffer		labels = {0};

	buffer_format(&labels, "service=\"%.*s\",method=\"%s\"", (int) (slash - path - 1), path + 1, slash + 1);
	return labels.data;
}

/*
 * Serve these methods, which are kept, on all connections that http2_accept()
 * is given from now on. Connections are drained at the age of max_age
 * microseconds, or NEVER.
 */
void
grpc_serve(const Method *methods, int count, Instant max_age)
{
	static const Http2Handler handler = {on_begin, on_header, on_data, on_end, on_closed};

	served = memory_new((size_t) count * sizeof(served[0]));
	served_count = count;
	for (int i = 0; i < count; i++)
	{
		served[i].method = &methods[i];
		served[i].counts.labels = labels_of(methods[i].path);
	}
	qsort(served, (size_t) count, sizeof(served[0]), compare);
	http2_init(&handler, max_age);
}
