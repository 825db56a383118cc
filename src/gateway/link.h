/*
 * link.h
 *		A connection of a client as bytes: what comes in is handed on, what goes
 *		out is fetched when there is room for it.
 */
#ifndef TASKQ_GATEWAY_LINK_H
#define TASKQ_GATEWAY_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/loop.h"
#include "gateway/memory.h"
#include "gateway/peer.h"

/* What is fetched at a time; whoever produces may go beyond it a little. */
#define LINK_BATCH (128 << 10)
#define LINK_BATCH_ROOM (LINK_BATCH + (32 << 10))

typedef struct Link Link;

typedef struct LinkHandler
{
	/* False: the client makes no sense, which ends the link. */
	bool		(*receive) (Link *link, const void *data, size_t length);

	/* Bytes to write, LINK_BATCH or a little more if there are so many; -1: ends the link. */
	ssize_t		(*produce) (Link *link, char *to);

	/* Nothing is being written. Is everything said, so that the link ends? */
	bool		(*is_over) (Link *link);

	/* Is something owed to the client that waits for the client? */
	bool		(*owes) (Link *link);

	/* The link has ended: free what it lives in. */
	void		(*ended) (Link *link);
} LinkHandler;

/* Lives in its owner's struct. */
struct Link
{
	const LinkHandler *handler;
	Peer		peer;
	LoopSocket	socket;
	Buffer		kept;			/* what the socket did not take */
	LoopTimer	stall;
	bool		is_flush_due;
	bool		is_ended;
	uint64_t	progress;
	uint64_t	progress_seen;
};

extern void link_open(Link *link, int fd, SSL *tls, const LinkHandler *handler);
extern void link_flush_soon(Link *link);
extern void link_end(Link *link, const char *why);

#endif
