/*
 * command_line.c
 *		What the gateway is told when it is started.
 */
#include "gateway/command_line.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "gateway/listener.h"
#include "gateway/memory.h"

#define DEFAULT_ADDRESS "127.0.0.1:7233"
#define DEFAULT_POOL 8
#define MAX_POOL 1000
#define MAX_AGE_SECONDS 1000000

/* Long options without a letter. */
enum
{
	OPTION_LISTEN = 256,
	OPTION_POOL,
	OPTION_TLS_CERT,
	OPTION_TLS_KEY,
	OPTION_TLS_CLIENT_CA,
	OPTION_API_KEY_FILE,
	OPTION_MAX_AGE,
	OPTION_EXACT_PAYLOADS,
	OPTION_METRICS,
	OPTION_LOG_FORMAT,
	OPTION_LOG_LEVEL,
	OPTION_HELP
};

#define LETTERS "d:h:p:U:wV"

static const char help[] =
"taskq-gateway lets clients and workers of Temporal use a database with taskq.\n"
"\n"
"Usage:\n"
"  taskq-gateway [OPTION]... [DBNAME]\n"
"\n"
"Clients:\n"
"      --listen=ADDRESS:PORT   where clients connect, may be given several times\n"
"                              (default: " DEFAULT_ADDRESS ")\n"
"      --tls-cert=FILE         certificate to show, PEM\n"
"      --tls-key=FILE          its key, PEM\n"
"      --tls-client-ca=FILE    clients have to show a certificate of one of these\n"
"      --api-key-file=FILE     clients have to show a key: lines of KEY and ROLE\n"
"      --max-connection-age=SECONDS\n"
"                              let clients connect anew after this time\n"
"      --exact-payloads        keep each byte of arguments and results, also of JSON\n"
"\n"
"PostgreSQL:\n"
"  -d, --dbname=DBNAME         database, connection string or URI\n"
"  -h, --host=HOSTNAME         server or socket directory\n"
"  -p, --port=PORT             its port\n"
"  -U, --username=USERNAME     who connects\n"
"  -w, --no-password           never ask for a password, which it never does\n"
"      --pool=COUNT            connections at most, for each role (default: %d)\n"
"\n"
"Operation:\n"
"      --metrics=ADDRESS:PORT  where numbers for Prometheus are shown, over HTTP\n"
"      --log-format=FORMAT     text (default) or json\n"
"      --log-level=LEVEL       debug, info (default), warning or error\n"
"  -V, --version               show the version, then exit\n"
"  -?, --help                  show this, then exit\n"
"\n"
"What is not given is taken from the environment, as psql does: PGHOST, PGUSER,\n"
"PGPASSFILE and so on. SIGHUP reads certificates and keys anew, SIGTERM ends the\n"
"gateway when all calls are answered.\n";

static const struct option long_options[] = {
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"tls-cert", required_argument, NULL, OPTION_TLS_CERT},
	{"tls-key", required_argument, NULL, OPTION_TLS_KEY},
	{"tls-client-ca", required_argument, NULL, OPTION_TLS_CLIENT_CA},
	{"api-key-file", required_argument, NULL, OPTION_API_KEY_FILE},
	{"max-connection-age", required_argument, NULL, OPTION_MAX_AGE},
	{"exact-payloads", no_argument, NULL, OPTION_EXACT_PAYLOADS},
	{"dbname", required_argument, NULL, 'd'},
	{"host", required_argument, NULL, 'h'},
	{"port", required_argument, NULL, 'p'},
	{"username", required_argument, NULL, 'U'},
	{"no-password", no_argument, NULL, 'w'},
	{"pool", required_argument, NULL, OPTION_POOL},
	{"metrics", required_argument, NULL, OPTION_METRICS},
	{"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0}
};

/* What psql has, too. */
typedef struct Server
{
	const char *dbname;
	const char *host;
	const char *port;
	const char *user;
} Server;

static void __attribute__((noreturn, format(printf, 1, 2)))
bad_usage(const char *format,...)
{
	va_list		args;

	fputs("taskq-gateway: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\nTry \"taskq-gateway --help\".\n", stderr);
	exit(EXIT_USAGE);
}

static void __attribute__((noreturn))
show_help(void)
{
	printf(help, DEFAULT_POOL);
	exit(0);
}

static int
number(const char *option, const char *text, int most)
{
	char	   *end;
	long		value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || value < 1 || value > most)
		bad_usage("--%s must be a number from 1 to %d, not \"%s\"", option, most, text);
	return (int) value;
}

static const char *
address(const char *option, const char *text)
{
	char	   *host;
	char	   *port;

	if (!listener_split(text, &host, &port))
		bad_usage("--%s must be of the form address:port, not \"%s\"", option, text);
	free(host);
	free(port);
	return text;
}

static void
listen_too(CommandLine *line, const char *where)
{
	line->listen = memory_resize(line->listen, (size_t) (line->listen_count + 1) * sizeof(line->listen[0]));
	line->listen[line->listen_count++] = address("listen", where);
}

/* ---- the connection string ---------------------------------------------- */

static void
add_keyword(Buffer *to, const char *keyword, const char *value)
{
	if (value == NULL)
		return;
	buffer_format(to, "%s%s='", to->length > 0 ? " " : "", keyword);
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			buffer_text(to, "\\");
		buffer_append(to, value, 1);
	}
	buffer_text(to, "'");
}

