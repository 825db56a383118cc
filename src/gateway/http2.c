/*
 * http2.c
 *		Connections and streams of HTTP/2, served through nghttp2.
 *
 * Nothing of a client is without a limit: how many streams it has at a time,
 * how many it resets, the size of their headers, what is kept of its requests
 * (MAX_HELD), and what it leaves of its answers (MAX_OWED).
 *
 * A connection is drained in two steps: a GOAWAY that announces it, and, when
 * requests that were on their way have had time to come, another one that says
 * which was the last. It is closed when all are answered.
 */
#include "gateway/http2.h"

#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "gateway/receipts.h"
#include "gateway/link.h"
#include "gateway/memory.h"
#include "gateway/tls.h"

#define SECOND INT64_C(1000000)

#define MAX_STREAMS 2000		/* at a time, for each connection */
#define STREAM_WINDOW (1 << 20)
#define CONNECTION_WINDOW (8 << 20)
#define MAX_HEADERS (16 << 10)	/* bytes, as HTTP/2 counts them */
#define MAX_FIELDS 8			/* of an answer */

/* Streams that a client may reset at once, and from then on each second. */
#define RESET_BURST (2 * MAX_STREAMS)
#define RESET_RATE 200

#define MAX_OWED (64 << 20)		/* bytes of answers that a client has not taken */
#define MAX_UNCONFIRMED (4 * MAX_STREAMS)	/* answers that arrived or not */
#define MAX_HELD (32 << 20)		/* bytes of requests that are being worked on */

#define OPENING_TIME (10 * SECOND)	/* until the client has said that it speaks HTTP/2 */
#define LINGER_TIME (5 * SECOND)	/* for the end of a request that is answered already */
#define NOTICE_TIME (SECOND / 2)	/* between the two GOAWAYs */
#define AGE_GRACE (75 * SECOND)	/* longer than any long poll */

typedef struct Connection Connection;

struct Http2Stream
{
	Connection *connection;
	int32_t		id;
	void	   *state;
	Http2Stream *next;
	Http2Stream *previous;
	size_t		headers;		/* bytes so far */
	size_t		held;
	bool		is_complete;	/* the request is here */
	LoopTimer	linger;

	/* the answer */
	char	   *body;
	size_t		length;
	size_t		sent;
	const Http2Field *trailers;
	int			trailer_count;
	void		(*delivery) (void *arg, bool delivered);
	void	   *delivery_arg;
};

struct Connection
{
	Link		link;			/* the first */
	nghttp2_session *session;
	Http2Stream *streams;
	Connection *next;
	Connection *previous;
	bool		is_opened;		/* the client speaks HTTP/2 */
	bool		is_draining;
	LoopTimer	life;			/* opening, then age, then the steps of the end */
	Instant		grace;			/* when the end is over */
	size_t		owed;			/* bytes of answers that are not in frames yet */
	size_t		held;
	Receipts	receipts;
};

static const Http2Handler *server;
static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;
static Instant age_limit = NEVER;

static Connection *connections;
static int	connection_count;
static void (*when_drained) (void);

/* ---- the link ----------------------------------------------------------- */

/* The stream is gone. Whoever serves it hears of it first. */
static void
free_stream(Http2Stream *stream)
{
	Connection *connection = stream->connection;

	server->closed(stream);
	loop_clear_timer(&stream->linger);
	connection->owed -= stream->length - stream->sent;
	connection->held -= stream->held;
	if (stream->previous != NULL)
		stream->previous->next = stream->next;
	else
		connection->streams = stream->next;
	if (stream->next != NULL)
		stream->next->previous = stream->previous;
	if (stream->delivery != NULL)
		stream->delivery(stream->delivery_arg, false);
	free(stream->body);
	free(stream);
}

static void
on_ended(Link *link)
{
	Connection *connection = (Connection *) link;

	loop_clear_timer(&connection->life);
	while (connection->streams != NULL)
		free_stream(connection->streams);
	receipts_lose_all(&connection->receipts);
	nghttp2_session_del(connection->session);
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		connections = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	free(connection);
	connection_count--;
	if (connection_count == 0 && when_drained != NULL)
		when_drained();
}

static bool
on_receive(Link *link, const void *data, size_t length)
{
	return nghttp2_session_mem_recv(((Connection *) link)->session, data, length) >= 0;
}

/* Behind answers that were just sent goes a PING. False if there are none. */
static bool
ping(Connection *connection)
{
	uint64_t	number = receipts_ping(&connection->receipts);

	return number != 0 &&
		nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, (const uint8_t *) &number) == 0;
}

static ssize_t
on_produce(Link *link, char *to)
{
	Connection *connection = (Connection *) link;
	size_t		length = 0;

	while (length < LINK_BATCH)
	{
		const uint8_t *frames;
		ssize_t		size = nghttp2_session_mem_send(connection->session, &frames);

		if (size < 0 || (size_t) size > LINK_BATCH_ROOM - length)
			return -1;
		if (size == 0 && !ping(connection))
			break;
		if (size > 0)
			memcpy(to + length, frames, (size_t) size);
		length += (size_t) size;
	}
	return (ssize_t) length;
}

