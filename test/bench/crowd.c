/*
 * crowd.c
 *		What many connections cost that wait for a task, or listen for one.
 *
 *	--kind=idle|wait|listen		what they do: nothing, CALL
 *						taskq.wait_for_task, LISTEN to taskq.channel()
 *	--waiters=N			how many
 *	--queue=NAME		what they wait for
 *	--idle=N			leave them alone for so many seconds
 *	--tasks=N			then schedule so many tasks in their queue, --gap=N ms
 *						apart; who is woken works once
 *	--commits=N			then a producer commits so many tasks, --gap ms apart
 *						(0: without a pause), in the queue --into=NAME; who is
 *						woken works and waits again
 *	--sql=SQL			what the producers commit instead
 *	--producers=N		on so many connections
 *	--sample=N			all the while, look every N ms whether a producer waits
 *						for a lock
 *
 * The waiters' own commits are not flushed, so that the producers' latency is not
 * that of the waiters' work.
 *
 * Prints one line per part.  Times are us; the processor time is that of the
 * waiters' backends, and "ran" says how many of them were given a processor.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "client.h"

#define STACK_SIZE		(128 * 1024)

typedef enum Kind
{
	KIND_IDLE,
	KIND_WAIT,
	KIND_LISTEN
} Kind;

typedef struct Waiter
{
	pthread_t	thread;
	PGconn	   *conn;
	long		heard;			/* how often it was woken */
	usec		cpu;			/* of its backend, when last asked */
	long		runs;
	long		heard_before;
} Waiter;

typedef struct Producer
{
	pthread_t	thread;
	PGconn	   *conn;
	usec		cpu;
	Histogram	latency;
} Producer;

static const char *kind_name = "wait";
static const char *queue = "crowd";
static const char *into = NULL;
static const char *sql = NULL;
static long nwaiters = 1000;
static long idle = 0;
static long tasks = 0;
static long commits = 0;
static long gap = 5;
static long nproducers = 1;
static long sample = 0;

static Kind kind;
static Waiter *waiters;
static volatile bool come_back = false;
static volatile bool stopping = false;
static volatile long sampled = 0;
static volatile long blocked = 0;

/* ------------------------------------------------------------------------
 * Those who wait
 * ------------------------------------------------------------------------
 */

/* run a statement, which may fail when it is time to stop */
static PGresult *
call(PGconn *conn, const char *name, int n, const char *const *values)
{
	PGresult   *result = try_to_run(conn, name, n, values);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && !stopping)
		die("%s: %s", name, PQerrorMessage(conn));
	return result;
}

static void
work_all(PGconn *conn)
{
	PGresult   *result = call(conn, "poll", 0, NULL);

	while (PQntuples(result) > 0)
	{
		const char *token[1] = {PQgetvalue(result, 0, 0)};

		PQclear(call(conn, "complete", 1, token));
		PQclear(result);
		result = call(conn, "poll", 0, NULL);
	}
	PQclear(result);
}

static void *
wait_for_tasks(void *argument)
{
	Waiter	   *me = argument;

	do
	{
		PQclear(call(me->conn, "wait", 0, NULL));
		if (stopping)
			break;
		me->heard++;
		work_all(me->conn);
	} while (come_back);
	return NULL;
}

static void *
listen_for_tasks(void *argument)
{
	Waiter	   *me = argument;
	struct pollfd socket = {PQsocket(me->conn), POLLIN, 0};
	PGnotify   *notify;

	while (!stopping)
	{
		if (poll(&socket, 1, 1000) == 0)
			continue;
		if (!PQconsumeInput(me->conn) && !stopping)
			die("%s", PQerrorMessage(me->conn));
		while ((notify = PQnotifies(me->conn)) != NULL)
		{
			me->heard++;
			PQfreemem(notify);
		}
	}
	return NULL;
}

static void
prepare_waiter(PGconn *conn)
{
	char		text[256];

	snprintf(text, sizeof(text), "CALL taskq.wait_for_task('%s', '1 hour')", queue);
	prepare(conn, "wait", text);
	snprintf(text, sizeof(text), "SELECT task_token FROM taskq.poll('%s', 'w')",
			 queue);
	prepare(conn, "poll", text);
	prepare(conn, "complete", "SELECT taskq.complete($1)");
}

static void
listen_to_queue(PGconn *conn)
{
	char		text[256];
	char	   *channel;

	snprintf(text, sizeof(text), "SELECT taskq.channel('%s')", queue);
	channel = query_text(conn, text);
	snprintf(text, sizeof(text), "LISTEN %s", channel);
	command(conn, text);
	free(channel);
}

