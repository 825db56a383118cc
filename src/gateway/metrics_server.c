/*
 * metrics_server.c
 *		The numbers of metrics.h over HTTP.
 *
 * One request for each connection, which is closed after the answer, or when
 * the request takes too long. Beyond MAX_CLIENTS at a time nobody is served.
 */
#include "gateway/metrics_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/link.h"
#include "gateway/memory.h"
#include "gateway/metrics.h"

#define MAX_CLIENTS 16
#define MAX_REQUEST (8 << 10)	/* bytes */
#define CLIENT_TIME INT64_C(5000000)

typedef struct Client
{
	Link		link;			/* the first */
	LoopTimer	patience;
	Buffer		request;
	Buffer		answer;			/* what is still to be sent */
	bool		is_answered;
} Client;

static int	client_count;

static void
answer(Client *client)
{
	const char *request = client->request.data;
	bool		is_head = strncmp(request, "HEAD ", 5) == 0;
	const char *path = request + (is_head ? 5 : 4);
	const char *status = "200 OK";
	Buffer		body = {0};

	if (!is_head && strncmp(request, "GET ", 4) != 0)
		status = "405 Method Not Allowed";
	else if (strncmp(path, "/metrics", 8) != 0 || strchr(" ?", path[8]) == NULL)
		status = "404 Not Found";
	else
		metrics_write(&body);
	buffer_format(&client->answer, "HTTP/1.1 %s\r\n"
				  "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
				  "Content-Length: %zu\r\n"
				  "Connection: close\r\n\r\n", status, body.length);
	if (!is_head)
		buffer_append(&client->answer, body.data, body.length);
	buffer_free(&body);
	client->is_answered = true;
}

static bool
on_receive(Link *link, const void *data, size_t length)
{
	Client	   *client = (Client *) link;

	if (client->is_answered)
		return true;
	buffer_append(&client->request, data, length);
	if (strstr(client->request.data, "\r\n\r\n") != NULL)
		answer(client);
	return client->is_answered || client->request.length < MAX_REQUEST;
}

static ssize_t
on_produce(Link *link, char *to)
{
	Client	   *client = (Client *) link;
	size_t		length = client->answer.length;

	if (length > LINK_BATCH)
		length = LINK_BATCH;
	if (length > 0)
	{
		memcpy(to, client->answer.data, length);
		buffer_consume(&client->answer, length);
	}
	return (ssize_t) length;
}

static bool
on_is_over(Link *link)
{
	Client	   *client = (Client *) link;

	return client->is_answered && client->answer.length == 0;
}

static bool
on_owes(Link *link)
{
	(void) link;
	return false;
}

static void
on_ended(Link *link)
{
	Client	   *client = (Client *) link;

	loop_clear_timer(&client->patience);
	buffer_free(&client->request);
	buffer_free(&client->answer);
	free(client);
	client_count--;
}

static void
lose_patience(void *arg)
{
	link_end(arg, "the client takes too long");
}

/*
 * Serve a client on this connected socket, which does not block.
 */
void
metrics_accept(int fd)
{
	static const LinkHandler handler = {on_receive, on_produce, on_is_over, on_owes, on_ended};
	Client	   *client;

	if (client_count >= MAX_CLIENTS)
	{
		close(fd);
		return;
	}
	client = memory_new(sizeof(Client));
	client_count++;
	link_open(&client->link, fd, NULL, &handler);
	loop_set_timer(&client->patience, loop_now() + CLIENT_TIME, lose_patience, client);
}
