/*
 * subcommand.c
 *		Carries out a subcommand that is one call.
 *
 * Its options and places become named arguments of the SQL function, each a
 * parameter of the statement.  --where alone is SQL, of whoever has typed it.
 */
#include "cli/subcommand.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/connection_options.h"
#include "cli/printing.h"
#include "client/plain_memory.h"
#include "common/text_buffer.h"

#define MOST_ARGUMENTS 24
#define EXIT_OPEN 3				/* result: the run goes on */

enum
{
	OPTION_HELP = 256, OPTION_JSON, OPTION_WHERE, OPTION_FIRST
};

/* A call as it was given. */
typedef struct Call
{
	const Subcommand *subcommand;
	ConnectionOptions connection;
	bool		json;
	const char *where;
	TextBuffer	arguments;		/* of the statement */
	const SubcommandArgument *given[MOST_ARGUMENTS];
	const char *values[MOST_ARGUMENTS];
	int			value_count;
} Call;

/*
 * subcommand_find: which one the first words name, and how many words that is;
 * NULL if they name none.
 */
const Subcommand *
subcommand_find(int count, char **arguments, int *words)
{
	for (const Subcommand *subcommand = subcommands; subcommand->name != NULL; subcommand++)
	{
		const char *space = strchr(subcommand->name, ' ');
		size_t		length = space == NULL ? strlen(subcommand->name) : (size_t) (space - subcommand->name);

		*words = space == NULL ? 1 : 2;
		if (count >= *words && strlen(arguments[0]) == length && strncmp(arguments[0], subcommand->name, length) == 0 &&
			(space == NULL || strcmp(arguments[1], space + 1) == 0))
			return subcommand;
	}
	return NULL;
}

static void
print_help(const Subcommand *subcommand)
{
	printf("taskq %s: %s.\n\nUsage:\n  taskq %s [OPTION]...", subcommand->name, subcommand->summary, subcommand->name);
	for (int i = 0; subcommand->places[i].name != NULL; i++)
		printf(i < subcommand->places_needed ? " %s" : " [%s]", subcommand->places[i].name);
	if (subcommand->before_many != NULL)
		printf("\n  taskq %s [OPTION]... --where=CONDITION", subcommand->name);
	printf("\n\nOptions:\n");
	for (const SubcommandArgument *option = subcommand->options; option->name != NULL; option++)
	{
		int			width = printf("      --%s%s", option->name, option->is_flag ? "" : "=VALUE");

		printf("%*s%s\n", width < 37 ? 37 - width : 1, "", option->help);
	}
	if (subcommand->before_many != NULL)
		printf("      --where=CONDITION              runs for which that is true, in SQL,\n"
			   "                                     of the columns of taskq.activities\n");
	printf("      --json                         an object for each row\n"
		   "      --help                         show this, and exit\n\n" CONNECTION_HELP);
}

static int
try_help(const Call *call)
{
	fprintf(stderr, "Try \"taskq %s --help\".\n", call->subcommand->name);
	return EXIT_USAGE;
}

static int
bad_usage(const Call *call, const char *problem)
{
	fprintf(stderr, "taskq: %s\n", problem);
	return try_help(call);
}

static void
add_argument(Call *call, const SubcommandArgument *argument, const char *value)
{
	char		text[128];

	if (call->arguments.length > 0)
		text_buffer_text(&call->arguments, ", ");
	if (argument->parameter != NULL)
	{
		text_buffer_text(&call->arguments, argument->parameter);
		text_buffer_text(&call->arguments, " => ");
	}
	call->given[call->value_count] = argument;
	call->values[call->value_count++] = value;
	snprintf(text, sizeof text, argument->value, call->value_count);
	text_buffer_text(&call->arguments, text);
}

static void
make_options(const Subcommand *subcommand, struct option *options)
{
	static const struct option always[] = {
		CONNECTION_LONG_OPTIONS,
		{"help", no_argument, NULL, OPTION_HELP},
		{"json", no_argument, NULL, OPTION_JSON},
		{"where", required_argument, NULL, OPTION_WHERE},
	};
	int			count = sizeof always / sizeof *always;

	memcpy(options, always, sizeof always);
	if (subcommand->before_many == NULL)
		count--;
	for (int i = 0; subcommand->options[i].name != NULL; i++)
		options[count++] = (struct option) {subcommand->options[i].name,
		subcommand->options[i].is_flag ? no_argument : required_argument, NULL, OPTION_FIRST + i};
	options[count] = (struct option) {0};
}

