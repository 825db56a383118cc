/*
 * command.h
 *		A command that runs, and the pipes to it.
 */
#ifndef TASKQ_COMMAND_H
#define TASKQ_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

/* Our ends of its descriptors 0 to 4. */
typedef enum CommandPipe
{
	PIPE_INPUT,
	PIPE_OUTPUT,
	PIPE_ERRORS,
	PIPE_HEARTBEATS,
	PIPE_CONTROL,
	COMMAND_PIPES
} CommandPipe;

typedef struct Command
{
	pid_t		pid;			/* and its process group */
	int			pipes[COMMAND_PIPES];	/* -1: closed */
} Command;

extern bool command_allow(int commands);
extern int	command_start(Command *command, char *const *arguments, char **environment);
extern void command_close(Command *command, CommandPipe which);

#endif							/* TASKQ_COMMAND_H */
