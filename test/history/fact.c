/*
 * fact.c
 *		Facts, their log, and the connection that they need.
 *
 * Each call is one fact: one statement, that is one transaction.  Before it is
 * sent a line "invoked" is in the log, with all that is needed to judge it;
 * afterwards a second one says how it ended:
 *
 *	ok			the server has answered; each row of the answer follows
 *	failed		the server has refused it with an SQLSTATE: nothing happened
 *	unknown		the connection was lost, or the session ended: either
 *
 * A line is: microseconds of the machine's monotonic clock, which all clients
 * share, number of the fact, how, call, and key=value pairs, tab-separated.
 *
 * A lost connection is made again, for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fact.h"

const char *client_name;
char		refusal[6];
long		facts;
volatile sig_atomic_t ending;
volatile sig_atomic_t stopping;
int			pause_ms = 10;

static const char *conninfo;
static int	log_file;
static pid_t parent;
static PGconn *conn;

void
die(const char *what)
{
	fprintf(stderr, "history client %s: %s: %s\n", client_name, what,
			conn != NULL ? PQerrorMessage(conn) : strerror(errno));
	exit(1);
}

int64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* for a while; and nobody goes on without the test that has started him */
void
rest(int ms)
{
	struct timespec nap = {ms / 1000, ms % 1000 * 1000000};

	if (getppid() != parent)
		exit(1);
	nanosleep(&nap, NULL);
}

/* 0 to n - 1 */
int
chance(int n)
{
	return (int) (lrand48() % n);
}

void
append(char *fields, const char *format,...)
{
	size_t		used = strlen(fields);
	va_list		args;

	va_start(args, format);
	if (vsnprintf(fields + used, FIELDS_SIZE - used, format, args) >= (int) (FIELDS_SIZE - used))
		die("line too long");
	va_end(args);
}

/* one line of the log, in one write: it is there, whoever is killed next */
static void
note(long number, const char *how, const char *call, const char *fields)
{
	char		line[FIELDS_SIZE + 256];
	int			length = snprintf(line, sizeof(line), "%lld\t%ld\t%s\t%s%s\n",
								  (long long) clock_us(), number, how, call, fields);

	if (write(log_file, line, length) != length)
		die("cannot write the log");
}

/* a connection, however long it takes; false if there is no need any more */
static bool
connected(void)
{
	while (conn == NULL || PQstatus(conn) != CONNECTION_OK)
	{
		if (stopping)
			return false;
		if (conn != NULL)
		{
			PQfinish(conn);
			rest(20);
		}
		conn = PQconnectdb(conninfo);
	}
	return true;
}

/* has this ended the session, so that nobody knows what became of the call? */
static bool
is_lost(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return PQstatus(conn) != CONNECTION_OK || severity == NULL ||
		strcmp(severity, "ERROR") != 0;
}

/*
 * Make a call, with its two lines in the log.  "fields" are those of the
 * first.  *result is the answer if it is OK, to be cleared by the caller.
 * A statement of two (one that is rolled back) answers with the first one's.
 */
Answer
call(const char *what, const char *fields, PGresult **result, const char *format,...)
{
	char		sql[FIELDS_SIZE];
	char		answer[FIELDS_SIZE] = "";
	long		number = facts++;
	Answer		how = OK;
	va_list		args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);

	if (!connected())
		return UNKNOWN;
	note(number, "invoked", what, fields);
	*result = PQexec(conn, sql);
	if (PQresultStatus(*result) != PGRES_TUPLES_OK && PQresultStatus(*result) != PGRES_COMMAND_OK)
	{
		const char *state = PQresultErrorField(*result, PG_DIAG_SQLSTATE);

		how = is_lost(*result) ? UNKNOWN : FAILED;
		snprintf(refusal, sizeof(refusal), "%s", state != NULL ? state : "");
		append(answer, "\tstate=%s", refusal);
		PQclear(*result);
		*result = NULL;
		if (how == FAILED && PQtransactionStatus(conn) != PQTRANS_IDLE)
			PQclear(PQexec(conn, "ROLLBACK"));
	}
	for (int row = 0; how == OK && row < PQntuples(*result); row++)
	{
		append(answer, "\trow=");
		for (int column = 0; column < PQnfields(*result); column++)
			append(answer, "%s%s", column > 0 ? "," : "", PQgetvalue(*result, row, column));
	}
	note(number, how == OK ? "ok" : how == FAILED ? "failed" : "unknown", what, answer);
	return how;
}

/* may it be repeated, since nothing is known of it? */
bool
undecided(Answer answer)
{
	return !stopping && (answer == UNKNOWN || (answer == FAILED && strncmp(refusal, "TQ", 2) != 0));
}

static void
handle_signal(int signal_number)
{
	if (signal_number == SIGTERM)
		stopping = 1;
	ending = 1;
}

/* Begin a client with the arguments ROLE NAME SEED LOG CONNINFO [PAUSE]. */
void
facts_begin(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handle_signal};

	if (argc != 6 && argc != 7)
		exit(2);
	client_name = argv[2];
	srand48(atol(argv[3]));
	conninfo = argv[5];
	if (argc > 6)
		pause_ms = atoi(argv[6]);
	parent = getppid();
	log_file = open(argv[4], O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (log_file < 0)
		die(argv[4]);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
}
