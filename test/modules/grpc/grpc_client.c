/*
 * grpc_client.c
 *		A client of gRPC for tests, which can also behave badly.
 *
 *	grpc_client [OPTION]... ADDRESS PORT PATH [FILE]
 *
 * Each of the streams sends the bytes of FILE, five bytes in front of a message
 * included, and what comes back is printed, the same for several once:
 *
 *	COUNT TAB http-status TAB grpc-status TAB grpc-message TAB body, hexadecimal
 *
 * A stream that was reset has "reset" and the code in place of both statuses,
 * one that was lost with its connection "lost". Before that "sent" is printed
 * when all requests are on their way, and "goaway LAST-STREAM CODE" for each
 * GOAWAY. The end of standard input ends it, with what there is by then.
 *
 *	-c COUNT    connections (1)
 *	-n COUNT    streams on each (1)
 *	-a COUNT    say "answered" when so many of them are
 *	-H FIELD    "name: value", beside those of gRPC; replaces one of the same name
 *	-t CA       TLS
 *	-k FILE     certificate and key to show
 *	-e          never end the requests
 *	-r          reset the streams when they are sent
 *	-s          stop reading when all is sent
 *	-w          wait until the gateway closes the connections
 *	-u          "####" in FILE becomes the number of the stream, modulo 1000
 *	-d          print fields of details as "details TAB base64", too
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define MAX_FIELDS 24

typedef struct Stream
{
	char	   *request;		/* its own, with -u */
	size_t		sent;			/* of the request */
	char		http[8];
	char		status[8];
	char		message[512];
	char	   *details;
	char	   *body;
	size_t		length;
	bool		is_done;
} Stream;

typedef struct Connection
{
	int			fd;				/* -1: closed */
	SSL		   *tls;
	nghttp2_session *session;
	Stream	   *streams;
	char	   *out;
	size_t		out_length;
	int			to_send;		/* streams whose request isn't sent */
} Connection;

static const char *address,
		   *port,
		   *path;
static char *request;
static size_t request_length;
static int	connection_count = 1,
			stream_count = 1,
			tell_at;
static bool never_ends,
			resets,
			stops_reading,
			awaits_end,
			numbers_streams,
			shows_details;
static SSL_CTX *tls_context;
static char *fields[MAX_FIELDS][2];
static int	field_count;
static Connection *connections;

