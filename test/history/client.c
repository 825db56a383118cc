/*
 * client.c
 *		A producer, worker or operator that remembers what it was told.
 *
 *	client ROLE NAME SEED LOG CONNINFO [PAUSE]
 *
 * The load of the crash tests (test/t/crash/*.pl), and the only witness of what
 * the server has promised: test/model/TaskqJudge.pm judges by these logs (fact.c)
 * and by what can be read in the end.  ROLE is producer, worker or operator;
 * PAUSE is how long it rests between two calls, in milliseconds.
 *
 * What a producer or an operator does not know the end of it repeats, with the
 * same id and request id.
 *
 * SIGUSR1: producers leave, operators take back their pauses and leave,
 * workers complete whatever they get.  SIGTERM: everybody leaves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fact.h"

#define MAX_TASKS		4		/* of one poll */
#define MAX_KEPT		32		/* attempts that a worker sits on */
#define MAX_RECENT		64		/* runs that a producer asks for */
#define TOKEN_SIZE		37
#define NAME_SIZE		64

#define RETRY(interval) \
	"retry_policy => taskq.retry_policy(initial_interval => '" interval "', backoff_coefficient => 1)"

/* An attempt that the worker has been given. */
typedef struct Task
{
	char		run[24];
	char		attempt[12];
	char		token[TOKEN_SIZE];
	int64_t		due;			/* when to report, if it is kept */
} Task;

/* What a producer schedules: options that lead to each kind of timer. */
typedef struct Kind
{
	const char *name;
	int			share;			/* of all that is scheduled */
	const char *queue;
	const char *options;		/* further arguments of schedule() */
} Kind;

static const Kind kinds[] = {
	{"plain", 8, "q", "start_to_close_timeout => '900 ms', " RETRY("50 ms")},
	{"once", 2, "q", "start_to_close_timeout => '700 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1)"},
	{"beat", 3, "q", "start_to_close_timeout => '5 s', heartbeat_timeout => '500 ms', " RETRY("50 ms")},
	{"delayed", 2, "q", "start_to_close_timeout => '900 ms', start_delay => '400 ms', " RETRY("300 ms")},
	{"unstarted", 1, "nobody", "start_to_close_timeout => '1 s', schedule_to_start_timeout => '600 ms'"},
	{"bounded", 1, "nobody", "schedule_to_close_timeout => '1200 ms'"},
	{NULL}
};

/* ---- producer ---------------------------------------------------------- */

static const Kind *
pick_kind(void)
{
	int			total = 0;
	int			lot;
	const Kind *kind;

	for (kind = kinds; kind->name != NULL; kind++)
		total += kind->share;
	lot = chance(total);
	for (kind = kinds; lot >= kind->share; kind++)
		lot -= kind->share;
	return kind;
}

/* Schedule one activity, again until it is known; its run, or "". */
static void
schedule(const char *kind, const char *queue, const char *options, const char *id, char *run)
{
	char		fields[FIELDS_SIZE] = "";
	PGresult   *result;
	Answer		answer;

	run[0] = '\0';
	append(fields, "\tkind=%s\tqueue=%s\tid=%s", kind, queue, id);
	do
	{
		answer = call("schedule", fields, &result,
					  "SELECT run_id, activity_id FROM taskq.schedule('%s', '%s', '{\"by\": \"%s\"}', activity_id => '%s', request_id => '%s', %s)",
					  queue, kind, client_name, id, id, options);
		if (answer == OK)
		{
			strcpy(run, PQgetvalue(result, 0, 0));
			PQclear(result);
		}
		else
			rest(20);
	} while (answer != OK && !stopping);
}

