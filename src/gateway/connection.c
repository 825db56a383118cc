/*
 * connection.c
 *		One connection to PostgreSQL, without blocking.
 *
 * A statement is prepared at its first use, and that is one round trip more.
 * Results are binary.  An error that ends the session leaves the connection
 * down: "done" tells what became of the statement, then "down" follows.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "gateway/connection.h"
#include "gateway/memory.h"

#define CONNECT_PATIENCE	10000000	/* microseconds */
#define KEEPALIVE_IDLE		"15"	/* seconds; a user's own settings win */
#define KEEPALIVE_INTERVAL	"5"
#define KEEPALIVE_COUNT		"3"
#define USER_TIMEOUT		"30000" /* ms */

static void on_socket(void *arg, uint32_t events);

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

/*
 * libpq closes its socket and opens another when it likes, so what is watched
 * is a duplicate.
 */
static void
unwatch(Connection *connection)
{
	int			fd = connection->socket.fd;

	if (fd < 0)
		return;
	loop_forget(&connection->socket);
	close(fd);
}

/* Everything goes back to the state "down"; nothing is called. */
void
connection_close(Connection *connection)
{
	if (connection->pg == NULL)
		return;
	unwatch(connection);
	loop_clear_timer(&connection->patience);
	PQclear(connection->result);
	PQfinish(connection->pg);
	free(connection->prepared);
	connection->result = NULL;
	connection->pg = NULL;
	connection->prepared = NULL;
	connection->prepared_count = 0;
	connection->statement = NULL;
	connection->is_preparing = false;
	connection->state = CONNECTION_DOWN;
}

/* It is lost. What ran may have been carried out, unless its error says no. */
static void
go_down(Connection *connection)
{
	bool		was_busy = connection->state == CONNECTION_BUSY;
	bool		sent = was_busy && !connection->is_preparing;
	PGresult   *error = connection->result;

	snprintf(connection->problem, sizeof(connection->problem), "%s",
			 error != NULL ? PQresultErrorMessage(error) : PQerrorMessage(connection->pg));
	connection->problem[strcspn(connection->problem, "\n")] = '\0';
	connection->result = NULL;
	connection_close(connection);
	if (was_busy && error != NULL && PQresultErrorField(error, PG_DIAG_SQLSTATE) != NULL)
		connection->events->done(connection, DATABASE_ERROR, error);
	else if (was_busy)
		connection->events->done(connection, sent ? DATABASE_LOST : DATABASE_UNSENT, NULL);
	connection->events->down(connection, error);
	PQclear(error);
}

static void
give_up(void *arg)
{
	go_down(arg);
}

/* Have epoll wait for what libpq wants. */
static void
watch(Connection *connection, uint32_t events)
{
	if (connection->state == CONNECTION_STARTING)
		unwatch(connection);
	if (connection->socket.fd < 0)
	{
		int			fd = fcntl(PQsocket(connection->pg), F_DUPFD_CLOEXEC, 0);

		if (fd >= 0)
			loop_watch(&connection->socket, fd, events, on_socket, connection);
		else
			loop_set_timer(&connection->patience, loop_now(), give_up, connection);
	}
	else
		loop_change(&connection->socket, events);
}