static bool
on_is_over(Link *link)
{
	Connection *connection = (Connection *) link;

	return connection->receipts.count == 0 &&
		nghttp2_session_want_read(connection->session) == 0 &&
		nghttp2_session_want_write(connection->session) == 0;
}

static bool
on_owes(Link *link)
{
	Connection *connection = (Connection *) link;

	return connection->owed > 0 || connection->receipts.count > 0;
}

/* ---- the end of connections --------------------------------------------- */

static void
end_late(void *arg)
{
	link_end(arg, "its time is over");
}

static void
drain_second_step(void *arg)
{
	Connection *connection = arg;

	nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
						  nghttp2_session_get_last_proc_stream_id(connection->session),
						  NGHTTP2_NO_ERROR, NULL, 0);
	loop_set_timer(&connection->life, connection->grace, end_late, connection);
	link_flush_soon(&connection->link);
}

static void
drain(Connection *connection, Instant grace)
{
	if (connection->link.is_ended)
		return;
	connection->grace = loop_now() + grace;
	if (!connection->is_draining)
		nghttp2_submit_shutdown_notice(connection->session);
	connection->is_draining = true;
	loop_set_timer(&connection->life, loop_now() + NOTICE_TIME, drain_second_step, connection);
	link_flush_soon(&connection->link);
}

static void
grow_old(void *arg)
{
	drain(arg, AGE_GRACE);
}

static void
end_unopened(void *arg)
{
	link_end(arg, "the client did not begin");
}

/* The client has said that it speaks HTTP/2. Not all grow old at the same time. */
static void
open_connection(Connection *connection)
{
	if (connection->is_opened)
		return;
	connection->is_opened = true;
	if (age_limit == NEVER)
		loop_clear_timer(&connection->life);
	else if (!connection->is_draining)
		loop_set_timer(&connection->life, loop_now() + age_limit - random() % (age_limit / 10 + 1),
					   grow_old, connection);
}

/* ---- what nghttp2 tells ------------------------------------------------- */

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	Connection *connection = arg;
	Http2Stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = memory_new(sizeof(Http2Stream));
	stream->connection = connection;
	stream->id = frame->hd.stream_id;
	stream->next = connection->streams;
	if (stream->next != NULL)
		stream->next->previous = stream;
	connection->streams = stream;
	nghttp2_session_set_stream_user_data(session, stream->id, stream);
	server->begin(stream);
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
		  const uint8_t *value, size_t value_length, uint8_t flags, void *arg)
{
	Http2Stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void) flags;
	(void) arg;
	if (stream == NULL)
		return 0;
	stream->headers += name_length + value_length + 32;
	if (stream->headers > MAX_HEADERS)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	/* both have a zero behind them, says nghttp2 */
	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		server->header(stream, (const char *) name, (const char *) value);
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t length, void *arg)
{
	Http2Stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void) flags;
	(void) arg;
	if (stream != NULL)
		server->data(stream, data, length);
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	Connection *connection = arg;
	Http2Stream *stream;
	uint64_t	number;

	switch (frame->hd.type)
	{
		case NGHTTP2_DATA:
		case NGHTTP2_HEADERS:
			stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
			if (stream == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
				break;
			stream->is_complete = true;
			loop_clear_timer(&stream->linger);
			server->end(stream);
			break;
		case NGHTTP2_SETTINGS:
			open_connection(connection);
			break;
		case NGHTTP2_RST_STREAM:
			receipts_lose(&connection->receipts, frame->hd.stream_id);
			break;
		case NGHTTP2_PING:
			if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
				break;
			memcpy(&number, frame->ping.opaque_data, sizeof(number));
			receipts_confirm(&connection->receipts, number);
			connection->link.progress++;
			break;
	}
	return 0;
}

/* The request never ended, though its answer did long ago. */
static void
reset_lingering(void *arg)
{
	Http2Stream *stream = arg;

	nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
	link_flush_soon(&stream->connection->link);
}

static int
on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	Connection *connection = arg;
	Http2Stream *stream;

	if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
		(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (stream == NULL)
		return 0;
	if (!stream->is_complete)
		loop_set_timer(&stream->linger, loop_now() + LINGER_TIME, reset_lingering, stream);
	if (stream->delivery != NULL)
	{
		receipts_add(&connection->receipts, stream->id, stream->delivery, stream->delivery_arg);
		stream->delivery = NULL;
		if (connection->receipts.count > MAX_UNCONFIRMED)
			link_end(&connection->link, "the client does not acknowledge PINGs");
	}
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	Http2Stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void) error;
	(void) arg;
	if (stream != NULL)
	{
		nghttp2_session_set_stream_user_data(session, id, NULL);
		free_stream(stream);
	}
	return 0;
}

static nghttp2_nv
as_field(const Http2Field *field)
{
	return (nghttp2_nv) {
		.name = (uint8_t *) field->name, .namelen = strlen(field->name),
		.value = (uint8_t *) field->value, .valuelen = strlen(field->value),
		.flags = NGHTTP2_NV_FLAG_NONE};
}

