/*
 * session.h
 *		A connection to the database that comes back.
 *
 * One statement at a time, and nothing here waits: who has a session polls its
 * descriptor and lets it work.  Times are microseconds of a clock that the
 * caller chooses and that never goes back.
 */
#ifndef TASKQ_SESSION_H
#define TASKQ_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum SessionState
{
	SESSION_DOWN,				/* until retry_at */
	SESSION_CONNECTING,
	SESSION_READY,
	SESSION_BUSY
} SessionState;

/* What came of a statement: NULL if the connection was lost before it was known. */
typedef void (*SessionDone) (void *context, PGresult *result);

/* What a session tells of.  A message has no newline at its end; NULL after session_fail(). */
typedef struct SessionEvents
{
	void		(*connected) (void *context);
	void		(*lost) (void *context, const char *message);
	void		(*notified) (void *context, const char *payload);
	void		(*notice) (void *context, const char *message);
	void	   *context;
} SessionEvents;

typedef struct Session
{
	const char *const *keywords;
	const char *const *values;
	SessionEvents events;
	SessionState state;
	PGconn	   *connection;
	PostgresPollingStatusType wanted;	/* while it connects */
	int64_t		retry_at;
	int64_t		back_off;
	int64_t		deadline;		/* of connecting */
	SessionDone done;
	void	   *context;
	PGresult   *result;			/* of the statement, as far as it has come */
	bool		in_pipeline;
} Session;

extern void session_init(Session *session, const char *const *keywords, const char *const *values, SessionEvents events);
extern void session_work(Session *session, int64_t now);
extern int	session_descriptor(const Session *session);
extern short session_poll_events(const Session *session);
extern int64_t session_next(const Session *session);
extern void session_send(Session *session, const char *statement, int count, const char *const *values,
						 SessionDone done, void *context);
extern void session_begin(Session *session, const char *name, int count, const char *const *values,
						  SessionDone done, void *context);
extern void session_fail(Session *session, int64_t now);
extern void session_close(Session *session);

#endif							/* TASKQ_SESSION_H */
