/*
 * attempt_report.c
 *		What a worker reports of an attempt: success, failure, release,
 *		cancellation, a heartbeat; and to which attempt.
 *
 * A report by token reaches the attempt of that token only; a report by run
 * reaches whatever attempt is in progress.  Payloads above
 * taskq.max_payload_size do not raise: the work is done and the worker would
 * only try again, so the attempt is failed for good instead, with a WARNING,
 * unless the report is refused anyway.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/json.h"
#include "base/settings.h"
#include "common/lengths.h"
#include "engine/attempt_report.h"
#include "engine/heartbeat.h"
#include "engine/token.h"
#include "model/failure.h"
#include "store/find.h"
#include "store/open_row.h"

/* bytes that are left of a failure whose text would be too long */
#define CUT_SHORT		4096

/* ------------------------------------------------------------------------
 * What is reported
 * ------------------------------------------------------------------------
 */

static bool
oversized(const void *payload)
{
	return payload != NULL &&
		(toast_raw_datum_size(PointerGetDatum(payload)) > (Size) taskq_max_payload_size * 1024 ||
		 json_text_exceeds(PointerGetDatum(payload), MAX_PAYLOAD_TEXT));
}

static void
warn_oversized(const char *message)
{
	if (message == NULL)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s", message),
			 errdetail("taskq.max_payload_size is %d kB.",
					   taskq_max_payload_size),
			 errhint("Store large payloads elsewhere and pass a reference.")));
}

/* the attempt is failed by the server instead of what was reported */
static void
fail_instead(Report *report, const char *message)
{
	report->oversized = message;
	report->event = EVENT_FAIL;
	report->data.failure = failure_server(message, true, NULL);
	report->data.next_retry_delay = 0;
	report->checkpoint.given = false;
}

static void
start_report(Report *report, Event event, const char *identity)
{
	memset(report, 0, sizeof(Report));
	report->event = event;
	report->data.identity = identity;
}

/* report_complete: success, with the worker's result. */
void
report_complete(Report *report, bool by_id, struct varlena *result,
				const char *identity)
{
	start_report(report, by_id ? EVENT_COMPLETE_BY_ID : EVENT_COMPLETE,
				 identity);
	report->data.result = result;
	if (oversized(result))
		fail_instead(report, "Complete result exceeds size limit.");
}

/* report_heartbeat: alive, with details for the next attempt. */
void
report_heartbeat(Report *report, struct varlena *details,
				 const char *identity)
{
	start_report(report, EVENT_HEARTBEAT, identity);
	report->checkpoint.given = true;
	report->checkpoint.details = details;
	if (oversized(details))
		fail_instead(report, "Heartbeat details exceed size limit.");
}

/* report_cancellation: the worker has stopped because it was asked to. */
void
report_cancellation(Report *report, struct varlena *details,
					const char *identity)
{
	start_report(report, EVENT_REPORT_CANCELED, identity);
	if (oversized(details))
		fail_instead(report, "Cancel details exceed size limit.");
	else if (details != NULL)
		report->data.details = DatumGetJsonbP(PointerGetDatum(details));
}

/* a heartbeat that comes with the report; one that is too large is dropped */
static void
bring_checkpoint(Report *report, struct varlena *details)
{
	if (oversized(details))
		report->oversized_checkpoint = "Last heartbeat details exceed size limit.";
	else if (details != NULL)
	{
		report->checkpoint.given = true;
		report->checkpoint.details = details;
	}
}

/*
 * report_release: the attempt is handed back, not to be handed out again for
 * "delay" microseconds.
 */
void
report_release(Report *report, int64 delay, struct varlena *checkpoint,
			   const char *identity)
{
	start_report(report, EVENT_RELEASE, identity);
	report->data.release_delay = delay;
	bring_checkpoint(report, checkpoint);
}

/*
 * report_failure: no success, and not to be tried again for "next_retry_delay"
 * microseconds (0 = as the retry policy says); a failure of NULL = "no failure".
 * One that is too large is cut.
 */
