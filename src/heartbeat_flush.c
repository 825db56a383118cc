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
 * left for the next time.  A row is replaced over the version that was read,
 * so that nothing older than what somebody else has written wins; a new row is
 * made under the lock of the activity's row, whose attempt has to be that of
 * the slot.  Slots of attempts that are over, without anybody having told so
 * (COMMIT PREPARED, statements on taskq's tables), are found that way.  A slot
 * counts as saved once the batch has committed.
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
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "clock.h"
#include "guc.h"
#include "heartbeat.h"
#include "heartbeat_slots.h"
#include "worker.h"

#define BATCH			256		/* rows written in one transaction */

/* Of the worker. */
static bool planned = false;	/* flushed_at is of use */
static TimestampTz flushed_at;	/* when the last flush began, or could have */
static int	position = -1;		/* in the slots, -1 = no flush in progress */
static bool found_any;			/* in this flush */

/*
 * heartbeat_flush_wanted: there are heartbeats to flush.  Does not fail.
 */
void
heartbeat_flush_wanted(DatabaseSlot *slot)
{
	bool		wake;

	SpinLockAcquire(&slot->mutex);
	wake = !slot->flush_wanted;
	slot->flush_wanted = true;
	SpinLockRelease(&slot->mutex);
	if (wake)
		shmem_wake_worker(slot);
}

/* is the heartbeat's attempt still in progress?  Then its row is locked. */
static StoreResult
lock_attempt(const Beat *beat)
{
	Activity	activity;

	if (!store_find(beat->run_id, &activity) ||
		activity.nonce != beat->nonce || !state_in_progress(activity.state))
	{
		heartbeat_slot_over(beat->run_id, beat->nonce);
		return STORE_CHANGED;
	}
	return store_lock(&activity, false);
}

/* write one heartbeat; true when the row has it, or a newer one */
static bool
save(const Beat *beat)
{
	Heartbeat	row;

	heartbeat_row_read(beat->run_id, &row);
	if (!ItemPointerIsValid(&row.tid))
	{
		if (lock_attempt(beat) != STORE_OK)
			return false;
		heartbeat_row_read(beat->run_id, &row);
	}
	if (row.count >= beat->count)
		return true;
	row.last_time = beat->last_time;
	row.count = beat->count;
	row.details = heartbeat_slot_details(beat);
	return heartbeat_row_write(beat->run_id, &row, false) == STORE_OK;
}

static int
compare_beats(const void *a, const void *b)
{
	int64		x = ((const Beat *) a)->run_id;
	int64		y = ((const Beat *) b)->run_id;

	return x < y ? -1 : x > y;
}

static bool
begin(void)
{
	worker_begin("heartbeats");
	return true;
}

/*
 * One batch, from the slots at "position" on, in a transaction opened by
 * "begin_transaction" if it can be.
 */
static void
flush_batch(bool (*begin_transaction) (void))
{
	Beat	   *beats = palloc(BATCH * sizeof(Beat));
	bool	   *saved = palloc(BATCH * sizeof(bool));
	int			n = heartbeat_slots_unsaved(&position, beats, BATCH);

	if (n == 0)
		return;
	found_any = true;
	qsort(beats, n, sizeof(Beat), compare_beats);
	if (!begin_transaction())
		return;
	for (int i = 0; i < n; i++)
		saved[i] = save(&beats[i]);
	worker_commit();
	for (int i = 0; i < n; i++)
		if (saved[i])
			heartbeat_slot_saved(&beats[i]);
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
	slot->flush_wanted = false;
	SpinLockRelease(&slot->mutex);
	if (heartbeat_slots_unsaved(&from, &beat, 1) == 0)
		return true;
	heartbeat_flush_wanted(slot);
	return false;
}

/* as worker_begin(), for a process that must not wait for anybody */
static bool
begin_at_exit(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid(TASKQ_EXTENSION, true)) &&
		ConditionalLockRelationOid(catalog()->heartbeat, RowExclusiveLock) &&
		ConditionalLockRelationOid(catalog()->open, RowExclusiveLock))
		return true;
	worker_commit();
	return false;
}

/*
 * heartbeat_flush_at_exit: the worker was told to end, maybe since the server
 * is shut down: leave nothing behind in memory, if it can be done without
 * waiting, be it for a standby.
 */
void
heartbeat_flush_at_exit(void)
{
	AbortOutOfAnyTransaction();
	if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		SetConfigOption("synchronous_commit", "local", PGC_SUSET,
						PGC_S_OVERRIDE);
	position = 0;
	do
	{
		flush_batch(begin_at_exit);
	} while (position >= 0);
}

/*
 * heartbeat_flush_run: flush a batch, if it is time.  Returns when to be
 * called again; the past when there is more.
 */
TimestampTz
heartbeat_flush_run(void)
{
	DatabaseSlot *slot = shmem_my_slot();
	TimestampTz now = clock_now();
	int64		interval = taskq_heartbeat_flush * INT64CONST(1000);

	if (!slot->flush_wanted)
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
	flush_batch(begin);
	if (position >= 0)
		return DT_NOBEGIN;
	if (!found_any && may_sleep(slot))
		return DT_NOEND;
	return flushed_at + interval;
}
