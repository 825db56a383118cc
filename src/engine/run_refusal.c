/*
 * run_refusal.c
 *		Errors of class TQ about runs; see refusal.c.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/basics.h"
#include "base/errword.h"
#include "base/json.h"
#include "common/error_words.h"
#include "engine/run_refusal.h"
#include "engine/run_world.h"
#include "store/find_run.h"

/* run_status_name: the label of taskq.workflow_status. */
const char *
run_status_name(RunStatus status)
{
	static const char *const names[] = {
		[RUN_STATUS_RUNNING] = "running",
		[RUN_STATUS_COMPLETED] = "completed",
		[RUN_STATUS_FAILED] = "failed",
		[RUN_STATUS_CANCELED] = "canceled",
		[RUN_STATUS_TERMINATED] = "terminated",
		[RUN_STATUS_CONTINUED_AS_NEW] = "continued_as_new",
		[RUN_STATUS_TIMED_OUT] = "timed_out"
	};

	return names[status];
}

static char *
facts_of(const Run *run, RunStatus status)
{
	JsonBuilder facts;
	Jsonb	   *object;

	json_begin(&facts);
	json_add_text(&facts, "workflow_id", TextDatumGetCString(PointerGetDatum(run->workflow_id)));
	json_add_text(&facts, "run_id", psprintf(INT64_FORMAT, run->task.run_id));
	json_add_text(&facts, "run_uuid", run_uuid_text(run->task.run_id));
	if (run->request_id != NULL)
		json_add_text(&facts, "request_id", TextDatumGetCString(PointerGetDatum(run->request_id)));
	json_add_text(&facts, "status", run_status_name(status));
	object = json_end(&facts);
	return JsonbToCString(NULL, &object->root, VARSIZE(object));
}

/* facts_of_open_run: as text. */
char *
facts_of_open_run(const Run *run)
{
	return facts_of(run, RUN_STATUS_RUNNING);
}

/* facts_of_closed_run: as text. */
char *
facts_of_closed_run(const ClosedRun *closed)
{
	return facts_of(&closed->run, closed->status);
}

static char *
id_of(const Run *run)
{
	return TextDatumGetCString(PointerGetDatum(run->workflow_id));
}

/* raise_if_workflow: TQ001, if the run that a call for activities names is one of a workflow. */
void
raise_if_workflow(int64 run_id)
{
	ClosedRun	closed;
	Run			run;
	const char *facts;

	if (see_run(run_id, &run))
		facts = facts_of_open_run(&run);
	else if (closed_run_find(run_id, &closed))
		facts = facts_of_closed_run(&closed);
	else
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("activity not found for ID: " INT64_FORMAT, run_id),
			 errword(WORD_NOT_AN_ACTIVITY),
			 errdetail_internal("%s", facts),
			 errhint("That is a run of a workflow: see taskq.describe_workflow(), taskq.workflow_outcome(), and the calls whose names end in _workflow.")));
}

static bool
is_run_of(const ClosedRun *closed, const text *workflow_id)
{
	return workflow_id == NULL ||
		strcmp(id_of(&closed->run), text_to_cstring(workflow_id)) == 0;
}

/* raise_workflow_unknown: nothing is what the call has named; what is not told is NULL or 0. */
void
raise_workflow_unknown(const text *workflow_id, int64 run_id)
{
	if (workflow_id != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_NOT_FOUND),
				 errmsg("workflow not found for ID: %s", text_to_cstring(workflow_id)),
				 errword(WORD_WORKFLOW_UNKNOWN),
				 errdetail_internal("{}")));
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("workflow run not found: " INT64_FORMAT, run_id),
			 errword(WORD_WORKFLOW_UNKNOWN),
			 errdetail_internal("{}")));
}

/*
 * raise_workflow_not_found: there is no such open run, as the call has named it; what is
 * not told is NULL or 0.
 */
