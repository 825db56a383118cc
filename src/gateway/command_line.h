/*
 * command_line.h
 *		What the gateway is told when it is started.
 */
#ifndef TASKQ_GATEWAY_COMMAND_LINE_H
#define TASKQ_GATEWAY_COMMAND_LINE_H

#include <stdbool.h>

#include "gateway/log.h"
#include "gateway/loop.h"

#define EXIT_USAGE 2

typedef struct CommandLine
{
	const char **listen;		/* addresses */
	int			listen_count;
	const char *metrics;		/* an address, or NULL */
	char	   *conninfo;		/* as libpq takes it */
	int			pool;			/* connections for each role */
	const char *tls_certificate;	/* NULL: no TLS */
	const char *tls_key;
	const char *tls_client_ca;
	const char *api_key_file;
	bool		exact_payloads;	/* of JSON, too */
	Instant		max_age;		/* of a client's connection, microseconds, or NEVER */
	LogLevel	log_level;
	bool		log_json;
} CommandLine;

extern void command_line_parse(CommandLine *line, int argc, char **argv);

#endif