/* Schedule a few with one call; what is not known is left at that. */
static void
schedule_batch(long number)
{
	const Kind *kind = pick_kind();
	char		fields[FIELDS_SIZE] = "";
	char		ids[512] = "";
	char		inputs[512] = "";

	append(fields, "\tkind=%s\tqueue=%s", kind->name, kind->queue);
	for (int i = 0; i < MAX_TASKS; i++)
	{
		char		id[NAME_SIZE];

		snprintf(id, sizeof(id), "%s-%ld-%d", client_name, number, i);
		append(fields, "\tid=%s", id);
		snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s%s", i > 0 ? "," : "", id);
		snprintf(inputs + strlen(inputs), sizeof(inputs) - strlen(inputs), "%s%d", i > 0 ? "," : "", i);
	}
	(void) CALL("schedule", fields,
				"SELECT run_id, activity_id FROM taskq.schedule_many('%s', '%s', '{%s}', '{%s}', %s)",
				kind->queue, kind->name, inputs, ids, kind->options);
}

static void
look_at(const char *run)
{
	char		fields[FIELDS_SIZE] = "";

	append(fields, "\trun=%s", run);
	if (chance(4) == 0)
		(void) CALL("wait_for_close", fields, "CALL taskq.wait_for_close(%s, '100 ms')", run);
	else
		(void) CALL("outcome", fields,
					"SELECT status, result, failure ->> 'message' FROM taskq.outcome(%s)", run);
}

static void
produce(void)
{
	char		recent[MAX_RECENT][24];
	int			nrecent = 0;

	for (long n = 0; !ending; n++)
	{
		if (chance(8) == 0)
			schedule_batch(n);
		else
		{
			const Kind *kind = pick_kind();
			char		id[NAME_SIZE];

			snprintf(id, sizeof(id), "%s-%ld", client_name, n);
			schedule(kind->name, kind->queue, kind->options, id, recent[nrecent % MAX_RECENT]);
			if (recent[nrecent % MAX_RECENT][0] != '\0')
				nrecent++;
		}
		if (nrecent > 0 && chance(3) == 0)
			look_at(recent[chance(nrecent < MAX_RECENT ? nrecent : MAX_RECENT)]);
		rest(pause_ms);
	}
}

/* ---- worker ------------------------------------------------------------ */

static Task kept[MAX_KEPT];
static int	nkept;

static void
about(char *fields, const Task *task)
{
	append(fields, "\trun=%s\tattempt=%s\ttoken=%s", task->run, task->attempt, task->token);
}

/* Complete an attempt together with a row of the application. */
static void
complete(const Task *task)
{
	char		fields[FIELDS_SIZE] = "";
	char		result[NAME_SIZE];

	snprintf(result, sizeof(result), "\"%s-%ld\"", client_name, facts);
	about(fields, task);
	append(fields, "\tresult=%s", result);
	(void) CALL("complete", fields,
				"INSERT INTO done SELECT %s, %s, '%s' FROM taskq.complete('%s', '%s')",
				task->run, task->attempt, result, task->token, result);
}

static void
fail(const Task *task, bool retryable)
{
	char		fields[FIELDS_SIZE] = "";
	char		message[NAME_SIZE];

	snprintf(message, sizeof(message), "%s-%ld", client_name, facts);
	about(fields, task);
	append(fields, "\tmessage=%s\tretryable=%d", message, retryable);
	(void) CALL("fail", fields,
				"SELECT taskq.fail('%s', '%s', non_retryable => %s)",
				task->token, message, retryable ? "false" : "true");
}

/*
 * Heartbeat an attempt: with details that are large enough to be written at
 * once, with a row of the application, or with neither.  Then, if it was told
 * so, report that it is canceled.
 */
static void
beat(const Task *task)
{
	char		fields[FIELDS_SIZE] = "";
	int			how = chance(3);
	long		number = facts;
	PGresult   *result;
	char		flag;

	about(fields, task);
	append(fields, "\tdetails=%s-%ld\tdurable=%d", client_name, number, how);
	if (call("heartbeat", fields, &result,
			 how == 2 ?
			 "WITH line AS (INSERT INTO beats VALUES ('%s-%ld'))"
			 " SELECT cancel_requested FROM taskq.heartbeat('%s', '{\"n\": \"%s-%ld\"}')" :
			 "SELECT cancel_requested, '%s-%ld' FROM taskq.heartbeat('%s', jsonb_build_object('n', '%s-%ld', 'pad', repeat('x', %d)))",
			 client_name, number, task->token, client_name, number, how == 1 ? 400 : 1) != OK)
		return;
	flag = PQgetvalue(result, 0, 0)[0];
	PQclear(result);
	if (flag == 't')
	{
		fields[0] = '\0';
		about(fields, task);
		(void) CALL("report_canceled", fields, "SELECT taskq.report_canceled('%s')", task->token);
	}
}

