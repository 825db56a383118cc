/*
 * spawn.c
 *		What a command costs that is run, and nothing else.
 *
 *	spawn --count=N --command=STRING
 *
 * Runs `/bin/sh -c STRING` so many times, one after the other, with five pipes
 * and in a process group of its own, as a worker does, and waits for each.
 * Prints nothing; who has started it knows what it has used.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPES 5

static void
become(const int *theirs, const char *command)
{
	setpgid(0, 0);
	for (int i = 0; i < PIPES; i++)
		dup2(theirs[i], i);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

/* Run it, read until it has closed its output, and reap it. */
static void
run(const char *command)
{
	int			ours[PIPES];
	int			theirs[PIPES];
	int			status;
	char		bytes[4096];
	pid_t		pid;

	for (int i = 0; i < PIPES; i++)
	{
		int			ends[2];
		int			is_read = i >= 1 && i <= 3;

		if (pipe2(ends, O_CLOEXEC) != 0)
			err(1, "pipe");
		ours[i] = ends[is_read ? 0 : 1];
		theirs[i] = fcntl(ends[is_read ? 1 : 0], F_DUPFD_CLOEXEC, PIPES);
		close(ends[is_read ? 1 : 0]);
	}
	pid = vfork();			/* as posix_spawn() does it */
	if (pid < 0)
		err(1, "vfork");
	if (pid == 0)
		become(theirs, command);
	for (int i = 0; i < PIPES; i++)
		close(theirs[i]);
	while (read(ours[1], bytes, sizeof bytes) > 0)
		;
	if (waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "the command failed");
	for (int i = 0; i < PIPES; i++)
		close(ours[i]);
}

int
main(int argc, char **argv)
{
	const char *command = NULL;
	long		count = 0;

	for (int i = 1; i < argc; i++)
	{
		if (strncmp(argv[i], "--count=", 8) == 0)
			count = strtol(argv[i] + 8, NULL, 10);
		else if (strncmp(argv[i], "--command=", 10) == 0)
			command = argv[i] + 10;
	}
	if (command == NULL || count <= 0)
		errx(2, "see the head of spawn.c");
	while (count-- > 0)
		run(command);
	return 0;
}
