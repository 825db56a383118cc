/*
 * call_internal.h
 *		What the protocol knows of a call, beside what the methods do.
 */
#ifndef TASKQ_GATEWAY_CALL_INTERNAL_H
#define TASKQ_GATEWAY_CALL_INTERNAL_H

#include "gateway/call.h"
#include "gateway/http2.h"
#include "gateway/memory.h"
#include "gateway/metrics.h"

#define STATUS_CODES 17

/* How calls of a method ended. */
typedef struct MethodCounts
{
	const char *labels;			/* of the method */
	Metric	   *by_code[STATUS_CODES];
	Metric	   *seconds;
} MethodCounts;

typedef struct OpenCall
{
	Call		call;			/* the first */
	Http2Stream *stream;		/* NULL: gone */
	LoopTimer	timer;			/* the client's deadline */
	Instant		began;
	bool		is_handed;		/* somebody owns it who will answer */
	bool		is_counted;
	MethodCounts *counts;		/* NULL: it was not a call of a method */

	/* what came in so far */
	bool		is_post;
	bool		is_grpc;		/* says its content-type */
	bool		gzip_in;
	bool		gzip_out;
	bool		has_unknown_encoding;
	char	   *path;
	char	   *authorization;
	char	   *client_name;
	char	   *client_version;
	Buffer		body;
} OpenCall;

extern OpenCall *call_open(Http2Stream *stream);
extern void call_await(OpenCall *open, Instant deadline);
extern void call_abandon(OpenCall *open);

#endif
