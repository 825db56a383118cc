/*
 * worker_loop.c
 *		`taskq worker`: one loop, no threads.
 *
 * A turn waits for descriptors, signals and the next time something is due, and
 * then lets each part do what needs no waiting.
 */
#include "cli/worker_loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/beating.h"
#include "cli/polling.h"
#include "cli/reports.h"
#include "cli/running.h"
#include "cli/worker_log.h"
#include "client/plain_memory.h"
#include "client/task_calls.h"

#define PIPES_POLLED 4
#define LAST_WORDS INT64_C(10000000) /* for reports, when the worker ends without a connection */

static int64_t
read_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000) + time.tv_nsec / 1000;
}

static void
polls_prepared(void *context, PGresult *result)
{
	Worker	   *worker = context;

	if (result != NULL && PQresultStatus(result) == PGRES_COMMAND_OK)
		worker->can_poll = true;
	else if (result != NULL)
	{
		worker_log("could not begin to poll: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
		session_fail(&worker->polls, worker->now);
	}
}

static void
polls_connected(void *context)
{
	Worker	   *worker = context;

	worker->was_connected = true;
	client_prepare(&worker->polls, polls_prepared, worker);
}

static void
polls_lost(void *context, const char *message)
{
	((Worker *) context)->is_hot = false;
	((Worker *) context)->can_poll = false;
	if (message != NULL)
		worker_log("no connection to poll: %s", message);
}

static void
nothing_notified(void *context, const char *payload)
{
	(void) context;
	(void) payload;
}

static void
noticed(void *context, const char *message)
{
	(void) context;
	worker_log("%s", message);
}

static void
set_up(void *context, PGresult *result)
{
	Worker	   *worker = context;

	if (result != NULL && PQresultStatus(result) == PGRES_COMMAND_OK)
		worker->is_set_up = true;
	else if (result != NULL)
	{
		worker_log("could not listen: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
		session_fail(&worker->calls, worker->now);
	}
}

static void
channel_known(void *context, PGresult *result)
{
	Worker	   *worker = context;
	char		statement[192];

	if (result == NULL)
		return;
	if (PQresultStatus(result) != PGRES_TUPLES_OK && reports_is_refusal(PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: ""))
	{
		worker_log("--snooze: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
		worker->exit_code = EXIT_USAGE;
		worker->stopping = true;
		return;
	}
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		worker_log("could not begin: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
		if (!polling_is_hopeless(worker, result))
			session_fail(&worker->calls, worker->now);
		return;
	}
	worker->longest_output = strtoul(PQgetvalue(result, 0, 1), NULL, 10);
	/* names of channels need no quotes, and have at most 63 bytes */
	snprintf(statement, sizeof statement, "SET default_transaction_isolation = 'read committed'; LISTEN %s", PQgetvalue(result, 0, 0));
	session_send(&worker->calls, statement, 0, NULL, set_up, worker);
}

static void
calls_connected(void *context)
{
	Worker	   *worker = context;

	/* nothing is handed back: is the delay one with which that can be done? */
	session_send(&worker->calls, "SELECT taskq.worker_channel($1),"
				 " pg_catalog.pg_size_bytes(pg_catalog.current_setting('taskq.max_payload_size')),"
				 " (SELECT pg_catalog.count(*) FROM taskq.release_many('{}', $2::interval))", 2,
				 (const char *[]) {worker->options->identity, worker->options->snooze}, channel_known, worker);
}

static void
calls_lost(void *context, const char *message)
{
	((Worker *) context)->is_set_up = false;
	if (message != NULL)
		worker_log("no connection to report: %s", message);
}

static void
calls_notified(void *context, const char *payload)
{
	beating_notified(context, payload);
}

static void
worker_init(Worker *worker, const WorkerOptions *options)
{
	const ConnectionOptions *connection = &options->connection;

	*worker = (Worker) {.options = options, .now = read_clock(), .allowed = 1};
	worker->allowed_at = worker->now;
	reports_init(&worker->reports);
	reports_init(&worker->told);
	reports_init(&worker->polled_with);
	session_init(&worker->polls, connection->keywords, connection->values,
				 (SessionEvents) {polls_connected, polls_lost, nothing_notified, noticed, worker});
	session_init(&worker->calls, connection->keywords, connection->values,
				 (SessionEvents) {calls_connected, calls_lost, calls_notified, noticed, worker});
}

static int
open_signals(void)
{
	sigset_t	wanted;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	return signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* The first: no more tasks.  The second: the grace is over.  The third: exit. */
static void
take_signals(Worker *worker, int signals, int *asked)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof info) == sizeof info)
	{
		if (info.ssi_signo == SIGCHLD)
			continue;
		(*asked)++;
		if (*asked > 2)
			_exit(EXIT_NOT_DONE);
		worker_log(*asked == 1 ? "ends when its commands have ended" : "stops its commands");
		worker->grace_ends = *asked == 1 ? worker->now + worker->options->grace : worker->now;
		worker->stopping = true;
	}
}

static int64_t
earlier(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

/* When something is due, if nothing comes.  What is overdue waits for a session. */
static int64_t
next_turn(const Worker *worker)
{
	int64_t		next = earlier(session_next(&worker->polls), session_next(&worker->calls));

	if (worker->stopping && worker->grace_ends > worker->now)
		next = earlier(next, worker->grace_ends);
	if (worker->stopping || !worker->was_connected)
		next = earlier(next, worker->now + 1000000);
	if (worker->poll_at > worker->now)
		next = earlier(next, worker->poll_at);
	if (worker->call_at > worker->now)
		next = earlier(next, worker->call_at);
	for (const Attempt *attempt = worker->attempts; attempt != NULL; attempt = attempt->next)
	{
		int64_t		beat = beating_next(worker, attempt);

		next = earlier(next, attempt_next(attempt));
		if (beat > worker->now)
			next = earlier(next, beat);
	}
	return next;
}

static void
wait_for_turn(Worker *worker, int signals)
{
	struct pollfd *descriptors = plain_zeroed((3 + worker->attempt_count * PIPES_POLLED) * sizeof *descriptors);
	int			count = 3;
	int64_t		next = next_turn(worker);
	int64_t		pause = next == INT64_MAX ? -1 : next <= worker->now ? 0 : (next - worker->now + 999) / 1000;

	descriptors[0] = (struct pollfd) {.fd = signals, .events = POLLIN};
	descriptors[1] = (struct pollfd) {.fd = session_descriptor(&worker->polls), .events = session_poll_events(&worker->polls)};
	descriptors[2] = (struct pollfd) {.fd = session_descriptor(&worker->calls), .events = session_poll_events(&worker->calls)};
	for (const Attempt *attempt = worker->attempts; attempt != NULL; attempt = attempt->next)
		count += attempt_poll(attempt, descriptors + count);
	poll(descriptors, count, pause > INT32_MAX ? INT32_MAX : (int) pause);
	free(descriptors);
	worker->now = read_clock();
}

static void
work(Worker *worker)
{
	session_work(&worker->calls, worker->now);
	session_work(&worker->polls, worker->now);
	running_work(worker);
	if (worker->stopping && worker->now >= worker->grace_ends)
		running_stop_all(worker, STOP_SHUTDOWN);
	beating_work(worker);
	polling_work(worker);
	reports_work(worker);
}

/* Has the worker ended?  Without a connection it does not wait for ever. */
static bool
has_ended(Worker *worker)
{
	if (!polling_is_over(worker) || worker->attempt_count > 0)
	{
		bool		is_doubtful = worker->attempts != NULL && worker->attempts->is_doubtful;

		return is_doubtful && worker->stopping && !worker->is_set_up && worker->now > worker->grace_ends + LAST_WORDS;
	}
	if (worker->reports.first == NULL && worker->told.first == NULL)
		return true;
	if (!worker->stopping || worker->is_set_up || worker->now <= worker->grace_ends + LAST_WORDS)
		return false;
	worker_log("what has come of its tasks could not be reported");
	worker->exit_code = EXIT_NO_CONNECTION;
	return true;
}

/*
 * worker_main: serve queues until asked to end.  Returns the exit code.
 */
int
worker_main(int count, char **arguments)
{
	WorkerOptions options;
	Worker		worker;
	int			asked = 0;
	int			signals;
	int			usage = worker_options_read(&options, count, arguments);
	int64_t		started = read_clock();

	if (usage >= 0)
		return usage;
	worker_log_as(options.json);
	worker_init(&worker, &options);
	srandom(getpid() ^ started);
	signals = open_signals();
	while (!has_ended(&worker))
	{
		wait_for_turn(&worker, signals);
		take_signals(&worker, signals, &asked);
		work(&worker);
		if (!worker.was_connected && options.connect_timeout > 0 && worker.now - started > options.connect_timeout)
			return EXIT_NO_CONNECTION;
	}
	session_close(&worker.polls);
	session_close(&worker.calls);
	if (worker.exit_code != 0)
		return worker.exit_code;
	return (options.once || options.drain) && worker.not_done ? EXIT_NOT_DONE : EXIT_DONE;
}