/* Hand an attempt back: somebody gets the same one, with another token. */
static void
release(const Task *task)
{
	char		fields[FIELDS_SIZE] = "";

	about(fields, task);
	(void) CALL("release", fields, "SELECT taskq.release('%s')", task->token);
}

/* Remember an attempt, to report it around the time when it times out. */
static void
keep(const Task *task, int ms)
{
	if (nkept == MAX_KEPT)
		return;
	kept[nkept] = *task;
	kept[nkept++].due = clock_us() + ms * 1000;
}

static void
report_kept(void)
{
	for (int i = 0; i < nkept;)
	{
		if (kept[i].due > clock_us() && !ending)
			i++;
		else
		{
			Task		task = kept[i];

			kept[i] = kept[--nkept];
			complete(&task);
		}
	}
}

/* What a worker does with an attempt, if it does not just complete it. */
static void
work_on(const Task *task)
{
	int			lot = ending ? 99 : chance(100);

	if (lot < 8)
		;						/* dies, as far as the server is concerned */
	else if (lot < 20)
		keep(task, 300 + chance(1200));
	else if (lot < 32)
		fail(task, true);
	else if (lot < 35)
		fail(task, false);
	else if (lot < 38)
		release(task);
	else if (lot < 55)
	{
		beat(task);
		if (chance(3) == 0)
			keep(task, chance(1000));
		else if (chance(2) == 0)
			complete(task);
	}
	else
		complete(task);
}

/* Take the rows of a poll over. */
static int
take(PGresult *result, Task *tasks)
{
	int			n = PQntuples(result);

	for (int i = 0; i < n; i++)
	{
		snprintf(tasks[i].run, sizeof(tasks[i].run), "%s", PQgetvalue(result, i, 0));
		snprintf(tasks[i].attempt, sizeof(tasks[i].attempt), "%s", PQgetvalue(result, i, 1));
		snprintf(tasks[i].token, sizeof(tasks[i].token), "%s", PQgetvalue(result, i, 2));
	}
	PQclear(result);
	return n;
}

#define POLLED "run_id, attempt, task_token, coalesce(heartbeat_details ->> 'n', '')"

static int
poll_tasks(Task *tasks)
{
	PGresult   *result;

	if (call("poll", "", &result,
			 "SELECT " POLLED " FROM taskq.poll('q', '%s', %d)",
			 client_name, 1 + chance(MAX_TASKS)) != OK)
		return 0;
	return take(result, tasks);
}

/* Poll and think better of it: the tasks are as they were. */
static void
poll_and_give_back(void)
{
	(void) CALL("given_back", "",
				"BEGIN; SELECT FROM taskq.poll('q', '%s', 2); ROLLBACK", client_name);
}

/* Complete all with one call; with another poll in it, if that is asked for. */
static int
complete_all(Task *tasks, int n, bool poll_too)
{
	char		fields[FIELDS_SIZE] = "";
	char		tokens[512] = "";
	char		results[512] = "";
	PGresult   *result;

	for (int i = 0; i < n; i++)
	{
		char		value[NAME_SIZE];
		const char *comma = i > 0 ? "," : "";

		snprintf(value, sizeof(value), "\"%s-%ld-%d\"", client_name, facts, i);
		append(fields, "\titem=%s,%s,%s,%s", tasks[i].run, tasks[i].attempt, tasks[i].token, value);
		snprintf(tokens + strlen(tokens), sizeof(tokens) - strlen(tokens), "%s%s", comma, tasks[i].token);
		snprintf(results + strlen(results), sizeof(results) - strlen(results), "%s'%s'", comma, value);
	}
	if (!poll_too)
	{
		(void) CALL("complete_many", fields,
					"SELECT task_token, ok FROM taskq.complete_many('{%s}', ARRAY[%s]::jsonb[])",
					tokens, results);
		return 0;
	}
	if (call("complete_and_poll", fields, &result,
			 "SELECT " POLLED " FROM taskq.complete_and_poll('{%s}', ARRAY[%s]::jsonb[], 'q', '%s', %d)",
			 tokens, results, client_name, MAX_TASKS) != OK)
		return 0;
	return take(result, tasks);
}

