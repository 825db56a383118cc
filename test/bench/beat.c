/*
 * beat.c
 *		Many running attempts, each of which heartbeats once a second.
 *
 *	--attempts=N		attempts; that many tasks have to be ready in the queue
 *	--queue=NAME
 *	--batch=N			heartbeats per call: 1 is taskq.heartbeat, more is
 *						taskq.heartbeat_many
 *	--connections=N		over which they are spread
 *	--seconds=N			so many heartbeats of each
 *	--noop=1			instead of heartbeats, statements that do nothing with the
 *						same arguments: what the round trips cost
 *	--noop=2			the same with a function in FROM that does nothing
 *
 * Prints "ready" when the attempts are started and heartbeats begin, and at the
 * end how many there were, how long a call took (us), and what processor time
 * this program itself used meanwhile (us).
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "client.h"

#define TOKEN_LENGTH	36
#define MAX_BATCH		1000
#define DETAILS			"{\"progress\": %ld, \"of\": 100, \"step\": \"copy\"}"

typedef struct Beater
{
	pthread_t	thread;
	PGconn	   *conn;
	long		first;			/* of the calls of one second */
	long		calls;
	long		beats;
	long		refused;
	Histogram	latency;
} Beater;

static const char *queue = "beat";
static long attempts = 10000;
static long batch = 1;
static long connections = 4;
static long seconds = 20;
static long noop = 0;

static char (*tokens)[TOKEN_LENGTH + 1];
static usec started_at;

/* start all attempts */
static void
poll_all(void)
{
	PGconn	   *conn = connect_as("bench worker");
	char		sql[256];
	long		n = 0;

	tokens = calloc((size_t) attempts, sizeof(*tokens));
	snprintf(sql, sizeof(sql),
			 "SELECT task_token FROM taskq.poll('%s', 'w', max_tasks => 1000)",
			 queue);
	prepare(conn, "poll", sql);
	while (n < attempts)
	{
		PGresult   *result = run(conn, "poll", 0, NULL);
		int			got = PQntuples(result);

		if (got == 0)
			die("only %ld tasks are ready", n);
		for (int i = 0; i < got && n < attempts; i++)
			snprintf(tokens[n++], sizeof(*tokens), "%s",
					 PQgetvalue(result, i, 0));
		PQclear(result);
	}
	PQfinish(conn);
}

/* the arrays of one call, as texts */
static void
make_arrays(long first, long round, char *token_array, char *details_array)
{
	char	   *token = token_array;
	char	   *details = details_array;

	for (long i = 0; i < batch; i++)
	{
		char		separator = i == 0 ? '{' : ',';

		token += sprintf(token, "%c%s", separator, tokens[first + i]);
		details += sprintf(details, "%c\"{\\\"progress\\\": %ld, \\\"of\\\": 100, \\\"step\\\": \\\"copy\\\"}\"",
						   separator, round);
	}
	strcpy(token, "}");
	strcpy(details, "}");
}

/* one call; how many heartbeats were refused */
static void
beat(Beater *me, long first, long round, char *token_array, char *details_array)
{
	const char *values[2] = {token_array, details_array};
	PGresult   *result;
	usec		start;

	if (batch > 1)
		make_arrays(first, round, token_array, details_array);
	else
	{
		values[0] = tokens[first];
		sprintf(details_array, DETAILS, round);
	}
	start = clock_us();
	result = run(me->conn, "beat", 2, values);
	histogram_add(&me->latency, clock_us() - start);
	me->beats += batch;
	for (int i = 0; i < PQntuples(result); i++)
		if (strcmp(PQgetvalue(result, i, 0), "f") == 0)
			me->refused++;
	PQclear(result);
}

static void *
work(void *argument)
{
	Beater	   *me = argument;
	long		calls = attempts / batch;	/* per second, of all */
	char	   *token_array = malloc((size_t) batch * (TOKEN_LENGTH + 2) + 2);
	char	   *details_array = malloc((size_t) batch * 100 + 100);

	for (long round = 0; round < seconds; round++)
		for (long call = me->first; call < calls; call += connections)
		{
			sleep_until(started_at + round * USEC_PER_SECOND +
						call * USEC_PER_SECOND / calls);
			beat(me, call * batch, round, token_array, details_array);
		}
	free(token_array);
	free(details_array);
	return NULL;
}

static usec
own_cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usec) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SECOND +
		usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void
start_beater(Beater *beater, long first)
{
	beater->first = first;
	beater->conn = connect_as("bench worker");
	if (noop)
		prepare(beater->conn, "beat", batch > 1 ?
				"SELECT true FROM unnest($1::uuid[], $2::jsonb[])" :
				noop > 1 ?
				"SELECT true FROM generate_series(1, 1)"
				" WHERE $1::uuid IS NOT NULL AND $2::jsonb IS NOT NULL" :
				"SELECT $1::uuid IS NOT NULL AND $2::jsonb IS NOT NULL");
	else
		prepare(beater->conn, "beat", batch > 1 ?
				"SELECT ok FROM taskq.heartbeat_many($1, $2)" :
				"SELECT true FROM taskq.heartbeat($1, $2)");
}

static void
print_result(Beater *beaters, usec cpu)
{
	Beater	   *sum = calloc(1, sizeof(Beater));

	for (int i = 0; i < connections; i++)
	{
		sum->beats += beaters[i].beats;
		sum->refused += beaters[i].refused;
		histogram_merge(&sum->latency, &beaters[i].latency);
	}
	printf("result beats=%ld refused=%ld elapsed=%lld client_cpu=%lld",
		   sum->beats, sum->refused, (long long) (clock_us() - started_at),
		   (long long) cpu);
	histogram_print("call", &sum->latency);
	printf("\n");
	fflush(stdout);
	free(sum);
}

int
main(int argc, char **argv)
{
	const Option options[] = {
		{"queue", &queue, NULL},
		{"attempts", NULL, &attempts},
		{"batch", NULL, &batch},
		{"connections", NULL, &connections},
		{"seconds", NULL, &seconds},
		{"noop", NULL, &noop},
		{NULL, NULL, NULL}
	};
	Beater	   *beaters;
	usec		cpu;

	options_parse(argc, argv, options);
	if (batch < 1 || batch > MAX_BATCH || attempts % batch != 0)
		die("--attempts has to be a multiple of --batch");
	poll_all();
	beaters = calloc((size_t) connections, sizeof(Beater));
	for (int i = 0; i < connections; i++)
		start_beater(&beaters[i], i);
	printf("ready\n");
	fflush(stdout);
	cpu = own_cpu();
	started_at = clock_us();
	for (int i = 0; i < connections; i++)
		if (pthread_create(&beaters[i].thread, NULL, work, &beaters[i]) != 0)
			die("could not create a thread");
	for (int i = 0; i < connections; i++)
		pthread_join(beaters[i].thread, NULL);
	print_result(beaters, own_cpu() - cpu);
	for (int i = 0; i < connections; i++)
		PQfinish(beaters[i].conn);
	free(tokens);
	return 0;
}
