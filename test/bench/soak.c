/*
 * soak.c
 *		A load of everything: retries, failures, timeouts, heartbeats, delays,
 *		ids, priorities, fairness keys; savepoints, prepared transactions, and
 *		names that nobody uses again.
 *
 *	--queue=NAME
 *	--rate=N				tasks per second
 *	--producers=N --consumers=N		connections of either kind
 *	--visits=N				visits per second
 *	--visitors=N			connections that make them
 *	--runs=N				runs of workflows per second
 *	--runners=N				connections that start them and are their workers
 *	--living=N				runs that stay open from first to last
 *	--signals=N				signals to these per second, in turns
 *	--seconds=N
 *	--interval=N			seconds between two lines
 *
 * The activity type says what becomes of a task: "plain" is completed; "flaky"
 * fails twice before; "failing" fails for good; "beating" heartbeats for a
 * while and is completed; "lost" is never heard of again, so that its attempts
 * run into their timeout.  Consumers wait with taskq.wait_for_task when there
 * is nothing to do.
 *
 * A visit has a queue, a fairness key, an identity and an activity id of its own,
 * and leaves nothing there: it schedules, listens to the queue and to the worker,
 * waits, polls in a transaction that has savepoints and is prepared, and
 * completes after an error that a savepoint catches.  The first visitor stays
 * connected, the others come anew every tenth time.
 *
 * A run is completed by its first workflow task.  One that lives begins before all
 * others, and each signal is another task that it answers with nothing.
 *
 * Each line tells what was done since the line before.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

#define PAYLOAD		"{\"kind\": \"email.send\", \"user_id\": 48213, \"to\": \"someone@example.com\", \"template\": \"welcome-v2\", \"body\": \"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolor\"}"
#define NOT_FOUND	"TQ001"

#define BATCH		"10"
#define MAX_HELD	4096
#define BEATS		5
#define BEAT_EVERY	(USEC_PER_SECOND / 5)

/* What a producer schedules, and how often of a hundred times. */
typedef struct Sort
{
	const char *name;
	const char *type;
	const char *options;		/* $1 is a number that does not come again */
	int			share;
} Sort;

static const Sort sorts[] = {
	{"plain", "plain", "start_to_close_timeout => '30 s'", 50},
	{"id", "plain", "start_to_close_timeout => '30 s', activity_id => 'order-' || $1", 10},
	{"fair", "plain", "start_to_close_timeout => '30 s', fairness_key => 'tenant-' || $1::bigint % 10", 10},
	{"urgent", "plain", "start_to_close_timeout => '30 s', priority => 1 + ($1::bigint % 5)::int", 5},
	{"delayed", "plain", "start_to_close_timeout => '30 s', schedule_to_close_timeout => '10 min', start_delay => '700 ms'", 8},
	{"flaky", "flaky", "start_to_close_timeout => '30 s', retry_policy => taskq.retry_policy(initial_interval => '300 ms', maximum_attempts => 5)", 8},
	{"failing", "failing", "start_to_close_timeout => '30 s'", 3},
	{"beating", "beating", "start_to_close_timeout => '60 s', heartbeat_timeout => '10 s'", 3},
	{"lost", "lost", "start_to_close_timeout => '500 ms', retry_policy => taskq.retry_policy(initial_interval => '200 ms', maximum_attempts => 2)", 3},
};

#define NSORTS		((int) (sizeof(sorts) / sizeof(sorts[0])))

typedef enum Count
{
	SCHEDULED,
	POLLED,
	COMPLETED,
	FAILED,
	HEARTBEATS,
	LOST,
	REFUSED,
	VISITS,
	RUNS,
	STEPS,
	COUNTS
} Count;

static const char *const count_names[COUNTS] = {
	"scheduled", "polled", "completed", "failed", "heartbeats", "lost", "refused", "visits", "runs", "steps"
};

/* An attempt that goes on for a while. */
typedef struct Held
{
	char		token[40];
	usec		due;
	int			beats;
} Held;

typedef struct Worker
{
	pthread_t	thread;
	PGconn	   *conn;
	int			number;
	long		counts[COUNTS];
	long		reported[COUNTS];
	Held		held[MAX_HELD]; /* a ring, in the order of "due" */
	int			first_held;
	int			nheld;
} Worker;

static const char *queue = "soak";
static long rate = 1000;
static long producers = 2;
static long consumers = 4;
static long visits = 0;
static long visitors = 2;
static long runs = 0;
static long runners = 0;
static long living = 0;
static long signals = 1;
static long seconds = 60;
static long interval = 30;

