/*
 * connection_options.h
 *		Which database: options and environment as of psql.
 */
#ifndef TASKQ_CONNECTION_OPTIONS_H
#define TASKQ_CONNECTION_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* How a program ends; the last two are those of sysexits.h. */
#define EXIT_DONE 0
#define EXIT_NOT_DONE 1
#define EXIT_USAGE 2
#define EXIT_CANNOT_RUN 69
#define EXIT_NO_CONNECTION 74

#define CONNECTION_KEYWORDS 12

/* For PQconnectdbParams(). */
typedef struct ConnectionOptions
{
	const char *keywords[CONNECTION_KEYWORDS];
	const char *values[CONNECTION_KEYWORDS];
	int			count;
} ConnectionOptions;

#define CONNECTION_SHORT_OPTIONS "h:p:U:d:"
#define CONNECTION_LONG_OPTIONS \
	{"host", required_argument, NULL, 'h'}, {"port", required_argument, NULL, 'p'}, \
	{"username", required_argument, NULL, 'U'}, {"dbname", required_argument, NULL, 'd'}
#define CONNECTION_HELP \
	"Connection (and the environment of libpq, as for psql):\n" \
	"  -h, --host=HOST          server, or directory of its socket\n" \
	"  -p, --port=PORT          port\n" \
	"  -U, --username=USER      role\n" \
	"  -d, --dbname=DATABASE    database, connection string or URI\n"

extern void connection_options_init(ConnectionOptions *options, const char *application);
extern bool connection_option(ConnectionOptions *options, int letter, const char *value);
extern bool parse_seconds(const char *name, const char *text, int64_t *microseconds);

#endif							/* TASKQ_CONNECTION_OPTIONS_H */
