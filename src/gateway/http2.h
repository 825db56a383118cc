/*
 * http2.h
 *		Connections and streams of HTTP/2, served through nghttp2.
 *
 * A stream is one request and its answer. Whoever serves it (one handler for
 * all) hears of its headers, its data, its end, and at last that it is closed;
 * after that the stream is no more.
 */
#ifndef TASKQ_GATEWAY_HTTP2_H
#define TASKQ_GATEWAY_HTTP2_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/loop.h"

typedef struct Http2Stream Http2Stream;

typedef struct Http2Field
{
	const char *name;
	const char *value;
} Http2Field;

typedef struct Http2Handler
{
	void		(*begin) (Http2Stream *stream);
	void		(*header) (Http2Stream *stream, const char *name, const char *value);
	void		(*data) (Http2Stream *stream, const void *data, size_t length);
	void		(*end) (Http2Stream *stream);	/* the request is complete */
	void		(*closed) (Http2Stream *stream);	/* answered or not */
} Http2Handler;

typedef struct Http2Answer
{
	const Http2Field *headers;	/* copied */
	int			header_count;
	char	   *body;			/* given back with free() when it is sent; NULL: headers only */
	size_t		length;
	const Http2Field *trailers; /* after a body; kept, not copied */
	int			trailer_count;

	/* Did the client get the whole answer? Called exactly once, if it is set. */
	void		(*delivery) (void *arg, bool delivered);
	void	   *delivery_arg;
} Http2Answer;

extern void http2_init(const Http2Handler *handler, Instant max_age);
extern void http2_accept(int fd);

extern void http2_set_state(Http2Stream *stream, void *state);
extern void *http2_state(const Http2Stream *stream);
extern const char *http2_peer(const Http2Stream *stream);

extern bool http2_hold(Http2Stream *stream, size_t length);
extern bool http2_has_room(const Http2Stream *stream, size_t length);
extern void http2_answer(Http2Stream *stream, const Http2Answer *answer);

extern int	http2_connections(void);
extern void http2_drain(Instant grace, void (*drained) (void));
extern void http2_close(void);

#endif