static volatile bool stopping = false;
static usec started_at;

static const Sort *
sort_of(long n)
{
	int			at = (int) (n % 100);
	int			i = 0;

	while (at >= sorts[i].share)
		at -= sorts[i++].share;
	return &sorts[i];
}

static void *
produce(void *argument)
{
	Worker	   *me = argument;

	for (long n = me->number; !stopping; n += producers)
	{
		/* a different sort each time, also for two producers */
		const Sort *sort = sort_of(n * 37 + n / 100);
		char		number[32];
		const char *values[1] = {number};
		bool		takes_number = strstr(sort->options, "$1") != NULL;

		sleep_until(started_at + n * USEC_PER_SECOND / rate);
		snprintf(number, sizeof(number), "%ld", n);
		PQclear(run(me->conn, sort->name, takes_number ? 1 : 0, values));
		me->counts[SCHEDULED]++;
	}
	return NULL;
}

/* a report on an attempt, which may have run into a timeout */
static void
report(Worker *me, const char *statement, const char *token, Count count)
{
	const char *values[1] = {token};
	PGresult   *result = try_to_run(me->conn, statement, 1, values);
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		me->counts[count]++;
	else if (code != NULL && strcmp(code, NOT_FOUND) == 0)
		me->counts[REFUSED]++;
	else
		die("%s: %s", statement, PQerrorMessage(me->conn));
	PQclear(result);
}

static void
hold(Worker *me, const char *token, int beats)
{
	Held	   *held;

	if (me->nheld == MAX_HELD)
		die("too many attempts at once");
	held = &me->held[(me->first_held + me->nheld++) % MAX_HELD];
	snprintf(held->token, sizeof(held->token), "%s", token);
	held->due = clock_us() + BEAT_EVERY;
	held->beats = beats;
}

static void
start(Worker *me, const char *token, const char *type, int attempt)
{
	me->counts[POLLED]++;
	if (strcmp(type, "lost") == 0)
		me->counts[LOST]++;
	else if (strcmp(type, "failing") == 0)
		report(me, "give up", token, FAILED);
	else if (strcmp(type, "flaky") == 0 && attempt < 3)
		report(me, "fail", token, FAILED);
	else if (strcmp(type, "beating") == 0)
		hold(me, token, BEATS);
	else
		report(me, "complete", token, COMPLETED);
}

/* heartbeat and complete what is due */
static void
go_on(Worker *me)
{
	while (me->nheld > 0 && me->held[me->first_held].due <= clock_us())
	{
		Held		held = me->held[me->first_held];

		me->first_held = (me->first_held + 1) % MAX_HELD;
		me->nheld--;
		if (held.beats == 0)
		{
			report(me, "complete", held.token, COMPLETED);
			continue;
		}
		report(me, "heartbeat", held.token, HEARTBEATS);
		hold(me, held.token, held.beats - 1);
	}
}

static void *
consume(void *argument)
{
	Worker	   *me = argument;

	while (!stopping)
	{
		PGresult   *result;
		int			got;

		go_on(me);
		result = run(me->conn, "poll", 0, NULL);
		got = PQntuples(result);
		for (int i = 0; i < got; i++)
			start(me, PQgetvalue(result, i, 0), PQgetvalue(result, i, 1),
				  atoi(PQgetvalue(result, i, 2)));
		PQclear(result);
		if (got == 0)
			PQclear(run(me->conn, "wait", 0, NULL));
	}
	return NULL;
}

/* the first column of a statement about visit number n, which is named %ld in it */
static char *
visit_text(PGconn *conn, const char *format, long n)
{
	char		sql[1024];

	snprintf(sql, sizeof(sql), format, n, n, n, n);
	return query_text(conn, sql);
}

static void
visit_do(PGconn *conn, const char *format, long n)
{
	free(visit_text(conn, format, n));
}

static void
visit_listen(PGconn *conn, const char *format, long n)
{
	char	   *channel = visit_text(conn, format, n);
	char		sql[128];

	snprintf(sql, sizeof(sql), "LISTEN %s", channel);
	command(conn, sql);
	free(channel);
}

/* complete an attempt, after an error that the transaction survives */
static void
visit_complete(PGconn *conn, char *token)
{
	char		sql[128];

	if (token == NULL)
		die("a visit has found no task");
	command(conn, "BEGIN");
	command(conn, "SAVEPOINT s");
	PQclear(PQexec(conn, "SELECT taskq.complete('00000000-0000-0000-0000-000000000000')"));
	command(conn, "ROLLBACK TO s");
	snprintf(sql, sizeof(sql), "SELECT taskq.complete('%s', '{\"sent\": true}')", token);
	command(conn, sql);
	command(conn, "COMMIT");
	free(token);
}

