/*
 * workflow_client.c
 *		A client, decider or agent of workflows that remembers what it was told.
 *
 *	workflow_client ROLE NAME SEED LOG CONNINFO [PAUSE]
 *
 * The workflows' part of the load of the crash tests, with logs as those of client.c;
 * test/model/TaskqRunJudge.pm judges by them and by the histories in the end.  ROLE is
 * starter (starts, signals, cancels, terminates and deletes), decider (takes workflow
 * tasks and answers with commands) or agent (does the activities).
 *
 * Whatever somebody gives to a run has a mark of its own, the name of the client and the
 * number of the fact, which is to be found in the run's history.
 *
 * SIGUSR1: starters leave, deciders complete whatever they get.  SIGTERM: everybody
 * leaves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fact.h"

#define MAX_TASKS		3		/* of one poll */
#define MAX_RECENT		16		/* runs that a starter does something to */
#define TOKEN_SIZE		37
#define NAME_SIZE		64
#define COMMANDS_SIZE	2048

/* A run that a starter has started. */
typedef struct Recent
{
	char		id[NAME_SIZE];
	char		run[24];
} Recent;

/* What a decider or agent has been given. */
typedef struct Task
{
	char		token[TOKEN_SIZE];
	char		run[24];
	char		attempt[12];
	char		started[24];	/* started_event_id */
	int			steps;			/* completed so far */
	bool		waits;			/* for activities or timers */
	bool		canceled;
} Task;

/* What a starter starts. */
typedef struct Kind
{
	const char *name;
	const char *options;		/* further arguments of start_workflow() */
} Kind;

static const Kind kinds[] = {
	{"plain", ""},
	{"plain", ""},
	{"bounded", ", run_timeout => '2500 ms'"},
	{"delayed", ", start_delay => '300 ms'"},
	{"retried", ", retry_policy => taskq.retry_policy(initial_interval => '100 ms', maximum_attempts => 2)"},
};

#define KINDS	(int) (sizeof(kinds) / sizeof(kinds[0]))

/* ---- starter ----------------------------------------------------------- */

/* Start a workflow, again until it is known; false if it never is. */
static bool
start(long number, Recent *recent)
{
	const Kind *kind = &kinds[chance(KINDS)];
	bool		signaled = chance(4) == 0;
	char		fields[FIELDS_SIZE] = "";
	char		sent[256] = "";
	PGresult   *result;
	Answer		answer;

	snprintf(recent->id, sizeof(recent->id), "%s-%ld", client_name, number);
	append(fields, "\tkind=%s\tid=%s", kind->name, recent->id);
	if (signaled)
	{
		append(fields, "\tmark=%s-first", recent->id);
		snprintf(sent, sizeof(sent), ", signal_name => 's', signal_input => '\"%s-first\"'", recent->id);
	}
	do
	{
		answer = call("start", fields, &result,
					  "SELECT run_id FROM taskq.%sstart_workflow('wq', '%s', workflow_id => '%s', request_id => '%s',"
					  " task_timeout => '1 s'%s%s)",
					  signaled ? "signal_with_" : "", kind->name, recent->id, recent->id, kind->options, sent);
		if (answer == OK)
		{
			snprintf(recent->run, sizeof(recent->run), "%s", PQgetvalue(result, 0, 0));
			PQclear(result);
		}
		else
			rest(20);
	} while (answer != OK && !stopping);
	return answer == OK;
}

/*
 * Send a signal to a run: in a transaction of its own, with a row of the application, or
 * twice; again until it is known.
 */
static void
send(const Recent *to)
{
	char		fields[FIELDS_SIZE] = "";
	char		mark[NAME_SIZE];
	char		signal[512];
	int			how = chance(3);
	Answer		answer;

	snprintf(mark, sizeof(mark), "%s-%ld", client_name, facts);
	append(fields, "\trun=%s\tmark=%s\tdurable=%d", to->run, mark, how == 1);
	snprintf(signal, sizeof(signal),
			 "SELECT taskq.signal_workflow('%s', 's', '\"%s\"', run_id => %s, request_id => '%s')",
			 to->id, mark, to->run, mark);
	do
	{
		if (how == 1)
			answer = CALL("signal", fields,
						  "BEGIN; INSERT INTO sent VALUES ('%s') ON CONFLICT DO NOTHING; %s; COMMIT", mark, signal);
		else if (how == 2)
			answer = CALL("signal", fields, "%s; %s", signal, signal);
		else
			answer = CALL("signal", fields, "%s", signal);
		if (answer != OK)
			rest(20);
	} while (undecided(answer));
}

/* Send a signal and think better of it. */
static void
send_and_take_back(const Recent *to)
{
	char		fields[FIELDS_SIZE] = "";

	append(fields, "\trun=%s\tmark=%s-%ld", to->run, client_name, facts);
	(void) CALL("taken_back", fields,
				"BEGIN; SELECT taskq.signal_workflow('%s', 's', '\"%s-%ld\"', run_id => %s); ROLLBACK",
				to->id, client_name, facts, to->run);
}

