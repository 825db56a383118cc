/*
 * peer.h
 *		Bytes from and to a client, plain or through TLS; nothing ever waits.
 */
#ifndef TASKQ_GATEWAY_PEER_H
#define TASKQ_GATEWAY_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <openssl/ssl.h>

typedef struct Peer
{
	int			fd;
	SSL		   *tls;			/* NULL: plain */
	bool		awaits_room;	/* can't go on before it may write */
	char		name[64];		/* address and port, for the log */
} Peer;

extern void peer_open(Peer *peer, int fd, SSL *tls);
extern ssize_t peer_read(Peer *peer, void *data, size_t size);
extern ssize_t peer_write(Peer *peer, const void *data, size_t size);
extern void peer_give_up(Peer *peer);
extern void peer_close(Peer *peer);

#endif
