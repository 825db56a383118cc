/*
 * gateway_fuzz.c
 *		What a client may send to the gateway, for libFuzzer.
 *
 * The first byte of an input says what follows: bytes of HTTP/2 behind a good
 * preface, or the body of a call of one of the methods, plain or compressed. It
 * is sent through a pair of sockets and everything that clients can reach:
 * HTTP/2, framing, the checks of messages, unpacking. A method answers with
 * the message it got; there is no database. With FUZZ_LOG in the environment
 * the gateway writes its log.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/call.h"
#include "gateway/grpc.h"
#include "gateway/http2.h"
#include "gateway/log.h"
#include "gateway/loop.h"
#include "gateway/memory.h"
#include "gateway/methods.h"

#define MAX_INPUT (64 << 10)
#define FRAME_SIZE 16384

static const Method *methods;
static int	method_count;
static LoopTimer look;

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern int	LLVMFuzzerInitialize(int *argc, char ***argv);

static void
answer(Call *call)
{
	if (call->request != NULL)
		call_reply(call, call->request);
	else
		call_fail(call, STATUS_UNKNOWN, "nothing", NULL);
}

static void
add_frame(Buffer *to, int type, int flags, int stream, const void *payload, size_t length)
{
	unsigned char head[9] = {length >> 16, length >> 8, length, type, flags, 0, 0, 0, stream};

	buffer_append(to, head, sizeof(head));
	buffer_append(to, payload, length);
}

/* A field as it is written without an index; names and values are short. */
static void
add_field(Buffer *to, const char *name, const char *value)
{
	buffer_append(to, "\0", 1);
	buffer_append(to, (char[]) {(char) strlen(name)}, 1);
	buffer_text(to, name);
	buffer_append(to, (char[]) {(char) strlen(value)}, 1);
	buffer_text(to, value);
}

/* A call of a method, chosen by the first byte, with this body. */
static void
add_call(Buffer *to, const uint8_t *data, size_t size)
{
	Buffer		fields = {0};
	bool		is_compressed = data[0] & 1;
	size_t		length = size - 1;
	unsigned char prefix[5] = {is_compressed, length >> 24, length >> 16, length >> 8, length};
	Buffer		body = {0};

	add_field(&fields, ":method", "POST");
	add_field(&fields, ":scheme", "http");
	add_field(&fields, ":authority", "fuzz");
	add_field(&fields, ":path", methods[(data[0] >> 1) % method_count].path);
	add_field(&fields, "content-type", "application/grpc");
	add_field(&fields, "grpc-accept-encoding", "gzip");
	if (is_compressed)
		add_field(&fields, "grpc-encoding", "gzip");
	add_frame(to, 1, 4, 1, fields.data, fields.length);
	buffer_append(&body, prefix, sizeof(prefix));
	buffer_append(&body, data + 1, length);
	for (size_t sent = 0; sent < body.length; sent += FRAME_SIZE)
	{
		size_t		part = body.length - sent < FRAME_SIZE ? body.length - sent : FRAME_SIZE;

		add_frame(to, 0, sent + part == body.length, 1, body.data + sent, part);
	}
	buffer_free(&fields);
	buffer_free(&body);
}

static void
stop_when_closed(void *arg)
{
	(void) arg;
	if (http2_connections() == 0)
		loop_stop();
	else
		loop_set_timer(&look, loop_now() + 1, stop_when_closed, NULL);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const Method *real = gateway_methods(&method_count);
	Method	   *copy = memory_new((size_t) method_count * sizeof(Method));

	(void) argc;
	(void) argv;
	for (int i = 0; i < method_count; i++)
	{
		copy[i] = real[i];
		copy[i].handle = answer;
	}
	methods = copy;
	signal(SIGPIPE, SIG_IGN);
	log_init(getenv("FUZZ_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, false);
	loop_init();
	grpc_serve(methods, method_count, NEVER);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Buffer		bytes = {0};
	int			room = 1 << 20;
	int			pair[2];

	if (size < 2 || size > MAX_INPUT || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	buffer_text(&bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	add_frame(&bytes, 4, 0, 0, NULL, 0);
	if (data[0] & 1)
		buffer_append(&bytes, data + 1, size - 1);
	else
		add_call(&bytes, data + 1, size - 1);
	if (write(pair[0], bytes.data, bytes.length) != (ssize_t) bytes.length)
		abort();
	shutdown(pair[0], SHUT_WR);
	http2_accept(pair[1]);
	loop_set_timer(&look, loop_now() + 1, stop_when_closed, NULL);
	loop_run();
	close(pair[0]);
	buffer_free(&bytes);
	return 0;
}
