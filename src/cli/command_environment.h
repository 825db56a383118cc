/*
 * command_environment.h
 *		What a command reads of its task in the environment.
 */
#ifndef TASKQ_COMMAND_ENVIRONMENT_H
#define TASKQ_COMMAND_ENVIRONMENT_H

#include "client/task_calls.h"

/* For execve(); and the files that hold what is too long for it. */
typedef struct CommandEnvironment
{
	char	  **variables;
	char	   *files[TASK_FIELDS];
} CommandEnvironment;

extern bool environment_make(CommandEnvironment *environment, const ClientTask *task, const char *identity);
extern void environment_free(CommandEnvironment *environment);

#endif							/* TASKQ_COMMAND_ENVIRONMENT_H */
