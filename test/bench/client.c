/*
 * client.c
 *		What the benchmark's clients share: options, the clock, histograms,
 *		statements on a connection, and what the kernel knows of a backend.
 *
 * pgbench can do much of what the scenarios need, but neither offer a steady
 * load whatever the answers do, nor tell the percentiles of one statement per
 * second, nor wait for a notification.  The clients here do that, and leave
 * the texts of the statements to the caller where they can.
 *
 * Whatever goes wrong ends the program.  Connections are made as libpq's
 * environment variables say.  Results are printed as words "name=value".
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

/* die: say why, and end. */
void
die(const char *format,...)
{
	va_list		arguments;

	fflush(stdout);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	_exit(1);
}

static const Option *
find_option(const Option *options, const char *name, size_t length)
{
	for (; options->name != NULL; options++)
		if (strlen(options->name) == length &&
			strncmp(options->name, name, length) == 0)
			return options;
	die("unknown option --%.*s", (int) length, name);
}

/* options_parse: store what the command line says; the rest stays as it is. */
void
options_parse(int argc, char **argv, const Option *options)
{
	for (int i = 1; i < argc; i++)
	{
		const char *equals = strchr(argv[i], '=');
		const Option *option;
		char	   *end;

		if (strncmp(argv[i], "--", 2) != 0 || equals == NULL)
			die("expected --name=value, not \"%s\"", argv[i]);
		option = find_option(options, argv[i] + 2,
							 (size_t) (equals - argv[i] - 2));
		if (option->text != NULL)
		{
			*option->text = equals + 1;
			continue;
		}
		*option->number = strtol(equals + 1, &end, 10);
		if (end == equals + 1 || *end != '\0')
			die("%s: not a number", argv[i]);
	}
}

/* ------------------------------------------------------------------------
 * Time
 * ------------------------------------------------------------------------
 */

/* clock_us: now. */
usec
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (usec) now.tv_sec * USEC_PER_SECOND + now.tv_nsec / 1000;
}

/* sleep_until: returns at once when that is past. */
void
sleep_until(usec when)
{
	struct timespec until;

	until.tv_sec = when / USEC_PER_SECOND;
	until.tv_nsec = when % USEC_PER_SECOND * 1000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* ------------------------------------------------------------------------
 * Histograms
 * ------------------------------------------------------------------------
 */

/* the bucket of a duration */
static int
bucket_of(usec duration)
{
	uint64_t	value = duration < 0 ? 0 : (uint64_t) duration;
	int			shift = 0;
	int			bucket;

	while ((value >> shift) >= 2 * HISTOGRAM_SUB)
		shift++;
	bucket = shift * HISTOGRAM_SUB + (int) (value >> shift);
	return bucket < HISTOGRAM_SIZE ? bucket : HISTOGRAM_SIZE - 1;
}

/* the middle of a bucket */
static usec
bucket_value(int bucket)
{
	int			shift = bucket / HISTOGRAM_SUB - 1;

	if (shift <= 0)
		return bucket;
	return ((usec) (bucket - shift * HISTOGRAM_SUB) << shift) +
		((usec) 1 << (shift - 1));
}

/* histogram_add: negative durations count as none. */
void
histogram_add(Histogram *histogram, usec duration)
{
	histogram->n++;
	histogram->bucket[bucket_of(duration)]++;
}

/* histogram_merge: add what another one has. */
void
histogram_merge(Histogram *into, const Histogram *from)
{
	into->n += from->n;
	for (int i = 0; i < HISTOGRAM_SIZE; i++)
		into->bucket[i] += from->bucket[i];
}

/* histogram_percentile: 0 when there is nothing in it. */
usec
histogram_percentile(const Histogram *histogram, double percent)
{
	double		wanted = (double) histogram->n * percent / 100;
	uint64_t	seen = 0;

	for (int i = 0; i < HISTOGRAM_SIZE; i++)
	{
		seen += histogram->bucket[i];
		if (seen > 0 && (double) seen >= wanted)
			return bucket_value(i);
	}
	return 0;
}

/* histogram_print: its percentiles, as words that begin with the name. */
void
histogram_print(const char *name, const Histogram *histogram)
{
	printf(" %s_n=%llu %s_p50=%lld %s_p99=%lld %s_max=%lld",
		   name, (unsigned long long) histogram->n,
		   name, (long long) histogram_percentile(histogram, 50),
		   name, (long long) histogram_percentile(histogram, 99),
		   name, (long long) histogram_percentile(histogram, 100));
}

/* ------------------------------------------------------------------------
 * The server
 * ------------------------------------------------------------------------
 */

static void
keep_quiet(void *argument, const char *message)
{
	(void) argument;
	(void) message;
}

/*
 * connect_as: a connection that pg_stat_activity shows under that name.
 * Notices, those of a connection that is ended by the server among them, are
 * not shown.
 */
PGconn *
connect_as(const char *application_name)
{
	const char *keywords[] = {"dbname", "application_name", NULL};
	const char *values[] = {getenv("PGDATABASE"), application_name, NULL};
	PGconn	   *conn = PQconnectdbParams(keywords, values, 0);

	if (PQstatus(conn) != CONNECTION_OK)
		die("%s", PQerrorMessage(conn));
	PQsetNoticeProcessor(conn, keep_quiet, NULL);
	return conn;
}

static PGresult *
check(PGconn *conn, PGresult *result, const char *what)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die("%s: %s", what, PQerrorMessage(conn));
	return result;
}