static void
visit_prepared(PGconn *conn, long n)
{
	char	   *token;
	char		sql[128];

	command(conn, "BEGIN");
	token = visit_text(conn, "SELECT task_token FROM taskq.poll('visit %ld', 'visitor %ld')", n);
	command(conn, "SAVEPOINT a");
	snprintf(sql, sizeof(sql), "SELECT FROM taskq.heartbeat('%s', '1')", token);
	command(conn, sql);
	command(conn, "ROLLBACK TO a");
	command(conn, "SAVEPOINT b");
	visit_do(conn, "SELECT FROM taskq.schedule('visit %ld', 'plain', fairness_key => 'other %ld', start_to_close_timeout => '30 s')", n);
	command(conn, "RELEASE b");
	visit_do(conn, "PREPARE TRANSACTION 'visit %ld'", n);
	visit_do(conn, "COMMIT PREPARED 'visit %ld'", n);
	visit_complete(conn, token);
}

static void
visit(PGconn *conn, long n)
{
	visit_listen(conn, "SELECT taskq.channel('visit %ld')", n);
	visit_listen(conn, "SELECT taskq.worker_channel('visitor %ld')", n);
	visit_do(conn, "SELECT FROM taskq.schedule('visit %ld', 'plain', '" PAYLOAD "', fairness_key => 'visit %ld',"
			 " activity_id => 'visit %ld', start_to_close_timeout => '30 s', heartbeat_timeout => '10 s')", n);
	visit_do(conn, "CALL taskq.wait_for_task('visit %ld', '1 s')", n);
	visit_prepared(conn, n);
	visit_complete(conn, visit_text(conn, "SELECT task_token FROM taskq.poll('visit %ld', 'visitor %ld')", n));
	visit_do(conn, "SELECT backlog_count FROM taskq.task_queues WHERE task_queue = 'visit %ld'", n);
	command(conn, "UNLISTEN *");
}

static void *
make_visits(void *argument)
{
	Worker	   *me = argument;
	long		mine = me->number - producers - consumers;

	for (long n = mine; !stopping && visits > 0; n += visitors)
	{
		sleep_until(started_at + n * USEC_PER_SECOND / visits);
		if (mine > 0 && n / visitors % 10 == 0)
		{
			PQfinish(me->conn);
			me->conn = connect_as("bench guest");
		}
		visit(me->conn, n);
		me->counts[VISITS]++;
	}
	return NULL;
}

/* complete what workflow tasks there are */
static void
work(Worker *me)
{
	PGresult   *result = run(me->conn, "poll runs", 0, NULL);

	for (int i = 0; i < PQntuples(result); i++)
	{
		const char *values[1] = {PQgetvalue(result, i, 0)};
		bool		lives = strncmp(PQgetvalue(result, i, 1), "living", 6) == 0;

		PQclear(run(me->conn, lives ? "go on" : "close", 1, values));
		me->counts[lives ? STEPS : RUNS]++;
	}
	PQclear(result);
}

/* runs, and signals in between, at their rates */
static void *
make_runs(void *argument)
{
	Worker	   *me = argument;
	long		mine = me->number - producers - consumers - visitors;
	long		signalled = mine;

	for (long n = mine; !stopping && runs > 0; n += runners)
	{
		sleep_until(started_at + n * USEC_PER_SECOND / runs);
		PQclear(run(me->conn, "start", 0, NULL));
		while (living > 0 && signalled * runs < n * signals)
		{
			char		number[32];
			const char *values[1] = {number};

			snprintf(number, sizeof(number), "%ld", signalled % living);
			PQclear(run(me->conn, "signal", 1, values));
			signalled += runners;
		}
		work(me);
	}
	return NULL;
}

static void
prepare_runner(Worker *me)
{
	me->conn = connect_as("bench runner");
	prepare(me->conn, "start", "SELECT run_id FROM taskq.start_workflow('soak', 'order', '" PAYLOAD "')");
	prepare(me->conn, "signal", "SELECT taskq.signal_workflow('living ' || $1, 'news', '" PAYLOAD "')");
	prepare(me->conn, "poll runs", "SELECT task_token, workflow_id FROM taskq.poll_workflow_task('soak', 'w', max_tasks => " BATCH ")");
	prepare(me->conn, "go on", "SELECT closed FROM taskq.complete_workflow_task($1, '[]')");
	prepare(me->conn, "close", "SELECT closed FROM taskq.complete_workflow_task($1, jsonb_build_array(taskq.command_complete('{\"shipped\": true}')))");
}

