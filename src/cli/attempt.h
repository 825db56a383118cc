/*
 * attempt.h
 *		An attempt that this worker holds: its task, its command, what the command
 *		has said so far.
 *
 * Times are microseconds of the loop's clock.
 */
#ifndef TASKQ_CLI_ATTEMPT_H
#define TASKQ_CLI_ATTEMPT_H

#include <poll.h>

#include "cli/command.h"
#include "cli/command_environment.h"
#include "common/text_buffer.h"

/* Why a command is stopped: the word that it reads on its descriptor 4. */
typedef enum StopReason
{
	STOP_NOT,
	STOP_CANCEL_REQUESTED,
	STOP_PAUSED,
	STOP_RESET,
	STOP_TIMED_OUT,
	STOP_TERMINATED,
	STOP_DELETED,
	STOP_SHUTDOWN,
	STOP_REASONS
} StopReason;

typedef struct Attempt
{
	struct Attempt *next;
	ClientTask	task;
	bool		is_doubtful;	/* nobody knows whether its poll was committed */
	CommandEnvironment environment;
	Command		command;
	size_t		input_written;
	bool		newline_written;
	TextBuffer	output;
	TextBuffer	error_line;		/* the last, as far as it has come */
	TextBuffer	errors;			/* the last kilobytes */
	TextBuffer	beat_line;
	bool		beat_too_long;
	char	   *details;		/* of its last heartbeat, JSON or NULL */
	bool		details_unsent;
	bool		has_beaten;		/* the command, since the last heartbeat */
	bool		command_has_beaten; /* ever */
	bool		is_beating;		/* on its way */
	int64_t		heartbeat_timeout;	/* 0: none */
	int64_t		last_beat;
	StopReason	stop;
	int64_t		kill_at;		/* after the SIGTERM; 0: not */
	bool		output_too_large;
	bool		has_exited;
	int			status;			/* of waitpid() */
	int64_t		leave_at;		/* its pipes, once it has exited */
} Attempt;

extern const char *stop_word(StopReason reason);
extern StopReason stop_reason(const char *word, size_t length);

extern Attempt *attempt_make(ClientTask *task, int64_t now);
extern int	attempt_start(Attempt *attempt, char *const *arguments, const char *identity);
extern int	attempt_poll(const Attempt *attempt, struct pollfd *descriptors);
extern void attempt_work(Attempt *attempt, size_t longest_output, int64_t now);
extern void attempt_stop(Attempt *attempt, StopReason reason, int64_t kill_at);
extern bool attempt_has_ended(Attempt *attempt, int64_t now);
extern int64_t attempt_next(const Attempt *attempt);
extern void attempt_end_command(Attempt *attempt);
extern void attempt_free(Attempt *attempt);

#endif							/* TASKQ_CLI_ATTEMPT_H */
