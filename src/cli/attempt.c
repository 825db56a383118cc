/*
 * attempt.c
 *		An attempt that this worker holds.
 *
 * The exit of the command's leader decides.  It is seen with WNOWAIT and reaped
 * only after its group was killed: until then the number of the group is its own.
 */
#include "cli/attempt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/worker_log.h"
#include "client/plain_memory.h"
#include "common/json_check.h"
#include "common/json_text.h"
#include "common/utf8.h"

#define LONGEST_BEAT 65536
#define KEPT_ERRORS 8192
#define LONGEST_ERROR_LINE 65536
#define LEFTOVERS INT64_C(1000000) /* for what is in the pipes after the exit */

static const char *const words[STOP_REASONS] = {
	[STOP_CANCEL_REQUESTED] = "cancel_requested",
	[STOP_PAUSED] = "paused",
	[STOP_RESET] = "reset",
	[STOP_TIMED_OUT] = "timed_out",
	[STOP_TERMINATED] = "terminated",
	[STOP_DELETED] = "deleted",
	[STOP_SHUTDOWN] = "shutdown",
};

/*
 * stop_word: what a command is told; not for STOP_NOT.
 */
const char *
stop_word(StopReason reason)
{
	return words[reason];
}

/*
 * stop_reason: the reason that a word stands for; STOP_NOT if it is none.
 */
StopReason
stop_reason(const char *word, size_t length)
{
	for (int i = STOP_NOT + 1; i < STOP_REASONS; i++)
		if (strlen(words[i]) == length && memcmp(words[i], word, length) == 0)
			return i;
	return STOP_NOT;
}

/*
 * attempt_make: of a task, which it takes over.
 */
Attempt *
attempt_make(ClientTask *task, int64_t now)
{
	Attempt    *attempt = plain_zeroed(sizeof *attempt);

	attempt->task = *task;
	*task = (ClientTask) {0};
	attempt->command = (Command) {.pid = -1, .pipes = {-1, -1, -1, -1, -1}};
	text_buffer_init(&attempt->output, &plain_memory);
	text_buffer_init(&attempt->error_line, &plain_memory);
	text_buffer_init(&attempt->errors, &plain_memory);
	text_buffer_init(&attempt->beat_line, &plain_memory);
	attempt->details = plain_copy(attempt->task.fields[TASK_HEARTBEAT_DETAILS]);
	if (attempt->task.fields[TASK_HEARTBEAT_TIMEOUT] != NULL)
		attempt->heartbeat_timeout = strtod(attempt->task.fields[TASK_HEARTBEAT_TIMEOUT], NULL) * 1000000;
	attempt->last_beat = now;
	return attempt;
}

/*
 * attempt_start: run its command.  0, or an errno.
 */
int
attempt_start(Attempt *attempt, char *const *arguments, const char *identity)
{
	if (!environment_make(&attempt->environment, &attempt->task, identity))
		return errno;
	return command_start(&attempt->command, arguments, attempt->environment.variables);
}

/*
 * attempt_poll: which descriptors to poll; returns how many, at most four.
 */
int
attempt_poll(const Attempt *attempt, struct pollfd *descriptors)
{
	int			count = 0;

	for (int i = PIPE_INPUT; i <= PIPE_HEARTBEATS; i++)
		if (attempt->command.pipes[i] >= 0)
			descriptors[count++] = (struct pollfd) {
			.fd = attempt->command.pipes[i], .events = i == PIPE_INPUT ? POLLOUT : POLLIN};
	return count;
}

