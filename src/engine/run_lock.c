/*
 * run_lock.c
 *		Locking a run before anything is done to it.
 *
 * The run's row is locked before its activities, as everybody does who has both.  But a
 * poll has only the activity, and when its transaction reports about one of the same run it
 * wants the run's row as well, to keep it from being closed.  So whoever closes a run
 * waits for none of its activities while he has the run: he takes all of them at once, or
 * lets go of everything, waits for who has one, and begins anew.  Nobody who has one
 * of the activities can meet him waiting, and the run goes on meanwhile.
 *
 * A heartbeat whose transaction is open has its activity like one who has locked the row.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/savepoint.h"
#include "engine/run_activities.h"
#include "engine/run_lock.h"
#include "store/find_run.h"
#include "store/open.h"
#include "task/store_result.h"

/* What is tried in a savepoint. */
typedef struct CloseTry
{
	const Run  *run;
	bool		wait;			/* for who has the run's row */
	StoreResult result;
	int64		busy;			/* run_id of an activity that somebody else has; 0 = none */
} CloseTry;

/* the run, and all of its activities */
static bool
lock_all(void *arg)
{
	CloseTry   *try = arg;

	try->result = store_lock_to_delete(&try->run->task, try->wait);
	if (try->result == STORE_OK)
		try->busy = run_activities_lock(try->run->task.run_id);
	return try->result == STORE_OK && try->busy == 0;
}

/* wait for who has the activity, and let it go */
static bool
wait_for_one(void *arg)
{
	CloseTry   *try = arg;

	run_activity_wait(try->busy);
	return false;
}

/* any error is one of the call */
static void
in_savepoint(bool (*piece) (void *arg), CloseTry *try)
{
	ErrorData  *error = savepoint_try(piece, try);

	if (error != NULL)
		ReThrowError(error);
}

/* lock the run, which has activities, to close it; STORE_CHANGED: look again */
static StoreResult
lock_to_close(const Run *run, bool wait)
{
	CloseTry	try = {.run = run,.wait = wait};

	in_savepoint(lock_all, &try);
	if (try.busy == 0)
		return try.result;
	if (!wait)
		return STORE_BUSY;
	in_savepoint(wait_for_one, &try);
	return STORE_CHANGED;
}

/*
 * run_lock: the run as it is now, kept from changes by others until the transaction
 * ends; for a close from those who keep it open, too, and its activities with it.
 */
RunLocked
run_lock(int64 run_id, RunLock lock, bool wait, Run *run)
{
	for (;;)
	{
		StoreResult result;

		CHECK_FOR_INTERRUPTS();
		if (!find_run(run_id, run))
			return RUN_LOCK_GONE;
		if (lock == RUN_LOCK_STEP)
			result = store_lock(&run->task, wait);
		else if (run->pending_activities == 0)
			result = store_lock_to_delete(&run->task, wait);
		else
			result = lock_to_close(run, wait);
		if (result == STORE_OK)
			return RUN_LOCKED;
		if (result == STORE_BUSY)
			return RUN_LOCK_BUSY;
	}
}
