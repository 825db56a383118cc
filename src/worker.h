/*
 * worker.h
 *		The background worker of one database: a loop over chores.
 */
#ifndef TASKQ_WORKER_H
#define TASKQ_WORKER_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * A chore does a bounded piece of work in transactions of its own
 * (worker_begin() .. worker_commit()) and returns when it wants to run again,
 * on taskq's clock: a past instant = at once (after the other chores have had
 * their turn), TIMESTAMP_NEVER = when the latch is set.  Every chore runs at
 * every wake-up, so it has to be cheap when there is nothing to do.
 *
 * run() is called in a memory context that lives until all chores had their
 * turn; between worker_begin() and worker_commit() the current context is the
 * transaction's.
 */
typedef struct Chore
{
	const char *name;
	TimestampTz (*run) (void);
	bool		vital;			/* an error ends the worker; otherwise only this
								 * chore is put off */
} Chore;

extern void worker_begin(const char *chore);
extern void worker_commit(void);
extern PGDLLEXPORT void taskq_worker_main(Datum main_arg);

#endif							/* TASKQ_WORKER_H */
