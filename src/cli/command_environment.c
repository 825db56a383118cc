/*
 * command_environment.c
 *		What a command reads of its task in the environment.
 */
#include "cli/command_environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/worker_log.h"
#include "client/plain_memory.h"

#define PREFIX "TASKQ_"
#define LONGEST_VALUE 65536

/* The input is on standard input. */
static const char *const names[TASK_FIELDS] = {
	[TASK_TOKEN] = "TASK_TOKEN",
	[TASK_RUN_ID] = "RUN_ID",
	[TASK_ATTEMPT] = "ATTEMPT",
	[TASK_ACTIVITY_TYPE] = "ACTIVITY_TYPE",
	[TASK_QUEUE] = "TASK_QUEUE",
	[TASK_SCHEDULED_TIME] = "SCHEDULED_TIME",
	[TASK_STARTED_TIME] = "STARTED_TIME",
	[TASK_ACTIVITY_ID] = "ACTIVITY_ID",
	[TASK_DEADLINE] = "DEADLINE",
	[TASK_HEARTBEAT_TIMEOUT] = "HEARTBEAT_TIMEOUT",
	[TASK_PRIORITY] = "PRIORITY",
	[TASK_FAIRNESS_KEY] = "FAIRNESS_KEY",
	[TASK_HEADER] = "HEADER",
	[TASK_HEARTBEAT_DETAILS] = "HEARTBEAT_DETAILS",
};

static char *
variable(const char *name, const char *suffix, const char *value)
{
	TextBuffer	text;

	text_buffer_init(&text, &plain_memory);
	text_buffer_text(&text, PREFIX);
	text_buffer_text(&text, name);
	text_buffer_text(&text, suffix);
	text_buffer_char(&text, '=');
	text_buffer_text(&text, value);
	return text.data;
}

/* NULL, with errno; says what could not be written. */
static char *
not_written(TextBuffer *path)
{
	int			error = errno;

	worker_log("could not write \"%s\": %s", path->data, strerror(error));
	text_buffer_free(path);
	errno = error;
	return NULL;
}

/* A file of mode 0600 with a value; NULL if it could not be written. */
static char *
write_file(const char *value)
{
	const char *directory = getenv("TMPDIR");
	TextBuffer	path;
	size_t		written = 0;
	size_t		length = strlen(value);
	int			file;

	text_buffer_init(&path, &plain_memory);
	text_buffer_text(&path, directory != NULL && directory[0] != '\0' ? directory : "/tmp");
	text_buffer_text(&path, "/taskq-XXXXXX");
	file = mkstemp(path.data);
	if (file < 0)
		return not_written(&path);
	while (written < length)
	{
		ssize_t		more = write(file, value + written, length - written);

		if (more <= 0)
			break;
		written += more;
	}
	close(file);
	if (written == length)
		return path.data;
	unlink(path.data);
	return not_written(&path);
}

/* Nothing of the task of a worker that runs inside a command. */
static bool
is_ours(const char *entry)
{
	size_t		length;

	if (strncmp(entry, PREFIX, strlen(PREFIX)) != 0)
		return false;
	entry += strlen(PREFIX);
	for (int i = 0; i < TASK_FIELDS; i++)
	{
		length = names[i] == NULL ? 0 : strlen(names[i]);
		if (length > 0 && strncmp(entry, names[i], length) == 0 &&
			(entry[length] == '=' || strncmp(entry + length, "_FILE=", 6) == 0))
			return true;
	}
	return strncmp(entry, "WORKER_IDENTITY=", 16) == 0 || strncmp(entry, "HEARTBEAT_FD=", 13) == 0 ||
		strncmp(entry, "CONTROL_FD=", 11) == 0;
}

/*
 * environment_make: that of this process, and the task's.  False if a file was
 * needed and could not be written.  To be freed, which removes the files.
 */
bool
environment_make(CommandEnvironment *environment, const ClientTask *task, const char *identity)
{
	size_t		count = 0;
	size_t		at = 0;

	while (environ[count] != NULL)
		count++;
	*environment = (CommandEnvironment) {.variables = plain_zeroed((count + TASK_FIELDS + 4) * sizeof(char *))};
	for (size_t i = 0; i < count; i++)
		if (!is_ours(environ[i]))
			environment->variables[at++] = plain_copy(environ[i]);
	environment->variables[at++] = variable("WORKER_IDENTITY", "", identity);
	environment->variables[at++] = variable("HEARTBEAT_FD", "", "3");
	environment->variables[at++] = variable("CONTROL_FD", "", "4");
	for (int i = 0; i < TASK_FIELDS; i++)
	{
		const char *value = task->fields[i];

		if (names[i] == NULL || value == NULL)
			continue;
		if (strlen(value) <= LONGEST_VALUE)
			environment->variables[at++] = variable(names[i], "", value);
		else if ((environment->files[i] = write_file(value)) != NULL)
			environment->variables[at++] = variable(names[i], "_FILE", environment->files[i]);
		else
			return false;
	}
	return true;
}

/*
 * environment_free: when the command has ended.
 */
void
environment_free(CommandEnvironment *environment)
{
	for (char **entry = environment->variables; entry != NULL && *entry != NULL; entry++)
		free(*entry);
	free(environment->variables);
	for (int i = 0; i < TASK_FIELDS; i++)
	{
		if (environment->files[i] != NULL)
			unlink(environment->files[i]);
		free(environment->files[i]);
	}
	*environment = (CommandEnvironment) {0};
}
