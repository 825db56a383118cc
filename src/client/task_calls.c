/*
 * task_calls.c
 *		The calls of a worker.
 */
#include "client/task_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/plain_memory.h"

/* in the order of TaskField; times in the form that client_prepare() has set */
#define FIELDS \
	"SELECT task_token, run_id, attempt, activity_type, task_queue, scheduled_time, started_time, activity_id," \
	" least(started_time + start_to_close_timeout, scheduled_time + schedule_to_close_timeout)," \
	" extract(epoch FROM heartbeat_timeout), priority, fairness_key, header, heartbeat_details, input FROM "

/* by how much a time grows, with its end: "2001-02-03 04:05:06+00" gets ".000000Z" */
#define ISO_LONGER 8

#define POLL "taskq_poll"
#define COMPLETE_AND_POLL "taskq_complete_and_poll"

#define SEND(...) \
	do { \
		const char *values_[] = {__VA_ARGS__}; \
		session_send(session, statement, sizeof values_ / sizeof *values_, values_, done, context); \
	} while (0)

/*
 * client_prepare: what a session needs before client_poll().
 */
void
client_prepare(Session *session, SessionDone done, void *context)
{
	session_send(session,
				 "SET DateStyle = 'ISO'; SET TimeZone = 'UTC'; SET default_transaction_isolation = 'read committed';"
				 "SET statement_timeout = 0;"	/* it waits */
				 "PREPARE " POLL "(text, text, bigint) AS " FIELDS "taskq.poll($1, $2, $3);"
				 "PREPARE " COMPLETE_AND_POLL "(uuid[], jsonb[], text, text, bigint) AS "
				 FIELDS "taskq.complete_and_poll($1, $2, $3, $4, $5)", 0, NULL, done, context);
}

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
		session_begin(session, POLL, 3, (const char *[]) {queue, identity, limit}, done, context);
	else
		session_begin(session, COMPLETE_AND_POLL, 5,
					  (const char *[]) {completed->tokens, completed->results, queue, identity, limit}, done, context);
}

/* How long a field becomes at most, with its end. */
static size_t
field_size(const PGresult *result, int row, int field)
{
	return PQgetisnull(result, row, field) ? 0 : PQgetlength(result, row, field) + ISO_LONGER;
}

/*
 * ISO 8601 with microseconds, of "2001-02-03 04:05:06.7+00".  Another text, such
 * as infinity, stays.
 */
static size_t
put_time(char *to, const char *time)
{
	const char *space = strchr(time, ' ');
	const char *zone = strstr(time, "+00");
	const char *point = strchr(time, '.');
	size_t		length;

	if (space == NULL || zone == NULL || zone[3] != '\0')
		return stpcpy(to, time) - to + 1;
	length = zone - time;
	memcpy(to, time, length);
	to[space - time] = 'T';
	for (int digits = point == NULL ? -1 : zone - point - 1; digits < 6; digits++)
		to[length++] = digits < 0 ? '.' : '0';
	memcpy(to + length, "Z", 2);
	return length + 2;
}

/*
 * client_task_read: a task of what a poll has returned, to be freed.
 */
void
client_task_read(ClientTask *task, const PGresult *result, int row)
{
	size_t		size = 0;
	char	   *at;

	for (int i = 0; i < TASK_FIELDS; i++)
		size += field_size(result, row, i);
	at = task->memory = plain_zeroed(size);
	for (int i = 0; i < TASK_FIELDS; i++)
	{
		const char *value = PQgetvalue(result, row, i);

		task->fields[i] = PQgetisnull(result, row, i) ? NULL : at;
		if (task->fields[i] == NULL)
			continue;
		if (i == TASK_SCHEDULED_TIME || i == TASK_STARTED_TIME || i == TASK_DEADLINE)
			at += put_time(at, value);
		else
			at = stpcpy(at, value) + 1;
	}
}

/*
 * client_task_free: give its memory back.
 */
void
client_task_free(ClientTask *task)
{
	free(task->memory);
	*task = (ClientTask) {0};
}

/*
 * client_commit: of what client_poll() began.
 */
void
client_commit(Session *session, SessionDone done, void *context)
{
	session_send(session, "COMMIT", 0, NULL, done, context);
}

/*
 * client_roll_back: likewise, so that nothing of it has happened.
 */
void
client_roll_back(Session *session, SessionDone done, void *context)
{
	session_send(session, "ROLLBACK", 0, NULL, done, context);
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