static void
work(void)
{
	Task		tasks[MAX_TASKS];
	int			n = 0;

	while (!stopping)
	{
		int			lot = chance(20);

		report_kept();
		if (n == 0)
			n = poll_tasks(tasks);
		if (n == 0)
			(void) CALL("wait", "", "CALL taskq.wait_for_task('q', '200 ms')");
		else if (lot < 8)
			n = complete_all(tasks, n, lot < 4);
		else
		{
			while (n > 0)
				work_on(&tasks[--n]);
			if (lot == 8)
				poll_and_give_back();
		}
		rest(pause_ms);
	}
}

/* ---- operator ---------------------------------------------------------- */

/*
 * One operation; the request id makes it safe to repeat until it is done, or
 * cannot be: TQ001, TQ003.
 */
static Answer
operate(const char *what, const char *run, const char *arguments, const char *value)
{
	char		fields[FIELDS_SIZE] = "";
	Answer		answer;

	append(fields, "\trun=%s\tvalue=%s", run, value);
	do
	{
		answer = CALL(what, fields, "SELECT taskq.%s(run_id => %s%s)", what, run, arguments);
		if (answer != OK)
			rest(20);
	} while (undecided(answer));
	return answer;
}

/* Pause an activity, change its priority, and take the pause back. */
static void
pause_for_a_while(const char *id, const char *run)
{
	char		arguments[256];
	char		priority[2] = {(char) ('1' + chance(5)), '\0'};

	snprintf(arguments, sizeof(arguments), ", request_id => '%s'", id);
	if (operate("pause", run, arguments, id) == OK)
	{
		rest(chance(200));
		snprintf(arguments, sizeof(arguments), ", options => '{\"priority\": %s}', request_id => '%s-o'",
				 priority, id);
		(void) operate("update_options", run, arguments, priority);
	}
	snprintf(arguments, sizeof(arguments), ", request_id => '%s-u'", id);
	(void) operate("unpause", run, arguments, id);
}

/* Schedule an activity and do something to it. */
static void
operate_on(const char *id)
{
	char		run[24];
	char		request[128];
	char		reason[256];

	schedule("operated", "q", "start_to_close_timeout => '900 ms', " RETRY("50 ms"), id, run);
	if (run[0] == '\0')
		return;
	snprintf(request, sizeof(request), ", request_id => '%s'", id);
	snprintf(reason, sizeof(reason), ", reason => '%s'%s", id, request);
	switch (chance(8))
	{
		case 0:
			(void) operate("request_cancel", run, reason, id);
			break;
		case 1:
			(void) operate("terminate", run, reason, id);
			break;
		case 2:
			(void) operate("delete", run, "", id);
			break;
		case 3:
			(void) operate("reset", run, request, id);
			break;
		default:
			pause_for_a_while(id, run);
	}
}

static void
be_operator(void)
{
	for (long n = 0; !ending; n++)
	{
		char		id[NAME_SIZE];

		snprintf(id, sizeof(id), "%s-%ld", client_name, n);
		operate_on(id);
		rest(pause_ms);
	}
}

int
main(int argc, char **argv)
{
	facts_begin(argc, argv);
	if (strcmp(argv[1], "producer") == 0)
		produce();
	else if (strcmp(argv[1], "worker") == 0)
		work();
	else
		be_operator();
	return 0;
}
