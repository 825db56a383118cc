/*
 * refusal.c
 *		Errors of class TQ: a stable word and facts for programs.
 *
 * Messages are for people.  A program that has to know more than the SQLSTATE
 * finds a word that does not change in the field of the constraint's name
 * (diag.constraint_name, PQresultErrorField(…, PG_DIAG_CONSTRAINT_NAME)), and in
 * the detail one JSON object of what is known of the run or the queue.  The
 * facts are looked up when the error is raised, so they cost nothing before.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "common/statuses.h"
#include "engine/refusal.h"
#include "engine/run_refusal.h"
#include "engine/token.h"
#include "store/closed.h"
#include "store/find.h"

/* ------------------------------------------------------------------------
 * Facts
 * ------------------------------------------------------------------------
 */

static void
add_instant(JsonBuilder *facts, const char *key, TimestampTz when)
{
	char		text[MAXDATELEN + 1];

	if (TIMESTAMP_NOT_FINITE(when))
		return;
	json_add_text(facts, key,
				  pstrdup(JsonEncodeDateTime(text, TimestampTzGetDatum(when),
											 TIMESTAMPTZOID, NULL)));
}

static void
add_stored_text(JsonBuilder *facts, const char *key, const text *value)
{
	if (value != NULL)
		json_add_text(facts, key, TextDatumGetCString(PointerGetDatum(value)));
}

/* by which requests it was cancelled and terminated */
static void
add_controls(JsonBuilder *facts, const Activity *activity)
{
	const Controls *controls = activity->controls;

	if (controls == NULL && activity->task.control != NULL)
		controls = controls_from_jsonb(activity->task.control);
	if (controls == NULL)
		return;
	json_add_text(facts, "cancel_request_id", controls->cancel.request_id);
	json_add_text(facts, "terminate_request_id", controls->terminate_id);
}

static char *
end_facts(JsonBuilder *facts)
{
	Jsonb	   *object = json_end(facts);

	return object == NULL ? "{}" :
		JsonbToCString(NULL, &object->root, VARSIZE(object));
}

/* facts_of_run: as text; run_id is text, since it may exceed 2^53. */
char *
facts_of_run(const Activity *activity)
{
	JsonBuilder facts;
	bool		closed = state_is_closed(activity->task.state);

	json_begin(&facts);
	json_add_text(&facts, "run_id", psprintf(INT64_FORMAT, activity->task.run_id));
	add_stored_text(&facts, "activity_id", activity->activity_id);
	add_stored_text(&facts, "task_queue", activity->task.queue);
	add_stored_text(&facts, "request_id", activity->request_id);
	add_controls(&facts, activity);
	json_add_text(&facts, "status", closed ? state_name(activity->task.state) :
				  activity->task.state == STATE_PAUSED ? STATUS_PAUSED :
				  STATUS_RUNNING);
	if (!closed)
		json_add_text(&facts, "run_state", state_name(activity->task.state));
	json_add_int64(&facts, "attempt", activity->task.attempt);
	if (closed)
		add_instant(&facts, "close_time", activity->close_time);
	else if (activity->task.state == STATE_SCHEDULED &&
			 activity->task.dispatch_time > clock_now())
		add_instant(&facts, "next_attempt_schedule_time",
					activity->task.dispatch_time);
	return end_facts(&facts);
}

/* facts_of_queue: which limit of it was met. */
char *
facts_of_queue(const text *task_queue, const char *limit, int64 value)
{
	JsonBuilder facts;

	json_begin(&facts);
	add_stored_text(&facts, "task_queue", task_queue);
	json_add_int64(&facts, limit, value);
	return end_facts(&facts);
}

/* ------------------------------------------------------------------------
 * TQ001
 * ------------------------------------------------------------------------
 */

/* what there is of a run, open or closed, as of now; false: nothing */
static bool
look_up(int64 run_id, Activity *run)
{
	bool		open = RecoveryInProgress() ? store_see(run_id, run) :
		store_find(run_id, run);

	return open || store_find_closed(run_id, run);
}

/* the same by activity id: the latest run that has it */
static bool
look_up_by_activity_id(const text *activity_id, Activity *run)
{
	bool		open = RecoveryInProgress() ?
		store_see_by_activity_id(activity_id, run) :
		store_find_by_activity_id(activity_id, run);

	return open || store_find_closed_by_activity_id(activity_id, run);
}

/* name the run as the caller did; "run" is NULL when nothing is known */
static void
report_not_found(int elevel, const char *name, const Activity *run,
				 const char *word_if_open)
{
	const char *word = run == NULL ? WORD_UNKNOWN :
		state_is_closed(run->task.state) ? WORD_CLOSED : word_if_open;
	const char *facts = run == NULL ? "{}" : facts_of_run(run);

	ereport(elevel,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("activity not found for ID: %s", name),
			 errword(word),
			 errdetail_internal("%s", facts)));
}

