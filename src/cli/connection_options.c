/*
 * connection_options.c
 *		Which database: options and environment as of psql.
 */
#include "cli/connection_options.h"

#include <stdio.h>
#include <stdlib.h>

static void
set_keyword(ConnectionOptions *options, const char *keyword, const char *value)
{
	int			at = 0;

	while (at < options->count && options->keywords[at] != keyword)
		at++;
	options->keywords[at] = keyword;
	options->values[at] = value;
	if (at == options->count)
		options->count++;
}

/*
 * connection_options_init: what is said by nobody is libpq's.
 */
void
connection_options_init(ConnectionOptions *options, const char *application)
{
	*options = (ConnectionOptions) {0};
	set_keyword(options, "fallback_application_name", application);
	set_keyword(options, "client_encoding", "UTF8");
	/* a server that is gone without a word is found out in a minute */
	set_keyword(options, "keepalives_idle", "30");
	set_keyword(options, "keepalives_interval", "10");
	set_keyword(options, "keepalives_count", "3");
	set_keyword(options, "tcp_user_timeout", "60000");
}

/*
 * connection_option: take an option, if it is one of these.
 */
bool
connection_option(ConnectionOptions *options, int letter, const char *value)
{
	static const char *const host = "host";
	static const char *const port = "port";
	static const char *const user = "user";
	static const char *const dbname = "dbname";
	const char *keyword = letter == 'h' ? host : letter == 'p' ? port : letter == 'U' ? user : letter == 'd' ? dbname : NULL;

	if (keyword != NULL)
		set_keyword(options, keyword, value);
	return keyword != NULL;
}

/*
 * parse_seconds: seconds, with a fraction perhaps.  False, and a message, if
 * they are none.
 */
bool
parse_seconds(const char *name, const char *text, int64_t *microseconds)
{
	char	   *end;
	double		seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= 1e9))
	{
		fprintf(stderr, "taskq: %s must be a number of seconds, not \"%s\"\n", name, text);
		return false;
	}
	*microseconds = seconds * 1000000;
	return true;
}
