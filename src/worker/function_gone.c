/*
 * function_gone.c
 *		What is left of function workers that have gone, and who has to be made go.
 *
 * An attempt whose process has gone is failed at once, and so is, after a start of
 * the server, one whose process went with it.  An attempt that is to stop is
 * reminded of that every second, and loses its process after a while.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "engine/attempt_report.h"
#include "model/failure.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "store/scan.h"
#include "worker/chore.h"
#include "worker/function_claim.h"
#include "worker/function_gone.h"

/* an attempt that does not stop loses its process after that */
#define PATIENCE_MS		10000
#define REMIND_MS		1000

/* a process that its supervisor has not seen to start is given up after that */
#define START_MS		10000

/* longest back-off of a role as which nobody can connect */
#define BACK_OFF_S		60

/* What this process knows of a slot. */
typedef struct Started
{
	BackgroundWorkerHandle *handle; /* NULL = it has not registered it */
	TimestampTz reminded_at;	/* real clock */
} Started;

/* A role whose process has failed. */
typedef struct Trouble
{
	Oid			role;			/* InvalidOid = none */
	int			failures;
	TimestampTz not_before;		/* real clock */
} Trouble;

#define TROUBLES		16		/* that are remembered */

static Started *started = NULL;
static Trouble troubles[TROUBLES];

/* ------------------------------------------------------------------------
 * Roles that cannot be connected as
 * ------------------------------------------------------------------------
 */

static Trouble *
trouble_of(Oid role)
{
	for (int i = 0; i < TROUBLES; i++)
		if (troubles[i].role == role)
			return &troubles[i];
	return NULL;
}

static void
note_trouble(Oid role)
{
	Trouble    *trouble = trouble_of(role);

	if (trouble == NULL)
		trouble = trouble_of(InvalidOid);
	if (trouble == NULL)
		trouble = &troubles[0];
	if (trouble->role != role)
		trouble->failures = 0;
	trouble->role = role;
	trouble->not_before = GetCurrentTimestamp() +
		back_off_s(trouble->failures++, BACK_OFF_S) * USECS_PER_SEC;
}

/*
 * function_may_start: may a process be started for the role?  If not, *look_at
 * (taskq's clock) is lowered to when it may.
 */
bool
function_may_start(Oid role, TimestampTz *look_at)
{
	Trouble    *trouble = trouble_of(role);
	TimestampTz now = GetCurrentTimestamp();

	if (trouble == NULL ||
		!is_ahead(trouble->not_before, now, BACK_OFF_S * USECS_PER_SEC))
		return true;
	*look_at = Min(*look_at, clock_now() + (trouble->not_before - now));
	return false;
}

/* ------------------------------------------------------------------------
 * Those that have gone
 * ------------------------------------------------------------------------
 */

/* what the process had of an attempt that was to stop, or else a failure */
static void
make_report(Report *report, bool stopped, WorkerEvent reason)
{
	if (stopped && reason == WORKER_EVENT_CANCEL_REQUESTED)
		report_cancellation(report, NULL, NULL);
	else if (stopped && (reason == WORKER_EVENT_PAUSED ||
						 reason == WORKER_EVENT_RESET))
		report_release(report, 0, NULL, NULL);
	else
		report_failure(report,
					   failure_application("function worker has ended", "57P01",
										   NULL, false, NULL, NULL),
					   0, NULL, NULL);
}

static void
end_attempt(const FunctionWorker *gone, const FunctionAttempt *attempt)
{
	Report		report;
	Activity	activity;

	if (attempt->run_id == 0)
		return;
	make_report(&report, gone->stopped == attempt->nonce, gone->reason);
	(void) report_by_attempt(&report, attempt->run_id, attempt->nonce, &activity);
}

/* function_slot_free: it has no process, and nothing is left of one. */
void
function_slot_free(int i)
{
	FunctionWorker *worker;

	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	worker = function_worker_at(i);
	worker->state = FUNCTION_WORKER_NONE;
	worker->beat.nonce = 0;
	(void) function_pool_used();
	LWLockRelease(function_pool_lock);
	if (started[i].handle != NULL)
		pfree(started[i].handle);
	started[i].handle = NULL;
}

/* what it has left is reported, and the slot is free */
static void
bury(int i, const FunctionWorker *gone)
{
	if (gone->current.run_id != 0 || gone->next.run_id != 0)
	{
		chore_begin("functions");
		end_attempt(gone, &gone->current);
		end_attempt(gone, &gone->next);
		chore_commit();
	}
	if (gone->failed)
		note_trouble(gone->role);
	function_slot_free(i);
}

