/*
 * running.c
 *		From a task to its command, and from its end to a report.
 */
#include "cli/running.h"

#include <string.h>

#include "cli/reports.h"
#include "cli/worker_log.h"

#define UNRUNNABLE_ENDS 3
#define RETRY_START "10 s"

static void
drop(Worker *worker, Attempt *attempt)
{
	Attempt   **link = &worker->attempts;

	while (*link != attempt)
		link = &(*link)->next;
	*link = attempt->next;
	worker->attempt_count--;
	attempt_free(attempt);
}

/* The worker cannot run commands, or perhaps only not this one. */
static void
count_unrunnable(Worker *worker, bool cannot_run)
{
	worker->unrunnable = cannot_run ? worker->unrunnable + 1 : 0;
	if (worker->unrunnable < UNRUNNABLE_ENDS)
		return;
	worker_log("the command could not be run %d times in a row", worker->unrunnable);
	worker->exit_code = EXIT_CANNOT_RUN;
	worker->stopping = true;
	worker->grace_ends = worker->now + worker->options->grace;
}

/* An attempt of ours: run it, or say at once what becomes of it. */
static void
start(Worker *worker, Attempt *attempt)
{
	const WorkerOptions *options = worker->options;
	Report	   *report = NULL;
	int			error;

	if (options->type != NULL && strcmp(options->type, attempt->task.fields[TASK_ACTIVITY_TYPE]) != 0)
	{
		report = verdict_failure(attempt, "UnknownActivityType", "this worker does not serve activities of that type");
		report->non_retryable = false;
	}
	else if (options->command == NULL)
		report = verdict_completion(attempt);
	else if ((error = attempt_start(attempt, options->command, options->identity)) != 0)
	{
		worker_log("run %s: could not start a process: %s", attempt->task.fields[TASK_RUN_ID], strerror(error));
		report = verdict_release(attempt, RETRY_START);
		count_unrunnable(worker, true);
	}
	if (report == NULL)
		return;
	reports_add(worker, report);
	drop(worker, attempt);
}

/*
 * running_begin: with a task that was polled, which it takes over.
 */
void
running_begin(Worker *worker, ClientTask *task, bool is_doubtful)
{
	Attempt    *attempt = attempt_make(task, worker->now);

	attempt->next = worker->attempts;
	attempt->is_doubtful = is_doubtful;
	worker->attempts = attempt;
	worker->attempt_count++;
	if (!is_doubtful)
		start(worker, attempt);
}

/*
 * running_resolve: a heartbeat has told whether the poll was committed.
 */
void
running_resolve(Worker *worker, Attempt *attempt, bool is_ours)
{
	attempt->is_doubtful = false;
	if (!is_ours)
		drop(worker, attempt);
	else if (worker->stopping)
	{
		reports_add(worker, verdict_release(attempt, NULL));
		drop(worker, attempt);
	}
	else
		start(worker, attempt);
}

/*
 * running_stop: a command, for a reason that it is told.
 */
void
running_stop(Worker *worker, Attempt *attempt, StopReason reason)
{
	if (attempt->stop != STOP_NOT)
		return;
	worker_log("run %s: stops: %s", attempt->task.fields[TASK_RUN_ID], stop_word(reason));
	attempt_stop(attempt, reason, worker->now + worker->options->kill_after);
}

/*
 * running_stop_all: likewise, of all commands.
 */
void
running_stop_all(Worker *worker, StopReason reason)
{
	for (Attempt *attempt = worker->attempts; attempt != NULL; attempt = attempt->next)
		if (!attempt->is_doubtful)
			running_stop(worker, attempt, reason);
}

static void
finish(Worker *worker, Attempt *attempt)
{
	attempt_end_command(attempt);
	count_unrunnable(worker, verdict_cannot_run(attempt));
	reports_add(worker, verdict(attempt, worker->longest_output, worker->options->snooze));
	drop(worker, attempt);
}

/*
 * running_work: read and write what commands need, and report those that have
 * ended.
 */
void
running_work(Worker *worker)
{
	Attempt    *next;

	for (Attempt *attempt = worker->attempts; attempt != NULL; attempt = next)
	{
		next = attempt->next;
		if (attempt->is_doubtful)
			continue;
		attempt_work(attempt, worker->longest_output, worker->now);
		if (attempt_has_ended(attempt, worker->now))
			finish(worker, attempt);
	}
}
