/*
 * verdict.c
 *		What the end of a command means for its attempt.
 */
#include "cli/verdict.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "client/plain_memory.h"
#include "common/json_check.h"
#include "common/json_text.h"
#include "common/utf8.h"

/* Exit codes; see sysexits.h for the first two. */
#define EXIT_FOR_EVER 65
#define EXIT_LATER 75
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND 127

#define LONGEST_MESSAGE 1024
#define RETRY_UNRUNNABLE "10 s"
#define INVALID_OUTPUT "InvalidOutput"

static Report *
report_make(Attempt *attempt, ReportKind kind)
{
	Report	   *report = plain_zeroed(sizeof *report);

	report->kind = kind;
	report->token = plain_copy(attempt->task.fields[TASK_TOKEN]);
	report->run_id = plain_copy(attempt->task.fields[TASK_RUN_ID]);
	if (attempt->details_unsent)
		report->heartbeat_details = plain_copy(attempt->details);
	return report;
}

/* A text that the database takes: what is no UTF-8, and zeros, become question marks. */
static char *
clean(const char *bytes, size_t length)
{
	char	   *text = plain_zeroed(length + 1);

	for (size_t i = 0; i < length;)
	{
		int			count = utf8_length(bytes + i, length - i);

		if (count <= 0 || bytes[i] == '\0')
			text[i++] = '?';
		else
		{
			memcpy(text + i, bytes + i, count);
			i += count;
		}
	}
	return text;
}

/* The last line that is not empty. */
static Slice
last_line(const TextBuffer *text)
{
	size_t		end = text->length;
	size_t		start;

	while (end > 0 && (text->data[end - 1] == '\n' || text->data[end - 1] == '\r'))
		end--;
	for (start = end; start > 0 && text->data[start - 1] != '\n';)
		start--;
	if (end - start > LONGEST_MESSAGE)
		end = start + LONGEST_MESSAGE;
	return (Slice) {text->data + start, end - start};
}

static Slice
output_of(const Attempt *attempt)
{
	return (Slice) {attempt->output.data, attempt->output.length};
}

/* Is the output one JSON value that jsonb may take? */
static bool
is_json(Slice text)
{
	JsonFault	fault = text.length > 0 ? json_check(text, &plain_memory) : JSON_FAULT_SYNTAX;

	return fault == JSON_FAULT_NONE || fault == JSON_FAULT_NUMBER || fault == JSON_FAULT_EXPONENT ||
		fault == JSON_FAULT_DUPLICATE_KEY || fault == JSON_FAULT_DEPTH;
}

static char *
terminated(Slice text)
{
	char	   *copy = plain_zeroed(text.length + 1);

	memcpy(copy, text.data, text.length);
	return copy;
}

/*
 * verdict_failure: a failure that is final, found by the worker itself.
 */
Report *
verdict_failure(Attempt *attempt, const char *type, const char *message)
{
	Report	   *report = report_make(attempt, REPORT_FAIL);

	report->type = plain_copy(type);
	report->message = plain_copy(message);
	report->non_retryable = true;
	return report;
}

/*
 * verdict_completion: what the command has written is the result.
 */
Report *
verdict_completion(Attempt *attempt)
{
	Slice		output = output_of(attempt);
	Report	   *report;

	if (output.length > 0 && (!utf8_valid(output.data, output.length) || memchr(output.data, '\0', output.length) != NULL))
		return verdict_failure(attempt, INVALID_OUTPUT, "the output is not UTF-8, or has a zero in it");
	report = report_make(attempt, REPORT_COMPLETE);
	if (output.length == 0)
		return report;
	report->result = terminated(output);
	report->result_is_text = true;
	if (!is_json(output) && json_check(output, &plain_memory) == JSON_FAULT_SYNTAX)
		report_refuse(report, "22P02", "");
	return report;
}

/*
 * verdict_release: the attempt is handed back, for the next one after a delay.
 */
Report *
verdict_release(Attempt *attempt, const char *delay)
{
	Report	   *report = report_make(attempt, REPORT_RELEASE);

	report->delay = plain_copy(delay);
	report->safe_delay = plain_copy(delay);
	return report;
}