/* -1: go on. */
static int
read_options(Call *call, int count, char **arguments)
{
	const Subcommand *subcommand = call->subcommand;
	struct option options[MOST_ARGUMENTS + 8];
	bool		given[MOST_ARGUMENTS] = {false};
	int			letter;

	make_options(subcommand, options);
	while ((letter = getopt_long(count, arguments, CONNECTION_SHORT_OPTIONS, options, NULL)) != -1)
	{
		if (letter == OPTION_HELP)
		{
			print_help(subcommand);
			return EXIT_DONE;
		}
		if (letter == OPTION_JSON)
			call->json = true;
		else if (letter == OPTION_WHERE)
			call->where = optarg;
		else if (letter >= OPTION_FIRST && given[letter - OPTION_FIRST])
			return bad_usage(call, "an option is given twice");
		else if (letter >= OPTION_FIRST)
		{
			given[letter - OPTION_FIRST] = true;
			add_argument(call, &subcommand->options[letter - OPTION_FIRST], optarg != NULL ? optarg : "true");
		}
		else if (!connection_option(&call->connection, letter, optarg))
			return try_help(call);
	}
	return -1;
}

static int
read_places(Call *call, int count, char **arguments)
{
	const Subcommand *subcommand = call->subcommand;
	int			given = count - optind;
	int			most = 0;

	while (subcommand->places[most].name != NULL)
		most++;
	if (call->where != NULL && given > 0)
		return bad_usage(call, "--where and a run do not go together");
	if (call->where != NULL && call->where[strspn(call->where, " \t\r\n")] == '\0')
		return bad_usage(call, "--where is empty: for all runs, say --where=true");
	if (call->where == NULL && given < subcommand->places_needed)
		return bad_usage(call, "there are too few arguments");
	if (given > most)
		return bad_usage(call, "there are too many arguments");
	for (int i = 0; i < given; i++)
		add_argument(call, &subcommand->places[i], arguments[optind + i]);
	return -1;
}

/* The condition stands before a newline, so that a comment at its end hides nothing. */
static void
make_statement(const Call *call, TextBuffer *statement)
{
	const Subcommand *subcommand = call->subcommand;
	bool		is_list = subcommand->kind == SUBCOMMAND_LIST;

	text_buffer_init(statement, &plain_memory);
	text_buffer_text(statement, call->where == NULL ? subcommand->before : subcommand->before_many);
	if (call->where != NULL)
	{
		text_buffer_text(statement, call->where);
		text_buffer_text(statement, is_list ? "\n) ORDER BY run_id DESC LIMIT " :
						 call->value_count > 0 ? "\n) ORDER BY run_id), " : "\n) ORDER BY run_id)");
	}
	if (is_list && call->value_count == 0)
		text_buffer_text(statement, "NULL");
	else if (call->arguments.length > 0)
		text_buffer_text(statement, call->arguments.data);
	if (subcommand->fixed != NULL)
	{
		text_buffer_text(statement, ", ");
		text_buffer_text(statement, subcommand->fixed);
	}
	text_buffer_text(statement, call->where != NULL && !is_list ? ")" : subcommand->after);
}

/* The exit code says whether all is well. */
static int
judge_rows(const Call *call, const PGresult *result)
{
	int			ok = PQfnumber(result, "ok");
	int			status = PQfnumber(result, "status");

	if (call->subcommand->kind == SUBCOMMAND_RECORD && PQntuples(result) == 0)
	{
		fputs("taskq: there is no such queue\n", stderr);
		return EXIT_NOT_DONE;
	}
	for (int row = 0; row < PQntuples(result); row++)
		if ((call->where != NULL && ok >= 0 && PQgetvalue(result, row, ok)[0] == 'f') ||
			(call->subcommand->kind == SUBCOMMAND_HEALTH && strcmp(PQgetvalue(result, row, status), "critical") == 0))
			return EXIT_NOT_DONE;
	return EXIT_DONE;
}

/* What an activity has returned, on standard output; how it failed, on standard error. */
static int
print_outcome(const PGresult *result)
{
	const char *status = PQgetvalue(result, 0, 0);

	if (strcmp(status, "completed") == 0)
	{
		puts(PQgetisnull(result, 0, 1) ? "null" : PQgetvalue(result, 0, 1));
		return EXIT_DONE;
	}
	fprintf(stderr, "taskq: %s%s%s\n", status, PQgetisnull(result, 0, 2) ? "" : ": ", PQgetvalue(result, 0, 2));
	return strcmp(status, "running") == 0 || strcmp(status, "paused") == 0 ? EXIT_OPEN : EXIT_NOT_DONE;
}

