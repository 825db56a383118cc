/*
 * log.c
 *		The log: lines on standard error, for people or as JSON.
 *
 * A line is written with one write(), so that several gateways may share a
 * file. What a peer sent is never able to forge a line: control characters
 * are escaped in both forms, and the bytes of what is not UTF-8.
 */
#include "gateway/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/utf8.h"
#include "gateway/memory.h"

static const char *const level_names[] = {"debug", "info", "warning", "error"};

static LogLevel least_level = LOG_LEVEL_INFO;
static bool is_json = false;

/*
 * From now on write lines of this level and above.
 */
void
log_init(LogLevel least, bool json)
{
	least_level = least;
	is_json = json;
}

/*
 * The level with this name. False if there is none.
 */
bool
log_level_named(const char *name, LogLevel *level)
{
	for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++)
	{
		if (strcmp(name, level_names[i]) == 0)
		{
			*level = (LogLevel) i;
			return true;
		}
	}
	return false;
}

static void
append_escaped(Buffer *line, const char *text)
{
	bool		is_utf8 = utf8_valid(text, strlen(text));

	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;

		if (c < 0x20 || c == 0x7f || (c > 0x7f && !is_utf8))
			buffer_format(line, "\\u%04x", c);
		else if (is_json && (c == '"' || c == '\\'))
			buffer_format(line, "\\%c", c);
		else
			buffer_append(line, text, 1);
	}
}

/*
 * Write a line, if its level is asked for. What can't be written is lost.
 */
void
log_line(LogLevel level, const char *format,...)
{
	Buffer		text = {0};
	Buffer		line = {0};
	struct timespec now;
	struct tm	parts;
	char		time_text[32];
	va_list		args;
	int			length;

	if (level < least_level)
		return;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	va_start(args, format);
	vsnprintf(buffer_reserve(&text, (size_t) length), (size_t) length + 1, format, args);
	va_end(args);

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(time_text, sizeof(time_text), is_json ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &parts);
	if (is_json)
		buffer_format(&line, "{\"time\": \"%s.%03ldZ\", \"level\": \"%s\", \"message\": \"",
					  time_text, now.tv_nsec / 1000000, level_names[level]);
	else
		buffer_format(&line, "%s.%03ld UTC %s: ", time_text, now.tv_nsec / 1000000, level_names[level]);
	append_escaped(&line, text.data);
	buffer_text(&line, is_json ? "\"}\n" : "\n");
	if (write(STDERR_FILENO, line.data, line.length) < 0)
		least_level = least_level;	/* nowhere to say it */
	buffer_free(&text);
	buffer_free(&line);
}