/* The next part of an answer's body, and behind it the trailers. */
static ssize_t
read_body(nghttp2_session *session, int32_t id, uint8_t *data, size_t size, uint32_t *flags,
		  nghttp2_data_source *source, void *arg)
{
	Http2Stream *stream = source->ptr;
	size_t		length = stream->length - stream->sent;
	nghttp2_nv	fields[MAX_FIELDS];

	(void) arg;
	if (length > size)
		length = size;
	memcpy(data, stream->body + stream->sent, length);
	stream->sent += length;
	stream->connection->owed -= length;
	if (stream->connection->receipts.count == 0)
		stream->connection->link.progress++;
	if (stream->sent < stream->length)
		return (ssize_t) length;
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	for (int i = 0; i < stream->trailer_count; i++)
		fields[i] = as_field(&stream->trailers[i]);
	if (nghttp2_submit_trailer(session, id, fields, (size_t) stream->trailer_count) != 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return (ssize_t) length;
}

/* ---- for those who serve ------------------------------------------------ */

/*
 * To be called once, before http2_accept(). Connections are drained at about
 * the age of max_age (microseconds, or NEVER), so that balancers can spread
 * their clients anew.
 */
void
http2_init(const Http2Handler *handler, Instant max_age)
{
	server = handler;
	age_limit = max_age;
	if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&options) != 0)
		abort();
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_option_set_no_closed_streams(options, 1);
	nghttp2_option_set_stream_reset_rate_limit(options, RESET_BURST, RESET_RATE);
}

/*
 * Serve a client on this connected socket, which does not block.
 */
void
http2_accept(int fd)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MAX_HEADERS},
	};
	static const LinkHandler link_handler = {on_receive, on_produce, on_is_over, on_owes, on_ended};
	Connection *connection = memory_new(sizeof(Connection));

	if (nghttp2_session_server_new2(&connection->session, callbacks, connection, options) != 0)
		abort();
	receipts_init(&connection->receipts);
	connection->next = connections;
	if (connection->next != NULL)
		connection->next->previous = connection;
	connections = connection;
	connection_count++;
	nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings,
							sizeof(settings) / sizeof(settings[0]));
	nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
	link_open(&connection->link, fd, tls_accept(fd), &link_handler);
	loop_set_timer(&connection->life, loop_now() + OPENING_TIME, end_unopened, connection);
}

/*
 * Keep something for the stream.
 */
void
http2_set_state(Http2Stream *stream, void *state)
{
	stream->state = state;
}

/*
 * What http2_set_state() was given last; NULL at first.
 */
void *
http2_state(const Http2Stream *stream)
{
	return stream->state;
}

/*
 * Who is at the other end, for the log.
 */
const char *
http2_peer(const Http2Stream *stream)
{
	return stream->connection->link.peer.name;
}

/*
 * So many more bytes are kept for the request, until the stream is closed or
 * answered. False if that is more than one client may have.
 */
bool
http2_hold(Http2Stream *stream, size_t length)
{
	stream->held += length;
	stream->connection->held += length;
	return stream->connection->held <= MAX_HELD;
}

/*
 * Is there room for an answer of so many bytes, beside those that the client has not
 * taken yet? For one there always is.
 */
bool
http2_has_room(const Http2Stream *stream, size_t length)
{
	return stream->connection->owed == 0 || stream->connection->owed + length <= MAX_OWED;
}

/*
 * Answer the request, which need not be complete; once.
 */
void
http2_answer(Http2Stream *stream, const Http2Answer *answer)
{
	Connection *connection = stream->connection;
	nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_body};
	nghttp2_nv	fields[MAX_FIELDS];

	for (int i = 0; i < answer->header_count; i++)
		fields[i] = as_field(&answer->headers[i]);
	stream->delivery = answer->delivery;
	stream->delivery_arg = answer->delivery_arg;
	connection->held -= stream->held;
	stream->held = 0;
	if (answer->body != NULL)
	{
		stream->body = answer->body;
		stream->length = answer->length;
		stream->trailers = answer->trailers;
		stream->trailer_count = answer->trailer_count;
		connection->owed += answer->length;
	}
	if (nghttp2_submit_response(connection->session, stream->id, fields, (size_t) answer->header_count,
								answer->body != NULL ? &provider : NULL) != 0)
		link_end(&connection->link, "an answer could not be sent");
	link_flush_soon(&connection->link);
}

/*
 * How many clients are connected.
 */
int
http2_connections(void)
{
	return connection_count;
}

/*
 * End all connections, when what was asked on them is answered, or after
 * "grace" microseconds. "drained" is called when there is none any more,
 * which may be at once.
 */
void
http2_drain(Instant grace, void (*drained) (void))
{
	when_drained = drained;
	for (Connection *each = connections; each != NULL; each = each->next)
		drain(each, grace);
	if (connections == NULL)
		drained();
}

/*
 * End all connections now. To be called after the loop; whoever serves hears
 * that the streams are closed.
 */
void
http2_close(void)
{
	when_drained = NULL;
	for (Connection *each = connections; each != NULL; each = each->next)
		link_end(&each->link, "the gateway ends");
}
