/*
 * database.c
 *		A pool of connections for each role.
 *
 * Connections of a pool are made when they are needed, up to the size, and
 * closed when they were not for a while; one stays.  While none can be made,
 * the pool tries again with back-off, and all that waits fails with each try
 * that fails: clients come again, and meanwhile they know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/connection.h"
#include "gateway/database.h"
#include "gateway/listening.h"
#include "gateway/log.h"
#include "gateway/memory.h"
#include "gateway/metrics.h"
#include "gateway/statement_counts.h"

/* microseconds */
#define BACK_OFF_MIN	50000
#define BACK_OFF_MAX	2000000
#define IDLE_MAX		60000000

/* what SET ROLE says, and what a bug says, or something that is not there any more */
#define NOT_MEMBER		"42501"
#define NO_SUCH_ROLE	"22023"
#define INTERNAL_ERROR	"XX000"

/*
 * A statement that waits for a lock or anything else does not hold up its
 * batch and its connection for long. Plans do not depend on the arguments.
 */
#define SETTINGS \
	"SET search_path = pg_catalog, pg_temp; SET plan_cache_mode = force_generic_plan;" \
	"SET lock_timeout = '5s'; SET statement_timeout = '30s'; SET client_min_messages = error;" \
	"SET bytea_output = hex; SET jit = off"

/* What is to be run, and for whom. */
typedef struct Request
{
	struct Request *next;
	struct Pool *pool;
	const Statement *statement;
	char	  **values;
	LoopTimer	deadline;		/* set while it waits */
	Instant		sent;			/* 0: not yet */
	ResultHandler handler;
	void	   *arg;
} Request;

typedef struct Member
{
	Connection	connection;
	Request    *request;		/* what runs */
	LoopTimer	idle;
	bool		is_stale;		/* not to be used again */
} Member;

typedef struct Pool
{
	struct Pool *next;
	char	   *role;			/* NULL: who connects */
	char	   *settings;
	Request    *first;			/* these wait */
	Request   **last;
	Instant		back_off;
	LoopTimer	again;
	bool		is_served;		/* at the end of this turn */
	char	   *problem;		/* the last one with connections that was logged; NULL: there is none */
	Member		members[];
} Pool;

static char *conninfo;
static int	size;
static Pool *pools;
static bool is_closed;
static int	unfinished;			/* requests */
static char *name;				/* of the database */

static void serve(void *arg);

static char *
copy_text(const char *text)
{
	return text != NULL ? memory_text(text) : NULL;
}

/* ------------------------------------------------------------------------
 * Requests
 * ------------------------------------------------------------------------
 */

static void
end_request(Request *request, DatabaseOutcome outcome, const PGresult *result)
{
	loop_clear_timer(&request->deadline);
	statement_count(request->statement, outcome, request->sent != 0 ? loop_now() - request->sent : 0);
	for (int i = 0; i < request->statement->parameters; i++)
		free(request->values[i]);
	free(request->values);
	unfinished--;
	request->handler(request->arg, outcome, result);
	free(request);
}

static Request *
take_request(Pool *pool)
{
	Request    *request = pool->first;

	if (request == NULL)
		return NULL;
	pool->first = request->next;
	if (pool->first == NULL)
		pool->last = &pool->first;
	loop_clear_timer(&request->deadline);
	return request;
}

/*
 * All that waits ends. What handlers ask for anew waits for the next time. Of
 * the reasons that there is no connection only one is an error of theirs: that
 * the role may not be used.
 */
static void
fail_requests(Pool *pool, const PGresult *error)
{
	const char *state = PQresultErrorField(error, PG_DIAG_SQLSTATE);
	bool		is_denied = pool->role != NULL && state != NULL &&
		(strcmp(state, NOT_MEMBER) == 0 || strcmp(state, NO_SUCH_ROLE) == 0);
	Request    *request = pool->first;

	pool->first = NULL;
	pool->last = &pool->first;
	while (request != NULL)
	{
		Request    *next = request->next;

		end_request(request, is_denied ? DATABASE_DENIED : DATABASE_UNSENT, is_denied ? error : NULL);
		request = next;
	}
}

