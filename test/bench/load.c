/*
 * load.c
 *		A steady load: so many tasks per second, whatever the answers do.
 *
 * Producers schedule at fixed instants, also when consumers fall behind.  For
 * each task that was committed a consumer is let go, which polls one task and
 * completes it; so consumers never poll in vain unless tasks are late, and how
 * a queue wakes its workers plays no part.
 *
 *	--schedule=SQL			one task
 *	--poll=SQL				returns what --complete takes as $1, or no row
 *	--complete=SQL			returns a row when it closed the task
 *	--rate=N				tasks per second
 *	--producers=N --consumers=N		connections of either kind
 *	--seconds=N
 *
 * Prints a line per second: what was done in it, and how long the statements
 * took the client (us).  "behind" is what was scheduled and not yet completed.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

/* A producer that is later than this leaves tasks out. */
#define MAX_LAG			USEC_PER_SECOND

typedef enum Kind
{
	SCHEDULE,
	POLL,
	COMPLETE,
	KINDS
} Kind;

static const char *const kind_names[KINDS] = {"schedule", "poll", "complete"};

/* What a thread did since it was last asked. */
typedef struct Tally
{
	Histogram	histograms[KINDS];
	long		empty;			/* polls without a task */
	long		lost;			/* completions that closed nothing */
	long		left_out;		/* tasks that were not scheduled in time */
} Tally;

typedef struct Worker
{
	pthread_t	thread;
	pthread_mutex_t mutex;		/* of the tally */
	PGconn	   *conn;
	int			number;
	Tally		tally;
} Worker;

static const char *sql[KINDS];
static long rate = 1000;
static long producers = 2;
static long consumers = 2;
static long seconds = 10;

static sem_t committed;			/* tasks that nobody has polled for yet */
static volatile bool stopping = false;
static usec started_at;

/* run a statement and note how long it took; true when it returned a row */
static bool
timed(Worker *me, Kind kind, const char *value, char *answer, size_t size)
{
	const char *values[1] = {value};
	usec		start = clock_us();
	PGresult   *result = run(me->conn, kind_names[kind], value ? 1 : 0, values);
	usec		took = clock_us() - start;
	bool		any = PQntuples(result) > 0;

	pthread_mutex_lock(&me->mutex);
	histogram_add(&me->tally.histograms[kind], took);
	pthread_mutex_unlock(&me->mutex);
	if (any && answer != NULL)
		snprintf(answer, size, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return any;
}

static void
add(Worker *me, long *counter)
{
	pthread_mutex_lock(&me->mutex);
	(*counter)++;
	pthread_mutex_unlock(&me->mutex);
}

static void *
produce(void *argument)
{
	Worker	   *me = argument;
	usec		due;

	for (long n = me->number; !stopping; n += producers)
	{
		due = started_at + n * USEC_PER_SECOND / rate;
		sleep_until(due);
		if (clock_us() - due > MAX_LAG)
			add(me, &me->tally.left_out);
		else
		{
			(void) timed(me, SCHEDULE, NULL, NULL, 0);
			sem_post(&committed);
		}
	}
	return NULL;
}

/* wait for a task; false when it is time to stop */
static bool
next_task(void)
{
	while (!stopping)
	{
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (sem_timedwait(&committed, &until) == 0)
			return true;
		if (errno != ETIMEDOUT && errno != EINTR)
			die("sem_timedwait: %s", strerror(errno));
	}
	return false;
}

static void *
consume(void *argument)
{
	Worker	   *me = argument;
	char		task[128];

	while (next_task())
	{
		if (timed(me, POLL, NULL, task, sizeof(task)))
		{
			if (!timed(me, COMPLETE, task, NULL, 0))
				add(me, &me->tally.lost);
			continue;
		}
		/* somebody else's poll holds it, or it is late: it will come */
		add(me, &me->tally.empty);
		sem_post(&committed);
		sleep_until(clock_us() + 1000);
	}
	return NULL;
}

/* take what a worker has counted */
static void
take_tally(Worker *worker, Tally *sum)
{
	pthread_mutex_lock(&worker->mutex);
	for (int i = 0; i < KINDS; i++)
		histogram_merge(&sum->histograms[i], &worker->tally.histograms[i]);
	sum->empty += worker->tally.empty;
	sum->lost += worker->tally.lost;
	sum->left_out += worker->tally.left_out;
	memset(&worker->tally, 0, sizeof(Tally));
	pthread_mutex_unlock(&worker->mutex);
}

static void
print_second(Worker *workers, long second)
{
	static long behind = 0;
	Tally	   *sum = calloc(1, sizeof(Tally));

	for (int i = 0; i < producers + consumers; i++)
		take_tally(&workers[i], sum);
	behind += (long) sum->histograms[SCHEDULE].n -
		(long) sum->histograms[COMPLETE].n;
	printf("second=%ld behind=%ld empty=%ld lost=%ld left_out=%ld", second,
		   behind, sum->empty, sum->lost, sum->left_out);
	for (int i = 0; i < KINDS; i++)
		histogram_print(kind_names[i], &sum->histograms[i]);
	printf("\n");
	fflush(stdout);
	free(sum);
}

static void
start_worker(Worker *worker, int number, bool is_producer)
{
	worker->number = number;
	worker->conn = connect_as(is_producer ? "bench producer" : "bench consumer");
	pthread_mutex_init(&worker->mutex, NULL);
	if (is_producer)
		prepare(worker->conn, kind_names[SCHEDULE], sql[SCHEDULE]);
	else
	{
		prepare(worker->conn, kind_names[POLL], sql[POLL]);
		prepare(worker->conn, kind_names[COMPLETE], sql[COMPLETE]);
	}
}

int
main(int argc, char **argv)
{
	const Option options[] = {
		{"schedule", &sql[SCHEDULE], NULL},
		{"poll", &sql[POLL], NULL},
		{"complete", &sql[COMPLETE], NULL},
		{"rate", NULL, &rate},
		{"producers", NULL, &producers},
		{"consumers", NULL, &consumers},
		{"seconds", NULL, &seconds},
		{NULL, NULL, NULL}
	};
	Worker	   *workers;
	long		n;

	options_parse(argc, argv, options);
	for (int i = 0; i < KINDS; i++)
		if (sql[i] == NULL)
			die("--%s is missing", kind_names[i]);
	n = producers + consumers;
	workers = calloc((size_t) n, sizeof(Worker));
	sem_init(&committed, 0, 0);
	for (int i = 0; i < n; i++)
		start_worker(&workers[i], i, i < producers);
	started_at = clock_us();
	for (int i = 0; i < n; i++)
		if (pthread_create(&workers[i].thread, NULL,
						   i < producers ? produce : consume, &workers[i]) != 0)
			die("could not create a thread");
	for (long second = 1; second <= seconds; second++)
	{
		sleep_until(started_at + second * USEC_PER_SECOND);
		print_second(workers, second);
	}
	stopping = true;
	for (int i = 0; i < n; i++)
	{
		pthread_join(workers[i].thread, NULL);
		PQfinish(workers[i].conn);
	}
	return 0;
}
