/*
 * session.c
 *		A connection to the database that comes back.
 */
#include "client/session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/plain_memory.h"

#define FIRST_BACK_OFF INT64_C(100000)
#define LAST_BACK_OFF INT64_C(10000000)
#define LONGEST_CONNECT INT64_C(30000000)

/*
 * session_init: a session that will connect when it works.  Keywords and values
 * are those of PQconnectdbParams(), dbname expanded, and outlive it.
 */
void
session_init(Session *session, const char *const *keywords, const char *const *values, SessionEvents events)
{
	*session = (Session) {.keywords = keywords, .values = values, .events = events, .back_off = FIRST_BACK_OFF};
}

static char *
first_line(const char *message)
{
	char	   *line = plain_copy(message);

	while (line[0] != '\0' && line[strlen(line) - 1] == '\n')
		line[strlen(line) - 1] = '\0';
	for (char *at = line; *at != '\0'; at++)
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	return line;
}

/* The connection is gone: the statement, if there was one, is told so.  Who has ended it himself knows why. */
static void
give_up(Session *session, int64_t now, bool knows_why)
{
	char	   *message = knows_why ? NULL : first_line(PQerrorMessage(session->connection));
	bool		was_busy = session->state == SESSION_BUSY;

	PQfinish(session->connection);
	PQclear(session->result);
	session->connection = NULL;
	session->result = NULL;
	session->in_pipeline = false;
	session->state = SESSION_DOWN;
	/* between half of the back-off and all of it, so that many do not come at once */
	session->retry_at = now + session->back_off / 2 + random() % (session->back_off / 2);
	session->back_off = session->back_off * 2 < LAST_BACK_OFF ? session->back_off * 2 : LAST_BACK_OFF;
	session->events.lost(session->events.context, message);
	free(message);
	if (was_busy)
		session->done(session->context, NULL);
}

static void
lose(Session *session, int64_t now)
{
	give_up(session, now, false);
}