/* The input, a newline, the end.  A command that does not read it is no error. */
static void
write_input(Attempt *attempt)
{
	const char *input = attempt->task.fields[TASK_INPUT];
	size_t		length = input == NULL ? 0 : strlen(input);
	int			pipe = attempt->command.pipes[PIPE_INPUT];

	while (pipe >= 0)
	{
		bool		is_last = attempt->input_written == length;
		ssize_t		written;

		if (input == NULL || attempt->newline_written)
			break;
		written = is_last ? write(pipe, "\n", 1) :
			write(pipe, input + attempt->input_written, length - attempt->input_written);
		if (written < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (written <= 0)
			break;
		if (is_last)
			attempt->newline_written = true;
		else
			attempt->input_written += written;
	}
	command_close(&attempt->command, PIPE_INPUT);
}

/* Read some of a pipe.  Returns how much; closes it at its end. */
static size_t
read_pipe(Attempt *attempt, CommandPipe which, char *bytes, size_t size)
{
	ssize_t		count;

	if (attempt->command.pipes[which] < 0)
		return 0;
	count = read(attempt->command.pipes[which], bytes, size);
	if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
		command_close(&attempt->command, which);
	return count > 0 ? count : 0;
}

/* One line of standard error goes through. */
static void
pass_error_line(Attempt *attempt)
{
	worker_log_pass(attempt->task.fields[TASK_RUN_ID], attempt->task.fields[TASK_ATTEMPT],
					attempt->error_line.data, attempt->error_line.length);
	attempt->error_line.length = 0;
}

static void
take_errors(Attempt *attempt, const char *bytes, size_t count)
{
	text_buffer_add(&attempt->errors, bytes, count);
	if (attempt->errors.length > KEPT_ERRORS)
	{
		memmove(attempt->errors.data, attempt->errors.data + attempt->errors.length - KEPT_ERRORS, KEPT_ERRORS + 1);
		attempt->errors.length = KEPT_ERRORS;
	}
	for (size_t i = 0; i < count; i++)
	{
		if (bytes[i] != '\n')
			text_buffer_char(&attempt->error_line, bytes[i]);
		if (bytes[i] == '\n' || attempt->error_line.length >= LONGEST_ERROR_LINE)
			pass_error_line(attempt);
	}
}

/* A whole line of descriptor 3: a heartbeat. */
static void
take_beat(Attempt *attempt)
{
	Slice		line = {attempt->beat_line.data, attempt->beat_line.length};
	JsonFault	fault = line.length > 0 ? json_check(line, &plain_memory) : JSON_FAULT_NONE;
	TextBuffer	details;

	attempt->beat_line.length = 0;
	if (attempt->beat_too_long || fault == JSON_FAULT_UTF8 || fault == JSON_FAULT_ZERO || fault == JSON_FAULT_SURROGATE ||
		!utf8_valid(line.data, line.length))
	{
		worker_log("run %s: a heartbeat is ignored: %s", attempt->task.fields[TASK_RUN_ID],
				   attempt->beat_too_long ? "it is longer than 64 kB" : "it is no text that jsonb takes");
		attempt->beat_too_long = false;
		return;
	}
	attempt->has_beaten = true;
	if (line.length == 0)
		return;
	text_buffer_init(&details, &plain_memory);
	if (fault == JSON_FAULT_SYNTAX)
		json_text_encode(&details, line);
	else
		text_buffer_slice(&details, line);
	free(attempt->details);
	attempt->details = details.data;
	attempt->details_unsent = true;
}

static void
take_beats(Attempt *attempt, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (bytes[i] == '\n')
			take_beat(attempt);
		else if (attempt->beat_line.length < LONGEST_BEAT)
			text_buffer_char(&attempt->beat_line, bytes[i]);
		else
			attempt->beat_too_long = true;
	}
}

