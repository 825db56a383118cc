/*
 * calls.c
 *		The same statements over and over, on one or many connections.
 *
 *	--sql="a; b; c"		one loop; $1 is the first column of what the statement
 *						before has returned, and statements with $1 are left
 *						out when there is none
 *	--connections=N		each of them a thread
 *	--loops=N			of each connection, or
 *	--seconds=N			as many as can be done
 *	--setup=SQL			once on each connection
 *	--warmup=N			so many loops before, which do not count
 *	--report=N			print what the first connection's process has in memory
 *						after N loops, and after each further N
 *	--probe=SQL			part of that report: a number
 *	--finish=SQL		at the end, not measured: $1 is an array of all that the
 *						last statement of the loops has returned
 *
 * Prints, for each statement, how long it took the client (us), and for a loop
 * what processor time the backends needed (us): that of the backends only.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

#define MAX_STATEMENTS	8

typedef struct Statement
{
	char		name[16];
	char	   *sql;
	bool		takes_value;
} Statement;

typedef struct Connection
{
	pthread_t	thread;
	PGconn	   *conn;
	long		loops;
	usec		cpu;
	char	   *value;			/* $1; NULL = none */
	char	  **collected;		/* for --finish */
	long		ncollected;
	Histogram	histograms[MAX_STATEMENTS];
} Connection;

static const char *sql = "SELECT 1";
static const char *setup = NULL;
static const char *probe = NULL;
static const char *finish = NULL;
static long nconnections = 1;
static long loops = 0;
static long seconds = 0;
static long report = 0;
static long warmup = 0;

static Statement statements[MAX_STATEMENTS];
static int	nstatements = 0;
static pthread_barrier_t everybody_ready;
static usec deadline;

static void
split_statements(void)
{
	char	   *rest = strdup(sql);
	char	   *text;

	while ((text = strsep(&rest, ";")) != NULL)
	{
		Statement  *statement = &statements[nstatements];

		text += strspn(text, " \n\t");
		if (*text == '\0')
			continue;
		if (nstatements == MAX_STATEMENTS)
			die("too many statements");
		nstatements++;
		snprintf(statement->name, sizeof(statement->name), "s%d", nstatements);
		statement->sql = text;
		statement->takes_value = strstr(text, "$1") != NULL;
	}
}

/* remember the first column for the statement that follows */
static void
keep_value(Connection *me, const PGresult *result)
{
	free(me->value);
	me->value = NULL;
	if (PQntuples(result) > 0 && PQnfields(result) > 0 &&
		!PQgetisnull(result, 0, 0))
		me->value = strdup(PQgetvalue(result, 0, 0));
}

/* remember it for --finish */
static void
collect(Connection *me)
{
	if (finish == NULL || me->value == NULL)
		return;
	if (me->ncollected % 1024 == 0)
		me->collected = realloc(me->collected,
								(size_t) (me->ncollected + 1024) * sizeof(char *));
	me->collected[me->ncollected++] = me->value;
	me->value = NULL;
}

static void
one_loop(Connection *me)
{
	free(me->value);
	me->value = NULL;
	for (int i = 0; i < nstatements; i++)
	{
		const char *values[1] = {me->value};
		PGresult   *result;
		usec		start;

		if (statements[i].takes_value && me->value == NULL)
			continue;
		start = clock_us();
		result = run(me->conn, statements[i].name,
					 statements[i].takes_value ? 1 : 0, values);
		histogram_add(&me->histograms[i], clock_us() - start);
		keep_value(me, result);
		PQclear(result);
	}
	collect(me);
	me->loops++;
}

/* have --finish take what was collected */
static void
finish_collected(Connection *me)
{
	size_t		size = 3;
	char	   *array;
	char	   *end;
	const char *values[1];

	for (long i = 0; i < me->ncollected; i++)
		size += strlen(me->collected[i]) + 1;
	array = end = malloc(size);
	*end++ = '{';
	for (long i = 0; i < me->ncollected; i++)
		end += sprintf(end, i == 0 ? "%s" : ",%s", me->collected[i]);
	strcpy(end, "}");
	values[0] = array;
	prepare(me->conn, "finish", finish);
	PQclear(run(me->conn, "finish", 1, values));
	free(array);
}

