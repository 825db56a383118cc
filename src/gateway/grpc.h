/*
 * grpc.h
 *		The protocol: what comes in on HTTP/2 becomes calls of methods.
 */
#ifndef TASKQ_GATEWAY_GRPC_H
#define TASKQ_GATEWAY_GRPC_H

#include "gateway/call.h"
#include "gateway/loop.h"

extern void grpc_serve(const Method *methods, int count, Instant max_age);

#endif