/* What a connection string or URI says. */
static void
add_conninfo(Buffer *to, const char *conninfo)
{
	char	   *error = NULL;
	PQconninfoOption *parsed = PQconninfoParse(conninfo, &error);

	if (parsed == NULL)
	{
		size_t		length = error != NULL ? strcspn(error, "\n") : 0;

		bad_usage("connection string is not valid: %.*s", (int) length, error != NULL ? error : "");
	}
	for (PQconninfoOption *each = parsed; each->keyword != NULL; each++)
		add_keyword(to, each->keyword, each->val);
	PQconninfoFree(parsed);
}

static char *
connection_string(const Server *server)
{
	const char *dbname = server->dbname;
	Buffer		to = {0};

	buffer_text(&to, "");
	if (dbname != NULL && (strchr(dbname, '=') != NULL || strncmp(dbname, "postgres://", 11) == 0 ||
						   strncmp(dbname, "postgresql://", 13) == 0))
		add_conninfo(&to, dbname);
	else
		add_keyword(&to, "dbname", dbname);

	/* of several the last counts */
	add_keyword(&to, "host", server->host);
	add_keyword(&to, "port", server->port);
	add_keyword(&to, "user", server->user);
	return to.data;
}

/* ---- options ------------------------------------------------------------ */

static void
take_log_option(CommandLine *line, int option, const char *value)
{
	if (option == OPTION_LOG_LEVEL)
	{
		if (!log_level_named(value, &line->log_level))
			bad_usage("--log-level must be debug, info, warning or error, not \"%s\"", value);
	}
	else if (strcmp(value, "json") == 0 || strcmp(value, "text") == 0)
		line->log_json = value[0] == 'j';
	else
		bad_usage("--log-format must be text or json, not \"%s\"", value);
}

static void
take_option(CommandLine *line, Server *server, int option, const char *value)
{
	switch (option)
	{
		case 'd':
			server->dbname = value;
			break;
		case 'h':
			server->host = value;
			break;
		case 'p':
			server->port = value;
			break;
		case 'U':
			server->user = value;
			break;
		case 'w':
			break;
		case OPTION_LISTEN:
			listen_too(line, value);
			break;
		case OPTION_POOL:
			line->pool = number("pool", value, MAX_POOL);
			break;
		case OPTION_TLS_CERT:
			line->tls_certificate = value;
			break;
		case OPTION_TLS_KEY:
			line->tls_key = value;
			break;
		case OPTION_TLS_CLIENT_CA:
			line->tls_client_ca = value;
			break;
		case OPTION_API_KEY_FILE:
			line->api_key_file = value;
			break;
		case OPTION_MAX_AGE:
			line->max_age = number("max-connection-age", value, MAX_AGE_SECONDS) * INT64_C(1000000);
			break;
		case OPTION_EXACT_PAYLOADS:
			line->exact_payloads = true;
			break;
		case OPTION_METRICS:
			line->metrics = address("metrics", value);
			break;
		default:
			take_log_option(line, option, value);
	}
}

/* What goes together. */
static void
check(const CommandLine *line)
{
	if ((line->tls_certificate == NULL) != (line->tls_key == NULL))
		bad_usage("--tls-cert and --tls-key go together");
	if (line->tls_client_ca != NULL && line->tls_certificate == NULL)
		bad_usage("--tls-client-ca needs --tls-cert and --tls-key");
	if (line->api_key_file == NULL || line->tls_certificate != NULL)
		return;
	for (int i = 0; i < line->listen_count; i++)
	{
		if (!listener_is_loopback(line->listen[i]))
			bad_usage("--api-key-file needs --tls-cert, since \"%s\" can be reached from other machines",
					  line->listen[i]);
	}
}

/* An option that is none; "-?" alone asks for help. */
static void __attribute__((noreturn))
take_unknown(char **argv)
{
	if (optopt == '?')
		show_help();
	if (optopt == 0)
		bad_usage("unknown option \"%s\"", argv[optind - 1]);
	if (optopt >= OPTION_LISTEN || strchr(LETTERS, optopt) != NULL)
		bad_usage("option \"%s\" has no value", argv[optind - 1]);
	bad_usage("unknown option \"-%c\"", optopt);
}

/*
 * Read the arguments. Ends the program after --help and --version, and with
 * EXIT_USAGE if they make no sense.
 */
void
command_line_parse(CommandLine *line, int argc, char **argv)
{
	Server		server = {0};
	int			option;

	*line = (CommandLine) {.pool = DEFAULT_POOL, .max_age = NEVER, .log_level = LOG_LEVEL_INFO};
	opterr = 0;
	while (optopt = 0, (option = getopt_long(argc, argv, ":" LETTERS, long_options, NULL)) != -1)
	{
		if (option == 'V')
		{
			puts("taskq-gateway " GATEWAY_VERSION);
			exit(0);
		}
		if (option == OPTION_HELP)
			show_help();
		if (option == '?')
			take_unknown(argv);
		if (option == ':')
			bad_usage("option \"%s\" needs a value", argv[optind - 1]);
		take_option(line, &server, option, optarg);
	}
	if (optind < argc && server.dbname == NULL)
		server.dbname = argv[optind++];
	if (optind < argc)
		bad_usage("too many arguments, the first of them \"%s\"", argv[optind]);
	if (line->listen_count == 0)
		listen_too(line, DEFAULT_ADDRESS);
	check(line);
	line->conninfo = connection_string(&server);
}