static void
on_deadline(void *arg)
{
	Request    *request = arg;
	Pool	   *pool = request->pool;

	for (Request **place = &pool->first; *place != NULL; place = &(*place)->next)
	{
		if (*place == request)
		{
			*place = request->next;
			if (request->next == NULL)
				pool->last = place;
			break;
		}
	}
	end_request(request, DATABASE_UNSENT, NULL);
}

/* ------------------------------------------------------------------------
 * Pools
 * ------------------------------------------------------------------------
 */

static int
count_members(Pool *pool, ConnectionState state)
{
	int			count = 0;

	for (int i = 0; i < size; i++)
		count += pool->members[i].connection.state == state;
	return count;
}

/* Serve the pool soon: at the end of this turn of the loop. */
static void
serve_soon(Pool *pool)
{
	if (pool->is_served)
		return;
	pool->is_served = true;
	loop_at_end_of_turn(serve, pool);
}

static void
try_again(void *arg)
{
	serve_soon(arg);
}

/* It was idle for long: closed, unless it is the last. */
static void
on_idle(void *arg)
{
	Member	   *member = arg;
	Pool	   *pool = member->connection.owner;

	if (count_members(pool, CONNECTION_IDLE) + count_members(pool, CONNECTION_BUSY) > 1)
		connection_close(&member->connection);
}

static void
rest(Member *member)
{
	loop_set_timer(&member->idle, loop_now() + IDLE_MAX, on_idle, member);
	serve_soon(member->connection.owner);
}

static void
on_up(Connection *connection)
{
	Pool	   *pool = connection->owner;

	if (name == NULL)
		name = memory_text(PQdb(connection->pg));
	if (pool->problem != NULL)
		log_line(LOG_LEVEL_INFO, "connected to database \"%s\" again", name);
	free(pool->problem);
	pool->problem = NULL;
	pool->back_off = 0;
	loop_clear_timer(&pool->again);
	rest((Member *) connection);
}

/* Why there is no connection, or not as many as there should be: once, as long as it is the same. */
static void
log_problem(Pool *pool, const char *problem, bool is_last)
{
	if (pool->problem != NULL && strcmp(pool->problem, problem) == 0)
		return;
	free(pool->problem);
	pool->problem = memory_text(problem);
	log_line(LOG_LEVEL_WARNING, "no %sconnection to the database%s%s: %s", is_last ? "" : "further ",
			 pool->role != NULL ? " for role " : "", pool->role != NULL ? pool->role : "", problem);
}

/*
 * When the last connection was lost, or one could not be made, it is tried again after a
 * pause; each try that fails doubles it, and if there is no connection at all is an
 * answer for all that waits.
 */
static void
on_down(Connection *connection, const PGresult *error)
{
	Pool	   *pool = connection->owner;
	bool		is_last = count_members(pool, CONNECTION_IDLE) + count_members(pool, CONNECTION_BUSY) == 0;

	loop_clear_timer(&((Member *) connection)->idle);
	((Member *) connection)->is_stale = false;
	if (is_closed)
		return;
	if (connection->was_up && !is_last)
	{
		serve_soon(pool);
		return;
	}
	if (pool->again.place == 0)
	{
		pool->back_off = pool->back_off == 0 ? BACK_OFF_MIN : pool->back_off * 2;
		if (pool->back_off > BACK_OFF_MAX)
			pool->back_off = BACK_OFF_MAX;
		loop_set_timer(&pool->again, loop_now() + pool->back_off, try_again, pool);
	}
	log_problem(pool, connection->problem, is_last);
	if (!connection->was_up && is_last && count_members(pool, CONNECTION_STARTING) == 0)
		fail_requests(pool, error);
}

/*
 * Does an error mean that the statement is of an extension that is not there
 * any more, or another one by now?
 */
static bool
is_stale(DatabaseOutcome outcome, const PGresult *result)
{
	static const char *const states[] = {"3F000", "26000", "42883", "42704", "42P01", INTERNAL_ERROR};
	const char *state = outcome == DATABASE_ERROR ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	for (size_t i = 0; state != NULL && i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(state, states[i]) == 0)
			return true;
	return false;
}