/* Has the leader exited?  It stays, as a zombie, with its group. */
static void
look_at_leader(Attempt *attempt, int64_t now)
{
	siginfo_t	info = {0};

	if (attempt->has_exited || waitid(P_PID, attempt->command.pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		info.si_pid == 0)
		return;
	attempt->has_exited = true;
	attempt->leave_at = now + LEFTOVERS;
	command_close(&attempt->command, PIPE_INPUT);
}

/*
 * attempt_work: write and read what needs no waiting, look whether it has
 * exited, and kill what was asked to stop and has not, or says too much.
 */
void
attempt_work(Attempt *attempt, size_t longest_output, int64_t now)
{
	char		bytes[65536];
	size_t		count;

	write_input(attempt);
	/* before the pipes, so that all that it has written is read */
	look_at_leader(attempt, now);
	while ((count = read_pipe(attempt, PIPE_OUTPUT, bytes, sizeof bytes)) > 0)
	{
		/* what goes beyond is not kept, only noted; one byte for a final newline */
		if (attempt->output.length + count > longest_output + 1)
		{
			attempt->output_too_large = true;
			command_close(&attempt->command, PIPE_OUTPUT);
			kill(-attempt->command.pid, SIGKILL);
		}
		else
			text_buffer_add(&attempt->output, bytes, count);
	}
	if ((count = read_pipe(attempt, PIPE_ERRORS, bytes, sizeof bytes)) > 0)
		take_errors(attempt, bytes, count);
	if ((count = read_pipe(attempt, PIPE_HEARTBEATS, bytes, sizeof bytes)) > 0)
		take_beats(attempt, bytes, count);
	if (attempt->kill_at != 0 && now >= attempt->kill_at)
	{
		kill(-attempt->command.pid, SIGKILL);
		attempt->kill_at = 0;
	}
}

/*
 * attempt_stop: tell the command why, and SIGTERM its group; SIGKILL follows at
 * "kill_at".  The first reason counts.
 */
void
attempt_stop(Attempt *attempt, StopReason reason, int64_t kill_at)
{
	const char *word = words[reason];

	if (attempt->stop != STOP_NOT)
		return;
	attempt->stop = reason;
	if (attempt->command.pid <= 0)
		return;
	if (write(attempt->command.pipes[PIPE_CONTROL], word, strlen(word)) > 0 &&
		write(attempt->command.pipes[PIPE_CONTROL], "\n", 1) < 0)
		worker_log("run %s: could not be told why it stops: %s", attempt->task.fields[TASK_RUN_ID], strerror(errno));
	if (attempt->has_exited)
		return;
	kill(-attempt->command.pid, SIGTERM);
	attempt->kill_at = kill_at;
}

/*
 * attempt_has_ended: has the command exited, and is all read that it has said?
 * What it has left running may hold the pipes open for a second.
 */
bool
attempt_has_ended(Attempt *attempt, int64_t now)
{
	const int  *pipes = attempt->command.pipes;

	return attempt->has_exited &&
		((pipes[PIPE_OUTPUT] < 0 && pipes[PIPE_ERRORS] < 0 && pipes[PIPE_HEARTBEATS] < 0) || now >= attempt->leave_at);
}

/*
 * attempt_next: when something is due if nothing comes.
 */
int64_t
attempt_next(const Attempt *attempt)
{
	int64_t		next = attempt->has_exited ? attempt->leave_at : INT64_MAX;

	return attempt->kill_at != 0 && attempt->kill_at < next ? attempt->kill_at : next;
}

/*
 * attempt_end_command: kill what is left of its group, reap it, and close all.
 */
void
attempt_end_command(Attempt *attempt)
{
	kill(-attempt->command.pid, SIGKILL);
	waitpid(attempt->command.pid, &attempt->status, 0);
	attempt->command.pid = -1;
	for (int i = 0; i < COMMAND_PIPES; i++)
		command_close(&attempt->command, i);
	if (attempt->error_line.length > 0)
		pass_error_line(attempt);
	environment_free(&attempt->environment);
}

/*
 * attempt_free: its command has ended, or was never started.
 */
void
attempt_free(Attempt *attempt)
{
	environment_free(&attempt->environment);
	client_task_free(&attempt->task);
	text_buffer_free(&attempt->output);
	text_buffer_free(&attempt->error_line);
	text_buffer_free(&attempt->errors);
	text_buffer_free(&attempt->beat_line);
	free(attempt->details);
	free(attempt);
}
