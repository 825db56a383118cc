/*
 * beat_command.c
 *		`taskq heartbeat`: one heartbeat of the attempt in the environment.
 */
#include "cli/beat_command.h"

#include <getopt.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection_options.h"
#include "cli/printing.h"
#include "client/plain_memory.h"
#include "common/json_check.h"
#include "common/json_text.h"
#include "common/sqlstates.h"

/* What the answer asks for. */
#define EXIT_CANCEL 10
#define EXIT_PAUSED 11
#define EXIT_RESET 12
#define EXIT_OVER 13

static const struct option long_options[] = {
	CONNECTION_LONG_OPTIONS,
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'H'},
	{0}
};

static const char help[] =
	"taskq heartbeat tells that the attempt in TASKQ_TASK_TOKEN is alive.\n"
	"\n"
	"Usage:\n"
	"  taskq heartbeat [OPTION]... [DETAILS]\n"
	"\n"
	"DETAILS are JSON, or a text that is none. Without them those before are gone.\n"
	"\n"
	CONNECTION_HELP
	"\n"
	"      --json               print the answer, an object\n"
	"      --help               show this, and exit\n"
	"\n"
	"Exit code: 0 go on, 10 cancellation was requested, 11 paused, 12 reset,\n"
	"13 the attempt is over, 2 usage, 74 no connection, 1 any other error.\n";

static int
read_arguments(ConnectionOptions *options, bool *json, int count, char **arguments)
{
	int			letter;

	connection_options_init(options, "taskq heartbeat");
	while ((letter = getopt_long(count, arguments, CONNECTION_SHORT_OPTIONS, long_options, NULL)) != -1)
	{
		if (letter == 'H')
		{
			fputs(help, stdout);
			return EXIT_DONE;
		}
		if (letter == 'j')
			*json = true;
		else if (!connection_option(options, letter, optarg))
			return EXIT_USAGE;
	}
	if (getenv("TASKQ_TASK_TOKEN") == NULL || optind + 1 < count)
	{
		fputs(optind + 1 < count ? "taskq: too many arguments\n" : "taskq: TASKQ_TASK_TOKEN is not set\n", stderr);
		return EXIT_USAGE;
	}
	return -1;
}

static int
judge(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "taskq: %s", PQresultErrorMessage(result));
		return sqlstate == NULL ? EXIT_NO_CONNECTION :
			strcmp(sqlstate, SQLSTATE_NOT_FOUND) == 0 ? EXIT_OVER : EXIT_NOT_DONE;
	}
	return PQgetvalue(result, 0, 0)[0] == 't' ? EXIT_CANCEL : PQgetvalue(result, 0, 1)[0] == 't' ? EXIT_PAUSED :
		PQgetvalue(result, 0, 2)[0] == 't' ? EXIT_RESET : EXIT_DONE;
}

/* JSON as it is, another text as a JSON string. */
static char *
details_of(const char *text)
{
	TextBuffer	details;

	if (text == NULL || json_check(slice_of(text), &plain_memory) != JSON_FAULT_SYNTAX)
		return plain_copy(text);
	text_buffer_init(&details, &plain_memory);
	json_text_encode(&details, slice_of(text));
	return details.data;
}

/*
 * beat_main: returns the exit code.
 */
int
beat_main(int count, char **arguments)
{
	ConnectionOptions options;
	PGconn	   *connection;
	PGresult   *result;
	char	   *details;
	bool		json = false;
	int			code = read_arguments(&options, &json, count, arguments);

	if (code >= 0)
		return code;
	connection = PQconnectdbParams(options.keywords, options.values, 1);
	if (PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "taskq: %s", PQerrorMessage(connection));
		PQfinish(connection);
		return EXIT_NO_CONNECTION;
	}
	details = details_of(arguments[optind]);
	result = PQexecParams(connection, "SELECT cancel_requested, activity_paused, activity_reset"
						  " FROM taskq.heartbeat($1::uuid, $2::jsonb, $3)", 3, NULL,
						  (const char *[]) {getenv("TASKQ_TASK_TOKEN"), details, getenv("TASKQ_WORKER_IDENTITY")},
						  NULL, NULL, 0);
	code = judge(result);
	if (json)
		print_json(result);
	PQclear(result);
	PQfinish(connection);
	free(details);
	return code;
}