static void
renew(Member *member)
{
	member->is_stale = false;
	loop_clear_timer(&member->idle);
	connection_close(&member->connection);
	serve_soon(member->connection.owner);
}

/* Connections of the pool may have prepared what is stale: they are made anew, when they are idle. */
static void
renew_all(Pool *pool)
{
	for (int i = 0; i < size; i++)
	{
		Member	   *member = &pool->members[i];

		if (member->connection.state == CONNECTION_IDLE)
			renew(member);
		else
			member->is_stale = member->connection.state == CONNECTION_BUSY;
	}
}

/*
 * What is stale was rolled back, and calls may come again. Of an internal error
 * nobody knows whose fault it was.
 */
static void
on_done(Connection *connection, DatabaseOutcome outcome, const PGresult *result)
{
	Member	   *member = (Member *) connection;
	Request    *request = member->request;

	member->request = NULL;
	if (is_stale(outcome, result))
	{
		bool		is_internal = strcmp(PQresultErrorField(result, PG_DIAG_SQLSTATE), INTERNAL_ERROR) == 0;

		log_line(LOG_LEVEL_WARNING, "statement \"%s\" failed, and connections are made anew: %s",
				 request->statement->name, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
		renew_all(request->pool);
		outcome = is_internal ? DATABASE_BROKEN : DATABASE_UNSENT;
	}
	else if (connection->state == CONNECTION_IDLE && member->is_stale)
		renew(member);
	else if (connection->state == CONNECTION_IDLE)
		rest(member);
	end_request(request, outcome, result);
}

static void
ignore_notification(Connection *connection, const char *channel, const char *payload)
{
	(void) connection;
	(void) channel;
	(void) payload;
}

static const ConnectionEvents member_events = {on_up, on_down, on_done, ignore_notification};

/* Hand what waits to idle connections; make one more if that is not enough. */
static void
serve(void *arg)
{
	Pool	   *pool = arg;
	Member	   *down = NULL;
	int			starting = 0;
	int			waiting = 0;

	pool->is_served = false;
	if (is_closed)
		return;
	for (int i = 0; i < size; i++)
	{
		Member	   *member = &pool->members[i];

		if (member->connection.state == CONNECTION_DOWN)
			down = member;
		else if (member->connection.state == CONNECTION_STARTING)
			starting++;
		else if (member->connection.state == CONNECTION_IDLE && pool->first != NULL)
		{
			loop_clear_timer(&member->idle);
			member->request = take_request(pool);
			member->request->sent = loop_now();
			connection_run(&member->connection, member->request->statement,
						   member->request->values);
		}
	}
	for (Request *request = pool->first; request != NULL; request = request->next)
		waiting++;
	/* of the own role there is always one */
	if (pool->role == NULL && !database_is_up() && waiting == 0)
		waiting = 1;
	if (waiting > starting && down != NULL && pool->again.place == 0)
	{
		connection_start(&down->connection, conninfo, pool->settings, &member_events, pool);
		if (waiting > starting + 1)
			serve_soon(pool);
	}
}

static Pool *
find_pool(const char *role)
{
	Pool	   *pool;

	for (pool = pools; pool != NULL; pool = pool->next)
		if (role == NULL ? pool->role == NULL : pool->role != NULL && strcmp(pool->role, role) == 0)
			return pool;
	pool = memory_new(sizeof(Pool) + size * sizeof(Member));
	pool->role = copy_text(role);
	pool->last = &pool->first;
	if (role == NULL)
		pool->settings = copy_text(SETTINGS);
	else
	{
		/* a role's name in double quotes, its own doubled */
		char	   *end;

		pool->settings = memory_new(sizeof(SETTINGS) + 20 + 2 * strlen(role));
		end = pool->settings + sprintf(pool->settings, SETTINGS "; SET ROLE \"");
		for (const char *c = role; *c != '\0'; c++)
		{
			if (*c == '"')
				*end++ = '"';
			*end++ = *c;
		}
		strcpy(end, "\"");
	}
	pool->next = pools;
	pools = pool;
	return pool;
}

/*
 * Is there a connection of the role that connects?
 */
bool
database_is_up(void)
{
	Pool	   *pool = find_pool(NULL);

	return count_members(pool, CONNECTION_IDLE) + count_members(pool, CONNECTION_BUSY) > 0;
}

/*
 * Does no statement wait or run?
 */
bool
database_is_idle(void)
{
	return unfinished == 0;
}

/*
 * The name of the database; NULL as long as there was no connection.
 */
const char *
database_name(void)
{
	return name;
}

/*
 * How many statements of the role could be sent at once, without waiting.
 */
int
database_free(const char *role)
{
	Pool	   *pool = find_pool(role);

	return pool->first == NULL ? size - count_members(pool, CONNECTION_BUSY) : 0;
}

/*
 * Run a statement as the role, NULL being who connects. Values are texts, NULL
 * being SQL's, and copied. The handler is called once, never before this returns.
 */
void
database_run(const char *role, const Statement *statement, const char *const *values,
			 Instant deadline, ResultHandler handler, void *arg)
{
	Pool	   *pool = find_pool(role);
	Request    *request = memory_new(sizeof(Request));

	unfinished++;
	request->pool = pool;
	request->statement = statement;
	request->values = memory_new((statement->parameters + 1) * sizeof(char *));
	for (int i = 0; i < statement->parameters; i++)
		request->values[i] = copy_text(values[i]);
	request->handler = handler;
	request->arg = arg;
	loop_set_timer(&request->deadline, deadline, on_deadline, request);
	*pool->last = request;
	pool->last = &request->next;
	serve_soon(pool);
}

/* ------------------------------------------------------------------------
 * All of it
 * ------------------------------------------------------------------------
 */

static double
read_state(ConnectionState state)
{
	int			count = 0;

	for (Pool *pool = pools; pool != NULL; pool = pool->next)
		count += count_members(pool, state);
	return count;
}

static double
read_idle(void)
{
	return read_state(CONNECTION_IDLE);
}

static double
read_busy(void)
{
	return read_state(CONNECTION_BUSY);
}

static double
read_waiting(void)
{
	int			count = 0;

	for (Pool *pool = pools; pool != NULL; pool = pool->next)
		for (Request *request = pool->first; request != NULL; request = request->next)
			count++;
	return count;
}

static Metric gauges[] = {
	{.kind = METRIC_GAUGE, .name = "taskq_gateway_database_connections", .labels = "state=\"idle\"",
	.help = "Connections to the database, but for the one that listens.", .read = read_idle},
	{.kind = METRIC_GAUGE, .name = "taskq_gateway_database_connections", .labels = "state=\"busy\"",
	.help = "Connections to the database, but for the one that listens.", .read = read_busy},
	{.kind = METRIC_GAUGE, .name = "taskq_gateway_statements_waiting",
	.help = "Statements that wait for a connection.", .read = read_waiting},
};

/*
 * To be called once. conninfo: a connection string, URI or name as libpq has them;
 * size: connections at most for each role. The handler hears of notifications.
 */
void
database_init(const char *connection_string, int pool_size, NotifyHandler handler)
{
	conninfo = copy_text(connection_string);
	size = pool_size;
	listening_init(conninfo, SETTINGS, handler);
	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		metric_show(&gauges[i]);
	serve_soon(find_pool(NULL));
}

/*
 * Close everything. What waits is answered DATABASE_UNSENT, what runs _LOST.
 */
void
database_close(void)
{
	is_closed = true;
	listening_close();
	for (Pool *pool = pools; pool != NULL; pool = pool->next)
	{
		loop_clear_timer(&pool->again);
		for (int i = 0; i < size; i++)
		{
			Member	   *member = &pool->members[i];

			loop_clear_timer(&member->idle);
			connection_close(&member->connection);
			if (member->request != NULL)
				end_request(member->request, DATABASE_LOST, NULL);
			member->request = NULL;
		}
		fail_requests(pool, NULL);
	}
}
