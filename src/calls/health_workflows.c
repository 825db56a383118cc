/*
 * health_workflows.c
 *		What taskq.health says of running workflows: tasks that fail again and again,
 *		histories near their limit, mail that nobody takes.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "calls/health_report.h"
#include "calls/health_workflows.h"
#include "model/run_mail.h"
#include "model/run_step.h"
#include "store/run_troubles.h"

/* from this attempt on the task of a run is one that fails again and again */
#define MANY_ATTEMPTS		10

/* of the limits of a history, beyond which it is near them */
#define NEAR_PERCENT		80

/* longer than any attempt at a task may take, for whose end mail waits */
#define LONG_IN_INBOX		(15 * USECS_PER_MINUTE)

static void
report_tasks(FunctionCallInfo fcinfo, const RunTrouble *failing)
{
	static const char check[] = "workflow_tasks";

	if (failing->n == 0)
		health_report(fcinfo, check, HEALTH_OK, "no workflow task fails again and again", NULL);
	else
		health_report(fcinfo, check, HEALTH_WARNING,
					  psprintf("workflow tasks of " INT64_FORMAT " run(s) fail again and again, one of them, of run " INT64_FORMAT ", is at attempt " INT64_FORMAT,
							   failing->n, failing->run_id, failing->most),
					  "The event workflow_task_failed or workflow_task_timed_out in its history says why; mend the workflow's code, or terminate it.");
}

static void
report_histories(FunctionCallInfo fcinfo, const RunTrouble *near)
{
	static const char check[] = "history_sizes";

	if (near->n == 0)
		health_report(fcinfo, check, HEALTH_OK, "no history of a running workflow is near the limits", NULL);
	else
		health_report(fcinfo, check, HEALTH_WARNING,
					  psprintf("histories of " INT64_FORMAT " run(s) are near the limits, one of them, of run " INT64_FORMAT ", at " INT64_FORMAT " %%",
							   near->n, near->run_id, near->most),
					  "Let the workflow continue as new: beyond the limit it is terminated.");
}

static void
report_inboxes(FunctionCallInfo fcinfo)
{
	static const char check[] = "workflow_inboxes";
	OldestMail	oldest;
	RunMail		mail;
	int64		waited;

	if (!store_oldest_mail(&oldest))
	{
		health_cannot_look(fcinfo, check);
		return;
	}
	if (oldest.run_id == 0)
	{
		health_report(fcinfo, check, HEALTH_OK, "no event waits for a workflow", NULL);
		return;
	}
	run_mail_read(oldest.mail, &mail);
	waited = Max(clock_now() - mail.time, 0);
	health_report(fcinfo, check, waited > LONG_IN_INBOX ? HEALTH_WARNING : HEALTH_OK,
				  psprintf("an event has waited to be told to run " INT64_FORMAT " for %s",
						   oldest.run_id, health_span(waited)),
				  "Is the background worker running, and does no transaction keep the run locked? See pg_stat_activity and pg_prepared_xacts.");
}

/* health_of_workflows: workflow_tasks, history_sizes and workflow_inboxes. */
void
health_of_workflows(FunctionCallInfo fcinfo)
{
	RunTroubles troubles = {
		.many_attempts = MANY_ATTEMPTS,
		.near_percent = NEAR_PERCENT,
		.most_events = MOST_HISTORY_EVENTS,
		.most_bytes = MOST_HISTORY_BYTES
	};

	if (!store_run_troubles(&troubles))
	{
		health_cannot_look(fcinfo, "workflow_tasks");
		health_cannot_look(fcinfo, "history_sizes");
	}
	else
	{
		report_tasks(fcinfo, &troubles.failing);
		report_histories(fcinfo, &troubles.near_limit);
	}
	report_inboxes(fcinfo);
}
