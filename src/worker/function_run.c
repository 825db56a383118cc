/*
 * function_run.c
 *		Running one attempt as a function.
 *
 * The transaction that runs the function also completes the attempt and claims the
 * next one, so that all that the function did is there exactly if the attempt is
 * completed.  If anything goes wrong, the end of the attempt included, it is
 * rolled back, and another transaction reports that, and claims.
 *
 * What others do to a running attempt comes as a cancel of the statement; the slot
 * in shared memory says which attempt is meant, and why.  One that was late and
 * hits another attempt is recognised by that, and the attempt runs again.  So does
 * one that has met a serialization failure, a deadlock or a lock timeout, ten
 * times at most.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/caught.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/texts.h"
#include "engine/attempt_report.h"
#include "engine/own_attempt.h"
#include "model/duration.h"
#include "model/failure.h"
#include "shared/function_pool.h"
#include "store/extension.h"
#include "worker/function_call.h"
#include "worker/function_claim.h"
#include "worker/function_run.h"

/* how often a function runs again at once in one attempt */
#define MAX_AGAIN		10

static uint32 signals_seen;
static MemoryContext error_context = NULL;

/* ------------------------------------------------------------------------
 * One try
 * ------------------------------------------------------------------------
 */

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
	function_claim_ended(true);
	pgstat_report_stat(false);
}

/*
 * The attempt is complete with that result, in the transaction that made it.  If it
 * has ended before, the function has done that itself, or others have: once this
 * is rolled back, report() sees which.
 */
static void
complete(const Activity *attempt, struct varlena *result)
{
	Report		report;
	Activity	activity;

	if (!OidIsValid(extension_lock()))
		raise_dropped();
	report_complete(&report, false, result, function_identity());
	if (report.event != EVENT_COMPLETE)
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_NON_RETRYABLE),
				 errmsg("%s", report.oversized)));
	if (report_by_attempt(&report, attempt->task.run_id, attempt->task.nonce,
						  &activity).answer == ANSWER_NOT_FOUND)
		ereport(ERROR,
				(errcode(ERRCODE_TASKQ_NOT_FOUND),
				 errmsg("the function has ended its own attempt"),
				 errhint("It completes by returning, and fails by raising an error.")));
}

/*
 * What the commit would still run, deferred triggers and cursors that are held, is
 * the function's, too: it may take as long, and once the attempt is complete
 * nobody could end it.
 */
static void
run_deferred(void)
{
	do
		AfterTriggerFireDeferred();
	while (PreCommit_Portals(false));
}

/* one try: all of it in one transaction */
static void
run_transaction(void)
{
	const Activity *attempt = &own_attempt()->activity;
	struct varlena *result;

	begin();
	result = function_call(attempt);
	run_deferred();
	complete(attempt, result);
	if (!IsolationUsesXactSnapshot())
		(void) function_claim();
	commit();
}

/* ------------------------------------------------------------------------
 * What went wrong
 * ------------------------------------------------------------------------
 */

/* roll back, as the main loop of a session does */
static ErrorData *
roll_back(void)
{
	ErrorData  *error;

	if (error_context == NULL)
		error_context = AllocSetContextCreate(TopMemoryContext,
											  "taskq function error",
											  ALLOCSET_SMALL_SIZES);
	MemoryContextReset(error_context);
	MemoryContextSwitchTo(error_context);
	error = CopyErrorData();
	HOLD_INTERRUPTS();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	FlushErrorState();
	MemoryContextSwitchTo(error_context);
	RESUME_INTERRUPTS();
	function_claim_ended(false);
	return error;
}

/*
 * NULL when it has committed.  A cancel can come here, and nowhere else: all the
 * rest of the process holds it off.
 */
static ErrorData *
try_once(void)
{
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		RESUME_CANCEL_INTERRUPTS();
		run_transaction();
		HOLD_CANCEL_INTERRUPTS();
	}
	PG_CATCH();
	{
		QueryCancelHoldoffCount = 1;
		error = roll_back();
	}
	PG_END_TRY();
	return error;
}

/* was the attempt that runs stopped by others?  And why. */
static bool
is_stopped(WorkerEvent *reason)
{
	FunctionWorker *me = function_worker_me;
	bool		stopped;

	LWLockAcquire(function_pool_lock, LW_SHARED);
	stopped = me->stopped != 0 && me->stopped == me->current.nonce;
	*reason = me->reason;
	LWLockRelease(function_pool_lock);
	return stopped;
}

