/*
 * wake.c
 *		How long after its commit a task is heard of, on an idle machine.
 *
 *	--mode=wait			CALL taskq.wait_for_task returns
 *	--mode=listen		a notification arrives
 *	--queue=NAME
 *	--tasks=N			so many times
 *	--gap=N				ms from the end of one time to the next task, half as
 *						much again at random
 *
 * A producer commits one task, and does so again when it was heard of and
 * closed.  Prints, in us: "sent", from the moment when the producer sent its
 * statement; "committed", from when it was told that it has committed (0 when
 * the task was heard of before that); "schedule", the statement itself.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

static const char *mode = "wait";
static const char *queue = "wake";
static long tasks = 1000;
static long gap = 5;

static sem_t ready;				/* somebody waits for a task */
static sem_t heard;				/* it was heard of and closed */
static usec heard_at;

static PGconn *
worker_connection(void)
{
	PGconn	   *conn = connect_as("bench worker");
	char		sql[256];

	snprintf(sql, sizeof(sql), "CALL taskq.wait_for_task('%s', '20 s')", queue);
	prepare(conn, "wait", sql);
	snprintf(sql, sizeof(sql), "SELECT task_token FROM taskq.poll('%s', 'w')",
			 queue);
	prepare(conn, "poll", sql);
	prepare(conn, "complete", "SELECT taskq.complete($1)");
	return conn;
}

/* poll and complete; false when there was nothing */
static bool
work_one(PGconn *conn)
{
	PGresult   *result = run(conn, "poll", 0, NULL);
	bool		any = PQntuples(result) > 0;

	if (any)
	{
		const char *token[1] = {PQgetvalue(result, 0, 0)};

		PQclear(run(conn, "complete", 1, token));
	}
	PQclear(result);
	return any;
}

/* all that is left of an earlier run */
static void
work_all(PGconn *conn)
{
	while (work_one(conn))
		;
}

static void *
wait_for_tasks(void *argument)
{
	PGconn	   *conn = argument;

	work_all(conn);
	for (long i = 0; i < tasks; i++)
	{
		sem_post(&ready);
		do
		{
			PQclear(run(conn, "wait", 0, NULL));
			heard_at = clock_us();
		} while (!work_one(conn));
		sem_post(&heard);
	}
	return NULL;
}

/* sleep until the next notification */
static void
hear(PGconn *conn)
{
	struct pollfd socket = {PQsocket(conn), POLLIN, 0};
	PGnotify   *notify;

	for (;;)
	{
		notify = PQnotifies(conn);
		if (notify != NULL)
		{
			PQfreemem(notify);
			return;
		}
		if (poll(&socket, 1, 20000) == 0)
			die("no notification for 20 s");
		if (!PQconsumeInput(conn))
			die("%s", PQerrorMessage(conn));
	}
}

static void *
listen_for_tasks(void *argument)
{
	PGconn	   *conn = argument;
	char		sql[256];
	char	   *channel;

	snprintf(sql, sizeof(sql), "SELECT taskq.channel('%s')", queue);
	channel = query_text(conn, sql);
	snprintf(sql, sizeof(sql), "LISTEN %s", channel);
	command(conn, sql);
	work_all(conn);
	for (long i = 0; i < tasks; i++)
	{
		sem_post(&ready);
		do
		{
			hear(conn);
			heard_at = clock_us();
		} while (!work_one(conn));
		sem_post(&heard);
	}
	return NULL;
}

static void
await(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0)
		if (errno != EINTR)
			die("sem_wait: %s", strerror(errno));
}

static void
produce(PGconn *conn)
{
	static Histogram from_sent;
	static Histogram from_committed;
	static Histogram schedule;

	for (long i = 0; i < tasks; i++)
	{
		usec		sent;
		usec		done;

		await(&ready);
		sleep_until(clock_us() + gap * 1000 + rand() % (gap * 500 + 1));
		sent = clock_us();
		PQclear(run(conn, "schedule", 0, NULL));
		done = clock_us();
		await(&heard);
		histogram_add(&from_sent, heard_at - sent);
		histogram_add(&from_committed, heard_at - done);
		histogram_add(&schedule, done - sent);
	}
	printf("result");
	histogram_print("sent", &from_sent);
	histogram_print("committed", &from_committed);
	histogram_print("schedule", &schedule);
	printf("\n");
}

int
main(int argc, char **argv)
{
	const Option options[] = {
		{"mode", &mode, NULL},
		{"queue", &queue, NULL},
		{"tasks", NULL, &tasks},
		{"gap", NULL, &gap},
		{NULL, NULL, NULL}
	};
	PGconn	   *worker;
	PGconn	   *producer;
	pthread_t	thread;
	char		sql[256];

	options_parse(argc, argv, options);
	sem_init(&ready, 0, 0);
	sem_init(&heard, 0, 0);
	worker = worker_connection();
	producer = connect_as("bench producer");
	snprintf(sql, sizeof(sql),
			 "SELECT run_id FROM taskq.schedule('%s', 't', '{}', start_to_close_timeout => '1 min')",
			 queue);
	prepare(producer, "schedule", sql);
	if (pthread_create(&thread, NULL,
					   strcmp(mode, "listen") == 0 ? listen_for_tasks :
					   wait_for_tasks, worker) != 0)
		die("could not create a thread");
	produce(producer);
	pthread_join(thread, NULL);
	PQfinish(worker);
	PQfinish(producer);
	return 0;
}