void
raise_workflow_not_found(const text *workflow_id, int64 run_id)
{
	ClosedRun	closed;

	if (run_id != 0 ? closed_run_find(run_id, &closed) && is_run_of(&closed, workflow_id) :
		workflow_id != NULL && closed_run_see_newest(workflow_id, &closed))
		raise_workflow_closed(&closed);
	raise_workflow_unknown(workflow_id, run_id);
}

/* raise_run_gone: a run of the workflow, which there has been, was deleted or has expired. */
void
raise_run_gone(const text *workflow_id, int64 run_id)
{
	char	   *id = text_to_cstring(workflow_id);
	JsonBuilder facts;
	Jsonb	   *object;

	json_begin(&facts);
	json_add_text(&facts, "workflow_id", id);
	json_add_text(&facts, "run_id", psprintf(INT64_FORMAT, run_id));
	json_add_text(&facts, "run_uuid", run_uuid_text(run_id));
	object = json_end(&facts);
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("run " INT64_FORMAT " of workflow \"%s\" is not there any more", run_id, id),
			 errword(WORD_WORKFLOW_UNKNOWN),
			 errdetail_internal("%s", JsonbToCString(NULL, &object->root, VARSIZE(object))),
			 errhint("It was deleted, or its retention is over.")));
}

/* raise_workflow_closed: it is known, and nothing can be done to it any more. */
void
raise_workflow_closed(const ClosedRun *closed)
{
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("workflow execution already completed"),
			 errword(WORD_WORKFLOW_CLOSED),
			 errdetail_internal("%s", facts_of_closed_run(closed))));
}

/* raise_workflow_running: the workflow_id is in use. */
void
raise_workflow_running(const Run *run)
{
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_ALREADY_STARTED),
			 errmsg("Workflow execution is already running. WorkflowId: %s, RunId: %s.",
					id_of(run), run_uuid_text(run->task.run_id)),
			 errword(WORD_WORKFLOW_RUNNING),
			 errdetail_internal("%s", facts_of_open_run(run))));
}

/* raise_workflow_finished: the reuse policy forbids another run. */
void
raise_workflow_finished(const ClosedRun *closed, bool by_policy_failed_only)
{
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_ALREADY_STARTED),
			 errmsg("Workflow execution already finished%s. WorkflowId: %s, RunId: %s. Workflow Id reuse policy: %s.",
					by_policy_failed_only ? " successfully" : "",
					id_of(&closed->run), run_uuid_text(closed->run.task.run_id),
					by_policy_failed_only ? "allow duplicate workflow Id if last run failed" :
					"reject duplicate workflow Id"),
			 errword(WORD_WORKFLOW_CLOSED),
			 errdetail_internal("%s", facts_of_closed_run(closed))));
}

/* raise_too_many_restarts: it was started a moment ago, and would be terminated for another. */
void
raise_too_many_restarts(const Run *run)
{
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_RESOURCE_EXHAUSTED),
			 errmsg("Too many restarts for workflow %s. Time since last start: less than 1s.", id_of(run)),
			 errword(WORD_TOO_MANY_RESTARTS),
			 errdetail_internal("%s", facts_of_open_run(run)),
			 errhint("Wait a second between two starts that terminate the run before.")));
}

/*
 * check_more_signals: raises 54000 if the open run, for which so many signals wait, cannot
 * get any more.
 */
void
check_more_signals(const Run *run, int64 waiting)
{
	if (run->signals + waiting < MOST_SIGNALS)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("exceeded workflow execution limit for signal events"),
			 errdetail("The run has received " INT64_FORMAT " signals, the limit is %d.",
					   run->signals + waiting, MOST_SIGNALS),
			 errhint("Let the workflow continue as new.")));
}

/* check_signals: likewise, whatever waits. */
void
check_signals(const Run *run)
{
	check_more_signals(run, 0);
}

/* report_stale_task: no such workflow task is in progress. */
void
report_stale_task(int elevel)
{
	ereport(elevel,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("Workflow task not found."),
			 errword(WORD_TASK_STALE),
			 errdetail_internal("{}")));
}