/* has a process that was registered gone before it came up? */
static bool
never_came(int i, const FunctionWorker *worker)
{
	pid_t		pid;

	if (worker->state != FUNCTION_WORKER_STARTING || worker->pid != 0)
		return false;
	if (started[i].handle != NULL)
		return GetBackgroundWorkerPid(started[i].handle, &pid) == BGWH_STOPPED;
	return TimestampDifferenceExceeds(worker->started_at, GetCurrentTimestamp(),
									  START_MS);
}

/* all but its heartbeat, as it is now */
static void
look_at_slot(int i, FunctionWorker *copy)
{
	LWLockAcquire(function_pool_lock, LW_SHARED);
	memcpy(copy, function_worker_at(i), offsetof(FunctionWorker, beat));
	LWLockRelease(function_pool_lock);
}

/*
 * function_bury: report what those have left that have gone, and free their slots.
 */
void
function_bury(void)
{
	FunctionWorker *worker = palloc(sizeof(FunctionWorker));

	for (int i = 0; i < function_pool_size(); i++)
	{
		look_at_slot(i, worker);
		if (worker->state == FUNCTION_WORKER_NONE)
			continue;
		if (worker->database != MyDatabaseId)
		{
			if (worker->state == FUNCTION_WORKER_ENDED &&
				directory_slot_of(worker->database) == NULL)
				function_slot_free(i);
		}
		else if (never_came(i, worker))
		{
			worker->failed = true;
			bury(i, worker);
		}
		else if (worker->state == FUNCTION_WORKER_ENDED)
			bury(i, worker);
		else if (worker->state == FUNCTION_WORKER_RUNNING &&
				 worker->current.run_id != 0 && trouble_of(worker->role) != NULL)
			trouble_of(worker->role)->role = InvalidOid;
	}
	pfree(worker);
}

/* ------------------------------------------------------------------------
 * After a start of the server
 * ------------------------------------------------------------------------
 */

/* is a process there that has it? */
static bool
is_held_by_process(int64 nonce)
{
	bool		held = false;

	LWLockAcquire(function_pool_lock, LW_SHARED);
	for (int i = 0; i < function_pool_size() && !held; i++)
		held = function_worker_at(i)->state != FUNCTION_WORKER_NONE &&
			(function_worker_at(i)->current.nonce == nonce ||
			 function_worker_at(i)->next.nonce == nonce);
	LWLockRelease(function_pool_lock);
	return held;
}

/* store_scan_held callback */
static void
end_orphan(int64 run_id, int64 nonce)
{
	Report		report;
	Activity	activity;

	if (is_held_by_process(nonce))
		return;
	make_report(&report, false, WORKER_EVENT_TIMED_OUT);
	(void) report_by_attempt(&report, run_id, nonce, &activity);
}

/*
 * function_end_orphans: fail what was running when the server stopped.  Once; by
 * the worker of the database.
 */
void
function_end_orphans(DatabaseSlot *slot)
{
	if (slot->functions_adopted)
		return;
	chore_begin("functions");
	store_scan_held(FUNCTION_WORKER_IDENTITY, end_orphan);
	chore_commit();
	slot->functions_adopted = true;
}

/* ------------------------------------------------------------------------
 * Those that are to stop
 * ------------------------------------------------------------------------
 */

static void
remind(int i, FunctionWorker *worker, TimestampTz now)
{
	if (TimestampDifferenceExceeds(worker->stopped_at, now, PATIENCE_MS))
		function_worker_signal(worker, SIGTERM);
	else
	{
		worker->signals++;
		function_worker_signal(worker, SIGINT);
	}
	started[i].reminded_at = now;
}

/* function_remind: those who are to stop, and have not. */
void
function_remind(void)
{
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	for (int i = 0; i < function_pool_size(); i++)
	{
		FunctionWorker *worker = function_worker_at(i);

		if (worker->database == MyDatabaseId &&
			worker->state == FUNCTION_WORKER_RUNNING && worker->stopped != 0 &&
			worker->stopped == worker->current.nonce &&
			TimestampDifferenceExceeds(Max(worker->stopped_at, started[i].reminded_at),
									   now, REMIND_MS))
			remind(i, worker, now);
	}
	LWLockRelease(function_pool_lock);
}

/* function_gone_start: once, before anything else here. */
void
function_gone_start(void)
{
	if (started == NULL)
		started = MemoryContextAllocZero(TopMemoryContext,
										 sizeof(Started) * Max(function_pool_size(), 1));
}

/* function_slot_started: where to keep the handle of its process. */
BackgroundWorkerHandle **
function_slot_started(int i)
{
	return &started[i].handle;
}