/* did a cancel come that was for another attempt? */
static bool
was_for_another(void)
{
	uint32		signals;

	LWLockAcquire(function_pool_lock, LW_SHARED);
	signals = function_worker_me->signals;
	LWLockRelease(function_pool_lock);
	if (signals == signals_seen)
		return false;
	signals_seen = signals;
	return true;
}

/* may the function simply run again? */
static bool
is_passing(const ErrorData *error, int again)
{
	if (again >= MAX_AGAIN ||
		(ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_TRANSACTION_ROLLBACK &&
		 error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE))
		return false;
	(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1L << again,
					 custom_wait_event("TaskqFunctionAgain"));
	return true;
}

static Jsonb *
error_details(const ErrorData *error)
{
	JsonBuilder details;

	json_begin(&details);
	json_add_text(&details, "detail", error->detail);
	json_add_text(&details, "hint", error->hint);
	json_add_text(&details, "schema", error->schema_name);
	json_add_text(&details, "table", error->table_name);
	json_add_text(&details, "column", error->column_name);
	json_add_text(&details, "constraint", error->constraint_name);
	return details.empty ? NULL : json_end(&details);
}

/*
 * The delay that a function asks for by DETAIL; 0 without one, -1 when that is no
 * interval.  That only computes: there is nothing to undo.
 */
static int64
snooze(const ErrorData *error)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = QueryCancelHoldoffCount;
	volatile int64 delay = -1;

	if (error->detail == NULL)
		return 0;
	PG_TRY();
	{
		Datum		interval = DirectFunctionCall3(interval_in,
												   CStringGetDatum(error->detail),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1));

		delay = Max(duration_from_interval(DatumGetIntervalP(interval), "DETAIL"), 0);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		error_forget(holdoff);
	}
	PG_END_TRY();
	return delay;
}

static void
report_error(Report *report, const ErrorData *error)
{
	report_failure(report,
				   failure_application(error->message, unpack_sql_state(error->sqlerrcode),
									   error_details(error),
									   error->sqlerrcode == ERRCODE_TASKQ_NON_RETRYABLE,
									   error->context, NULL),
				   0, NULL, function_identity());
}

static void
log_error(const Activity *attempt, const ErrorData *error)
{
	ereport(LOG,
			(errmsg("taskq function failed: activity type \"%s\", run " INT64_FORMAT ", attempt %d, SQLSTATE %s",
					text_to_cstring(attempt->activity_type),
					attempt->task.run_id, attempt->task.attempt,
					unpack_sql_state(error->sqlerrcode)),
			 errhidestmt(true), errhidecontext(true)));
}

/* what is to be reported; false: nothing */
static bool
make_report(Report *report, const ErrorData *error)
{
	WorkerEvent reason;

	if (!is_stopped(&reason))
	{
		int64		delay = error->sqlerrcode == ERRCODE_TASKQ_SNOOZE ?
			snooze(error) : -1;

		if (delay >= 0)
			report_release(report, delay, NULL, function_identity());
		else
			report_error(report, error);
		return true;
	}
	switch (reason)
	{
		case WORKER_EVENT_CANCEL_REQUESTED:
			report_cancellation(report, NULL, function_identity());
			return true;
		case WORKER_EVENT_PAUSED:
		case WORKER_EVENT_RESET:
			report_release(report, 0, NULL, function_identity());
			return true;
		default:
			return false;
	}
}

/* tell how the attempt has ended, unless others have ended it, and claim */
static void
report(const ErrorData *error)
{
	const Activity *attempt = &own_attempt()->activity;
	Report		report;
	Activity	activity;

	function_begin();
	if (make_report(&report, error) &&
		report_by_attempt(&report, attempt->task.run_id, attempt->task.nonce,
						  &activity).answer != ANSWER_NOT_FOUND &&
		report.event == EVENT_FAIL)
		log_error(attempt, error);
	(void) function_claim();
	commit();
}

/* a cancel that has come too late must not hit what comes next; an early one must */
static void
sort_cancels(void)
{
	WorkerEvent reason;

	QueryCancelPending = is_stopped(&reason);
	if (QueryCancelPending)
		InterruptPending = true;
	(void) was_for_another();
}

/*
 * function_run: run the current attempt, report how it has ended, and claim the
 * next one, which is the current one then, if there is any.
 */
void
function_run(void)
{
	for (int again = 0;;)
	{
		ErrorData  *error;

		sort_cancels();
		error = try_once();
		if (error == NULL)
			return;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		{
			WorkerEvent reason;

			if (!is_stopped(&reason) && was_for_another())
				continue;
		}
		else if (is_passing(error, again))
		{
			again++;
			continue;
		}
		report(error);
		return;
	}
}
