/*
 * call.h
 *		One RPC: the border between the protocol, which makes calls and carries
 *		answers, and the methods, which answer them.
 *
 * Whoever handles a call owns it until it is answered, by call_reply() or
 * call_fail(), exactly once; that frees it.  The client may go away before
 * (it cancelled, its connection broke, its deadline passed): then "gone" is
 * called, if it is set, and the call has to be answered all the same, which
 * then only frees it.
 */
#ifndef TASKQ_GATEWAY_CALL_H
#define TASKQ_GATEWAY_CALL_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "gateway/loop.h"
#include "gateway/status.h"

typedef struct Call Call;

/* What is served at a path.  request NULL: the message is not looked at. */
typedef struct Method
{
	const char *path;			/* "/package.Service/Method" */
	const ProtobufCMessageDescriptor *request;
	void		(*handle) (Call *call);
} Method;

struct Call
{
	const Method *method;
	ProtobufCMessage *request;	/* unpacked and checked: depth, UTF-8 */
	const char *role;			/* PostgreSQL role to run as, kept for ever; NULL: who connects */
	const char *client_name;	/* from the metadata, or "" */
	const char *client_version;
	Instant		deadline;		/* the client's, or NEVER */
	bool		is_gone;		/* nobody waits for an answer any more */

	/* the handler's own */
	void		(*gone) (Call *call);	/* called at most once; must not answer the call itself, only see to it that it is answered soon */
	void	   *state;
};

/* Did the whole answer leave, or is it lost?  Called exactly once. */
typedef void (*DeliveryHandler) (void *arg, bool delivered);

extern void call_reply(Call *call, const ProtobufCMessage *response);
extern void call_reply_then(Call *call, const ProtobufCMessage *response,
							DeliveryHandler handler, void *arg);

/*
 * The message is percent-encoded on its way; the detail, which may be NULL,
 * travels as google.protobuf.Any in grpc-status-details-bin.
 */
extern void call_fail(Call *call, StatusCode code, const char *message,
					  const ProtobufCMessage *detail);

#endif