static void
start_thread(Waiter *waiter)
{
	pthread_attr_t attributes;

	if (kind == KIND_IDLE)
		return;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (pthread_create(&waiter->thread, &attributes,
					   kind == KIND_WAIT ? wait_for_tasks : listen_for_tasks,
					   waiter) != 0)
		die("could not create a thread");
}

static void
start_waiters(void)
{
	waiters = calloc((size_t) nwaiters, sizeof(Waiter));
	for (int i = 0; i < nwaiters; i++)
	{
		waiters[i].conn = connect_as("bench waiter");
		command(waiters[i].conn, "SET synchronous_commit = off");
		if (kind == KIND_LISTEN)
			listen_to_queue(waiters[i].conn);
		else
			prepare_waiter(waiters[i].conn);
	}
	for (int i = 0; i < nwaiters; i++)
		start_thread(&waiters[i]);
}

/* until all of them sleep in the server */
static void
await_waiters(PGconn *conn)
{
	const char *still = kind == KIND_WAIT ?
		"SELECT count(*) FROM pg_stat_activity "
		"WHERE application_name = 'bench waiter' AND state = 'active'" :
		"SELECT count(*) FROM pg_stat_activity "
		"WHERE application_name = 'bench waiter' AND state = 'idle'";

	for (;;)
	{
		char	   *text = query_text(conn, still);
		long		n = atol(text);

		free(text);
		if (n == nwaiters)
			break;
		sleep_until(clock_us() + 100000);
	}
	sleep_until(clock_us() + USEC_PER_SECOND);
}

static void
stop_waiters(PGconn *conn)
{
	stopping = true;
	command(conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
			" WHERE application_name = 'bench waiter'");
	for (int i = 0; i < nwaiters; i++)
	{
		if (kind != KIND_IDLE)
			pthread_join(waiters[i].thread, NULL);
		PQfinish(waiters[i].conn);
	}
}

/* ------------------------------------------------------------------------
 * Accounts
 * ------------------------------------------------------------------------
 */

/* note where all waiters are */
static void
take_stock(void)
{
	for (int i = 0; i < nwaiters; i++)
	{
		Waiter	   *waiter = &waiters[i];

		process_cpu(PQbackendPID(waiter->conn), &waiter->cpu, &waiter->runs);
		waiter->heard_before = waiter->heard;
	}
}

/* print what they did since then */
static void
print_stock(const char *part, usec elapsed)
{
	long		heard = 0;
	long		ran = 0;
	long		ran_in_vain = 0;
	usec		cpu = 0;

	for (int i = 0; i < nwaiters; i++)
	{
		Waiter	   *waiter = &waiters[i];
		usec		cpu_now;
		long		runs_now;
		long		told = waiter->heard - waiter->heard_before;

		process_cpu(PQbackendPID(waiter->conn), &cpu_now, &runs_now);
		cpu += cpu_now - waiter->cpu;
		heard += told;
		ran += runs_now != waiter->runs;
		ran_in_vain += runs_now != waiter->runs && told == 0;
	}
	printf("part=%s waiters=%ld elapsed=%lld waiters_cpu=%lld heard=%ld ran=%ld ran_in_vain=%ld",
		   part, nwaiters, (long long) elapsed, (long long) cpu, heard, ran,
		   ran_in_vain);
}

/* ------------------------------------------------------------------------
 * The parts
 * ------------------------------------------------------------------------
 */

static void
be_idle(void)
{
	usec		start = clock_us();

	take_stock();
	sleep_until(start + idle * USEC_PER_SECOND);
	print_stock("idle", clock_us() - start);
	printf("\n");
	fflush(stdout);
}

static void
wake_some(PGconn *conn)
{
	usec		start = clock_us();
	char		text[256];

	snprintf(text, sizeof(text),
			 "SELECT run_id FROM taskq.schedule('%s', 't', '{}', start_to_close_timeout => '1 min')",
			 queue);
	prepare(conn, "task", text);
	take_stock();
	for (long i = 0; i < tasks; i++)
	{
		PQclear(run(conn, "task", 0, NULL));
		sleep_until(clock_us() + gap * 1000);
	}
	sleep_until(clock_us() + USEC_PER_SECOND / 2);
	print_stock("wake", clock_us() - start);
	printf(" tasks=%ld\n", tasks);
	fflush(stdout);
}

