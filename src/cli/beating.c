/*
 * beating.c
 *		Heartbeats of all attempts, and what their answers say.
 *
 * All that are due go in one call.  An attempt whose poll may not have been
 * committed is asked for in the same way: it is ours if its heartbeat is taken.
 */
#include "cli/beating.h"

#include <stdlib.h>
#include <string.h>

#include "cli/reports.h"
#include "cli/running.h"
#include "cli/worker_log.h"
#include "client/array_text.h"
#include "client/plain_memory.h"
#include "common/json_text.h"

#define LONGEST_SILENCE INT64_C(30000000) /* where there is no heartbeat timeout */
#define LONGEST_THROTTLE INT64_C(60000000)
#define TRY_AGAIN INT64_C(1000000)

/*
 * beating_next: when the next heartbeat of an attempt is due.  The worker's
 * come every half timeout; the command's as soon as 0.8 of it have passed since
 * the last one, the newest of them.
 */
int64_t
beating_next(const Worker *worker, const Attempt *attempt)
{
	int64_t		timeout = attempt->heartbeat_timeout;
	int64_t		throttle = timeout > 0 && timeout * 4 / 5 < LONGEST_THROTTLE ? timeout * 4 / 5 : LONGEST_THROTTLE;
	int64_t		silence = timeout > 0 ? timeout / 2 : LONGEST_SILENCE;
	int64_t		next = INT64_MAX;

	if (attempt->is_doubtful)
		return 0;
	if (attempt->stop == STOP_TIMED_OUT || attempt->stop == STOP_TERMINATED || attempt->stop == STOP_DELETED)
		return INT64_MAX;
	if (!worker->options->command_beats)
		next = attempt->last_beat + silence;
	if (attempt->has_beaten && !attempt->command_has_beaten)
		next = 0;
	else if (attempt->has_beaten && attempt->last_beat + throttle < next)
		next = attempt->last_beat + throttle;
	return next;
}

static Attempt *
find(Worker *worker, const char *token)
{
	for (Attempt *attempt = worker->attempts; attempt != NULL; attempt = attempt->next)
		if (strcmp(attempt->task.fields[TASK_TOKEN], token) == 0)
			return attempt;
	return NULL;
}

static bool
is_true(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

static StopReason
reason_of(const PGresult *result, int row)
{
	return is_true(result, row, 2) ? STOP_CANCEL_REQUESTED : is_true(result, row, 3) ? STOP_PAUSED :
		is_true(result, row, 4) ? STOP_RESET : STOP_NOT;
}

/* They have not arrived, as far as one knows: they are due again. */
static void
not_beaten(Worker *worker)
{
	for (Attempt *attempt = worker->attempts; attempt != NULL; attempt = attempt->next)
		if (attempt->is_beating)
		{
			attempt->last_beat = 0;
			attempt->has_beaten = attempt->command_has_beaten;
			attempt->details_unsent = attempt->details != NULL;
		}
}

/* Details that are refused by themselves are dropped; of several, each is tried by itself. */
static void
beats_refused(Worker *worker)
{
	bool		by_itself = worker->beats_singly;

	worker->beats_singly = !by_itself;
	for (Attempt *attempt = worker->attempts; attempt != NULL && by_itself; attempt = attempt->next)
		if (attempt->is_beating)
		{
			free(attempt->details);
			attempt->details = NULL;
			attempt->details_unsent = false;
		}
}

static void
beaten(void *context, PGresult *result)
{
	Worker	   *worker = context;

	if (result == NULL || PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		not_beaten(worker);
		if (result == NULL)
			return;
		worker_log("could not heartbeat: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
		if (reports_is_refusal(PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: ""))
			beats_refused(worker);
		else
			worker->call_at = worker->now + TRY_AGAIN;
		return;
	}
	for (int row = 0; row < PQntuples(result); row++)
	{
		Attempt    *attempt = find(worker, PQgetvalue(result, row, 0));
		StopReason	reason = is_true(result, row, 1) ? reason_of(result, row) : STOP_TIMED_OUT;

		if (attempt == NULL)
			continue;
		attempt->last_beat = worker->now;
		if (attempt->is_doubtful)
			running_resolve(worker, attempt, is_true(result, row, 1));
		else if (reason != STOP_NOT)
			running_stop(worker, attempt, reason);
	}
}

/* Which of them go now? */
static bool
choose(Worker *worker)
{
	bool		any = false;

	for (Attempt *attempt = worker->attempts; attempt != NULL; attempt = attempt->next)
	{
		attempt->is_beating = !(worker->beats_singly && any) && beating_next(worker, attempt) <= worker->now;
		any |= attempt->is_beating;
	}
	return any;
}

/*
 * beating_work: send the heartbeats that are due, if the session is free.
 */
void
beating_work(Worker *worker)
{
	TextBuffer	tokens;
	TextBuffer	details;

	if (worker->calls.state != SESSION_READY || !worker->is_set_up || worker->now < worker->call_at || !choose(worker))
		return;
	text_buffer_init(&tokens, &plain_memory);
	text_buffer_init(&details, &plain_memory);
	for (Attempt *attempt = worker->attempts; attempt != NULL; attempt = attempt->next)
	{
		if (!attempt->is_beating)
			continue;
		array_text_add(&tokens, attempt->task.fields[TASK_TOKEN]);
		array_text_add(&details, attempt->details);
		attempt->command_has_beaten |= attempt->has_beaten;
		attempt->has_beaten = false;
		attempt->details_unsent = false;
		attempt->last_beat = worker->now;
	}
	client_heartbeat_many(&worker->calls, array_text_end(&tokens), array_text_end(&details),
						  worker->options->identity, beaten, worker);
	text_buffer_free(&tokens);
	text_buffer_free(&details);
}

/*
 * beating_notified: the worker's channel tells of an attempt, sooner than the
 * next heartbeat would.
 */
void
beating_notified(Worker *worker, const char *payload)
{
	JsonReader	reader = json_text_open(slice_of(payload));
	Slice		key;
	Slice		value;
	Slice		run_id = {0};
	Slice		number = {0};
	StopReason	reason = STOP_NOT;

	while (json_text_member(&reader, &key, &value))
	{
		if (json_text_equals(key, "run_id"))
			run_id = value;
		else if (json_text_equals(key, "attempt"))
			number = value;
		else if (json_text_equals(key, "event") && value.length > 2)
			reason = stop_reason(value.data + 1, value.length - 2);
	}
	for (Attempt *attempt = worker->attempts; attempt != NULL && reason != STOP_NOT; attempt = attempt->next)
		if (json_text_equals(run_id, attempt->task.fields[TASK_RUN_ID]) &&
			slice_equals(number, attempt->task.fields[TASK_ATTEMPT]) && !attempt->is_doubtful)
			running_stop(worker, attempt, reason);
}
