/*
 * listener.h
 *		Addresses that are listened on.
 */
#ifndef TASKQ_GATEWAY_LISTENER_H
#define TASKQ_GATEWAY_LISTENER_H

#include <stdbool.h>

#include "gateway/memory.h"

/* A client has come; the socket, which does not block, is the handler's. */
typedef void (*ClientHandler) (int fd);

extern bool listener_split(const char *address, char **host, char **port);
extern bool listener_is_loopback(const char *address);
extern bool listener_open(const char *address, const char *purpose, ClientHandler handler, Buffer *error);
extern void listener_close_all(void);

#endif
