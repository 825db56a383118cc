/*
 * link.c
 *		A connection of a client as bytes.
 *
 * Once a turn what there is to say is fetched and goes into one write. What the
 * socket doesn't take is kept, and as long as something is kept nothing more is
 * fetched, and nothing read: a client who doesn't read isn't heard. So a link
 * keeps at most one batch.
 *
 * A client to which something is owed, and who makes no progress with it for
 * STALL_TIME, is disconnected. Progress is what was kept going out, and what
 * the owner counts as such.
 */
#include "gateway/link.h"

#include <sys/epoll.h>

#include "gateway/log.h"

#define STALL_TIME INT64_C(30000000)
#define READ_SIZE (64 << 10)
#define READS_PER_TURN 4

/* For the end of a turn, so that whoever is at work on the link needs not look. */
static void
finish(void *arg)
{
	Link	   *link = arg;

	peer_close(&link->peer);
	buffer_free(&link->kept);
	link->handler->ended(link);
}

/*
 * End the link, at the end of the turn; may be called again.
 */
void
link_end(Link *link, const char *why)
{
	if (link->is_ended)
		return;
	link->is_ended = true;
	log_line(LOG_LEVEL_DEBUG, "connection from %s closed: %s", link->peer.name, why);
	loop_forget(&link->socket);
	loop_clear_timer(&link->stall);
	loop_at_end_of_turn(finish, link);
}

static void
check_stall(void *arg)
{
	Link	   *link = arg;

	if (link->progress != link->progress_seen)
	{
		link_flush_soon(link);
		return;
	}
	peer_give_up(&link->peer);
	link_end(link, "the client does not take its answers");
}

/* Let a client who takes nothing be noticed. */
static void
watch_stall(Link *link)
{
	if (link->kept.length == 0 && !link->handler->owes(link))
		loop_clear_timer(&link->stall);
	else if (link->stall.place == 0)
	{
		link->progress_seen = link->progress;
		loop_set_timer(&link->stall, loop_now() + STALL_TIME, check_stall, link);
	}
}

/* Write as much as is taken. How much that is; -1 if the link has ended. */
static ssize_t
write_bytes(Link *link, const char *data, size_t length)
{
	size_t		done = 0;

	while (done < length)
	{
		ssize_t		written = peer_write(&link->peer, data + done, length - done);

		if (written < 0)
		{
			link_end(link, "it is broken");
			return -1;
		}
		if (written == 0)
			break;
		done += (size_t) written;
	}
	return (ssize_t) done;
}

/* Write what is kept. False if some of it still is, or the link has ended. */
static bool
write_kept(Link *link)
{
	ssize_t		written;

	if (link->kept.length == 0)
		return true;
	written = write_bytes(link, link->kept.data, link->kept.length);
	if (written <= 0)
		return false;
	link->progress++;
	buffer_consume(&link->kept, (size_t) written);
	return link->kept.length == 0;
}

static void
write_all(Link *link)
{
	static char batch[LINK_BATCH_ROOM];

	while (write_kept(link))
	{
		ssize_t		length = link->handler->produce(link, batch);
		ssize_t		written;

		if (length < 0)
			link_end(link, "out of step");
		if (length <= 0)
			return;
		written = write_bytes(link, batch, (size_t) length);
		if (written < 0)
			return;
		buffer_append(&link->kept, batch + written, (size_t) (length - written));
	}
}

/* Write what there is, and wait for what can be done next. */
static void
flush(void *arg)
{
	Link	   *link = arg;

	link->is_flush_due = false;
	if (link->is_ended)
		return;
	write_all(link);
	if (link->is_ended)
		return;
	if (link->kept.length == 0 && link->handler->is_over(link))
	{
		link_end(link, "everything is said");
		return;
	}
	watch_stall(link);
	if (link->peer.awaits_room)
		loop_change(&link->socket, link->kept.length > 0 ? EPOLLOUT : EPOLLIN | EPOLLOUT);
	else
		loop_change(&link->socket, EPOLLIN);
}

/*
 * Write what there is, at the end of this turn.
 */
void
link_flush_soon(Link *link)
{
	if (link->is_flush_due || link->is_ended)
		return;
	link->is_flush_due = true;
	loop_at_end_of_turn(flush, link);
}

static void
on_ready(void *arg, uint32_t events)
{
	static char data[READ_SIZE];
	Link	   *link = arg;

	link_flush_soon(link);
	if (link->kept.length > 0 && (events & (EPOLLERR | EPOLLHUP)) == 0)
		return;
	for (int i = 0; i < READS_PER_TURN; i++)
	{
		ssize_t		length = peer_read(&link->peer, data, sizeof(data));

		if (length < 0)
			link_end(link, "the client has gone");
		else if (length > 0 && !link->handler->receive(link, data, (size_t) length))
			link_end(link, "the client makes no sense");
		if (length <= 0 || link->is_ended || (link->peer.tls == NULL && (size_t) length < sizeof(data)))
			return;
	}
}

/*
 * Take a connected socket that does not block, and what tls_accept() made for
 * it or NULL.
 */
void
link_open(Link *link, int fd, SSL *tls, const LinkHandler *handler)
{
	*link = (Link) {.handler = handler};
	peer_open(&link->peer, fd, tls);
	loop_watch(&link->socket, fd, EPOLLIN, on_ready, link);
	log_line(LOG_LEVEL_DEBUG, "connection from %s", link->peer.name);
	link_flush_soon(link);
}
