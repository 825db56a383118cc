/*
 * parked.h
 *		Polls that wait for a task.
 */
#ifndef TASKQ_GATEWAY_PARKED_H
#define TASKQ_GATEWAY_PARKED_H

#include <libpq-fe.h>

#include "gateway/batch.h"
#include "gateway/call.h"

/*
 * A kind of tasks. Its statement polls for one task for each element of three
 * arrays: queues, identities, and rates that workers want. The first columns of
 * what it finds are the element's place and the task's token.
 */
typedef struct ParkedKind
{
	BatchKind	poll;			/* with parked_bind; no statement: there never is a task */

	/* Answer with the task of a row, and then call the handler. */
	void		(*deliver) (Call *call, const PGresult *result, int row,
							DeliveryHandler handler, void *arg);
	void		(*answer_empty) (Call *call);
	void		(*fail) (Call *call, DatabaseOutcome outcome, const PGresult *error);
} ParkedKind;

extern void parked_bind(const void *item, SqlArray *arrays);
extern void parked_looked(void *item, DatabaseOutcome outcome, const PGresult *result, int row);

/* The texts are copied. */
typedef struct ParkedPoll
{
	const ParkedKind *kind;
	const char *queue;
	const char *identity;
	const char *worker;			/* key of the worker that polls, or "" */
	double		rate;			/* tasks per second that it wants for the queue; 0: no limit */
} ParkedPoll;

extern void parked_add(Call *call, const ParkedPoll *poll);
extern void parked_wake(const char *queue, int count);
extern bool parked_notified(const char *channel, const char *queue);
extern void parked_stop_worker(const char *worker, const char *sticky_queue);
extern void parked_answer_all_empty(void);

#endif
