/*
 * listener.c
 *		Addresses that are listened on.
 */
#include "gateway/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/log.h"
#include "gateway/loop.h"

#define BACKLOG 1024
#define CLIENTS_PER_TURN 64
#define PAUSE 100000			/* microseconds, when there is no descriptor left */

typedef struct Listener
{
	LoopSocket	socket;
	LoopTimer	pause;
	ClientHandler handler;
	struct Listener *next;
} Listener;

static Listener *listeners;

/* a number, or the name of a service */
static bool
is_port(const char *port)
{
	size_t		digits = strspn(port, "0123456789");

	return port[0] != '\0' && (port[digits] != '\0' || (digits <= 5 && atoi(port) <= 65535));
}

/*
 * "host:port" or "[host]:port" in its parts, to be given back with free(). An
 * empty host means all addresses. False if it isn't of that form.
 */
bool
listener_split(const char *address, char **host, char **port)
{
	const char *colon = strrchr(address, ':');
	size_t		length;

	if (colon == NULL || !is_port(colon + 1))
		return false;
	length = (size_t) (colon - address);
	if (length >= 2 && address[0] == '[' && address[length - 1] == ']')
	{
		address++;
		length -= 2;
	}
	else if (memchr(address, ':', length) != NULL)
		return false;
	*host = memory_text(address);
	(*host)[length] = '\0';
	*port = memory_text(colon + 1);
	return true;
}

static struct addrinfo *
look_up(const char *address, Buffer *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char	   *host;
	char	   *port;
	int			result;

	if (!listener_split(address, &host, &port))
	{
		buffer_format(error, "address \"%s\" is not of the form host:port", address);
		return NULL;
	}
	result = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
	if (result != 0)
		buffer_format(error, "could not look up address \"%s\": %s", address, gai_strerror(result));
	free(host);
	free(port);
	return result == 0 ? found : NULL;
}

static bool
is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *) address)->sin_addr.s_addr) >> 24 == 127;
	return address->sa_family == AF_INET6 &&
		IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) address)->sin6_addr);
}

/*
 * Is what listens on this address out of reach of other machines? No, if the
 * address can't be looked up.
 */
bool
listener_is_loopback(const char *address)
{
	Buffer		error = {0};
	struct addrinfo *found = look_up(address, &error);
	bool		result = found != NULL;

	for (struct addrinfo *each = found; each != NULL; each = each->ai_next)
		result = result && is_loopback(each->ai_addr);
	if (found != NULL)
		freeaddrinfo(found);
	buffer_free(&error);
	return result;
}

static void
resume(void *arg)
{
	Listener   *listener = arg;

	loop_change(&listener->socket, EPOLLIN);
}

static void
on_client(void *arg, uint32_t events)
{
	Listener   *listener = arg;

	(void) events;
	for (int i = 0; i < CLIENTS_PER_TURN; i++)
	{
		int			fd = accept4(listener->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
		{
			listener->handler(fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		{
			log_line(LOG_LEVEL_WARNING, "could not accept a connection: %s", strerror(errno));
			loop_change(&listener->socket, 0);
			loop_set_timer(&listener->pause, loop_now() + PAUSE, resume, listener);
		}
		return;
	}
}

static void
log_address(int fd, const char *purpose)
{
	struct sockaddr_storage address;
	socklen_t	length = sizeof(address);
	char		host[64];
	char		port[8];

	if (getsockname(fd, (struct sockaddr *) &address, &length) == 0 &&
		getnameinfo((struct sockaddr *) &address, length, host, sizeof(host), port, sizeof(port),
					NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		log_line(LOG_LEVEL_INFO, address.ss_family == AF_INET6 ? "listening on [%s]:%s for %s" :
				 "listening on %s:%s for %s", host, port, purpose);
}

static bool
listen_on(const struct addrinfo *where, const char *purpose, ClientHandler handler)
{
	int			fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int			on = 1;
	Listener   *listener;

	if (fd < 0)
		return false;
	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (where->ai_family == AF_INET6)
		(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, where->ai_addr, where->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
	{
		int			saved = errno;

		close(fd);
		errno = saved;
		return false;
	}
	listener = memory_new(sizeof(Listener));
	listener->handler = handler;
	listener->next = listeners;
	listeners = listener;
	loop_watch(&listener->socket, fd, EPOLLIN, on_client, listener);
	log_address(fd, purpose);
	return true;
}

/*
 * Listen on all addresses that "host:port" stands for, but for those that the system
 * does not have, as where there is no IPv6. The purpose is for the log. False, and why,
 * if there is none, or one of them can't be had.
 */
bool
listener_open(const char *address, const char *purpose, ClientHandler handler, Buffer *error)
{
	struct addrinfo *found = look_up(address, error);
	bool		succeeded = found != NULL;
	bool		is_any = false;

	for (struct addrinfo *each = found; each != NULL && succeeded; each = each->ai_next)
	{
		if (listen_on(each, purpose, handler))
			is_any = true;
		else if ((errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) || (each->ai_next == NULL && !is_any))
		{
			succeeded = false;
			buffer_format(error, "could not listen on \"%s\": %s", address, strerror(errno));
		}
	}
	if (found != NULL)
		freeaddrinfo(found);
	return succeeded;
}

/*
 * Nobody comes any more.
 */
void
listener_close_all(void)
{
	while (listeners != NULL)
	{
		Listener   *listener = listeners;
		int			fd = listener->socket.fd;

		listeners = listener->next;
		loop_forget(&listener->socket);
		loop_clear_timer(&listener->pause);
		close(fd);
		free(listener);
	}
}