/* Cancel, terminate or delete a run, again until it is known. */
static void
operate(const char *what, const Recent *run, bool with_reason)
{
	char		fields[FIELDS_SIZE] = "";
	char		mark[NAME_SIZE];
	char		reason[128] = "";
	Answer		answer;

	snprintf(mark, sizeof(mark), "%s-%ld", client_name, facts);
	append(fields, "\trun=%s\tmark=%s", run->run, mark);
	if (with_reason)
		snprintf(reason, sizeof(reason), ", reason => '%s'", mark);
	do
	{
		answer = CALL(what, fields, "SELECT taskq.%s_workflow(run_id => %s%s)", what, run->run, reason);
		if (answer != OK)
			rest(20);
	} while (undecided(answer));
}

static void
look_at(const Recent *run)
{
	char		fields[FIELDS_SIZE] = "";

	append(fields, "\trun=%s", run->run);
	(void) CALL("outcome", fields,
				"SELECT status, result #>> '{}' FROM taskq.workflow_outcome(run_id => %s, follow_runs => false)", run->run);
}

static void
be_starter(void)
{
	Recent		recent[MAX_RECENT];
	int			n = 0;

	for (long number = 0; !ending; number++)
	{
		const Recent *some;
		int			lot = chance(40);

		if (number % 3 == 0 && start(number, &recent[n % MAX_RECENT]))
			n++;
		if (n == 0)
			continue;
		some = &recent[chance(n < MAX_RECENT ? n : MAX_RECENT)];
		if (lot < 22)
			send(some);
		else if (lot < 25)
			send_and_take_back(some);
		else if (lot < 34)
			look_at(some);
		else if (lot < 37)
			operate("request_cancel", some, true);
		else if (lot < 39)
			operate("terminate", some, true);
		else
			operate("delete", some, false);
		rest(pause_ms);
	}
}

/* ---- decider ----------------------------------------------------------- */

static void
about(char *fields, const Task *task)
{
	append(fields, "\trun=%s\tattempt=%s\ttoken=%s\tstarted=%s", task->run, task->attempt, task->token, task->started);
}

static int
take(PGresult *result, Task *tasks)
{
	int			n = PQntuples(result);

	for (int i = 0; i < n; i++)
	{
		snprintf(tasks[i].run, sizeof(tasks[i].run), "%s", PQgetvalue(result, i, 0));
		snprintf(tasks[i].attempt, sizeof(tasks[i].attempt), "%s", PQgetvalue(result, i, 1));
		snprintf(tasks[i].token, sizeof(tasks[i].token), "%s", PQgetvalue(result, i, 2));
		snprintf(tasks[i].started, sizeof(tasks[i].started), "%s", PQgetvalue(result, i, 3));
		tasks[i].steps = atoi(PQgetvalue(result, i, 4));
		tasks[i].waits = atoi(PQgetvalue(result, i, 5)) > 0;
		tasks[i].canceled = atoi(PQgetvalue(result, i, 6)) > 0;
	}
	PQclear(result);
	return n;
}

/* Take tasks of the common queue, or of the decider's own. */
static int
poll_tasks(Task *tasks)
{
	bool		own = chance(2) == 0;
	char		queue[256];
	PGresult   *result;

	if (own)
		snprintf(queue, sizeof(queue), "'%s', '%s', 1, sticky_for => 'wq'", client_name, client_name);
	else
		snprintf(queue, sizeof(queue), "'wq', '%s', %d", client_name, 1 + chance(MAX_TASKS));
	if (call("poll_workflow", "", &result,
			 "SELECT t.run_id, t.attempt, t.task_token, t.started_event_id, h.steps, h.waits, h.canceled"
			 " FROM taskq.poll_workflow_task(%s) t CROSS JOIN LATERAL ("
			 "SELECT count(*) FILTER (WHERE event_type = 'workflow_task_completed') AS steps,"
			 " count(*) FILTER (WHERE event_type IN ('activity_task_scheduled', 'timer_started'))"
			 " - count(*) FILTER (WHERE event_type ~ '^(activity_task_(completed|failed|timed_out|canceled)|timer_(fired|canceled))$') AS waits,"
			 " count(*) FILTER (WHERE event_type = 'workflow_execution_cancel_requested') AS canceled"
			 " FROM taskq.workflow_history(t.run_id)) h", queue) != OK)
		return 0;
	return take(result, tasks);
}

static void
add(char *commands, const char *format, const char *first, int second)
{
	size_t		used = strlen(commands);

	snprintf(commands + used, COMMANDS_SIZE - used, format, first, second);
}

