/*
 * worker_options.c
 *		What `taskq worker` is asked to do.
 */
#include "cli/worker_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "client/plain_memory.h"
#include "common/lengths.h"

#define GRACE INT64_C(30000000)
#define KILL_AFTER INT64_C(10000000)
#define SNOOZE "1 min"
#define MOST_COMMANDS 10000

/* Options without a letter. */
enum
{
	OPTION_EXEC = 256, OPTION_NOOP, OPTION_ONCE, OPTION_DRAIN, OPTION_GRACE, OPTION_KILL_AFTER,
	OPTION_MAX_PER_SECOND, OPTION_HEARTBEAT, OPTION_SNOOZE, OPTION_CONNECT_TIMEOUT, OPTION_IDENTITY, OPTION_JSON, OPTION_HELP
};

static const struct option long_options[] = {
	CONNECTION_LONG_OPTIONS,
	{"queue", required_argument, NULL, 'q'},
	{"type", required_argument, NULL, 't'},
	{"concurrency", required_argument, NULL, 'c'},
	{"exec", required_argument, NULL, OPTION_EXEC},
	{"noop", no_argument, NULL, OPTION_NOOP},
	{"once", no_argument, NULL, OPTION_ONCE},
	{"drain", no_argument, NULL, OPTION_DRAIN},
	{"grace", required_argument, NULL, OPTION_GRACE},
	{"kill-after", required_argument, NULL, OPTION_KILL_AFTER},
	{"max-per-second", required_argument, NULL, OPTION_MAX_PER_SECOND},
	{"heartbeat", required_argument, NULL, OPTION_HEARTBEAT},
	{"snooze", required_argument, NULL, OPTION_SNOOZE},
	{"connect-timeout", required_argument, NULL, OPTION_CONNECT_TIMEOUT},
	{"identity", required_argument, NULL, OPTION_IDENTITY},
	{"json", no_argument, NULL, OPTION_JSON},
	{"help", no_argument, NULL, OPTION_HELP},
	{0}
};

static const char help[] =
	"taskq worker runs a command for each task of queues.\n"
	"\n"
	"Usage:\n"
	"  taskq worker --queue=NAME[,NAME...] [OPTION]... --exec='COMMAND'\n"
	"  taskq worker --queue=NAME[,NAME...] [OPTION]... -- PROGRAM [ARGUMENT]...\n"
	"\n"
	"Tasks:\n"
	"  -q, --queue=NAME,...     queues to serve\n"
	"  -t, --type=TYPE          fail tasks of any other type, retryably\n"
	"  -c, --concurrency=N      commands at a time (1)\n"
	"      --max-per-second=R   attempts to start per second, by this worker\n"
	"      --once               end after one task\n"
	"      --drain              end when no task is due and none runs\n"
	"      --identity=NAME      who polls (process id and host)\n"
	"\n"
	"Commands:\n"
	"      --exec=COMMAND       run COMMAND with /bin/sh -c\n"
	"      --noop               run nothing: complete each task at once\n"
	"      --heartbeat=command  no heartbeats but those of the command\n"
	"      --snooze=INTERVAL    delay after exit code 75 (1 min)\n"
	"      --kill-after=S       seconds from SIGTERM to SIGKILL (10)\n"
	"      --grace=S            seconds for commands to end by themselves when the\n"
	"                           worker is to end (30)\n"
	"\n"
	CONNECTION_HELP
	"      --connect-timeout=S  give up when not connected S seconds after the start\n"
	"\n"
	"      --json               the log as an object a line\n"
	"      --help               show this, and exit\n";

static bool
try_help(void)
{
	fputs("Try \"taskq worker --help\".\n", stderr);
	return false;
}

static bool
usage(const char *problem, const char *value)
{
	fprintf(stderr, "taskq: %s%s%s\n", problem, value != NULL ? ": " : "", value != NULL ? value : "");
	return try_help();
}

static bool
read_queues(WorkerOptions *options, const char *text)
{
	char	   *names = plain_copy(text);

	for (char *name = names; name != NULL;)
	{
		char	   *comma = strchr(name, ',');

		if (comma != NULL)
			*comma = '\0';
		if (name[0] == '\0' || strlen(name) > MAX_NAME_LENGTH)
			return usage("--queue has a name that is empty or too long", NULL);
		if (options->queue_count == WORKER_QUEUES)
			return usage("--queue has more than 64 names", NULL);
		options->queues[options->queue_count++] = name;
		name = comma == NULL ? NULL : comma + 1;
	}
	return true;
}