/* Exit 75: the output may say how much later. */
static Report *
verdict_later(Attempt *attempt, const char *snooze)
{
	Report	   *report = verdict_release(attempt, snooze);
	char	   *delay = clean(attempt->output.data, attempt->output.length);
	size_t		length = strlen(delay);

	while (length > 0 && strchr(" \t\r\n", delay[length - 1]) != NULL)
		delay[--length] = '\0';
	if (length > 0)
	{
		free(report->delay);
		report->delay = delay;
	}
	else
		free(delay);
	return report;
}

/* What the output says of the failure, if it is an object with a message. */
static void
read_failure(Report *report, Slice output)
{
	JsonReader	reader;
	Slice		key;
	Slice		value;
	bool		has_message = false;

	/* what jsonb refuses inside it is found when it is told */
	if (output.length == 0 || json_check(output, &plain_memory) == JSON_FAULT_SYNTAX ||
		!utf8_valid(output.data, output.length) || json_text_type(json_text_trim(output)) != '{')
		return;
	for (reader = json_text_open(json_text_trim(output)); json_text_member(&reader, &key, &value);)
		has_message |= json_text_equals(key, "message") && json_text_type(value) == '"';
	if (!has_message)
		return;
	free(report->details);
	report->details = NULL;
	for (reader = json_text_open(json_text_trim(output)); json_text_member(&reader, &key, &value);)
	{
		char	  **text = json_text_equals(key, "message") ? &report->message :
			json_text_equals(key, "type") ? &report->type :
			json_text_equals(key, "next_retry_delay") ? &report->delay : NULL;
		TextBuffer	decoded;

		if (text != NULL && json_text_type(value) == '"')
		{
			text_buffer_init(&decoded, &plain_memory);
			json_text_decode(&decoded, value);
			free(*text);
			*text = decoded.data != NULL ? clean(decoded.data, decoded.length) : plain_copy("");
			text_buffer_free(&decoded);
		}
		else if (json_text_equals(key, "details"))
		{
			free(report->details);
			report->details = terminated(value);
		}
		else if (json_text_equals(key, "non_retryable") && json_text_type(value) == 't')
			report->non_retryable = true;
	}
}

/* An exit code that is not 0, or a signal that is not ours. */
static Report *
verdict_failed(Attempt *attempt)
{
	Report	   *report = report_make(attempt, REPORT_FAIL);
	Slice		line = last_line(&attempt->errors);
	char		text[64];

	report->stack_trace = attempt->errors.length > 0 ? clean(attempt->errors.data, attempt->errors.length) : NULL;
	if (WIFSIGNALED(attempt->status))
	{
		const char *name = sigabbrev_np(WTERMSIG(attempt->status));

		snprintf(text, sizeof text, "Signal%s", name != NULL ? name : "UNKNOWN");
		report->type = plain_copy(text);
		snprintf(text, sizeof text, "the command was ended by signal %d", WTERMSIG(attempt->status));
		report->message = plain_copy(text);
		return report;
	}
	snprintf(text, sizeof text, "ExitCode%d", WEXITSTATUS(attempt->status));
	report->type = plain_copy(text);
	snprintf(text, sizeof text, "{\"exit_code\": %d}", WEXITSTATUS(attempt->status));
	report->details = plain_copy(text);
	snprintf(text, sizeof text, "the command exited with %d", WEXITSTATUS(attempt->status));
	report->message = line.length > 0 ? clean(line.data, line.length) : plain_copy(text);
	read_failure(report, output_of(attempt));
	report->non_retryable |= WEXITSTATUS(attempt->status) == EXIT_FOR_EVER;
	return report;
}