/* The commands of a completion: first its mark. */
static void
decide(const Task *task, const char *mark, char *commands, const char **closes)
{
	bool		waits = task->waits;
	int			lot = chance(20);

	*closes = "";
	commands[0] = '\0';
	add(commands, "taskq.command_record_marker('%s')", mark, 0);
	if (task->canceled)
		*closes = "cancel";
	else if (ending || task->steps > 4 + chance(6))
		*closes = lot < 3 && !ending ? "fail" : lot < 7 && !ending ? "continue" : "complete";
	if (strcmp(*closes, "cancel") == 0)
		add(commands, ", taskq.command_cancel()", "", 0);
	else if (strcmp(*closes, "fail") == 0)
		add(commands, ", taskq.command_fail('%s')", mark, 0);
	else if (strcmp(*closes, "continue") == 0)
		add(commands, ", taskq.command_continue_as_new()", "", 0);
	else if (strcmp(*closes, "complete") == 0)
		add(commands, ", taskq.command_complete('\"%s\"')", mark, 0);
	else
	{
		for (int i = chance(3); i > 0; i--)
		{
			add(commands, ", taskq.command_schedule_activity('t', activity_id => '%s-%d', task_queue => 'aq',"
				" start_to_close_timeout => '700 ms', schedule_to_close_timeout => '4 s',"
				" retry_policy => taskq.retry_policy(initial_interval => '50 ms', maximum_attempts => 3))", mark, i);
			waits = true;
		}
		if (!waits || chance(3) == 0)
			add(commands, ", taskq.command_start_timer('%s', '%d ms')", mark, 100 + chance(500));
	}
}

/* Answer a task; perhaps the run's next one is to come to this decider. */
static void
complete(const Task *task)
{
	char		fields[FIELDS_SIZE] = "";
	char		commands[COMMANDS_SIZE];
	char		sticky[256] = "";
	char		mark[NAME_SIZE];
	const char *closes;

	snprintf(mark, sizeof(mark), "%s-%ld", client_name, facts);
	decide(task, mark, commands, &closes);
	about(fields, task);
	append(fields, "\tmark=%s\tcloses=%s", mark, closes);
	if (chance(2) == 0)
		snprintf(sticky, sizeof(sticky), ", sticky_task_queue => '%s', sticky_schedule_to_start_timeout => '800 ms'", client_name);
	(void) CALL("complete_workflow", fields,
				"%sSELECT failed_cause, closed FROM taskq.complete_workflow_task('%s', jsonb_build_array(%s), identity => '%s'%s)",
				chance(4) == 0 ? "SELECT 1; " : "",	/* in a transaction block */
				task->token, commands, client_name, sticky);
}

static void
fail_task(const Task *task)
{
	char		fields[FIELDS_SIZE] = "";

	about(fields, task);
	(void) CALL("fail_workflow", fields,
				"SELECT taskq.fail_workflow_task('%s', 'WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE')", task->token);
}

static void
release_task(const Task *task)
{
	char		fields[FIELDS_SIZE] = "";

	about(fields, task);
	(void) CALL("release_workflow", fields, "SELECT taskq.release_workflow_task('%s')", task->token);
}

static void
be_decider(void)
{
	while (!stopping)
	{
		Task		tasks[MAX_TASKS];
		int			n = poll_tasks(tasks);

		for (int i = 0; i < n; i++)
		{
			int			lot = ending ? 99 : chance(100);

			if (lot < 6)
				;				/* dies, as far as the server is concerned */
			else if (lot < 10)
				fail_task(&tasks[i]);
			else if (lot < 14)
				release_task(&tasks[i]);
			else
			{
				if (lot < 20)
					rest(1200); /* too late */
				complete(&tasks[i]);
			}
		}
		rest(pause_ms);
	}
}

/* ---- agent ------------------------------------------------------------- */

static void
perform(const Task *task)
{
	char		fields[FIELDS_SIZE] = "";
	int			lot = ending ? 99 : chance(20);

	if (lot < 1)
		return;					/* dies */
	append(fields, "\trun=%s\tattempt=%s\ttoken=%s\tmark=%s-%ld", task->run, task->attempt, task->token, client_name, facts);
	if (lot < 3)
		(void) CALL("fail_activity", fields,
					"SELECT taskq.fail('%s', '%s-%ld', non_retryable => %s)", task->token, client_name, facts,
					lot == 1 ? "true" : "false");
	else
		(void) CALL("complete_activity", fields,
					"%sSELECT taskq.complete('%s', '\"%s-%ld\"')",
					lot < 8 ? "SELECT 1; " : "",	/* in a transaction block */
					task->token, client_name, facts);
}

static void
be_agent(void)
{
	while (!stopping)
	{
		Task		tasks[MAX_TASKS];
		PGresult   *result;
		int			n = 0;

		if (call("poll_activity", "", &result,
				 "SELECT workflow_run_id, p.attempt, p.task_token, p.run_id, 0, 0, 0"
				 " FROM taskq.poll('aq', '%s', %d) p LEFT JOIN taskq.activities a USING (run_id)",
				 client_name, MAX_TASKS) == OK)
			n = take(result, tasks);
		for (int i = 0; i < n; i++)
			perform(&tasks[i]);
		rest(pause_ms);
	}
}

int
main(int argc, char **argv)
{
	facts_begin(argc, argv);
	if (strcmp(argv[1], "starter") == 0)
		be_starter();
	else if (strcmp(argv[1], "decider") == 0)
		be_decider();
	else
		be_agent();
	return 0;
}