void
report_failure(Report *report, Jsonb *failure, int64 next_retry_delay,
			   struct varlena *checkpoint, const char *identity)
{
	start_report(report, EVENT_FAIL, identity);
	report->data.next_retry_delay = next_retry_delay;
	report->data.failure = failure;
	if (oversized(failure))
	{
		report->oversized = "Failure exceeds size limit.";
		report->data.failure =
			failure_oversized(failure, json_text_exceeds(PointerGetDatum(failure), MAX_PAYLOAD_TEXT) ?
							  CUT_SHORT : (Size) taskq_max_payload_size * 1024);
	}
	bring_checkpoint(report, checkpoint);
}

/* ------------------------------------------------------------------------
 * To whom
 * ------------------------------------------------------------------------
 */

/* is it a heartbeat, and was that all there is to do? */
static bool
is_quick(const Report *report, int64 run_id, int64 nonce, Activity *activity,
		 Verdict *verdict)
{
	if (report->event != EVENT_HEARTBEAT ||
		!heartbeat_quickly(run_id, nonce, report->checkpoint.details,
						   &activity->task.state))
		return false;
	verdict->answer = ANSWER_UNCHANGED;
	verdict->message = NULL;
	verdict->retry_state = RETRY_UNSPECIFIED;
	return true;
}

/* carry the report out; what was too large is warned of if it is accepted */
static Verdict
carry_out(const Address *address, Report *report, Activity *activity)
{
	Verdict		verdict = execute(address, report->event, &report->data,
								  &report->checkpoint, activity);

	if (verdict.answer == ANSWER_DONE || verdict.answer == ANSWER_UNCHANGED)
	{
		warn_oversized(report->oversized);
		warn_oversized(report->oversized_checkpoint);
	}
	return verdict;
}

/*
 * report_by_token: carry the report out for the attempt of a token.  Of the
 * activity only the state is known after a heartbeat.
 */
Verdict
report_by_token(Report *report, Datum token, Activity *activity)
{
	Address		address = {0};
	Verdict		verdict = {.answer = ANSWER_NOT_FOUND};

	address.by_token = true;
	if (!token_read(DatumGetUUIDP(token), &address.run_id, &address.nonce) ||
		is_quick(report, address.run_id, address.nonce, activity, &verdict))
		return verdict;
	return carry_out(&address, report, activity);
}

/*
 * report_by_attempt: likewise for who knows of which attempt the token would be.
 * Not for heartbeats.
 */
Verdict
report_by_attempt(Report *report, int64 run_id, int64 nonce, Activity *activity)
{
	Address		address = {.run_id = run_id, .by_token = true, .nonce = nonce};

	Assert(report->event != EVENT_HEARTBEAT);
	return carry_out(&address, report, activity);
}

/*
 * report_by_run: carry the report out for whatever attempt of the run is in
 * progress.  Of the activity only the state is known after a heartbeat.
 */
Verdict
report_by_run(Report *report, int64 run_id, Activity *activity)
{
	Address		address = {.run_id = run_id};
	OpenGlance	glance;
	Verdict		verdict;

	if (report->event == EVENT_HEARTBEAT && store_glance(run_id, &glance) &&
		is_quick(report, run_id, glance.nonce, activity, &verdict))
		return verdict;
	return carry_out(&address, report, activity);
}

/* ------------------------------------------------------------------------
 * Answers
 * ------------------------------------------------------------------------
 */

/* report_flags: what the activity tells the worker that reported. */
Flags
report_flags(const Report *report, const Activity *activity)
{
	Flags		flags = {0};

	if (report->event != EVENT_HEARTBEAT)
		flags.cancel_requested = true;	/* failed instead: stop */
	else
	{
		flags.cancel_requested = activity->task.state == STATE_CANCEL_REQUESTED;
		flags.activity_paused = activity->task.state == STATE_PAUSE_REQUESTED;
		flags.activity_reset = activity->task.state == STATE_RESET_REQUESTED;
	}
	return flags;
}
