/*
 * tls.c
 *		Certificates and keys of the gateway.
 *
 * A connection keeps the certificate that it began with, whatever is loaded
 * later.
 */
#include "gateway/tls.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

static SSL_CTX *context;		/* NULL: plain connections */

/* Of the protocols that the client offers HTTP/2 is taken, and no other. */
static int
choose_protocol(SSL *tls, const unsigned char **chosen, unsigned char *length,
				const unsigned char *offered, unsigned int offered_length, void *arg)
{
	(void) tls;
	(void) arg;
	for (unsigned int i = 0; i + 1 + offered[i] <= offered_length; i += 1 + offered[i])
	{
		if (offered[i] == 2 && memcmp(offered + i + 1, "h2", 2) == 0)
		{
			*chosen = offered + i + 1;
			*length = 2;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool
complain(Buffer *error, const char *what, const char *path)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	buffer_format(error, "could not load %s \"%s\": %s", what, path, reason != NULL ? reason : "unknown error");
	return false;
}

/* Nobody can be asked for the password of a key. */
static int
no_password(char *password, int size, int is_for_writing, void *arg)
{
	(void) password, (void) size, (void) is_for_writing, (void) arg;
	return -1;
}

static bool
load_files(SSL_CTX *new, const char *certificate, const char *key, const char *client_ca, Buffer *error)
{
	STACK_OF(X509_NAME) *names;

	SSL_CTX_set_default_passwd_cb(new, no_password);
	if (SSL_CTX_use_certificate_chain_file(new, certificate) != 1)
		return complain(error, "TLS certificate", certificate);
	if (SSL_CTX_use_PrivateKey_file(new, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(new) != 1)
		return complain(error, "TLS key", key);
	if (client_ca == NULL)
		return true;
	names = SSL_load_client_CA_file(client_ca);
	if (names == NULL || SSL_CTX_load_verify_locations(new, client_ca, NULL) != 1)
	{
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return complain(error, "certificates of clients' authorities", client_ca);
	}
	SSL_CTX_set_client_CA_list(new, names);
	SSL_CTX_set_verify(new, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return true;
}

/*
 * Use these files, PEM, for connections that begin from now on. client_ca may
 * be NULL: then no client has to show a certificate. If one of the files can't
 * be used, everything stays as it is, and the error says why.
 */
bool
tls_load(const char *certificate, const char *key, const char *client_ca, Buffer *error)
{
	SSL_CTX    *new = SSL_CTX_new(TLS_server_method());

	ERR_clear_error();
	if (new == NULL || !load_files(new, certificate, key, client_ca, error))
	{
		SSL_CTX_free(new);
		return false;
	}
	SSL_CTX_set_min_proto_version(new, TLS1_2_VERSION);
	SSL_CTX_set_options(new, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(new, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_id_context(new, (const unsigned char *) "taskq", 5);
	SSL_CTX_set_alpn_select_cb(new, choose_protocol, NULL);
	SSL_CTX_free(context);
	context = new;
	return true;
}

/*
 * TLS for a socket that was accepted; NULL if nothing was loaded: the
 * connection is a plain one.
 */
SSL *
tls_accept(int fd)
{
	SSL		   *tls;

	if (context == NULL)
		return NULL;
	tls = SSL_new(context);
	if (tls == NULL || SSL_set_fd(tls, fd) != 1)
		abort();
	SSL_set_accept_state(tls);
	return tls;
}
