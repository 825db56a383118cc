/*
 * polling.c
 *		Waits for tasks and takes them.
 *
 * Only as many as there are free slots: the timeout of an attempt runs from its
 * poll.  The tasks are read before the poll is committed.  If the connection is
 * lost while it commits, the attempts are doubtful until a heartbeat has told.
 */
#include "cli/polling.h"

#include <stdlib.h>
#include <string.h>

#include "cli/reports.h"
#include "cli/running.h"
#include "cli/worker_log.h"
#include "client/array_text.h"
#include "client/plain_memory.h"
#include "client/task_calls.h"

#define TRY_AGAIN INT64_C(1000000)
#define LONG_WAIT "60 s"
#define SHORT_WAIT "0.2 s"
#define MOST_COMPLETIONS 1000

static bool
enough(const Worker *worker)
{
	return worker->stopping || worker->has_one || worker->may_end;
}

static bool
is_idle(const Worker *worker)
{
	return worker->attempt_count == 0 && worker->reports.first == NULL && worker->told.first == NULL;
}

/*
 * polling_is_over: will there be no more tasks?
 */
bool
polling_is_over(const Worker *worker)
{
	return enough(worker) && !worker->is_polling;
}

/* What --max-per-second has let come in, at most a second's worth, at least one. */
static int
allowed(Worker *worker)
{
	double		rate = worker->options->max_per_second;
	double		most = rate > 1 ? rate : 1;

	if (rate == 0)
		return INT32_MAX;
	worker->allowed += (worker->now - worker->allowed_at) / 1e6 * rate;
	worker->allowed_at = worker->now;
	if (worker->allowed > most)
		worker->allowed = most;
	if (worker->allowed < 1)
		worker->poll_at = worker->now + (1 - worker->allowed) / rate * 1e6 + 1;
	return worker->allowed;
}

static void
forget_polled(Worker *worker)
{
	for (int i = 0; i < worker->polled_count; i++)
		client_task_free(&worker->polled[i]);
	free(worker->polled);
	worker->polled = NULL;
	worker->polled_count = 0;
	worker->allowed += worker->taken;
	worker->taken = 0;
}

/* The poll has happened, or may have. */
static void
begin_polled(Worker *worker, bool is_doubtful)
{
	worker->allowed += worker->taken - worker->polled_count;
	worker->taken = 0;
	if (worker->options->once && worker->polled_count > 0 && !is_doubtful)
		worker->has_one = true;
	for (int i = 0; i < worker->polled_count; i++)
		running_begin(worker, &worker->polled[i], is_doubtful);
	forget_polled(worker);
}

static void
rolled_back(void *context, PGresult *result)
{
	Worker	   *worker = context;

	(void) result;
	worker->is_polling = false;
}

/* Is a prepared statement not there any more, or not good any more? */
static bool
is_unprepared(const char *sqlstate)
{
	return strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "0A000") == 0;
}

/*
 * polling_is_hopeless: is there nothing to wait for?  What is missing, rights or the extension, may come,
 * but with --once and --drain somebody waits for the end: the worker stops then.
 */
bool
polling_is_hopeless(Worker *worker, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: "";
	bool		is_missing = strncmp(sqlstate, "42", 2) == 0 || strcmp(sqlstate, "3F000") == 0;

	if (!is_missing || !(worker->options->once || worker->options->drain))
		return false;
	worker->exit_code = EXIT_NOT_DONE;
	worker->stopping = true;
	return true;
}

