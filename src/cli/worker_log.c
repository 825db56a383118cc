/*
 * worker_log.c
 *		Lines on standard error: ours, and those of commands.
 */
#include "cli/worker_log.h"

#include <stdarg.h>
#include <stdio.h>

/*
 * worker_log: a line of ours.  Never a payload.
 */
void
worker_log(const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	fputs("taskq: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

/*
 * worker_log_pass: a line of a command.
 */
void
worker_log_pass(const char *run_id, const char *attempt, const char *line, size_t length)
{
	fprintf(stderr, "[%s/%s] ", run_id, attempt);
	if (length > 0)
		fwrite(line, 1, length, stderr);
	fputc('\n', stderr);
}
