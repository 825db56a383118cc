/*
 * connection.h
 *		One connection to PostgreSQL, without blocking: it is made, set up, runs
 *		one statement at a time, and says when it breaks.
 */
#ifndef TASKQ_GATEWAY_CONNECTION_H
#define TASKQ_GATEWAY_CONNECTION_H

#include <stdbool.h>

#include <libpq-fe.h>

#include "gateway/loop.h"
#include "gateway/statement.h"

typedef enum ConnectionState
{
	CONNECTION_DOWN,
	CONNECTION_STARTING,		/* connecting, then its settings */
	CONNECTION_IDLE,
	CONNECTION_BUSY
} ConnectionState;

typedef struct Connection Connection;

/* What a connection tells its owner. None is called from within a call to it. */
typedef struct ConnectionEvents
{
	/* It is idle now, for the first time. */
	void		(*up) (Connection *connection);

	/*
	 * It is down now: could not be made, or broke.  The error, if the server
	 * gave one, else NULL; valid during the call.
	 */
	void		(*down) (Connection *connection, const PGresult *error);

	/* What ran has ended, and the connection is idle, or down follows. */
	void		(*done) (Connection *connection, DatabaseOutcome outcome, const PGresult *result);

	void		(*notified) (Connection *connection, const char *channel, const char *payload);
} ConnectionEvents;

/* Lives in its owner's struct; all zeros is one that is down. */
struct Connection
{
	ConnectionState state;
	const ConnectionEvents *events;
	void	   *owner;
	const char *settings;		/* SQL that is run first */
	bool		was_up;			/* since it was started last */
	char		problem[200];	/* for people: why it is down */

	PGconn	   *pg;
	LoopSocket	socket;
	LoopTimer	patience;		/* with the connecting, then with what is late */
	PGresult   *result;			/* the last of what runs */
	const Statement *statement; /* what runs, or is prepared for it; NULL: plain SQL */
	char	  **values;
	bool		is_preparing;
	const Statement **prepared;
	int			prepared_count;
};

extern void connection_start(Connection *connection, const char *conninfo, const char *settings,
							 const ConnectionEvents *events, void *owner);
extern void connection_run(Connection *connection, const Statement *statement, char **values);
extern void connection_run_sql(Connection *connection, const char *sql);
extern void connection_close(Connection *connection);

#endif