/* Send what is in libpq's buffer. false: it broke. */
static bool
flush(Connection *connection)
{
	int			left = PQflush(connection->pg);

	if (left < 0)
		return false;
	watch(connection, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return true;
}

static bool
is_prepared(Connection *connection, const Statement *statement)
{
	for (int i = 0; i < connection->prepared_count; i++)
		if (connection->prepared[i] == statement)
			return true;
	return false;
}

/* Send the statement, or the preparation for it. */
static bool
send_statement(Connection *connection)
{
	const Statement *statement = connection->statement;
	const char *const *values = (const char *const *) connection->values;
	int			sent;

	connection->is_preparing = false;
	if (statement->once)
		sent = PQsendQueryParams(connection->pg, statement->sql, statement->parameters, NULL,
								 values, NULL, NULL, 1);
	else if (is_prepared(connection, statement))
		sent = PQsendQueryPrepared(connection->pg, statement->name, statement->parameters,
								   values, NULL, NULL, 1);
	else
	{
		connection->is_preparing = true;
		sent = PQsendPrepare(connection->pg, statement->name, statement->sql, 0, NULL);
	}
	return sent && flush(connection);
}

/*
 * Run a statement on an idle connection; "done" or "down" follows. The statement
 * and its values are the owner's, and stay until then.
 */
void
connection_run(Connection *connection, const Statement *statement, char **values)
{
	connection->state = CONNECTION_BUSY;
	connection->statement = statement;
	connection->values = values;
	if (!send_statement(connection))
		loop_set_timer(&connection->patience, loop_now(), give_up, connection);
}

/*
 * Run SQL without parameters, perhaps several commands; as connection_run().
 */
void
connection_run_sql(Connection *connection, const char *sql)
{
	if (connection->state == CONNECTION_IDLE)
		connection->state = CONNECTION_BUSY;
	connection->statement = NULL;
	if (!PQsendQuery(connection->pg, sql) || !flush(connection))
		loop_set_timer(&connection->patience, loop_now(), give_up, connection);
}

/* The preparation has succeeded: now what it was for. */
static void
after_preparation(Connection *connection)
{
	connection->prepared = memory_resize(connection->prepared,
									  (connection->prepared_count + 1) * sizeof(Statement *));
	connection->prepared[connection->prepared_count++] = connection->statement;
	PQclear(connection->result);
	connection->result = NULL;
	if (!send_statement(connection))
		go_down(connection);
}

/* All results of what ran are here. */
static void
finish(Connection *connection)
{
	PGresult   *result = connection->result;
	ExecStatusType status = PQresultStatus(result);
	bool		is_ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (PQstatus(connection->pg) == CONNECTION_BAD ||
		(connection->state == CONNECTION_STARTING && !is_ok))
	{
		go_down(connection);
		return;
	}
	if (is_ok && connection->is_preparing)
	{
		after_preparation(connection);
		return;
	}
	connection->result = NULL;
	connection->statement = NULL;
	loop_clear_timer(&connection->patience);
	if (connection->state == CONNECTION_STARTING)
	{
		connection->state = CONNECTION_IDLE;
		connection->was_up = true;
		connection->events->up(connection);
	}
	else
	{
		connection->state = CONNECTION_IDLE;
		connection->events->done(connection, is_ok ? DATABASE_OK : DATABASE_ERROR, result);
	}
	PQclear(result);
}

static void
take_notifications(Connection *connection)
{
	PGnotify   *notification;

	while (connection->pg != NULL && (notification = PQnotifies(connection->pg)) != NULL)
	{
		connection->events->notified(connection, notification->relname, notification->extra);
		PQfreemem(notification);
	}
}

/* Of several results the first error is kept, else the last result. false: all are here. */
static bool
take_result(Connection *connection)
{
	PGresult   *result = PQgetResult(connection->pg);

	if (result == NULL)
		return false;
	if (PQresultStatus(connection->result) == PGRES_FATAL_ERROR && connection->result != NULL)
		PQclear(result);
	else
	{
		PQclear(connection->result);
		connection->result = result;
	}
	return true;
}

/* Read what has come. */
static void
receive(Connection *connection)
{
	if (!PQconsumeInput(connection->pg))
	{
		/* what the server said before it closed may be here */
		while (!PQisBusy(connection->pg) && take_result(connection))
			;
		go_down(connection);
		return;
	}
	take_notifications(connection);
	while (connection->pg != NULL && connection->state != CONNECTION_IDLE &&
		   !PQisBusy(connection->pg))
	{
		if (!take_result(connection))
		{
			finish(connection);
			return;
		}
	}
	/* an idle connection whose server ends */
	if (connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_BAD)
		go_down(connection);
}

/* A step of the connecting. */
static void
connect_further(Connection *connection)
{
	switch (PQconnectPoll(connection->pg))
	{
		case PGRES_POLLING_READING:
			watch(connection, EPOLLIN);
			return;
		case PGRES_POLLING_WRITING:
			watch(connection, EPOLLOUT);
			return;
		case PGRES_POLLING_OK:
			PQsetnonblocking(connection->pg, 1);
			watch(connection, EPOLLIN);
			connection_run_sql(connection, connection->settings);
			return;
		default:
			go_down(connection);
	}
}

static void
on_socket(void *arg, uint32_t events)
{
	Connection *connection = arg;

	if (connection->state == CONNECTION_STARTING && PQstatus(connection->pg) != CONNECTION_OK)
		connect_further(connection);
	else
	{
		if ((events & EPOLLOUT) && !flush(connection))
			go_down(connection);
		else if (events & ~(uint32_t) EPOLLOUT)
			receive(connection);
	}
}

/*
 * Begin to connect; "up" or "down" follows. The settings, SQL that is run first,
 * are kept by the owner.
 */
void
connection_start(Connection *connection, const char *conninfo, const char *settings,
				 const ConnectionEvents *events, void *owner)
{
	/* what stands behind dbname can't be set by the connection string */
	const char *const names[] = {"keepalives_idle", "keepalives_interval", "keepalives_count",
		"tcp_user_timeout", "application_name", "dbname", "client_encoding", NULL};
	const char *const values[] = {KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT,
		USER_TIMEOUT, "taskq-gateway", conninfo, "UTF8", NULL};

	connection->events = events;
	connection->owner = owner;
	connection->settings = settings;
	connection->was_up = false;
	connection->state = CONNECTION_STARTING;
	connection->socket.fd = -1;
	connection->pg = PQconnectStartParams(names, values, 1);
	if (connection->pg == NULL)
		abort();
	PQsetNoticeReceiver(connection->pg, ignore_notice, NULL);
	if (PQstatus(connection->pg) == CONNECTION_BAD)
		loop_set_timer(&connection->patience, loop_now(), give_up, connection);
	else
	{
		loop_set_timer(&connection->patience, loop_now() + CONNECT_PATIENCE, give_up, connection);
		watch(connection, EPOLLOUT);
	}
}