/* raise_unknown_uuid: no run can have that uuid, of an activity or a workflow. */
void
raise_unknown_uuid(Datum uuid)
{
	ereport(ERROR,
			(errcode(ERRCODE_TASKQ_NOT_FOUND),
			 errmsg("run not found for ID: %s",
					DatumGetCString(DirectFunctionCall1(uuid_out, uuid))),
			 errword(WORD_UNKNOWN),
			 errdetail_internal("{}")));
}

/* is it a run of that activity id? */
static bool
is_run_of(const Activity *run, const text *activity_id)
{
	return run->activity_id != NULL &&
		strcmp(TextDatumGetCString(PointerGetDatum(run->activity_id)),
			   text_to_cstring(activity_id)) == 0;
}

/* what the call has told */
static char *
name_in_call(const text *activity_id, const int64 *run_id)
{
	if (activity_id == NULL)
		return psprintf(INT64_FORMAT, *run_id);
	if (run_id == NULL)
		return text_to_cstring(activity_id);
	return psprintf("%s, run ID: " INT64_FORMAT, text_to_cstring(activity_id),
					*run_id);
}

/*
 * raise_not_found: there is no such run, or none that is open, for a call that
 * names it by its activity id, its run id, or both; what is not told is NULL.
 * Of another run than the one that is meant nothing is told, but that it is of a
 * workflow.
 */
void
raise_not_found(const text *activity_id, const int64 *run_id)
{
	Activity	run;
	bool		known = run_id == NULL ?
		look_up_by_activity_id(activity_id, &run) :
		look_up(*run_id, &run) &&
		(activity_id == NULL || is_run_of(&run, activity_id));

	if (!known && activity_id == NULL)
		raise_if_workflow(*run_id);
	report_not_found(ERROR, name_in_call(activity_id, run_id),
					 known ? &run : NULL, WORD_NO_ATTEMPT);
}

/* what people call a run: its activity id, or else its run id */
static char *
name_of_run(const Activity *run)
{
	return run->activity_id != NULL ?
		TextDatumGetCString(PointerGetDatum(run->activity_id)) :
		psprintf(INT64_FORMAT, run->task.run_id);
}

/* raise_no_attempt: no attempt of the run is in progress. */
void
raise_no_attempt(int64 run_id)
{
	Activity	run;

	if (!look_up(run_id, &run))
		raise_not_found(NULL, &run_id);
	report_not_found(ERROR, name_of_run(&run), &run, WORD_NO_ATTEMPT);
}

/*
 * report_stale_token: an error, or a warning of that code, for a token whose
 * attempt is over, or that never was one.
 */
void
report_stale_token(int elevel, Datum token)
{
	Activity	run;
	int64		run_id;
	int64		nonce;
	bool		known = token_read(DatumGetUUIDP(token), &run_id, &nonce) &&
		look_up(run_id, &run);

	report_not_found(elevel, known ? name_of_run(&run) :
					 DatumGetCString(DirectFunctionCall1(uuid_out, token)),
					 known ? &run : NULL, WORD_ATTEMPT_OVER);
}

/* ------------------------------------------------------------------------
 * Verdicts
 * ------------------------------------------------------------------------
 */

/* refusal_sqlstate: of a verdict; 0 when it does not refuse. */
int
refusal_sqlstate(const Verdict *verdict)
{
	switch (verdict->answer)
	{
		case ANSWER_NOT_FOUND:
			return ERRCODE_TASKQ_NOT_FOUND;
		case ANSWER_PRECONDITION:
			return ERRCODE_TASKQ_FAILED_PRECONDITION;
		case ANSWER_INVALID:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		default:
			return 0;
	}
}

/*
 * raise_refusal: the error of a verdict that refuses.  "activity" may be NULL
 * for one that was not found.
 */
void
raise_refusal(const Verdict *verdict, const Activity *activity, int64 run_id)
{
	Assert(activity != NULL || verdict->answer == ANSWER_NOT_FOUND);
	switch (verdict->answer)
	{
		case ANSWER_NOT_FOUND:
			raise_not_found(activity ? activity->activity_id : NULL, &run_id);
			break;
		case ANSWER_PRECONDITION:
			ereport(ERROR,
					(errcode(ERRCODE_TASKQ_FAILED_PRECONDITION),
					 errmsg("%s", verdict->message),
					 errword(verdict->word),
					 errdetail_internal("%s", facts_of_run(activity))));
			break;
		case ANSWER_INVALID:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s", verdict->message)));
			break;
		default:
			break;
	}
}
