/*
 * command.c
 *		A command that runs, and the pipes to it.
 */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a shell would exit with. */
#define CANNOT_EXECUTE 126
#define NOT_FOUND 127

static bool
is_read_by_us(int which)
{
	return which == PIPE_OUTPUT || which == PIPE_ERRORS || which == PIPE_HEARTBEATS;
}

/* For our own: a worker that runs many, with two sessions and what libraries open. */
#define OTHER_DESCRIPTORS 64

static struct rlimit descriptors;	/* that a command may have open */

/*
 * In the child, which has the memory of its parent (see below): never returns,
 * and leaves nothing behind there.
 */
static _Noreturn void
become(const int *theirs, char *const *arguments, char **environment, pid_t parent)
{
	sigset_t	none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(CANNOT_EXECUTE);
	/* they are all above those that they become: command_start() sees to that */
	for (int i = 0; i < COMMAND_PIPES; i++)
		dup2(theirs[i], i);
	if (close_range(COMMAND_PIPES, ~0U, 0) != 0)
		for (int i = COMMAND_PIPES; i < sysconf(_SC_OPEN_MAX); i++)
			close(i);
	setrlimit(RLIMIT_NOFILE, &descriptors);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvpe(arguments[0], arguments, environment);
	dprintf(STDERR_FILENO, "could not run \"%s\": %s\n", arguments[0], strerror(errno));
	_exit(errno == ENOENT ? NOT_FOUND : CANNOT_EXECUTE);
}

/* A copy of the memory would cost more than all else here: the parent waits for the exec. */
static pid_t
spawn(const int *theirs, char *const *arguments, char **environment)
{
	pid_t		parent = getpid();
	pid_t		child = vfork();

	if (child == 0)
		become(theirs, arguments, environment, parent);
	return child;
}

/*
 * command_allow: have this process open as many descriptors as so many commands
 * take at a time; what they may open stays as it was.  False when it may not.
 */
bool
command_allow(int commands)
{
	struct rlimit ours;

	if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0)
		return false;
	ours = descriptors;
	if (ours.rlim_cur < (rlim_t) commands * COMMAND_PIPES + OTHER_DESCRIPTORS)
		ours.rlim_cur = (rlim_t) commands * COMMAND_PIPES + OTHER_DESCRIPTORS;
	return ours.rlim_cur <= ours.rlim_max && setrlimit(RLIMIT_NOFILE, &ours) == 0;
}

/*
 * command_close: close one of the pipes, if it is open.
 */
void
command_close(Command *command, CommandPipe which)
{
	if (command->pipes[which] >= 0)
		close(command->pipes[which]);
	command->pipes[which] = -1;
}

/* One pipe, its ends closed when a program is executed and above those of standard use. */
static bool
open_pipe(int *ours, int *theirs, bool read_by_us)
{
	int			ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*ours = ends[read_by_us ? 0 : 1];
	*theirs = fcntl(ends[read_by_us ? 1 : 0], F_DUPFD_CLOEXEC, COMMAND_PIPES);
	close(ends[read_by_us ? 1 : 0]);
	if (fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 && *theirs >= 0)
		return true;
	close(*ours);
	*ours = -1;
	return false;
}

/*
 * command_start: run a program in a process group of its own.  Returns 0, or
 * the errno of what this process could not do; what the child could not do is
 * its exit code.
 */
int
command_start(Command *command, char *const *arguments, char **environment)
{
	int			theirs[COMMAND_PIPES] = {-1, -1, -1, -1, -1};
	bool		opened = true;
	int			error = 0;

	*command = (Command) {.pid = -1, .pipes = {-1, -1, -1, -1, -1}};
	for (int i = 0; i < COMMAND_PIPES && opened; i++)
		opened = open_pipe(&command->pipes[i], &theirs[i], is_read_by_us(i));
	if (opened)
		command->pid = spawn(theirs, arguments, environment);
	if (command->pid < 0)
		error = errno;
	else
		setpgid(command->pid, command->pid);	/* whoever is first */
	for (int i = 0; i < COMMAND_PIPES; i++)
	{
		if (theirs[i] >= 0)
			close(theirs[i]);
		if (error != 0)
			command_close(command, i);
	}
	return error;
}
