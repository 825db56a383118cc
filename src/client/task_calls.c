/*
 * task_calls.c
 *		The calls of a worker.
 */
#include "client/task_calls.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/plain_memory.h"

#define ISO(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* in the order of TaskField */
#define FIELDS \
	"SELECT task_token, run_id, attempt, activity_type, task_queue, " ISO("scheduled_time") ", " ISO("started_time") \
	", activity_id, " ISO("least(started_time + start_to_close_timeout, scheduled_time + schedule_to_close_timeout)") \
	", extract(epoch FROM heartbeat_timeout), priority, fairness_key, header, heartbeat_details, input FROM "

#define SEND(...) \
	do { \
		const char *values_[] = {__VA_ARGS__}; \
		session_send(session, false, statement, sizeof values_ / sizeof *values_, values_, done, context); \
	} while (0)

/*
 * client_poll: begin a transaction and poll a queue in it, having completed
 * something unless that is NULL.  Who has read the tasks commits: then they are
 * known here before they are started for the server.
 */
void
client_poll(Session *session, const ClientResults *completed, const char *queue,
			const char *identity, int count, SessionDone done, void *context)
{
	char		limit[16];

	snprintf(limit, sizeof limit, "%d", count);
	if (completed == NULL)
		session_send(session, true, FIELDS "taskq.poll($1, $2, $3::bigint)", 3,
					 (const char *[]) {queue, identity, limit}, done, context);
	else
		session_send(session, true, FIELDS "taskq.complete_and_poll($1::uuid[], $2::jsonb[], $3, $4, $5::bigint)", 5,
					 (const char *[]) {completed->tokens, completed->results, queue, identity, limit}, done, context);
}

/*
 * client_task_read: a task of what a poll has returned, to be freed.
 */
void
client_task_read(ClientTask *task, const PGresult *result, int row)
{
	for (int i = 0; i < TASK_FIELDS; i++)
		task->fields[i] = PQgetisnull(result, row, i) ? NULL : plain_copy(PQgetvalue(result, row, i));
}

/*
 * client_task_free: give its memory back.
 */
void
client_task_free(ClientTask *task)
{
	for (int i = 0; i < TASK_FIELDS; i++)
		free(task->fields[i]);
	*task = (ClientTask) {0};
}

/*
 * client_commit: of what client_poll() began.
 */
void
client_commit(Session *session, SessionDone done, void *context)
{
	session_send(session, false, "COMMIT", 0, NULL, done, context);
}

/*
 * client_roll_back: likewise, so that nothing of it has happened.
 */
void
client_roll_back(Session *session, SessionDone done, void *context)
{
	session_send(session, false, "ROLLBACK", 0, NULL, done, context);
}

/*
 * client_wait: until a poll of one of the queues would return a task, which is
 * the value that comes, or the time is up.
 */
void
client_wait(Session *session, const char *queues, const char *timeout, SessionDone done, void *context)
{
	const char *statement = "CALL taskq.wait_for_tasks($1::text[], $2::interval)";

	SEND(queues, timeout);
}

/*
 * client_complete: complete one attempt.
 */
void
client_complete(Session *session, const char *token, const char *result,
				const char *identity, SessionDone done, void *context)
{
	const char *statement = "SELECT taskq.complete($1::uuid, $2::jsonb, $3)";

	SEND(token, result, identity);
}

/*
 * client_complete_many: complete several, with a row (ok, error) for each.
 */
void
client_complete_many(Session *session, const ClientResults *completed,
					 const char *identity, SessionDone done, void *context)
{
	const char *statement = "SELECT ok, error FROM taskq.complete_many($1::uuid[], $2::jsonb[], $3)";

	SEND(completed->tokens, completed->results, identity);
}

/*
 * client_heartbeat_many: a row (task_token, ok, cancel_requested,
 * activity_paused, activity_reset) for each.
 */
void
client_heartbeat_many(Session *session, const char *tokens, const char *details,
					  const char *identity, SessionDone done, void *context)
{
	const char *statement = "SELECT task_token, ok, cancel_requested, activity_paused, activity_reset"
		" FROM taskq.heartbeat_many($1::uuid[], $2::jsonb[], $3)";

	SEND(tokens, details, identity);
}

/*
 * client_fail: fail an attempt.
 */
void
client_fail(Session *session, const char *token, const ClientFailure *failure,
			const char *heartbeat_details, const char *identity, SessionDone done, void *context)
{
	const char *statement = "SELECT taskq.fail($1::uuid, $2, $3, $4::jsonb, $5::boolean, $6::interval, $7,"
		" NULL, $8::jsonb, $9)";

	SEND(token, failure->message, failure->type, failure->details, failure->non_retryable ? "true" : "false",
		 failure->next_retry_delay, failure->stack_trace, heartbeat_details, identity);
}

/*
 * client_release: hand an attempt back.
 */
void
client_release(Session *session, const char *token, const char *delay,
			   const char *heartbeat_details, const char *identity, SessionDone done, void *context)
{
	const char *statement = "SELECT taskq.release($1::uuid, $2::interval, $3::jsonb, $4)";

	SEND(token, delay, heartbeat_details, identity);
}

/*
 * client_report_canceled: close an activity whose cancellation was requested.
 */
void
client_report_canceled(Session *session, const char *token, const char *details,
					   const char *identity, SessionDone done, void *context)
{
	const char *statement = "SELECT taskq.report_canceled($1::uuid, $2::jsonb, $3)";

	SEND(token, details, identity);
}

/*
 * client_outcome: the status of a run, if there is such a run.
 */
void
client_outcome(Session *session, const char *run_id, SessionDone done, void *context)
{
	const char *statement = "SELECT status FROM taskq.outcome($1::bigint)";

	SEND(run_id);
}
