/*
 * task_calls.h
 *		The calls of a worker.
 *
 * Each sends one statement to a session that is ready, and returns; arguments
 * need not live longer than the call.  JSON, uuids and intervals are texts,
 * arrays those of array_text.h, and what is NULL is NULL in SQL.
 */
#ifndef TASKQ_TASK_CALLS_H
#define TASKQ_TASK_CALLS_H

#include "client/session.h"

/* What there is of a task.  Times are ISO 8601 in UTC, durations seconds. */
typedef enum TaskField
{
	TASK_TOKEN,
	TASK_RUN_ID,
	TASK_ATTEMPT,
	TASK_ACTIVITY_TYPE,
	TASK_QUEUE,
	TASK_SCHEDULED_TIME,
	TASK_STARTED_TIME,
	TASK_ACTIVITY_ID,
	TASK_DEADLINE,
	TASK_HEARTBEAT_TIMEOUT,
	TASK_PRIORITY,
	TASK_FAIRNESS_KEY,
	TASK_HEADER,
	TASK_HEARTBEAT_DETAILS,
	TASK_INPUT,
	TASK_FIELDS
} TaskField;

/* NULL is what the task has not. */
typedef struct ClientTask
{
	const char *fields[TASK_FIELDS];
	char	   *memory;			/* where they are */
} ClientTask;

typedef struct ClientFailure
{
	const char *message;
	const char *type;
	const char *details;
	bool		non_retryable;
	const char *next_retry_delay;
	const char *stack_trace;
} ClientFailure;

/* What complete_and_poll completes. */
typedef struct ClientResults
{
	const char *tokens;
	const char *results;
} ClientResults;

extern void client_prepare(Session *session, SessionDone done, void *context);
extern void client_poll(Session *session, const ClientResults *completed, const char *queue,
						const char *identity, int count, SessionDone done, void *context);
extern void client_task_read(ClientTask *task, const PGresult *result, int row);
extern void client_task_free(ClientTask *task);
extern void client_commit(Session *session, SessionDone done, void *context);
extern void client_roll_back(Session *session, SessionDone done, void *context);
extern void client_wait(Session *session, const char *queues, const char *timeout, SessionDone done, void *context);
extern void client_complete(Session *session, const char *token, const char *result,
							const char *identity, SessionDone done, void *context);
extern void client_complete_many(Session *session, const ClientResults *completed,
								 const char *identity, SessionDone done, void *context);
extern void client_heartbeat_many(Session *session, const char *tokens, const char *details,
								  const char *identity, SessionDone done, void *context);
extern void client_fail(Session *session, const char *token, const ClientFailure *failure,
						const char *heartbeat_details, const char *identity, SessionDone done, void *context);
extern void client_release(Session *session, const char *token, const char *delay,
						   const char *heartbeat_details, const char *identity, SessionDone done, void *context);
extern void client_report_canceled(Session *session, const char *token, const char *details,
								   const char *identity, SessionDone done, void *context);
extern void client_outcome(Session *session, const char *run_id, SessionDone done, void *context);

#endif							/* TASKQ_TASK_CALLS_H */
