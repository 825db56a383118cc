/*
 * heartbeat_flush.c
 *		Chore: heartbeats from shared memory to taskq.heartbeat_state.
 *
 * Every taskq.heartbeat_flush all heartbeats that the table does not have are
 * written to it, in batches, each a transaction of its own; between batches
 * the other chores have their turn.  That bounds what a crash can lose, and
 * makes one row version per attempt and flush of any number of heartbeats.  It
 * frees the slots of attempts that have become quiet.
 *
 * The flush waits for nobody: what somebody else is writing, or has locked, is
 * left for the next time; a transaction that is about to commit its heartbeats
 * with what else it wrote may wait for the flush.  A row is replaced over the
 * version that was read, so that nothing older than what somebody else has
 * written wins; a new row is made under the lock of the activity's row, whose
 * attempt has to be that of the slot.  Slots of attempts that are over, without
 * anybody having told so (COMMIT PREPARED, statements on taskq's tables), are
 * found that way.  A slot counts as saved once the batch has committed.
 *
 * If a batch fails, its heartbeats are written one by one, each in a transaction
 * of its own.  One that fails alone is put off (put_off.c): later flushes leave
 * it out of their batches, and try it alone when it is time.
 *
 * A worker that is told to end flushes once more, so that a shutdown of the
 * server loses nothing that was committed before.
 *
 * While there are no heartbeats the worker sleeps: "flush_wanted" of the
 * database's slot says whether it knows of any.  The first heartbeat that
 * finds it unset sets it and wakes the worker.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/clock.h"
#include "base/settings.h"
#include "shared/heartbeat_slots.h"
#include "store/find.h"
#include "store/heartbeat_row.h"
#include "store/open.h"
#include "task/store_result.h"
#include "worker/chore.h"
#include "worker/heartbeat_flush.h"
#include "worker/put_off.h"

#define BATCH			256		/* rows written in one transaction */
#define MAX_FAILURES	32		/* when the worker ends; each is a FATAL */

/* Heartbeats first to end - 1 of the batch. */
typedef struct Piece
{
	int			first;
	int			end;
} Piece;

/* Of the worker. */
static Beat batch[BATCH];
static bool planned = false;	/* flushed_at is of use */
static TimestampTz flushed_at;	/* when the last flush began, or could have */
static int	position = -1;		/* in the slots, -1 = no flush in progress */
static bool found_any;			/* in this flush */

/*
 * heartbeat_start: the worker has started, before it fires timeouts.  In the
 * first one since the server has, heartbeats of all runs that there are may
 * have been lost.
 */
void
heartbeat_start(void)
{
	DatabaseSlot *slot = directory_my_slot();
	int64		last_run;

	chore_begin("heartbeats");
	last_run = store_last_run_id();
	chore_commit();
	SpinLockAcquire(&slot->mutex);
	if (slot->heartbeats.lost_at == DT_NOBEGIN)
	{
		slot->heartbeats.lost_at = control->recovered_at;
		slot->heartbeats.lost_run = last_run;
	}
	SpinLockRelease(&slot->mutex);
	heartbeat_flush_wanted(slot);	/* another may have left some behind */
}

/* is the heartbeat's attempt still in progress?  Then its row is locked. */
static StoreResult
lock_attempt(const Beat *beat)
{
	Activity	activity;

	if (!store_find(beat->run_id, &activity) ||
		activity.task.nonce != beat->nonce || !state_in_progress(activity.task.state))
	{
		heartbeat_slot_over(beat->run_id, beat->nonce);
		return STORE_CHANGED;
	}
	return store_lock(&activity.task, false);
}

/*
 * Write the newest heartbeat of an attempt, which "beat" then is; true when the
 * row has it.  The slot is read after the row, as everybody does: who has gone
 * on without a forgotten slot has counted on from the row, not from the slot.
 */
static bool
save_beat(Beat *beat)
{
	Heartbeat	row;

	heartbeat_row_read(beat->run_id, &row);
	if (!ItemPointerIsValid(&row.tid))
	{
		if (lock_attempt(beat) != STORE_OK)
			return false;
		heartbeat_row_read(beat->run_id, &row);
	}
	if (!heartbeat_slot_read(beat->run_id, beat->nonce, beat))
		return false;
	if (row.count >= beat->count && beat->count < PG_INT64_MAX)
		return true;
	row.last_time = beat->last_time;
	row.count = beat->count;
	row.details = heartbeat_slot_details(beat);
	return heartbeat_row_write(beat->run_id, &row, ROW_NO_WAIT) == STORE_OK;
}

/* ------------------------------------------------------------------------
 * Batches
 * ------------------------------------------------------------------------
 */

/*
 * Write heartbeats first to end - 1 of the batch in a transaction, opened by
 * "begin" if it can be.
 */
static void
save_piece(int first, int end, bool (*begin) (void))
{
	bool		saved[BATCH];

	if (first == end || !begin())
		return;
	for (int i = first; i < end; i++)
		saved[i] = save_beat(&batch[i]);
	chore_commit();
	for (int i = first; i < end; i++)
	{
		if (!saved[i])
			continue;
		heartbeat_slot_saved(&batch[i]);
		put_off_done(PUT_OFF_HEARTBEAT, batch[i].run_id);
	}
}

static bool
begin(void)
{
	chore_begin("heartbeats");
	return true;
}

