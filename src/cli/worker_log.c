/*
 * worker_log.c
 *		Lines on standard error: ours, and those of commands.
 */
#include "cli/worker_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "client/plain_memory.h"
#include "common/json_text.h"

static bool as_json;

/*
 * worker_log_as: how lines are written from now on.
 */
void
worker_log_as(bool json)
{
	as_json = json;
}

/* An object, as far as all lines have it: when, ISO 8601 in UTC with microseconds, and what. */
static TextBuffer
begin_object(Slice message)
{
	TextBuffer	line;
	struct timespec now;
	struct tm	parts;
	char		seconds[32];
	char		fraction[32];

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &parts));
	snprintf(fraction, sizeof fraction, ".%06ldZ", now.tv_nsec / 1000);
	text_buffer_init(&line, &plain_memory);
	text_buffer_text(&line, "{\"time\": \"");
	text_buffer_text(&line, seconds);
	text_buffer_text(&line, fraction);
	text_buffer_text(&line, "\", \"message\": ");
	json_text_encode(&line, message);
	return line;
}

static void
end_object(TextBuffer *line)
{
	text_buffer_text(line, "}\n");
	fwrite(line->data, 1, line->length, stderr);
	text_buffer_free(line);
}

/*
 * worker_log: a line of ours.  Never a payload.
 */
void
worker_log(const char *format,...)
{
	va_list		arguments;
	char	   *message;
	TextBuffer	line;

	va_start(arguments, format);
	if (vasprintf(&message, format, arguments) < 0)
		abort();
	va_end(arguments);
	if (as_json)
	{
		line = begin_object(slice_of(message));
		end_object(&line);
	}
	else
		fprintf(stderr, "taskq: %s\n", message);
	free(message);
}

/*
 * worker_log_pass: a line of a command, which may be no text.
 */
void
worker_log_pass(const char *run_id, const char *attempt, const char *line, size_t length)
{
	TextBuffer	object;

	if (!as_json)
	{
		fprintf(stderr, "[%s/%s] ", run_id, attempt);
		if (length > 0)
			fwrite(line, 1, length, stderr);
		fputc('\n', stderr);
		return;
	}
	object = begin_object((Slice) {line, length});
	text_buffer_text(&object, ", \"run_id\": ");
	text_buffer_text(&object, run_id);
	text_buffer_text(&object, ", \"attempt\": ");
	text_buffer_text(&object, attempt);
	end_object(&object);
}
