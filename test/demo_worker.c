/*
 * demo_worker.c
 *	  A worker in plain C over libpq: computes the SHA-256 sums of files.
 *
 *	  demo_worker IDENTITY QUEUE MAX_TASKS
 *
 * Connects as the libpq environment (PGHOST and so on) says, polls the queue
 * for up to MAX_TASKS tasks at a time, and for each of them reads the file
 * that its input names and completes it with {"sha256", "bytes"}, or fails it
 * if the file can't be read. Everything that it holds it heartbeats, between
 * files and inside large ones, so that the heartbeat timeout may be short
 * however long a file takes. When there is nothing to do it waits on the
 * server. SIGTERM: it finishes what it holds and leaves.
 *
 * Every call is a transaction of its own. A token that the server no longer
 * knows (TQ001) means that the attempt has timed out and somebody else has the
 * task: the worker drops it. Any other error ends the worker; the timeouts
 * take care of what it held.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>
#include <openssl/evp.h>

#define HEARTBEAT_INTERVAL	0.5		/* seconds */
#define CHUNK_SIZE			(1024 * 1024)
#define UUID_LENGTH			36

typedef struct
{
	char		token[UUID_LENGTH + 1];
	char	   *path;
	bool		held;			/* neither closed by us nor lost to others */
} Task;

static const char *identity;
static PGconn *conn;
static volatile sig_atomic_t stopping = 0;

/* What was polled last, and when it was last heartbeated. */
static Task *tasks;
static int	task_count;
static double last_heartbeat;

static void
handle_sigterm(int signal_number)
{
	(void) signal_number;
	stopping = 1;
}

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", identity, what, why);
	exit(1);
}

/*
 * Run one statement with text parameters. NULL if the server doesn't know the
 * token in it (any more); other errors end the worker.
 */
static PGresult *
run(const char *sql, int count, const char *const *values)
{
	PGresult   *result = PQexecParams(conn, sql, count, NULL, values, NULL,
									  NULL, 0);
	ExecStatusType status = PQresultStatus(result);
	const char *sqlstate;

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return result;
	sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (sqlstate == NULL || strcmp(sqlstate, "TQ001") != 0)
		die(sql, PQerrorMessage(conn));
	PQclear(result);
	return NULL;
}

/* Run a statement about a task: its token is $1, our identity is $2. */
static void
run_for_task(Task *task, const char *sql, const char *third,
			 const char *fourth)
{
	const char *values[] = {task->token, identity, third, fourth};
	int			count = fourth ? 4 : third ? 3 : 2;
	PGresult   *result = run(sql, count, values);

	if (result == NULL)
	{
		fprintf(stderr, "%s: lost %s\n", identity, task->path);
		task->held = false;
	}
	PQclear(result);
}

/* Tell the server that we are alive, for each task that we hold. */
static void
heartbeat_if_due(void)
{
	if (seconds_now() - last_heartbeat < HEARTBEAT_INTERVAL)
		return;
	for (int i = 0; i < task_count; i++)
		if (tasks[i].held)
			run_for_task(&tasks[i],
						 "SELECT taskq.heartbeat($1, identity => $2)",
						 NULL, NULL);
	last_heartbeat = seconds_now();
}

/*
 * The SHA-256 sum of a file in hexadecimal, and its size. False, with errno
 * set, if it can't be read.
 */
static bool
sum_file(const char *path, char *hex, long long *size)
{
	static unsigned char chunk[CHUNK_SIZE];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_length;
	EVP_MD_CTX *context;
	FILE	   *file = fopen(path, "rb");
	size_t		length;
	int			read_errno;

	if (file == NULL)
		return false;
	context = EVP_MD_CTX_new();
	EVP_DigestInit_ex(context, EVP_sha256(), NULL);
	*size = 0;
	while ((length = fread(chunk, 1, sizeof(chunk), file)) > 0)
	{
		EVP_DigestUpdate(context, chunk, length);
		*size += length;
		heartbeat_if_due();
	}
	read_errno = ferror(file) ? errno : 0;
	EVP_DigestFinal_ex(context, digest, &digest_length);
	EVP_MD_CTX_free(context);
	fclose(file);

	for (unsigned int i = 0; i < digest_length; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	errno = read_errno;
	return read_errno == 0;
}

static void
work_on(Task *task)
{
	char		hex[2 * EVP_MAX_MD_SIZE + 1];
	char		size_text[32];
	long long	size;

	if (sum_file(task->path, hex, &size))
	{
		snprintf(size_text, sizeof(size_text), "%lld", size);
		if (task->held)
			run_for_task(task,
						 "SELECT taskq.complete($1, identity => $2, "
						 "result => jsonb_build_object('sha256', $3::text, 'bytes', $4::bigint))",
						 hex, size_text);
	}
	else if (task->held)
		run_for_task(task,
					 "SELECT taskq.fail($1, identity => $2, message => $3, "
					 "error_type => 'Unreadable', non_retryable => true)",
					 strerror(errno), NULL);
	task->held = false;
}

/* Take up to max_tasks tasks and do them. How many there were. */
static int
poll_and_work(const char *queue, const char *max_tasks)
{
	const char *values[] = {queue, identity, max_tasks};
	PGresult   *result = run("SELECT task_token, input->>'file' "
							 "FROM taskq.poll($1, identity => $2, max_tasks => $3)",
							 3, values);

	task_count = PQntuples(result);
	tasks = calloc(task_count + 1, sizeof(Task));
	if (tasks == NULL)
		die("could not poll", strerror(errno));
	for (int i = 0; i < task_count; i++)
	{
		snprintf(tasks[i].token, sizeof(tasks[i].token), "%s",
				 PQgetvalue(result, i, 0));
		tasks[i].path = PQgetvalue(result, i, 1);
		tasks[i].held = true;
	}
	last_heartbeat = seconds_now();

	for (int i = 0; i < task_count; i++)
	{
		heartbeat_if_due();
		if (tasks[i].held)
			work_on(&tasks[i]);
	}
	free(tasks);
	PQclear(result);
	return task_count;
}

int
main(int argc, char **argv)
{
	const char *keywords[] = {"fallback_application_name", NULL};
	const char *settings[] = {NULL, NULL};
	const char *queue;

	if (argc != 4)
	{
		fprintf(stderr, "usage: %s IDENTITY QUEUE MAX_TASKS\n", argv[0]);
		return 2;
	}
	identity = settings[0] = argv[1];
	queue = argv[2];
	signal(SIGTERM, handle_sigterm);

	conn = PQconnectdbParams(keywords, settings, 0);
	if (PQstatus(conn) != CONNECTION_OK)
		die("could not connect", PQerrorMessage(conn));

	while (!stopping)
	{
		if (poll_and_work(queue, argv[3]) == 0)
			PQclear(run("CALL taskq.wait_for_task($1, '1s')", 1, &queue));
	}
	PQfinish(conn);
	return 0;
}