/* runs that are there before all others */
static void
begin_to_live(PGconn *conn)
{
	char		number[32];
	const char *values[1] = {number};

	prepare(conn, "live", "SELECT run_id FROM taskq.start_workflow('soak', 'customer', '" PAYLOAD "', workflow_id => 'living ' || $1)");
	for (long n = 0; n < living; n++)
	{
		snprintf(number, sizeof(number), "%ld", n);
		PQclear(run(conn, "live", 1, values));
	}
}

static void
prepare_producer(Worker *me)
{
	me->conn = connect_as("bench producer");
	for (int i = 0; i < NSORTS; i++)
	{
		char		sql[1024];

		snprintf(sql, sizeof(sql),
				 "SELECT run_id FROM taskq.schedule('%s', '%s', '%s', %s)",
				 queue, sorts[i].type, PAYLOAD, sorts[i].options);
		prepare(me->conn, sorts[i].name, sql);
	}
}

static void
prepare_consumer(Worker *me)
{
	char		sql[256];

	me->conn = connect_as("bench consumer");
	snprintf(sql, sizeof(sql),
			 "SELECT task_token, activity_type, attempt FROM taskq.poll('%s', 'w', max_tasks => " BATCH ")",
			 queue);
	prepare(me->conn, "poll", sql);
	snprintf(sql, sizeof(sql), "CALL taskq.wait_for_task('%s', '100 ms')", queue);
	prepare(me->conn, "wait", sql);
	prepare(me->conn, "complete", "SELECT taskq.complete($1, '{\"sent\": true}')");
	prepare(me->conn, "fail", "SELECT taskq.fail($1, 'no connection')");
	prepare(me->conn, "give up",
			"SELECT taskq.fail($1, 'no such address', non_retryable => true)");
	prepare(me->conn, "heartbeat",
			"SELECT FROM taskq.heartbeat($1, '{\"progress\": 1}')");
}

static void
print_counts(Worker *workers, long second)
{
	printf("second=%ld", second);
	for (int count = 0; count < COUNTS; count++)
	{
		long		sum = 0;

		for (int i = 0; i < producers + consumers + visitors + runners; i++)
		{
			long		now = workers[i].counts[count];

			sum += now - workers[i].reported[count];
			workers[i].reported[count] = now;
		}
		printf(" %s=%ld", count_names[count], sum);
	}
	printf("\n");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	const Option options[] = {
		{"queue", &queue, NULL},
		{"rate", NULL, &rate},
		{"producers", NULL, &producers},
		{"consumers", NULL, &consumers},
		{"visits", NULL, &visits},
		{"visitors", NULL, &visitors},
		{"runs", NULL, &runs},
		{"runners", NULL, &runners},
		{"living", NULL, &living},
		{"signals", NULL, &signals},
		{"seconds", NULL, &seconds},
		{"interval", NULL, &interval},
		{NULL, NULL, NULL}
	};
	Worker	   *workers;
	long		n;

	options_parse(argc, argv, options);
	n = producers + consumers + visitors + runners;
	workers = calloc((size_t) n, sizeof(Worker));
	for (int i = 0; i < n; i++)
	{
		workers[i].number = i;
		if (i < producers)
			prepare_producer(&workers[i]);
		else if (i < producers + consumers)
			prepare_consumer(&workers[i]);
		else if (i >= producers + consumers + visitors)
			prepare_runner(&workers[i]);
		else
			workers[i].conn = connect_as(i == producers + consumers ? "bench visitor" : "bench guest");
	}
	if (living > 0)
		begin_to_live(workers[n - 1].conn);
	started_at = clock_us();
	for (int i = 0; i < n; i++)
		if (pthread_create(&workers[i].thread, NULL,
						   i < producers ? produce :
						   i < producers + consumers ? consume :
						   i < producers + consumers + visitors ? make_visits : make_runs,
						   &workers[i]) != 0)
			die("could not create a thread");
	for (long second = interval; second <= seconds; second += interval)
	{
		sleep_until(started_at + second * USEC_PER_SECOND);
		print_counts(workers, second);
	}
	stopping = true;
	for (int i = 0; i < n; i++)
	{
		pthread_join(workers[i].thread, NULL);
		PQfinish(workers[i].conn);
	}
	return 0;
}