static void
print_memory(Connection *me)
{
	int			pid = PQbackendPID(me->conn);

	printf("loops=%ld rss_kb=%ld private_kb=%ld", me->loops,
		   process_memory(pid, "VmRSS"), process_memory(pid, "RssAnon"));
	if (probe != NULL)
		printf(" probe=%s", query_text(me->conn, probe));
	printf("\n");
	fflush(stdout);
}

static void *
work(void *argument)
{
	Connection *me = argument;
	usec		before;
	usec		after;
	long		wakes;

	for (long i = 0; i < warmup; i++)
		one_loop(me);
	me->loops = 0;
	memset(me->histograms, 0, sizeof(me->histograms));
	pthread_barrier_wait(&everybody_ready);
	pthread_barrier_wait(&everybody_ready); /* the deadline is set */
	process_cpu(PQbackendPID(me->conn), &before, &wakes);
	while (loops > 0 ? me->loops < loops : clock_us() < deadline)
	{
		one_loop(me);
		if (report > 0 && me->loops % report == 0)
			print_memory(me);
	}
	process_cpu(PQbackendPID(me->conn), &after, &wakes);
	me->cpu = after - before;
	return NULL;
}

static void
open_connection(Connection *me)
{
	me->conn = connect_as("bench calls");
	if (setup != NULL)
		command(me->conn, setup);
	for (int i = 0; i < nstatements; i++)
		prepare(me->conn, statements[i].name, statements[i].sql);
}

static void
print_result(const Connection *all, usec elapsed)
{
	Connection *sum = calloc(1, sizeof(Connection));

	for (int i = 0; i < nconnections; i++)
	{
		sum->loops += all[i].loops;
		sum->cpu += all[i].cpu;
		for (int j = 0; j < nstatements; j++)
			histogram_merge(&sum->histograms[j], &all[i].histograms[j]);
	}
	printf("result loops=%ld per_second=%.1f cpu_us=%.2f", sum->loops,
		   (double) sum->loops * USEC_PER_SECOND / (double) elapsed,
		   (double) sum->cpu / (double) sum->loops);
	for (int j = 0; j < nstatements; j++)
		histogram_print(statements[j].name, &sum->histograms[j]);
	printf("\n");
	free(sum);
}

int
main(int argc, char **argv)
{
	const Option options[] = {
		{"sql", &sql, NULL},
		{"setup", &setup, NULL},
		{"probe", &probe, NULL},
		{"finish", &finish, NULL},
		{"connections", NULL, &nconnections},
		{"loops", NULL, &loops},
		{"seconds", NULL, &seconds},
		{"report", NULL, &report},
		{"warmup", NULL, &warmup},
		{NULL, NULL, NULL}
	};
	Connection *all;
	usec		start;

	options_parse(argc, argv, options);
	split_statements();
	all = calloc((size_t) nconnections, sizeof(Connection));
	pthread_barrier_init(&everybody_ready, NULL, (unsigned) nconnections + 1);
	for (int i = 0; i < nconnections; i++)
	{
		open_connection(&all[i]);
		if (pthread_create(&all[i].thread, NULL, work, &all[i]) != 0)
			die("could not create a thread");
	}
	pthread_barrier_wait(&everybody_ready);
	start = clock_us();
	deadline = start + seconds * USEC_PER_SECOND;
	pthread_barrier_wait(&everybody_ready);
	for (int i = 0; i < nconnections; i++)
		pthread_join(all[i].thread, NULL);
	print_result(all, clock_us() - start);
	for (int i = 0; i < nconnections; i++)
	{
		if (all[i].ncollected > 0)
			finish_collected(&all[i]);
		PQfinish(all[i].conn);
	}
	return 0;
}
