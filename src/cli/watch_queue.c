/*
 * watch_queue.c
 *		`taskq watch`: how a queue is, once a second, until a signal.
 */
#include "cli/watch_queue.h"

#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/connection_options.h"
#include "cli/printing.h"

#define LINES_PER_PAGE 20

static const struct option long_options[] = {
	CONNECTION_LONG_OPTIONS,
	{"json", no_argument, NULL, 'j'},
	{"kind", required_argument, NULL, 'k'},
	{"count", required_argument, NULL, 'n'},
	{"help", no_argument, NULL, 'H'},
	{0}
};

static const char help[] =
	"taskq watch prints a line per second: how a queue is.\n"
	"\n"
	"Usage:\n"
	"  taskq watch [OPTION]... QUEUE\n"
	"\n"
	"Options:\n"
	"      --kind=KIND          activity (if not given) or workflow\n"
	"      --count=N            end after N lines\n"
	"      --json               an object for each line\n"
	"      --help               show this, and exit\n"
	"\n"
	CONNECTION_HELP;

static const char statement[] =
	"SELECT to_char(clock_timestamp(), 'HH24:MI:SS') AS time, coalesce(backlog_count, 0) AS backlog,"
	" extract(epoch FROM backlog_age)::bigint AS age_s, coalesce(started_count, 0) AS started,"
	" coalesce(delayed_count, 0) AS delayed, coalesce(paused_count, 0) AS paused,"
	" round(coalesce(tasks_add_rate, 0)::numeric, 1)::float8 AS added_s,"
	" round(coalesce(tasks_dispatch_rate, 0)::numeric, 1)::float8 AS taken_s, coalesce(poller_count, 0) AS pollers"
	" FROM (SELECT $1::text AS wanted) AS asked LEFT JOIN taskq.task_queues ON task_queue = wanted AND kind = $2::taskq.task_kind";

static void
print_line(const PGresult *result, long number)
{
	int			columns = PQnfields(result);

	for (int header = number % LINES_PER_PAGE == 0; header >= 0; header--)
		for (int i = 0; i < columns; i++)
			printf("%8s%s", header ? PQfname(result, i) : PQgetvalue(result, 0, i), i + 1 < columns ? " " : "\n");
}

static int
watch(PGconn *connection, const char *queue, const char *kind, bool json, long lines)
{
	for (long number = 0; lines == 0 || number < lines; number++)
	{
		PGresult   *result = PQexecParams(connection, statement, 2, NULL, (const char *[]) {queue, kind}, NULL, NULL, 0);

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
		{
			fprintf(stderr, "taskq: %s", PQresultErrorMessage(result));
			PQclear(result);
			return PQstatus(connection) == CONNECTION_OK ? EXIT_NOT_DONE : EXIT_NO_CONNECTION;
		}
		if (json)
			print_json(result);
		else
			print_line(result, number);
		PQclear(result);
		if (fflush(stdout) != 0)
			return EXIT_NOT_DONE;
		if (number + 1 != lines)
			sleep(1);
	}
	return EXIT_DONE;
}

static bool
read_count(const char *text, long *lines)
{
	char	   *end;

	errno = 0;
	*lines = strtol(text, &end, 10);
	return end != text && *end == '\0' && errno == 0 && *lines > 0;
}

/*
 * watch_main: returns the exit code, if it ends.
 */
int
watch_main(int count, char **arguments)
{
	ConnectionOptions options;
	PGconn	   *connection;
	const char *kind = "activity";
	bool		json = false;
	long		lines = 0;
	int			letter;
	int			code;

	connection_options_init(&options, "taskq watch");
	while ((letter = getopt_long(count, arguments, CONNECTION_SHORT_OPTIONS, long_options, NULL)) != -1)
	{
		if (letter == 'H')
		{
			fputs(help, stdout);
			return EXIT_DONE;
		}
		if (letter == 'j')
			json = true;
		else if (letter == 'k')
			kind = optarg;
		else if (letter == 'n' && !read_count(optarg, &lines))
			return fputs("taskq: --count must be a number above 0\n", stderr), EXIT_USAGE;
		else if (letter != 'n' && !connection_option(&options, letter, optarg))
			return EXIT_USAGE;
	}
	if (optind + 1 != count)
		return fputs("taskq: one queue is required\n", stderr), EXIT_USAGE;
	connection = PQconnectdbParams(options.keywords, options.values, 1);
	if (PQstatus(connection) == CONNECTION_OK)
		code = watch(connection, arguments[optind], kind, json, lines);
	else
	{
		fprintf(stderr, "taskq: %s", PQerrorMessage(connection));
		code = EXIT_NO_CONNECTION;
	}
	PQfinish(connection);
	return code;
}