static void
die(const char *what)
{
	fprintf(stderr, "grpc_client: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- what nghttp2 asks and tells ---------------------------------------- */

static ssize_t
read_request(nghttp2_session *session, int32_t id, uint8_t *data, size_t size, uint32_t *flags,
			 nghttp2_data_source *source, void *arg)
{
	Stream	   *stream = source->ptr;
	Connection *connection = arg;
	size_t		length = request_length - stream->sent;

	if (length > size)
		length = size;
	memcpy(data, (stream->request != NULL ? stream->request : request) + stream->sent, length);
	stream->sent += length;
	if (stream->sent < request_length)
		return (ssize_t) length;
	if (length == 0 && never_ends)
		return NGHTTP2_ERR_DEFERRED;
	if (!never_ends)
		*flags = NGHTTP2_DATA_FLAG_EOF;
	if (stream->sent == request_length)
		connection->to_send--;
	if (resets)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
	return (ssize_t) length;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
		  const uint8_t *value, size_t value_length, uint8_t flags, void *arg)
{
	Stream	   *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void) name_length, (void) value_length, (void) flags, (void) arg;
	if (strcmp((const char *) name, ":status") == 0)
		snprintf(stream->http, sizeof(stream->http), "%s", value);
	else if (strcmp((const char *) name, "grpc-status") == 0)
		snprintf(stream->status, sizeof(stream->status), "%s", value);
	else if (strcmp((const char *) name, "grpc-message") == 0)
		snprintf(stream->message, sizeof(stream->message), "%s", value);
	else if (strcmp((const char *) name, "grpc-status-details-bin") == 0)
		stream->details = strdup((const char *) value);
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t length, void *arg)
{
	Stream	   *stream = nghttp2_session_get_stream_user_data(session, id);

	(void) flags, (void) arg;
	stream->body = realloc(stream->body, stream->length + length);
	memcpy(stream->body + stream->length, data, length);
	stream->length += length;
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	Stream	   *stream = nghttp2_session_get_stream_user_data(session, id);

	(void) arg;
	if (stream == NULL || stream->is_done)
		return 0;
	stream->is_done = true;
	if (error != NGHTTP2_NO_ERROR || (stream->http[0] == '\0'))
	{
		snprintf(stream->http, sizeof(stream->http), "reset");
		snprintf(stream->status, sizeof(stream->status), "%u", error);
	}
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	(void) session, (void) arg;
	if (frame->hd.type == NGHTTP2_GOAWAY)
	{
		printf("goaway %d %u\n", frame->goaway.last_stream_id, frame->goaway.error_code);
		fflush(stdout);
	}
	return 0;
}

/* ---- connections -------------------------------------------------------- */

static void
set_field(const char *name, const char *value)
{
	for (int i = 0; i < field_count; i++)
	{
		if (strcmp(fields[i][0], name) == 0)
		{
			fields[i][1] = strdup(value);
			return;
		}
	}
	fields[field_count][0] = strdup(name);
	fields[field_count++][1] = strdup(value);
}

static void
connect_to(Connection *connection)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	nghttp2_session_callbacks *callbacks;
	int			small = 4096;

	if (getaddrinfo(address, port, &hints, &found) != 0)
		die(address);
	connection->fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (stops_reading)
		setsockopt(connection->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (connection->fd < 0 || connect(connection->fd, found->ai_addr, found->ai_addrlen) < 0)
		die("connect");
	freeaddrinfo(found);
	if (tls_context != NULL)
	{
		connection->tls = SSL_new(tls_context);
		SSL_set_fd(connection->tls, connection->fd);
		SSL_set_alpn_protos(connection->tls, (const unsigned char *) "\2h2", 3);
		if (SSL_connect(connection->tls) != 1)
		{
			fprintf(stderr, "grpc_client: TLS: %s\n", ERR_reason_error_string(ERR_peek_error()));
			exit(1);
		}
	}
	fcntl(connection->fd, F_SETFL, O_NONBLOCK);
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_client_new(&connection->session, callbacks, connection);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

/* The request with the stream's number in place of each "####". */
static char *
numbered_request(int number)
{
	char	   *copy = malloc(request_length + 1);
	char		digits[8];

	memcpy(copy, request, request_length);
	snprintf(digits, sizeof(digits), "%04d", number % 1000);
	for (size_t i = 0; i + 4 <= request_length; i++)
	{
		if (memcmp(copy + i, "####", 4) == 0)
			memcpy(copy + i, digits, 4);
	}
	return copy;
}

static void
send_requests(Connection *connection)
{
	nghttp2_nv	all[MAX_FIELDS];

	for (int i = 0; i < field_count; i++)
		all[i] = (nghttp2_nv) {(uint8_t *) fields[i][0], (uint8_t *) fields[i][1],
			strlen(fields[i][0]), strlen(fields[i][1]), NGHTTP2_NV_FLAG_NONE};
	connection->streams = calloc((size_t) stream_count, sizeof(Stream));
	connection->to_send = stream_count;
	for (int i = 0; i < stream_count; i++)
	{
		nghttp2_data_provider provider = {.source.ptr = &connection->streams[i], .read_callback = read_request};

		if (numbers_streams)
			connection->streams[i].request =
				numbered_request((int) (connection - connections) * stream_count + i);
		nghttp2_submit_request(connection->session, NULL, all, (size_t) field_count, &provider,
							   &connection->streams[i]);
	}
}

static void
close_connection(Connection *connection)
{
	close(connection->fd);
	connection->fd = -1;
	for (int i = 0; i < stream_count; i++)
	{
		Stream	   *stream = &connection->streams[i];

		if (!stream->is_done)
			snprintf(stream->http, sizeof(stream->http), "lost");
		stream->is_done = true;
	}
}

static void
write_some(Connection *connection)
{
	const uint8_t *data;
	ssize_t		length;

	while (connection->out_length < 1 << 16 &&
		   (length = nghttp2_session_mem_send(connection->session, &data)) > 0)
	{
		connection->out = realloc(connection->out, connection->out_length + (size_t) length);
		memcpy(connection->out + connection->out_length, data, (size_t) length);
		connection->out_length += (size_t) length;
	}
	if (connection->out_length == 0)
		return;
	length = connection->tls != NULL ?
		SSL_write(connection->tls, connection->out, (int) connection->out_length) :
		send(connection->fd, connection->out, connection->out_length, MSG_NOSIGNAL);
	if (length > 0)
	{
		connection->out_length -= (size_t) length;
		memmove(connection->out, connection->out + length, connection->out_length);
	}
	else if (connection->tls == NULL && errno != EAGAIN)
		close_connection(connection);
}

static void
read_some(Connection *connection)
{
	static uint8_t data[1 << 16];
	ssize_t		length = connection->tls != NULL ? SSL_read(connection->tls, data, sizeof(data)) :
		recv(connection->fd, data, sizeof(data), 0);

	if (length > 0)
	{
		if (nghttp2_session_mem_recv(connection->session, data, (size_t) length) < 0)
			close_connection(connection);
	}
	else if (connection->tls != NULL ? SSL_get_error(connection->tls, (int) length) != SSL_ERROR_WANT_READ :
			 length == 0 || errno != EAGAIN)
		close_connection(connection);
}

/* ---- all of it ---------------------------------------------------------- */

static bool
all_sent(void)
{
	for (int i = 0; i < connection_count; i++)
	{
		if (connections[i].fd >= 0 && (connections[i].to_send > 0 || connections[i].out_length > 0))
			return false;
	}
	return true;
}

static bool
is_finished(void)
{
	for (int i = 0; i < connection_count; i++)
	{
		if (awaits_end && connections[i].fd >= 0)
			return false;
		for (int j = 0; j < stream_count && connections[i].fd >= 0; j++)
		{
			if (!connections[i].streams[j].is_done)
				return false;
		}
		if (connections[i].fd >= 0 && (connections[i].out_length > 0 ||
									   nghttp2_session_want_write(connections[i].session)))
			return false;
	}
	return true;
}

static void
say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static int
count_answered(void)
{
	int			n = 0;

	for (int i = 0; i < connection_count * stream_count; i++)
		n += connections[i / stream_count].streams[i % stream_count].is_done;
	return n;
}

/* Until all is done, or standard input has ended. */
static void
serve(void)
{
	struct pollfd *polls = calloc((size_t) connection_count + 1, sizeof(struct pollfd));
	bool		is_told = false;

	while (!is_finished())
	{
		bool		deaf = stops_reading && all_sent();

		if (!is_told && all_sent())
		{
			is_told = true;
			say("sent");
		}
		if (tell_at > 0 && count_answered() >= tell_at)
		{
			tell_at = 0;
			say("answered");
		}
		polls[connection_count] = (struct pollfd) {.fd = 0, .events = POLLIN};
		for (int i = 0; i < connection_count; i++)
		{
			Connection *each = &connections[i];

			polls[i].fd = each->fd;
			polls[i].events = deaf ? POLLRDHUP : POLLIN;
			if (each->fd >= 0 && (each->out_length > 0 || (!deaf && nghttp2_session_want_write(each->session))))
				polls[i].events |= POLLOUT;
		}
		if (poll(polls, (nfds_t) connection_count + 1, -1) < 0)
			die("poll");
		if (polls[connection_count].revents != 0)
		{
			char		bytes[64];

			if (read(0, bytes, sizeof(bytes)) <= 0)
				return;
		}
		for (int i = 0; i < connection_count; i++)
		{
			if (connections[i].fd >= 0 && (polls[i].revents & POLLIN) != 0)
				read_some(&connections[i]);
			else if (connections[i].fd >= 0 && (polls[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
				close_connection(&connections[i]);
			if (connections[i].fd >= 0 && !deaf)
				write_some(&connections[i]);
		}
	}
	if (!is_told)
		puts("sent");
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static char *
as_line(const Stream *stream)
{
	size_t		size = 2 * stream->length + sizeof(Stream) + (stream->details ? strlen(stream->details) : 0) + 32;
	char	   *line = malloc(size);
	int			length = snprintf(line, size, "%s\t%s\t%s\t", stream->is_done ? stream->http : "open",
								  stream->status, stream->message);

	for (size_t i = 0; i < stream->length; i++)
		length += sprintf(line + length, "%02x", (unsigned char) stream->body[i]);
	if (shows_details && stream->details != NULL)
		sprintf(line + length, "\ndetails\t%s", stream->details);
	return line;
}

static void
print_outcomes(void)
{
	int			total = connection_count * stream_count;
	char	  **lines = calloc((size_t) total, sizeof(char *));

	for (int i = 0; i < total; i++)
		lines[i] = as_line(&connections[i / stream_count].streams[i % stream_count]);
	qsort(lines, (size_t) total, sizeof(char *), compare_lines);
	for (int i = 0, same; i < total; i += same)
	{
		for (same = 1; i + same < total && strcmp(lines[i], lines[i + same]) == 0;)
			same++;
		printf("%d\t%s\n", same, lines[i]);
	}
}

static void
read_file(const char *name)
{
	FILE	   *file = fopen(name, "rb");

	if (file == NULL)
		die(name);
	for (;;)
	{
		request = realloc(request, request_length + (1 << 16));
		size_t		length = fread(request + request_length, 1, 1 << 16, file);

		if (length == 0)
			break;
		request_length += length;
	}
	fclose(file);
}

static void
take_option(int option)
{
	char	   *colon;

	switch (option)
	{
		case 'c':
			connection_count = atoi(optarg);
			break;
		case 'n':
			stream_count = atoi(optarg);
			break;
		case 'a':
			tell_at = atoi(optarg);
			break;
		case 'H':
			colon = strstr(optarg + 1, ": ");
			*colon = '\0';
			set_field(optarg, colon + 2);
			break;
		case 't':
			tls_context = SSL_CTX_new(TLS_client_method());
			SSL_CTX_set_verify(tls_context, SSL_VERIFY_PEER, NULL);
			if (SSL_CTX_load_verify_locations(tls_context, optarg, NULL) != 1)
				die(optarg);
			break;
		case 'k':
			if (SSL_CTX_use_certificate_chain_file(tls_context, optarg) != 1 ||
				SSL_CTX_use_PrivateKey_file(tls_context, optarg, SSL_FILETYPE_PEM) != 1)
				die(optarg);
			break;
		case 'e':
			never_ends = true;
			break;
		case 'r':
			resets = true;
			break;
		case 's':
			stops_reading = true;
			break;
		case 'u':
			numbers_streams = true;
			break;
		case 'w':
			awaits_end = true;
			break;
		case 'd':
			shows_details = true;
			break;
		default:
			exit(2);
	}
}

int
main(int argc, char **argv)
{
	int			option;

	set_field(":method", "POST");
	set_field(":scheme", "http");
	set_field(":path", "/");
	set_field(":authority", "test");
	set_field("content-type", "application/grpc");
	set_field("te", "trailers");
	while ((option = getopt(argc, argv, "c:n:a:H:t:k:erswud")) != -1)
		take_option(option);
	if (argc - optind < 3)
		return 2;
	address = argv[optind];
	port = argv[optind + 1];
	path = argv[optind + 2];
	set_field(":path", path);
	if (argc - optind > 3)
		read_file(argv[optind + 3]);
	connections = calloc((size_t) connection_count, sizeof(Connection));
	for (int i = 0; i < connection_count; i++)
	{
		connect_to(&connections[i]);
		send_requests(&connections[i]);
	}
	serve();
	print_outcomes();
	return 0;
}
