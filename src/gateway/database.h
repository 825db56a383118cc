/*
 * database.h
 *		Connections to PostgreSQL: a pool for each role, one statement at a time
 *		on each connection.
 *
 * Every statement is a transaction of its own, prepared once per connection.
 * What can't be sent since all connections of the role are busy waits in the
 * order it came.  A lost connection is made anew, with back-off.
 */
#ifndef TASKQ_GATEWAY_DATABASE_H
#define TASKQ_GATEWAY_DATABASE_H

#include <stdbool.h>

#include <libpq-fe.h>

#include "gateway/listening.h"
#include "gateway/loop.h"
#include "gateway/statement.h"

/* The result, in binary, is freed after the handler. NULL unless OK or ERROR. */
typedef void (*ResultHandler) (void *arg, DatabaseOutcome outcome, const PGresult *result);

extern void database_init(const char *conninfo, int size, NotifyHandler handler);
extern bool database_is_up(void);
extern bool database_is_idle(void);
extern const char *database_name(void);
extern int	database_free(const char *role);
extern void database_run(const char *role, const Statement *statement, const char *const *values,
						 Instant deadline, ResultHandler handler, void *arg);
extern void database_close(void);

#endif
