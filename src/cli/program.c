/*
 * program.c
 *		taskq: task queues from the shell.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/beat_command.h"
#include "cli/connection_options.h"
#include "cli/subcommand.h"
#include "cli/watch_queue.h"
#include "cli/worker_loop.h"

static const char help[] =
	"taskq works on task queues in PostgreSQL.\n"
	"\n"
	"Usage:\n"
	"  taskq COMMAND [OPTION]... [ARGUMENT]...\n"
	"\n"
	"Commands:\n"
	"  worker       run a command for each task of queues\n"
	"  heartbeat    tell that an attempt is alive\n"
	"  watch        print how a queue is, once a second\n"
	"\n"
	"  schedule, describe, list, result (waits for it), complete, fail: activities\n"
	"  cancel, terminate, pause, unpause, reset, retry, delete: one run, or those\n"
	"               for which --where is true\n"
	"  update-options   change options: of one run, or where --where is true\n"
	"  queue list, queue describe, queue configure, queue pause, queue unpause:\n"
	"               of activities, or with --kind=workflow\n"
	"  health       what is wrong with taskq\n"
	"\n"
	"Options:\n"
	"  --help       show this, and exit; after a command: its options\n"
	"  --version    show the version, and exit\n";

static const struct
{
	const char *name;
	int			(*run) (int count, char **arguments);
}			commands[] = {
	{"worker", worker_main},
	{"heartbeat", beat_main},
	{"watch", watch_main},
};

/* Those of standard use are open, so that no connection becomes one of them. */
static void
open_standard_descriptors(void)
{
	int			descriptor;

	do
		descriptor = open("/dev/null", O_RDONLY);
	while (descriptor >= 0 && descriptor <= STDERR_FILENO);
	close(descriptor);
}

/* Has all been written that was printed? */
static bool
is_written(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	fputs("taskq: could not write to standard output\n", stderr);
	return false;
}

/* The first is who complains of options. */
static char **
named(char **arguments)
{
	arguments[0] = "taskq";
	return arguments;
}

/* Find the command and run it. */
static int
run(int count, char **arguments)
{
	const char *name = count > 1 ? arguments[1] : "";
	const Subcommand *subcommand;
	int			words;

	if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0)
	{
		fputs(help, stdout);
		return EXIT_DONE;
	}
	if (strcmp(name, "--version") == 0)
	{
		puts("taskq " TASKQ_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(count - 1, named(arguments + 1));
	subcommand = subcommand_find(count - 1, arguments + 1, &words);
	if (subcommand != NULL)
		return subcommand_main(subcommand, count - words, named(arguments + words));
	if (count < 2)
		fputs("taskq: a command is required\n", stderr);
	else if (strcmp(name, "queue") == 0)
		fputs("taskq: after queue comes list, describe, configure, pause or unpause\n", stderr);
	else
		fprintf(stderr, "taskq: unknown %s \"%s\"\n", name[0] == '-' ? "option" : "command", name);
	fputs("Try \"taskq --help\".\n", stderr);
	return EXIT_USAGE;
}

/*
 * main: returns the exit code.
 */
int
main(int count, char **arguments)
{
	int			code;

	open_standard_descriptors();
	code = run(count, arguments);
	return is_written() || code != EXIT_DONE ? code : EXIT_NOT_DONE;
}