static bool
read_concurrency(WorkerOptions *options, const char *text)
{
	char	   *end;
	long		number = strtol(text, &end, 10);

	if (end == text || *end != '\0' || number < 1 || number > MOST_COMMANDS)
		return usage("--concurrency must be a number from 1 to 10000, not", text);
	options->concurrency = number;
	return true;
}

static bool
read_rate(WorkerOptions *options, const char *text)
{
	char	   *end;

	options->max_per_second = strtod(text, &end);
	if (end == text || *end != '\0' || !(options->max_per_second >= 1e-6 && options->max_per_second <= 1e9))
		return usage("--max-per-second must be a number from 0.000001 to 1000000000, not", text);
	return true;
}

static char shell[] = "/bin/sh";

static char **
shell_command(char *text)
{
	char	  **command = plain_zeroed(4 * sizeof(char *));

	command[0] = shell;
	command[1] = "-c";
	command[2] = text;
	return command;
}

/* The last word of that of a shell is the text. */
static bool
is_empty(char *const *command)
{
	return command[0][0] == '\0' || (command[0] == shell && command[2][0] == '\0');
}

static bool
read_option(WorkerOptions *options, int letter, char *value, bool *noop)
{
	switch (letter)
	{
		case 'q':
			return read_queues(options, value);
		case 't':
			if (value[0] == '\0')
				return usage("--type is empty", NULL);
			options->type = value;
			return true;
		case 'c':
			return read_concurrency(options, value);
		case OPTION_EXEC:
			options->command = shell_command(value);
			return true;
		case OPTION_NOOP:
			return *noop = true;
		case OPTION_ONCE:
			return options->once = true;
		case OPTION_DRAIN:
			return options->drain = true;
		case OPTION_JSON:
			return options->json = true;
		case OPTION_GRACE:
			return parse_seconds("--grace", value, &options->grace);
		case OPTION_KILL_AFTER:
			return parse_seconds("--kill-after", value, &options->kill_after);
		case OPTION_CONNECT_TIMEOUT:
			return parse_seconds("--connect-timeout", value, &options->connect_timeout);
		case OPTION_MAX_PER_SECOND:
			return read_rate(options, value);
		case OPTION_HEARTBEAT:
			if (strcmp(value, "command") != 0)
				return usage("--heartbeat can only be \"command\", not", value);
			return options->command_beats = true;
		case OPTION_SNOOZE:
			options->snooze = value;
			return true;
		case OPTION_IDENTITY:
			if (value[0] == '\0' || strlen(value) > MAX_NAME_LENGTH)
				return usage("--identity must have 1 to 1000 bytes", NULL);
			options->identity = plain_copy(value);
			return true;
		default:
			/* of others getopt_long() has complained */
			return connection_option(&options->connection, letter, value) || try_help();
	}
}

static char *
default_identity(void)
{
	char		host[256] = "";
	char	   *identity = plain_zeroed(sizeof host + 32);

	gethostname(host, sizeof host - 1);
	sprintf(identity, "%d@%s/taskq", (int) getpid(), host);
	return identity;
}

/*
 * worker_options_read: of arguments, the first of which is "worker".  Returns
 * -1, or how to exit: after help, or after a message.
 */
int
worker_options_read(WorkerOptions *options, int count, char **arguments)
{
	bool		noop = false;
	int			letter;

	*options = (WorkerOptions) {.concurrency = 1, .grace = GRACE, .kill_after = KILL_AFTER, .snooze = SNOOZE};
	connection_options_init(&options->connection, "taskq worker");
	while ((letter = getopt_long(count, arguments, "+q:t:c:" CONNECTION_SHORT_OPTIONS, long_options, NULL)) != -1)
	{
		if (letter == OPTION_HELP)
		{
			fputs(help, stdout);
			return EXIT_DONE;
		}
		if (!read_option(options, letter, optarg, &noop))
			return EXIT_USAGE;
	}
	if (optind < count && options->command == NULL)
		options->command = arguments + optind;
	else if (optind < count)
		return usage("--exec and a program do not go together", NULL), EXIT_USAGE;
	if (options->queue_count == 0)
		return usage("--queue is required", NULL), EXIT_USAGE;
	if ((options->command != NULL) == noop)
		return usage("exactly one of --exec, --noop and a program is required", NULL), EXIT_USAGE;
	/* which would complete all, and do nothing */
	if (options->command != NULL && is_empty(options->command))
		return usage("the command is empty", NULL), EXIT_USAGE;
	if (!command_allow(noop ? 0 : options->concurrency))
		return usage("--concurrency takes more descriptors than the limit (ulimit -Hn) lets be open", NULL), EXIT_USAGE;
	if (options->identity == NULL)
		options->identity = default_identity();
	return -1;
}
