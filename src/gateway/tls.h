/*
 * tls.h
 *		Certificates and keys of the gateway.
 */
#ifndef TASKQ_GATEWAY_TLS_H
#define TASKQ_GATEWAY_TLS_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "gateway/memory.h"

extern bool tls_load(const char *certificate, const char *key, const char *client_ca, Buffer *error);
extern SSL *tls_accept(int fd);

#endif
