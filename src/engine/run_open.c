/*
 * run_open.c
 *		Starting runs.
 *
 * A workflow_id has one open run at most, which the unique index sees to: who starts
 * one looks for another first, and looks again when the index finds a rival.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/texts.h"
#include "engine/run_deliver.h"
#include "engine/run_end.h"
#include "engine/run_lock.h"
#include "engine/run_open.h"
#include "engine/run_refusal.h"
#include "engine/run_search.h"
#include "engine/run_world.h"
#include "engine/run_write.h"
#include "model/proto_values.h"
#include "model/run_facts.h"
#include "model/run_start.h"
#include "store/closed_runs.h"
#include "store/find_run.h"
#include "store/history.h"
#include "store/open.h"
#include "store/run_requests.h"

/* who wants another run terminated for a new one waits that long after its start */
#define LEAST_RESTART		USECS_PER_SEC

/* request ids that a run remembers, the last ones */
#define MOST_ATTACHED		50

static text *
request_id_of(const RunStartCall *call)
{
	char	   *id = json_get_text(call->request, "requestId");

	return id == NULL ? NULL : cstring_to_text(id);
}

/* was the run started by that request, or given as its answer? */
static bool
answered(const Run *run, const text *request_id)
{
	RunFacts	facts;

	if (request_id == NULL)
		return false;
	if (run->request_id != NULL &&
		text_equal(DatumGetTextPP(PointerGetDatum(run->request_id)), request_id))
		return true;
	run_facts_read(run->facts, &facts);
	return facts.attached != NULL &&
		json_array_has(facts.attached, text_to_cstring(request_id));
}

/* the run remembers that it was the answer to a request; false: it has been closed meanwhile */
static bool
attach(const Run *existing, const text *request_id)
{
	RunWritten	written = {0};
	Run			before;
	Run			run;
	RunFacts	facts;
	RunStep		step;

	if (request_id == NULL)
		return true;
	if (run_lock(existing->task.run_id, RUN_LOCK_STEP, true, &before) != RUN_LOCKED)
		return false;
	run = before;
	run_facts_read(run.facts, &facts);
	facts.attached = json_array_push(facts.attached, text_to_cstring(request_id), MOST_ATTACHED);
	run.facts = run_facts_write(&facts);
	run_step_begin(&step, &run, &run_world, clock_now(), NULL);
	run_write(&step, &before, &written);
	return true;
}

static void
answer_open(const Run *run, bool same_request, RunStarted *started)
{
	RunFacts	facts;

	run_facts_read(run->facts, &facts);
	started->run_id = run->task.run_id;
	started->first_run_id = facts.first_run_id;
	started->created = false;
	started->same_request = same_request;
	started->status = RUN_STATUS_RUNNING;
}

/*
 * The signal that comes with the start; a request that was seen before is none.  False:
 * the run has been closed meanwhile.
 */
static bool
send_signal(const RunStartCall *call, const Run *run)
{
	int64		run_id = run->task.run_id;

	if (call->signal == NULL)
		return true;
	check_signals(run);
	if (call->signal_request_id != NULL &&
		!run_request_remember(run_id, call->signal_request_id))
		return true;
	if (run_deliver(run_id, call->signal))
		return true;
	run_requests_delete(run_id);
	return false;
}

/* an open run gives way to the new one */
static void
terminate_existing(const Run *run, int64 new_run_id)
{
	char	   *why = psprintf("terminated by new runID: %s", run_uuid_text(new_run_id));

	if (clock_now() - run->start_time < LEAST_RESTART)
		raise_too_many_restarts(run);
	(void) run_terminate(run->task.run_id, "TerminateIfRunning WorkflowIdReusePolicy",
						 payloads_of_text(why), "history-service");
}

/* an open run has the id: true if it is the answer */
static bool
existing_serves(const RunStartCall *call, const Run *run, int64 new_run_id, RunStarted *started)
{
	text	   *request_id = request_id_of(call);

	if (answered(run, request_id))
	{
		answer_open(run, true, started);
		return send_signal(call, run);
	}
	if (call->conflict == RUN_CONFLICT_TERMINATE_EXISTING)
	{
		terminate_existing(run, new_run_id);
		return false;
	}
	if (call->conflict == RUN_CONFLICT_FAIL && call->signal == NULL)
		raise_workflow_running(run);
	answer_open(run, false, started);
	return call->signal == NULL ? attach(run, request_id) : send_signal(call, run);
}

/* a closed run has the id: true if it is the answer */
static bool
closed_serves(const RunStartCall *call, const text *workflow_id, RunStarted *started)
{
	text	   *request_id = request_id_of(call);
	ClosedRun	closed;
	RunFacts	facts;

	if ((request_id == NULL && call->reuse == REUSE_ALLOW) ||
		!closed_run_newest(workflow_id, &closed))
		return false;
	if (request_id != NULL && closed.run.request_id != NULL &&
		text_equal(DatumGetTextPP(PointerGetDatum(closed.run.request_id)), request_id))
	{
		run_facts_read(closed.run.facts, &facts);
		started->run_id = closed.run.task.run_id;
		started->first_run_id = facts.first_run_id;
		started->same_request = true;
		started->status = closed.status;
		return true;
	}
	if (call->reuse == REUSE_REJECT)
		raise_workflow_finished(&closed, false);
	if (call->reuse == REUSE_FAILED_ONLY &&
		(closed.status == RUN_STATUS_COMPLETED || closed.status == RUN_STATUS_CONTINUED_AS_NEW))
		raise_workflow_finished(&closed, true);
	return false;
}

static Jsonb *
search_fields_of(const RunStartCall *call)
{
	Jsonb	   *attributes = json_get_object(call->request, "searchAttributes");

	return attributes == NULL ? NULL : json_get_object(attributes, "indexedFields");
}

/* the new run; false if another one has the id by now */
static bool
insert_new(const RunStartCall *call, int64 run_id, RunStarted *started)
{
	TimestampTz now = clock_now();
	Jsonb	   *attributes = run_started_attributes(call->request, run_id, now, &run_world);
	Run			run;
	RunStep		step;

	run_from_started(&run, attributes, now, run_id, run_id);
	run.request_id = request_id_of(call);
	run_step_begin(&step, &run, &run_world, now, call->identity);
	if (call->signal != NULL)
		run_step_mail(&step, call->signal);
	run_begin(&step, attributes, json_get_object(call->request, "userMetadata"));
	if (!run_insert(&step))
		return false;
	run_search_declare(search_fields_of(call));
	if (call->signal_request_id != NULL)
		(void) run_request_remember(run_id, call->signal_request_id);
	started->run_id = started->first_run_id = run_id;
	started->created = true;
	return true;
}

/*
 * run_open: start a run, or find the one that serves instead.  Raises TQ002, TQ004,
 * 22023.
 */
void
run_open(const RunStartCall *call, RunStarted *started)
{
	text	   *workflow_id = cstring_to_text(json_get_text(call->request, "workflowId"));
	int64		run_id = store_next_run_id();
	Run			existing;

	memset(started, 0, sizeof(RunStarted));
	run_search_check(search_fields_of(call));
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (find_run_by_workflow_id(workflow_id, &existing))
		{
			if (existing_serves(call, &existing, run_id, started))
				return;
		}
		else if (closed_serves(call, workflow_id, started) ||
				 insert_new(call, run_id, started))
			return;
	}
}