static void *
produce(void *argument)
{
	Producer   *me = argument;
	usec		before;
	usec		after;
	long		runs;

	process_cpu(PQbackendPID(me->conn), &before, &runs);
	for (long i = 0; i < commits; i++)
	{
		usec		start = clock_us();

		PQclear(run(me->conn, "commit", 0, NULL));
		histogram_add(&me->latency, clock_us() - start);
		if (gap > 0)
			sleep_until(clock_us() + gap * 1000);
	}
	process_cpu(PQbackendPID(me->conn), &after, &runs);
	me->cpu = after - before;
	return NULL;
}

static void
commit_some(void)
{
	Producer   *producers = calloc((size_t) nproducers, sizeof(Producer));
	usec		start = clock_us();
	usec		cpu = 0;
	char		text[256];

	snprintf(text, sizeof(text),
			 "SELECT run_id FROM taskq.schedule('%s', 't', '{}', start_to_close_timeout => '1 min')",
			 into ? into : queue);
	for (int i = 0; i < nproducers; i++)
	{
		producers[i].conn = connect_as("bench producer");
		prepare(producers[i].conn, "commit", sql ? sql : text);
	}
	take_stock();
	for (int i = 0; i < nproducers; i++)
		if (pthread_create(&producers[i].thread, NULL, produce, &producers[i]) != 0)
			die("could not create a thread");
	for (int i = 0; i < nproducers; i++)
	{
		pthread_join(producers[i].thread, NULL);
		cpu += producers[i].cpu;
		if (i > 0)
			histogram_merge(&producers[0].latency, &producers[i].latency);
		PQfinish(producers[i].conn);
	}
	print_stock("commit", clock_us() - start);
	printf(" commits=%ld cpu_us=%.2f sampled=%ld blocked=%ld",
		   nproducers * commits, (double) cpu / (double) (nproducers * commits),
		   sampled, blocked);
	histogram_print("latency", &producers[0].latency);
	printf("\n");
	free(producers);
}

/* does a producer wait for the lock that NOTIFY takes? */
static void *
look_for_locks(void *argument)
{
	PGconn	   *conn = argument;

	prepare(conn, "look",
			"SELECT count(*) FROM pg_locks l"
			"  JOIN pg_stat_activity a USING (pid)"
			" WHERE NOT l.granted AND l.locktype = 'object' AND l.database = 0"
			"   AND l.classid = 'pg_database'::regclass"
			"   AND a.application_name = 'bench producer'");
	while (!stopping)
	{
		PGresult   *result = run(conn, "look", 0, NULL);

		sampled++;
		if (strcmp(PQgetvalue(result, 0, 0), "0") != 0)
			blocked++;
		PQclear(result);
		sleep_until(clock_us() + sample * 1000);
	}
	return NULL;
}

/* each connection is a file */
static void
allow_many_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		die("setrlimit: %s", strerror(errno));
}

static Kind
parse_kind(void)
{
	if (strcmp(kind_name, "idle") == 0)
		return KIND_IDLE;
	if (strcmp(kind_name, "wait") == 0)
		return KIND_WAIT;
	if (strcmp(kind_name, "listen") == 0)
		return KIND_LISTEN;
	die("unknown kind \"%s\"", kind_name);
}

int
main(int argc, char **argv)
{
	const Option options[] = {
		{"kind", &kind_name, NULL},
		{"queue", &queue, NULL},
		{"into", &into, NULL},
		{"sql", &sql, NULL},
		{"waiters", NULL, &nwaiters},
		{"idle", NULL, &idle},
		{"tasks", NULL, &tasks},
		{"commits", NULL, &commits},
		{"gap", NULL, &gap},
		{"producers", NULL, &nproducers},
		{"sample", NULL, &sample},
		{NULL, NULL, NULL}
	};
	PGconn	   *conn;
	PGconn	   *sampler;
	pthread_t	thread;

	options_parse(argc, argv, options);
	kind = parse_kind();
	allow_many_files();
	come_back = tasks == 0;
	conn = connect_as("bench monitor");
	sampler = connect_as("bench sampler");
	start_waiters();
	await_waiters(conn);
	if (sample > 0 &&
		pthread_create(&thread, NULL, look_for_locks, sampler) != 0)
		die("could not create a thread");
	if (idle > 0)
		be_idle();
	if (tasks > 0)
		wake_some(conn);
	if (commits > 0)
		commit_some();
	stop_waiters(conn);
	if (sample > 0)
		pthread_join(thread, NULL);
	PQfinish(sampler);
	PQfinish(conn);
	return 0;
}
