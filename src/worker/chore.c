/*
 * chore.c
 *		What chores of the worker use: their transactions, and their errors.
 *
 * Every transaction is opened by chore_begin(), which locks the extension
 * against being dropped, and leaves when it is gone; DROP EXTENSION therefore
 * waits for at most one transaction of a chore.
 *
 * What a chore took from shared memory, or from what it remembers, it gives up
 * only when the transaction that used it has committed, so an error loses
 * nothing.  A chore that works on many things at a time runs them by
 * chore_try(), so that one of them does not stop the others.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "shared/counts.h"
#include "shared/directory.h"
#include "shared/queues.h"
#include "store/extension.h"
#include "worker/chore.h"

static Oid	my_extension = InvalidOid;	/* that this process serves */
static bool extension_gone = false;
static MemoryContext round_context; /* reset when all chores had their turn */

/*
 * chore_tick: show that this process runs, for taskq.health.
 */
void
chore_tick(void)
{
	DatabaseSlot *slot = directory_my_slot();
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&slot->mutex);
	slot->ticked_at = now;
	SpinLockRelease(&slot->mutex);
}

/*
 * chore_serves: has this process found the extension, so that it serves it?
 */
bool
chore_serves(void)
{
	return OidIsValid(my_extension);
}

/*
 * chore_extension_is_gone: does this process end since there is no extension?
 */
bool
chore_extension_is_gone(void)
{
	return extension_gone;
}

/*
 * chore_start: the process has started.
 */
void
chore_start(void)
{
	round_context = AllocSetContextCreate(TopMemoryContext,
										  "taskq worker round",
										  ALLOCSET_DEFAULT_SIZES);
}

/*
 * chore_enter: the memory of this round is the current one from now on.
 */
void
chore_enter(void)
{
	MemoryContextSwitchTo(round_context);
}

/*
 * chore_end_round: all chores had their turn.
 */
void
chore_end_round(void)
{
	MemoryContextReset(round_context);
}

/*
 * chore_begin: open a transaction of a chore, with an active snapshot that
 * was taken after the extension was found and locked.  Does not return when
 * the extension is gone.  Nor when it was dropped and made again: nothing that
 * this process remembers is of use then, the next one will do.
 */
void
chore_begin(const char *chore)
{
	Oid			extension;

	Assert(!IsTransactionState());
	chore_tick();
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = extension_lock();
	if (!OidIsValid(my_extension))
		my_extension = extension;
	if (!OidIsValid(extension) || extension != my_extension)
	{
		CommitTransactionCommand();
		extension_gone = !OidIsValid(extension);
		counts_forget();
		queue_state_forget_database(MyDatabaseId);
		proc_exit(0);
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, chore);
}

/*
 * chore_commit: close what chore_begin() opened.
 */
void
chore_commit(void)
{
	Assert(IsTransactionState());
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(round_context);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * chore_try: call piece(arg), which opens and closes its transactions itself.
 * NULL when all went well; otherwise what went wrong, in the memory of this
 * round, and the transaction in which it did is aborted.  The caller reports
 * that, or raises it again.
 */
ErrorData *
chore_try(void (*piece) (void *arg), void *arg)
{
	ErrorData  *volatile error = NULL;

	Assert(!IsTransactionState());
	PG_TRY();
	{
		piece(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(round_context);
		error = CopyErrorData();
		HOLD_INTERRUPTS();
		AbortCurrentTransaction();
		LWLockReleaseAll();
		FlushErrorState();
		MemoryContextSwitchTo(round_context);
		pgstat_report_activity(STATE_IDLE, NULL);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	return error;
}

/*
 * chore_report: log an error from chore_try(), as it would have been.
 */
void
chore_report(ErrorData *error)
{
	PG_TRY();
	{
		ReThrowError(error);
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
		MemoryContextSwitchTo(round_context);
	}
	PG_END_TRY();
}

/* One of several tables, say, and what is done for it. */
typedef struct Step
{
	void		(*act) (int number, TimestampTz now);
	int			number;
	TimestampTz now;
} Step;

static void
take_step(void *arg)
{
	const Step *step = arg;

	step->act(step->number, step->now);
}

/*
 * chore_step: call act(number, now), which opens and closes its transactions
 * itself.  An error is logged, and so the others have their turn; false then.
 */
bool
chore_step(void (*act) (int number, TimestampTz now), int number, TimestampTz now)
{
	Step		step = {act, number, now};
	ErrorData  *error = chore_try(take_step, &step);

	if (error != NULL)
		chore_report(error);
	return error == NULL;
}