/* Which argument an error is about: the context ends with the number of its parameter.  NULL if it is about none. */
static const SubcommandArgument *
find_culprit(const Call *call, const PGresult *result)
{
	const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT) ?: "";
	const char *line = strrchr(context, '\n');
	const char *dollar = strchr(line == NULL ? context : line, '$');
	long		number = dollar == NULL ? 0 : strtol(dollar + 1, NULL, 10);

	return number > 0 && number <= call->value_count ? call->given[number - 1] : NULL;
}

/* What the database says; of a value that is none, which one it is. */
static void
print_error(const Call *call, const PGresult *result)
{
	const SubcommandArgument *culprit = NULL;

	if (strncmp(PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: "", "22", 2) == 0)
		culprit = find_culprit(call, result);
	if (culprit == NULL)
		fprintf(stderr, "taskq: %s", PQresultErrorMessage(result));
	else
		fprintf(stderr, "taskq: %s%s: %s\n", culprit->help == NULL ? "" : "--", culprit->name,
				PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

/* A column of hints takes room, and most of the time there are none. */
static int
columns_of_table(const Call *call, const PGresult *result)
{
	int			last = PQnfields(result) - 1;
	int			row = 0;

	if (call->subcommand->kind != SUBCOMMAND_HEALTH)
		return last + 1;
	while (row < PQntuples(result) && PQgetisnull(result, row, last))
		row++;
	return row < PQntuples(result) ? last + 1 : last;
}

static int
show(const Call *call, const PGconn *connection, const PGresult *result)
{
	SubcommandKind kind = call->subcommand->kind;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		print_error(call, result);
		return PQstatus(connection) == CONNECTION_OK ? EXIT_NOT_DONE : EXIT_NO_CONNECTION;
	}
	if (kind == SUBCOMMAND_RESULT && !call->json)
		return print_outcome(result);
	if (kind == SUBCOMMAND_QUIET && call->where == NULL)
		return EXIT_DONE;
	if (call->json)
		print_json(result);
	else if (kind == SUBCOMMAND_RECORD)
		print_record(result);
	else
		print_table(result, columns_of_table(call, result));
	if (kind != SUBCOMMAND_RESULT)
		return judge_rows(call, result);
	return strcmp(PQgetvalue(result, 0, 0), "completed") == 0 ? EXIT_DONE :
		PQgetisnull(result, 0, 2) ? EXIT_OPEN : EXIT_NOT_DONE;
}

static PGcancel *volatile running;	/* what to ask to end; NULL: nothing */

/* A server that has not begun with the statement may ignore it, so it is asked until the statement ends. */
static void
cancel_running(int signal)
{
	char		message[256];

	(void) signal;
	if (running == NULL)
		return;
	PQcancel(running, message, sizeof message);
	alarm(1);
}

/* The first INT or TERM ends the statement, or the server would go on with it. */
static void
cancel_on_signals(PGconn *connection)
{
	struct sigaction action = {.sa_handler = cancel_running, .sa_flags = SA_RESTART | SA_RESETHAND};
	struct sigaction again = {.sa_handler = cancel_running, .sa_flags = SA_RESTART};

	running = PQgetCancel(connection);
	sigaction(SIGALRM, &again, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/*
 * subcommand_main: read its arguments, call, print.  Returns the exit code.
 */
int
subcommand_main(const Subcommand *subcommand, int count, char **arguments)
{
	Call		call = {.subcommand = subcommand};
	TextBuffer	statement;
	PGconn	   *connection;
	PGresult   *result;
	int			code;

	connection_options_init(&call.connection, "taskq");
	text_buffer_init(&call.arguments, &plain_memory);
	code = read_options(&call, count, arguments);
	if (code < 0)
		code = read_places(&call, count, arguments);
	if (code >= 0)
		return code;
	connection = PQconnectdbParams(call.connection.keywords, call.connection.values, 1);
	if (PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "taskq: %s", PQerrorMessage(connection));
		PQfinish(connection);
		return EXIT_NO_CONNECTION;
	}
	make_statement(&call, &statement);
	cancel_on_signals(connection);
	result = PQexecParams(connection, statement.data, call.value_count, NULL, call.values, NULL, NULL, 0);
	running = NULL;
	code = show(&call, connection, result);
	PQclear(result);
	PQfinish(connection);
	text_buffer_free(&statement);
	text_buffer_free(&call.arguments);
	return code;
}