/* prepare: a statement of the connection. */
void
prepare(PGconn *conn, const char *name, const char *sql)
{
	PQclear(check(conn, PQprepare(conn, name, sql, 0, NULL), sql));
}

/* try_to_run: a prepared statement; the caller looks at the status. */
PGresult *
try_to_run(PGconn *conn, const char *name, int n, const char *const *values)
{
	return PQexecPrepared(conn, name, n, values, NULL, NULL, 0);
}

/* run: a prepared statement that must not fail. */
PGresult *
run(PGconn *conn, const char *name, int n, const char *const *values)
{
	return check(conn, try_to_run(conn, name, n, values), name);
}

/* command: any statement, the result of which does not matter. */
void
command(PGconn *conn, const char *sql)
{
	PQclear(check(conn, PQexec(conn, sql), sql));
}

/* query_text: the first column of the first row, to be freed; or NULL. */
char *
query_text(PGconn *conn, const char *sql)
{
	PGresult   *result = check(conn, PQexec(conn, sql), sql);
	char	   *text = NULL;

	if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
		text = strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return text;
}

/* ------------------------------------------------------------------------
 * What the kernel knows of a process
 * ------------------------------------------------------------------------
 */

static FILE *
open_proc(int pid, const char *name)
{
	char		path[64];
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "r");
	if (file == NULL)
		die("%s: %s", path, strerror(errno));
	return file;
}

/*
 * process_cpu: how long the process has run, and how often it was given a
 * processor.
 */
void
process_cpu(int pid, usec *cpu, long *wakes)
{
	FILE	   *file = open_proc(pid, "schedstat");
	unsigned long long running;
	unsigned long long waiting;

	if (fscanf(file, "%llu %llu %ld", &running, &waiting, wakes) != 3)
		die("cannot read schedstat of process %d", pid);
	fclose(file);
	*cpu = (usec) (running / 1000);
}

/* process_memory: a field of /proc/PID/status, in kB (or as it is there). */
long
process_memory(int pid, const char *field)
{
	FILE	   *file = open_proc(pid, "status");
	char		line[256];
	size_t		length = strlen(field);
	long		value = -1;

	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, field, length) == 0 && line[length] == ':')
			value = strtol(line + length + 1, NULL, 10);
	fclose(file);
	return value;
}