/* see chore_try() */
static void
try_piece(void *arg)
{
	const Piece *piece = arg;

	save_piece(piece->first, piece->end, begin);
}

static ErrorData *
try_one(int i)
{
	Piece		piece = {i, i + 1};

	return chore_try(try_piece, &piece);
}

static void
put_off(int i, const ErrorData *error)
{
	(void) put_off_add(PUT_OFF_HEARTBEAT, batch[i].run_id, error);
}

static bool
has_failed(const Beat *beat)
{
	TimestampTz until;

	return put_off_find(PUT_OFF_HEARTBEAT, beat->run_id, &until);
}

/* in the order of runs; those that have failed come last */
static int
compare_beats(const void *a, const void *b)
{
	const Beat *x = a;
	const Beat *y = b;
	int			order = has_failed(x) - has_failed(y);

	if (order != 0)
		return order;
	return x->run_id < y->run_id ? -1 : x->run_id > y->run_id;
}

/* leave out what is put off until after "now"; how many remain */
static int
leave_out(int n, TimestampTz now)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		TimestampTz until;

		if (put_off_find(PUT_OFF_HEARTBEAT, batch[i].run_id, &until) &&
			until > now)
			continue;
		if (kept < i)
			batch[kept] = batch[i];
		kept++;
	}
	return kept;
}

/*
 * Fill the batch from the slots at "position" on, but for what is put off until
 * after "now".  How many heartbeats; the first *fresh have not failed before.
 */
static int
take_batch(TimestampTz now, int *fresh)
{
	int			n = heartbeat_slots_unsaved(&position, batch, BATCH);

	if (n > 0)
		found_any = true;
	n = leave_out(n, now);
	qsort(batch, n, sizeof(Beat), compare_beats);
	*fresh = 0;
	while (*fresh < n && !has_failed(&batch[*fresh]))
		(*fresh)++;
	return n;
}

static void
flush_batch(void)
{
	Piece		piece = {0, 0};
	int			n = take_batch(clock_now(), &piece.end);
	bool		failed = chore_try(try_piece, &piece) != NULL;

	put_off_one_by_one(failed ? 0 : piece.end, n, try_one, put_off);
}

/*
 * Nothing was found in the last flush: sleep until somebody wants another one.
 * False when that is now.
 */
static bool
may_sleep(DatabaseSlot *slot)
{
	Beat		beat;
	int			from = 0;

	SpinLockAcquire(&slot->mutex);
	slot->heartbeats.flush_wanted = false;
	SpinLockRelease(&slot->mutex);
	if (heartbeat_slots_unsaved(&from, &beat, 1) == 0)
		return true;
	heartbeat_flush_wanted(slot);
	return false;
}

/* as chore_begin(), for a process that must not wait for anybody */
static bool
begin_at_exit(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid(TASKQ_EXTENSION, true)) &&
		heartbeat_row_lock_at_once())
		return true;
	chore_commit();
	return false;
}

/* one that was tried alone */
static void
report_unsaved(const Beat *beat)
{
	ereport(WARNING,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("could not save the last heartbeat of run " INT64_FORMAT " when the worker ended",
					beat->run_id),
			 errdetail("It is lost if the server is shut down.")));
}

/*
 * heartbeat_flush_at_exit: the worker was told to end, maybe since the server
 * is shut down: leave nothing behind in memory, if it can be done without
 * waiting, be it for a standby.  An error does not return; the next call goes
 * on after it, with the heartbeats of the batch that has failed one by one.
 */
void
heartbeat_flush_at_exit(void)
{
	static int	calls = 0;
	static int	n = 0;			/* in the batch ... */
	static int	next = 0;		/* ... up to where they were tried alone */
	int			fresh;

	AbortOutOfAnyTransaction();
	if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		SetConfigOption("synchronous_commit", "local", PGC_SUSET,
						PGC_S_OVERRIDE);
	if (calls == 0)
		position = 0;
	else if (next > 0)
		report_unsaved(&batch[next - 1]);
	if (calls++ > MAX_FAILURES)
		return;
	for (;;)
	{
		while (next < n)
		{
			next++;
			save_piece(next - 1, next, begin_at_exit);
		}
		if (position < 0)
			return;
		n = take_batch(DT_NOEND, &fresh);
		next = 0;
		save_piece(0, fresh, begin_at_exit);
		next = fresh;
	}
}

/*
 * heartbeat_flush_run: flush a batch, if it is time.  Returns when to be
 * called again; the past when there is more.
 */
TimestampTz
heartbeat_flush_run(void)
{
	DatabaseSlot *slot = directory_my_slot();
	TimestampTz now = clock_now();
	int64		interval = taskq_heartbeat_flush * INT64CONST(1000);

	if (!slot->heartbeats.flush_wanted)
	{
		planned = false;
		return DT_NOEND;
	}
	if (!planned || flushed_at > now)	/* the clock may have been set */
	{
		planned = true;
		flushed_at = now;
	}
	if (position < 0 && now - flushed_at < interval)
		return flushed_at + interval;
	if (position < 0)
	{
		position = 0;
		found_any = false;
		flushed_at = now;
	}
	flush_batch();
	if (position >= 0)
		return DT_NOBEGIN;
	put_off_forget_unasked(PUT_OFF_HEARTBEAT);
	if (!found_any && may_sleep(slot))
		return DT_NOEND;
	return flushed_at + interval;
}