static void
poll_failed(Worker *worker, const PGresult *result)
{
	bool		is_refusal = worker->polled_with.first != NULL &&
		reports_is_refusal(PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: "");

	if (!is_refusal)
	{
		worker_log("could not poll: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
		if (!polling_is_hopeless(worker, result))
			worker->poll_at = worker->now + TRY_AGAIN;
	}
	worker->is_hot = false;
	reports_give_back(worker, &worker->polled_with, false, is_refusal);
	forget_polled(worker);
	if (is_unprepared(PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: ""))
	{
		worker->is_polling = false;
		session_fail(&worker->polls, worker->now);
	}
	else
		client_roll_back(&worker->polls, rolled_back, worker);
}

static void
committed(void *context, PGresult *result)
{
	Worker	   *worker = context;

	if (result != NULL && PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		poll_failed(worker, result);
		return;
	}
	if (result == NULL)
		reports_give_back(worker, &worker->polled_with, true, false);
	else
		reports_done(worker, &worker->polled_with);
	worker->is_polling = false;
	begin_polled(worker, result == NULL);
}

static void
polled(void *context, PGresult *result)
{
	Worker	   *worker = context;

	if (result == NULL)
	{
		reports_give_back(worker, &worker->polled_with, true, false);
		forget_polled(worker);
		worker->is_polling = false;
		return;
	}
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		poll_failed(worker, result);
		return;
	}
	worker->polled_count = PQntuples(result);
	/* of several queues each has its turn: the wait finds it */
	worker->is_hot = worker->polled_count > 0 && worker->options->queue_count == 1;
	worker->polled = plain_zeroed((worker->polled_count + 1) * sizeof(ClientTask));
	for (int i = 0; i < worker->polled_count; i++)
		client_task_read(&worker->polled[i], result, i);
	client_commit(&worker->polls, committed, worker);
}

static void
poll_queue(Worker *worker, int count)
{
	const WorkerOptions *options = worker->options;
	const char *queue = options->queues[worker->queue];
	TextBuffer	tokens;
	TextBuffer	results;

	if (options->max_per_second > 0)
	{
		worker->taken = count;
		worker->allowed -= count;
	}
	worker->is_polling = true;
	if (reports_take_completions(worker, &worker->polled_with, MOST_COMPLETIONS) == 0)
	{
		client_poll(&worker->polls, NULL, queue, options->identity, count, polled, worker);
		return;
	}
	reports_texts(&worker->polled_with, &tokens, &results);
	client_poll(&worker->polls, &(ClientResults) {tokens.data, results.data}, queue, options->identity, count,
				polled, worker);
	text_buffer_free(&tokens);
	text_buffer_free(&results);
}

static void
waited(void *context, PGresult *result)
{
	Worker	   *worker = context;
	const WorkerOptions *options = worker->options;

	worker->is_waiting = false;
	if (result == NULL)
		return;
	if (PQresultStatus(result) != PGRES_TUPLES_OK && reports_is_refusal(PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: ""))
	{
		worker_log("--queue: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
		worker->exit_code = EXIT_USAGE;
		worker->stopping = true;
		return;
	}
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		worker_log("could not wait: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
		if (!polling_is_hopeless(worker, result))
			worker->poll_at = worker->now + TRY_AGAIN;
		return;
	}
	if (PQntuples(result) == 0 || PQgetisnull(result, 0, 0))
	{
		worker->may_end = worker->asks_for_end;
		return;
	}
	for (int i = 0; i < options->queue_count; i++)
		if (slice_equals(slice_of(options->queues[i]), PQgetvalue(result, 0, 0)))
			worker->queue = i;
	worker->is_hot = true;
}

/* For a task of any queue, beginning with another one than the last. */
static void
wait_for_task(Worker *worker)
{
	const WorkerOptions *options = worker->options;
	TextBuffer	queues;

	text_buffer_init(&queues, &plain_memory);
	for (int i = 1; i <= options->queue_count; i++)
		array_text_add(&queues, options->queues[(worker->queue + i) % options->queue_count]);
	worker->is_waiting = true;
	worker->asks_for_end = options->drain && is_idle(worker);
	client_wait(&worker->polls, array_text_end(&queues), worker->asks_for_end ? "0" : options->drain ? SHORT_WAIT : LONG_WAIT,
				waited, worker);
	text_buffer_free(&queues);
}

/*
 * polling_work: wait or poll, if there is a free slot and the session is free.
 */
void
polling_work(Worker *worker)
{
	int			slots = (worker->options->once ? 1 : worker->options->concurrency) - worker->attempt_count;
	int			most;

	if (enough(worker) && worker->is_waiting)
	{
		session_close(&worker->polls);
		worker->is_waiting = false;
	}
	if (worker->polls.state != SESSION_READY || !worker->can_poll || worker->is_polling || enough(worker) || slots <= 0 ||
		!worker->is_set_up || worker->now < worker->poll_at)
		return;
	most = allowed(worker);
	if (most < 1)
		return;
	if (!worker->is_hot)
	{
		wait_for_task(worker);
		return;
	}
	poll_queue(worker, slots < most ? slots : most);
}