/* A command that was stopped, and did not complete all the same. */
static Report *
verdict_stopped(Attempt *attempt)
{
	Slice		output = output_of(attempt);
	Report	   *report;

	switch (attempt->stop)
	{
		case STOP_CANCEL_REQUESTED:
			report = report_make(attempt, REPORT_CANCELED);
			if (is_json(output))
				report->result = terminated(output);
			return report;
		case STOP_PAUSED:
		case STOP_RESET:
		case STOP_SHUTDOWN:
			report = verdict_release(attempt, NULL);
			free(report->heartbeat_details);
			report->heartbeat_details = plain_copy(attempt->details);
			return report;
		default:
			return report_make(attempt, REPORT_NOTHING);
	}
}

/*
 * verdict_cannot_run: has the command exited as one that could not be executed?
 */
bool
verdict_cannot_run(const Attempt *attempt)
{
	return WIFEXITED(attempt->status) && attempt->stop == STOP_NOT &&
		(WEXITSTATUS(attempt->status) == EXIT_CANNOT_EXECUTE || WEXITSTATUS(attempt->status) == EXIT_NOT_FOUND);
}

/*
 * verdict: of a command that has ended.
 */
Report *
verdict(Attempt *attempt, size_t longest_output, const char *snooze)
{
	bool		exited = WIFEXITED(attempt->status);
	size_t		length = attempt->output.length;

	if (length > longest_output && attempt->output.data[length - 1] == '\n')
		length--;
	if (attempt->output_too_large || length > longest_output)
		return verdict_failure(attempt, "OutputTooLarge", "the output is longer than taskq.max_payload_size");
	if (exited && WEXITSTATUS(attempt->status) == 0)
		return verdict_completion(attempt);
	if (attempt->stop != STOP_NOT)
		return verdict_stopped(attempt);
	if (exited && WEXITSTATUS(attempt->status) == EXIT_LATER)
		return verdict_later(attempt, snooze);
	if (verdict_cannot_run(attempt))
		return verdict_release(attempt, RETRY_UNRUNNABLE);
	return verdict_failed(attempt);
}

/* The output is no JSON: it becomes a string, without one newline at its end. */
static void
quote_result(Report *report)
{
	Slice		text = slice_of(report->result);
	TextBuffer	quoted;

	if (text.length > 0 && text.data[text.length - 1] == '\n')
		text.length--;
	text_buffer_init(&quoted, &plain_memory);
	json_text_encode(&quoted, text);
	free(report->result);
	report->result = quoted.data;
	report->result_is_text = false;
}

/*
 * report_refuse: the database does not take the report as it is; say the same
 * in a way that it does.
 */
void
report_refuse(Report *report, const char *sqlstate, const char *message)
{
	if (report->kind == REPORT_COMPLETE && report->result_is_text && strcmp(sqlstate, "22P02") == 0)
	{
		/* the same SQLSTATE for what is no JSON, and for JSON with such a string */
		if (json_check(slice_of(report->result), &plain_memory) != JSON_FAULT_SURROGATE)
		{
			quote_result(report);
			return;
		}
		message = "the output has half a surrogate pair in it";
	}
	if (report->kind == REPORT_COMPLETE)
	{
		report->kind = REPORT_FAIL;
		report->type = plain_copy(INVALID_OUTPUT);
		report->message = plain_copy(message);
		report->non_retryable = true;
	}
	else if (report->kind == REPORT_CANCELED && report->result == NULL && report->heartbeat_details == NULL)
		report->kind = REPORT_NOTHING;	/* it was not asked for, after all */
	else if (++report->refusals > 1)
	{
		free(report->stack_trace);
		free(report->type);
		report->stack_trace = report->type = NULL;
		if (report->refusals > 2)
			report->kind = REPORT_NOTHING;
	}
	free(report->result);
	free(report->details);
	free(report->heartbeat_details);
	free(report->delay);
	report->result = report->details = report->heartbeat_details = NULL;
	report->delay = plain_copy(report->safe_delay);
}

/*
 * report_free: once it was told.
 */
void
report_free(Report *report)
{
	free(report->token);
	free(report->run_id);
	free(report->result);
	free(report->message);
	free(report->type);
	free(report->details);
	free(report->stack_trace);
	free(report->delay);
	free(report->safe_delay);
	free(report->heartbeat_details);
	free(report);
}
