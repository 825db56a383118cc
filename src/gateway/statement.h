/*
 * statement.h
 *		A statement for PostgreSQL, and what may become of it.
 */
#ifndef TASKQ_GATEWAY_STATEMENT_H
#define TASKQ_GATEWAY_STATEMENT_H

#include <stdbool.h>

/*
 * A statement.  Static: its address tells it from others; but one that runs
 * once is not prepared, and has to live until its handler is called.
 */
typedef struct Statement
{
	const char *name;			/* unique; that of the prepared statement and in metrics */
	const char *sql;
	int			parameters;
	bool		once;
} Statement;

typedef enum DatabaseOutcome
{
	DATABASE_OK,				/* result has the rows */
	DATABASE_ERROR,				/* result has the error: rolled back */
	DATABASE_LOST,				/* the connection broke: whether it was carried out is unknown */
	DATABASE_UNSENT,			/* never sent: no connection, or the deadline passed */
	DATABASE_DENIED,			/* never sent: the role can't be used, result has the error */
	DATABASE_BROKEN				/* rolled back by an internal error, which result has: the
								 * connection was made anew, so what ran beside it, or
								 * the same once more, may succeed */
} DatabaseOutcome;

#endif