static void
receive_notice(void *context, const PGresult *result)
{
	Session    *session = context;
	char	   *message = first_line(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");

	session->events.notice(session->events.context, message);
	free(message);
}

static void
start_connecting(Session *session, int64_t now)
{
	session->connection = PQconnectStartParams(session->keywords, session->values, 1);
	if (session->connection == NULL)
		abort();
	session->state = SESSION_CONNECTING;
	session->deadline = now + LONGEST_CONNECT;
	session->wanted = PGRES_POLLING_WRITING;
	if (PQstatus(session->connection) == CONNECTION_BAD)
		lose(session, now);
}

static void
go_on_connecting(Session *session, int64_t now)
{
	struct pollfd ready = {.fd = PQsocket(session->connection), .events = session_poll_events(session)};

	if (now >= session->deadline)
	{
		lose(session, now);
		return;
	}
	if (poll(&ready, 1, 0) == 0)
		return;
	session->wanted = PQconnectPoll(session->connection);
	if (session->wanted == PGRES_POLLING_FAILED)
		lose(session, now);
	else if (session->wanted == PGRES_POLLING_OK)
	{
		PQsetnonblocking(session->connection, 1);
		PQsetNoticeReceiver(session->connection, receive_notice, session);
		session->state = SESSION_READY;
		session->events.connected(session->events.context);
	}
}

/* Of several results the first error counts, else the last one. */
static void
keep(Session *session, PGresult *result)
{
	if (session->result != NULL && PQresultStatus(session->result) == PGRES_FATAL_ERROR)
		PQclear(result);
	else
	{
		PQclear(session->result);
		session->result = result;
	}
}

/* Take what has come.  True if the statement has ended. */
static bool
take_results(Session *session)
{
	while (!PQisBusy(session->connection))
	{
		PGresult   *result = PQgetResult(session->connection);

		if (result == NULL && !session->in_pipeline)
			return true;
		if (result == NULL)
		{
			if (PQstatus(session->connection) == CONNECTION_BAD)
				return false;
			continue;
		}
		if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
		{
			PQclear(result);
			PQexitPipelineMode(session->connection);
			session->in_pipeline = false;
			return true;
		}
		keep(session, result);
	}
	return false;
}

/* Has the server ended the session, even if the socket does not show it yet? */
static bool
is_last_word(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

static void
take_input(Session *session, int64_t now)
{
	PGnotify   *notify;
	bool		alive = PQconsumeInput(session->connection) && PQflush(session->connection) >= 0;
	bool		ended = session->state == SESSION_BUSY && take_results(session);

	while ((notify = PQnotifies(session->connection)) != NULL)
	{
		session->events.notified(session->events.context, notify->extra);
		PQfreemem(notify);
	}
	if (ended && session->result != NULL && !is_last_word(session->result) &&
		PQstatus(session->connection) == CONNECTION_OK)
	{
		PGresult   *result = session->result;

		session->result = NULL;
		session->state = SESSION_READY;
		if (PQresultStatus(result) != PGRES_FATAL_ERROR)
			session->back_off = FIRST_BACK_OFF; /* it is of use */
		session->done(session->context, result);
		PQclear(result);
	}
	else if (ended || !alive || PQstatus(session->connection) == CONNECTION_BAD)
		lose(session, now);
}

/*
 * session_work: go on as far as that needs no waiting.  Calls the events, and
 * what waits for a statement; these may send the next one.
 */
void
session_work(Session *session, int64_t now)
{
	if (session->state == SESSION_DOWN && now >= session->retry_at)
		start_connecting(session, now);
	if (session->state == SESSION_CONNECTING)
		go_on_connecting(session, now);
	else if (session->state == SESSION_READY || session->state == SESSION_BUSY)
		take_input(session, now);
}

/*
 * session_descriptor: what to poll, or -1.
 */
int
session_descriptor(const Session *session)
{
	return session->connection == NULL ? -1 : PQsocket(session->connection);
}

/*
 * session_poll_events: and for what.
 */
short
session_poll_events(const Session *session)
{
	if (session->state == SESSION_CONNECTING)
		return session->wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT;
	return session->state == SESSION_BUSY && PQflush(session->connection) > 0 ? POLLIN | POLLOUT : POLLIN;
}

/*
 * session_next: when it has to work again if nothing comes.
 */
int64_t
session_next(const Session *session)
{
	return session->state == SESSION_DOWN ? session->retry_at :
		session->state == SESSION_CONNECTING ? session->deadline : INT64_MAX;
}

/*
 * session_send: send a statement to a session that is ready; without values it
 * may be several.  "done" is told what became of it, while the session works.
 */
void
session_send(Session *session, const char *statement, int count, const char *const *values,
			 SessionDone done, void *context)
{
	session->state = SESSION_BUSY;
	session->done = done;
	session->context = context;
	/* what cannot be sent is a lost connection, which the next work finds */
	if (count > 0)
		PQsendQueryParams(session->connection, statement, count, NULL, values, NULL, NULL, 0);
	else
		PQsendQuery(session->connection, statement);
	PQflush(session->connection);
}

/*
 * session_begin: begin a transaction and execute a prepared statement in it, in
 * one round trip; otherwise like session_send().
 */
void
session_begin(Session *session, const char *name, int count, const char *const *values,
			  SessionDone done, void *context)
{
	session->state = SESSION_BUSY;
	session->done = done;
	session->context = context;
	session->in_pipeline = true;
	PQenterPipelineMode(session->connection);
	PQsendQueryParams(session->connection, "BEGIN", 0, NULL, NULL, NULL, NULL, 0);
	PQsendQueryPrepared(session->connection, name, count, values, NULL, NULL, 0);
	PQpipelineSync(session->connection);
	PQflush(session->connection);
}

/*
 * session_fail: a session that is ready is of no use; connect again, later.  It is lost without a message.
 */
void
session_fail(Session *session, int64_t now)
{
	give_up(session, now, true);
}

/*
 * session_close: end it; what waits for a statement is not told.
 */
void
session_close(Session *session)
{
	PQclear(session->result);
	PQfinish(session->connection);
	session->result = NULL;
	session->connection = NULL;
	session->state = SESSION_DOWN;
	session->retry_at = INT64_MAX;
}
