/*
 * peer.c
 *		Bytes from and to a client, plain or through TLS; nothing ever waits.
 */
#include "gateway/peer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

/*
 * A client that is gone without a word is noticed by the kernel: it asks after
 * so many seconds of silence, so often, and waits so long (in milliseconds)
 * for what was sent to be acknowledged.
 */
#define SILENCE_SECONDS 60
#define PROBE_SECONDS 15
#define PROBES 4
#define UNACKNOWLEDGED_MS 60000

static void
set_option(int fd, int level, int option, int value)
{
	(void) setsockopt(fd, level, option, &value, sizeof(value));
}

static void
name_peer(Peer *peer)
{
	struct sockaddr_storage address;
	socklen_t	length = sizeof(address);
	char		host[48];
	char		port[8];

	snprintf(peer->name, sizeof(peer->name), "unknown");
	if (getpeername(peer->fd, (struct sockaddr *) &address, &length) == 0 &&
		getnameinfo((struct sockaddr *) &address, length, host, sizeof(host), port, sizeof(port),
					NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(peer->name, sizeof(peer->name), address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/*
 * Take a connected socket that does not block, and what tls_accept() made for
 * it or NULL; peer_close() gives back both.
 */
void
peer_open(Peer *peer, int fd, SSL *tls)
{
	*peer = (Peer) {.fd = fd, .tls = tls};
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, SILENCE_SECONDS);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_SECONDS);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS);
	name_peer(peer);
}

/* What TLS says after a call that did not succeed: 0 try again, -1 ended. */
static ssize_t
tls_outcome(Peer *peer, int result)
{
	int			error = SSL_get_error(peer->tls, result);

	peer->awaits_room = error == SSL_ERROR_WANT_WRITE;
	return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? 0 : -1;
}

static ssize_t
outcome(ssize_t result)
{
	if (result >= 0)
		return result;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

/*
 * How many bytes were read; 0 if there are none now, -1 if none will come any
 * more.
 */
ssize_t
peer_read(Peer *peer, void *data, size_t size)
{
	ssize_t		result;

	if (peer->tls != NULL)
	{
		ERR_clear_error();
		result = SSL_read(peer->tls, data, (int) size);
		if (result > 0)
			peer->awaits_room = false;
		return result > 0 ? result : tls_outcome(peer, (int) result);
	}
	result = recv(peer->fd, data, size, 0);
	return result == 0 ? -1 : outcome(result);
}

/*
 * How many bytes were taken, which may be 0; -1 if none will be any more.
 */
ssize_t
peer_write(Peer *peer, const void *data, size_t size)
{
	int			result;

	if (peer->tls == NULL)
	{
		ssize_t		sent = outcome(send(peer->fd, data, size, MSG_NOSIGNAL));

		peer->awaits_room = sent == 0;
		return sent;
	}
	ERR_clear_error();
	result = SSL_write(peer->tls, data, (int) size);
	if (result > 0)
		peer->awaits_room = false;
	return result > 0 ? result : tls_outcome(peer, result);
}

/*
 * The client doesn't take what is sent: peer_close() will throw it away, which
 * would otherwise stay with the system for long.
 */
void
peer_give_up(Peer *peer)
{
	struct linger now = {.l_onoff = 1};

	(void) setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/*
 * Close the socket. What was taken is still sent.
 */
void
peer_close(Peer *peer)
{
	if (peer->tls != NULL)
	{
		ERR_clear_error();
		(void) SSL_shutdown(peer->tls);
		SSL_free(peer->tls);
	}
	(void) shutdown(peer->fd, SHUT_WR);
	close(peer->fd);
	peer->fd = -1;
}
