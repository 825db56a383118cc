/*
 * listening.c
 *		The one connection that listens, and listens again when it is made anew.
 */
#include "gateway/listening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/connection.h"
#include "gateway/memory.h"

/* microseconds */
#define BACK_OFF_MIN	50000
#define BACK_OFF_MAX	2000000

static const char *conninfo;
static const char *settings;
static NotifyHandler on_notify;
static bool is_closed;

static struct
{
	Connection	connection;
	char	  **channels;
	int			count;
	int			heard;			/* so many are listened to, or will be when what runs is done */
	Instant		back_off;
	LoopTimer	again;
} listener;

static void start_listener(void *arg);

/*
 * LISTEN to what is not listened to yet. Channel names are taskq's own:
 * lower-case ASCII.
 */
static void
listen_further(void)
{
	size_t		length = 1;
	char	   *sql;
	char	   *end;

	for (int i = listener.heard; i < listener.count; i++)
		length += strlen(listener.channels[i]) + sizeof("LISTEN \"\";");
	end = sql = memory_new(length);
	for (int i = listener.heard; i < listener.count; i++)
		end += sprintf(end, "LISTEN \"%s\";", listener.channels[i]);
	listener.heard = listener.count;
	connection_run_sql(&listener.connection, sql);
	free(sql);
}

static void
on_listener_up(Connection *connection)
{
	(void) connection;
	if (listener.heard < listener.count)
		listen_further();
}

static void
on_listener_down(Connection *connection, const PGresult *error)
{
	(void) connection;
	(void) error;
	listener.heard = 0;
	listener.back_off = listener.back_off == 0 ? BACK_OFF_MIN : listener.back_off * 2;
	if (listener.back_off > BACK_OFF_MAX)
		listener.back_off = BACK_OFF_MAX;
	if (!is_closed)
		loop_set_timer(&listener.again, loop_now() + listener.back_off, start_listener, NULL);
}

/*
 * What came between the first wish to hear and now may have been missed. A server that
 * refuses, as a standby does, is asked again.
 */
static void
on_listener_done(Connection *connection, DatabaseOutcome outcome, const PGresult *result)
{
	if (outcome != DATABASE_OK)
	{
		if (connection->state != CONNECTION_DOWN)
		{
			connection_close(connection);
			on_listener_down(connection, result);
		}
		return;
	}
	listener.back_off = 0;
	if (listener.heard < listener.count)
		listen_further();
	else
		on_notify(NULL, NULL);
}

static void
on_notification(Connection *connection, const char *channel, const char *payload)
{
	(void) connection;
	on_notify(channel, payload);
}

static const ConnectionEvents listener_events = {
	on_listener_up, on_listener_down, on_listener_done, on_notification
};

static void
start_listener(void *arg)
{
	(void) arg;
	connection_start(&listener.connection, conninfo, settings, &listener_events, NULL);
}

/*
 * Hear of a channel from now on, through reconnections too.
 */
void
listening_add(const char *channel)
{
	for (int i = 0; i < listener.count; i++)
		if (strcmp(listener.channels[i], channel) == 0)
			return;
	listener.channels = memory_resize(listener.channels, (listener.count + 1) * sizeof(char *));
	listener.channels[listener.count++] = memory_text(channel);
	if (listener.connection.state == CONNECTION_IDLE)
		listen_further();
	else if (listener.connection.state == CONNECTION_DOWN && listener.again.place == 0)
		start_listener(NULL);
}

/*
 * To be called once; the texts are kept by the caller. It connects when there
 * is something to hear.
 */
void
listening_init(const char *connection_string, const char *first_sql, NotifyHandler handler)
{
	conninfo = connection_string;
	settings = first_sql;
	on_notify = handler;
}

/*
 * Hear nothing any more.
 */
void
listening_close(void)
{
	is_closed = true;
	connection_close(&listener.connection);
	loop_clear_timer(&listener.again);
}
