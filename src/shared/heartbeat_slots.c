/*
 * heartbeat_slots.c
 *		Last heartbeats of running attempts, in shared memory.
 *
 * A cache in front of taskq.heartbeat_state that is written back later: a
 * fixed number of slots, each for one attempt, found by (database, run_id,
 * nonce).  With the nonce in the key nothing of one attempt can be taken for
 * another's.  Which of slot and row is newer is decided by their counts, since
 * the count of a run only grows; who reads both lets the slot win a tie.
 *
 * A slot is in use while it has something that the row has not (unsaved), or
 * while a transaction holds it.  Otherwise it is on the free list, still
 * found and readable, until another attempt needs it; those that were freed
 * first go first.  When none is free, heartbeats are written to the table.
 *
 * Holding: a transaction that heartbeats holds the slot until it ends, so that
 * nobody else ends the attempt, or heartbeats it, meanwhile; firmly once it has
 * seen the attempt's row, before that it may let go again, or be refused by who
 * has the row.  Who finds the slot held waits for the holder's virtual
 * transaction (heartbeat.c).
 *
 * The lock of a slot's partition (heartbeat_pool.c) covers it.  Where "used" or
 * "found" of a partition are read without it, who is missed can only have come
 * at the same time; see heartbeat_slot_over() for when that matters.
 *
 * All of it may vanish (crash, heartbeat_slots_forget()).  Lost are then
 * details and counts since the last flush; and since times of heartbeats are
 * lost as well, no heartbeat timeout may fire before all workers could send
 * another one: see heartbeat_last_time().
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "shared/directory.h"
#include "shared/heartbeat_pool.h"
#include "shared/heartbeat_slots.h"
#include "shared/sizes.h"

/* while slots are being forgotten, their times are taken to be this late */
#define FORGET_AHEAD	USECS_PER_SEC

static bool
is_mine(const HeartbeatSlot *slot)
{
	VirtualTransactionId me;

	GET_VXID_FROM_PGPROC(me, *MyProc);
	return VirtualTransactionIdEquals(slot->holder, me);
}

/* ------------------------------------------------------------------------
 * Holding
 * ------------------------------------------------------------------------
 */

/*
 * heartbeat_slot_hold: hold the slot of an attempt, made if there is none, to
 * be released with heartbeat_slot_release() or by the end of a heartbeat.
 * *ask_row: whoever adds to its count has to ask the row for a greater one
 * first.  When it is taken *holder says by whom.
 */
HoldResult
heartbeat_slot_hold(int64 run_id, int64 nonce, SlotRef *ref, bool *ask_row,
					VirtualTransactionId *holder)
{
	HeartbeatPartition *partition = heartbeat_pool_partition(nonce);
	HoldResult	result = HOLD_OK;
	HeartbeatSlot *slot;

	heartbeat_pool_lock(partition, LW_EXCLUSIVE);
	slot = heartbeat_pool_find(run_id, nonce);
	if (slot == NULL)
		slot = heartbeat_pool_make(partition, run_id, nonce);
	if (slot == NULL)
	{
		if (taskq_heartbeat_slots > 0)		/* else it was chosen so */
			size_exceeded(SIZE_HEARTBEAT_SLOTS);
		result = HOLD_FULL;
	}
	else if (slot->holds > 0 && !is_mine(slot))
	{
		*holder = slot->holder;
		result = HOLD_TAKEN;
	}
	else
	{
		if (slot->free)
			heartbeat_pool_use(partition, slot);
		if (slot->holds++ == 0)
			slot->firm = slot->refused = false;
		GET_VXID_FROM_PGPROC(slot->holder, *MyProc);
		*ask_row = slot->ask_row;
		ref->slot = heartbeat_pool_number(slot);
		ref->generation = slot->generation;
	}
	heartbeat_pool_unlock(partition);
	return result;
}

/* how another transaction holds the attempt's slot; "refuse" what is not firm */
static Hold
look_at_hold(int64 run_id, int64 nonce, bool refuse,
			 VirtualTransactionId *holder)
{
	HeartbeatPartition *partition = heartbeat_pool_partition(nonce);
	Hold		hold = HOLD_NONE;
	HeartbeatSlot *slot;

	if (partition->used == 0)	/* unlocked, see heartbeat_slot_over() */
		return HOLD_NONE;
	heartbeat_pool_lock(partition, refuse ? LW_EXCLUSIVE : LW_SHARED);
	slot = heartbeat_pool_find(run_id, nonce);
	if (slot != NULL && slot->holds > 0 && !is_mine(slot))
	{
		*holder = slot->holder;
		hold = slot->firm ? HOLD_FIRM : HOLD_LOOSE;
		if (refuse)
			slot->refused = !slot->firm;
	}
	heartbeat_pool_unlock(partition);
	return hold;
}

/*
 * heartbeat_slot_held: how another transaction holds the attempt's slot.
 */
Hold
heartbeat_slot_held(int64 run_id, int64 nonce, VirtualTransactionId *holder)
{
	return look_at_hold(run_id, nonce, false, holder);
}

/*
 * heartbeat_slot_refuse: the attempt's row is locked or written by us.  Whoever
 * holds the slot without having seen that will not be confirmed.  True when
 * another transaction holds it firmly: *holder.
 */
bool
heartbeat_slot_refuse(int64 run_id, int64 nonce, VirtualTransactionId *holder)
{
	return look_at_hold(run_id, nonce, true, holder) == HOLD_FIRM;
}

/* the slot that we hold, its partition locked; NULL if it was forgotten */
static HeartbeatSlot *
held_slot(SlotRef ref)
{
	HeartbeatSlot *slot = ref.slot < 0 ? NULL : heartbeat_pool_at(ref.slot);

	if (slot == NULL)
		return NULL;
	heartbeat_pool_lock(heartbeat_pool_partition_of(slot), LW_EXCLUSIVE);
	if (slot->generation == ref.generation)
		return slot;
	heartbeat_pool_unlock(heartbeat_pool_partition_of(slot));
	return NULL;
}

static void
release(HeartbeatSlot *slot)
{
	slot->holds--;
	heartbeat_pool_free_if_idle(heartbeat_pool_partition_of(slot), slot);
	heartbeat_pool_unlock(heartbeat_pool_partition_of(slot));
}

/*
 * heartbeat_slot_confirm: the holder has seen the attempt in progress; false
 * when somebody was faster to take its row, or the slot was forgotten.
 */
bool
heartbeat_slot_confirm(SlotRef ref)
{
	HeartbeatSlot *slot = held_slot(ref);
	bool		firm;

	if (slot == NULL)
		return false;
	firm = slot->firm = !slot->refused;
	heartbeat_pool_unlock(heartbeat_pool_partition_of(slot));
	return firm;
}

/* heartbeat_slot_release: hold it once less.  Cannot fail. */
void
heartbeat_slot_release(SlotRef ref)
{
	HeartbeatSlot *slot = held_slot(ref);

	if (slot != NULL)
		release(slot);
}

/*
 * heartbeat_slot_beat: the transaction has committed "beats" heartbeats, of
 * which "beat" is the last; release the slot.  "base" is the count of the row,
 * if we had to ask for it.  "saved": the row has them.  Cannot fail.
 */
void
heartbeat_slot_beat(SlotRef ref, int64 beats, int64 base, const Beat *beat,
					bool saved)
{
	HeartbeatSlot *slot = held_slot(ref);

	if (slot == NULL)
		return;
	if (!slot->over)
	{
		slot->beat.last_time = beat->last_time;
		slot->beat.count = beats_counted(Max(slot->beat.count, base), beats);
		slot->beat.length = beat->length;
		memcpy(slot->beat.details, beat->details, beat->length);
		slot->valid = true;
		slot->unsaved = !saved;
		slot->ask_row = false;
	}
	release(slot);
}

/*
 * heartbeat_slot_ask_row: a heartbeat is written to the row, which will have a
 * greater count when that is committed.
 */
void
heartbeat_slot_ask_row(int64 run_id, int64 nonce)
{
	HeartbeatPartition *partition = heartbeat_pool_partition(nonce);
	HeartbeatSlot *slot;

	heartbeat_pool_lock(partition, LW_EXCLUSIVE);
	slot = heartbeat_pool_find(run_id, nonce);
	if (slot != NULL)
		slot->ask_row = true;
	heartbeat_pool_unlock(partition);
}

/*
 * heartbeat_slot_written: a transaction has committed a heartbeat to the row,
 * which now has this count.  Unless somebody has heartbeated since, asking the
 * row, that is newer than what the slot has.  Cannot fail.
 */
void
heartbeat_slot_written(int64 run_id, int64 nonce, int64 count)
{
	HeartbeatPartition *partition = heartbeat_pool_partition(nonce);
	HeartbeatSlot *slot;

	heartbeat_pool_lock(partition, LW_EXCLUSIVE);
	slot = heartbeat_pool_find(run_id, nonce);
	if (slot != NULL && slot->beat.count <= count)
	{
		slot->beat.count = count;
		slot->valid = slot->unsaved = slot->ask_row = false;
		heartbeat_pool_free_if_idle(partition, slot);
	}
	heartbeat_pool_unlock(partition);
}

/*
 * heartbeat_slot_over: the transaction that has ended the attempt has
 * committed: what the slot has was saved with it, and nothing can come after.
 * Cannot fail.
 *
 * "used" may be read without the lock: who makes a slot reads the attempt's
 * row after that, with a new snapshot, and finds it ended unless we have not
 * committed yet; in that case we find his slot here.
 */
void
heartbeat_slot_over(int64 run_id, int64 nonce)
{
	HeartbeatPartition *partition = heartbeat_pool_partition(nonce);
	HeartbeatSlot *slot;

	if (partition->used == 0)
		return;
	heartbeat_pool_lock(partition, LW_EXCLUSIVE);
	slot = heartbeat_pool_find(run_id, nonce);
	if (slot != NULL)
	{
		slot->over = true;
		slot->unsaved = false;
		heartbeat_pool_free_if_idle(partition, slot);
	}
	heartbeat_pool_unlock(partition);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

/*
 * heartbeat_slot_read: the last heartbeat that the attempt's slot knows; false
 * when it knows none.
 */
bool
heartbeat_slot_read(int64 run_id, int64 nonce, Beat *beat)
{
	HeartbeatPartition *partition;
	bool		valid;
	HeartbeatSlot *slot;

	if (!heartbeat_pool_exists())
		return false;
	partition = heartbeat_pool_partition(nonce);
	if (partition->found == 0)	/* unlocked: in time for what has committed */
		return false;
	heartbeat_pool_lock(partition, LW_SHARED);
	slot = heartbeat_pool_find(run_id, nonce);
	valid = slot != NULL && slot->valid;
	if (valid)
		memcpy(beat, &slot->beat, offsetof(Beat, details) + slot->beat.length);
	heartbeat_pool_unlock(partition);
	return valid;
}

/*
 * heartbeat_slot_time: of the last heartbeat that the slot of a running attempt
 * knows, DT_NOBEGIN when it knows none.  For a worker without a transaction.
 */
TimestampTz
heartbeat_slot_time(int64 run_id, int64 nonce)
{
	HeartbeatPartition *partition = heartbeat_pool_partition(nonce);
	TimestampTz when = DT_NOBEGIN;
	HeartbeatSlot *slot;

	heartbeat_pool_lock(partition, LW_SHARED);
	slot = heartbeat_pool_find(run_id, nonce);
	if (slot != NULL && slot->valid && !slot->over)
		when = slot->beat.last_time;
	heartbeat_pool_unlock(partition);
	return when;
}

/* heartbeat_slot_details: as a jsonb, allocated; NULL when there are none. */
struct varlena *
heartbeat_slot_details(const Beat *beat)
{
	struct varlena *details;

	if (beat->length == 0)
		return NULL;
	details = palloc(VARHDRSZ + beat->length);
	SET_VARSIZE(details, VARHDRSZ + beat->length);
	memcpy(VARDATA(details), beat->details, beat->length);
	return details;
}

/*
 * heartbeat_slots_unsaved: heartbeats of this database that the table does not
 * have, at most "limit", from *position on (0 = all).  Moves *position on; it
 * is -1 at the end.
 */
int
heartbeat_slots_unsaved(int *position, Beat *beats, int limit)
{
	int			size = heartbeat_pool_per_partition();
	int			i = *position;
	int			n = 0;

	while (n < limit && i < HEARTBEAT_PARTITIONS * size)
	{
		HeartbeatPartition *partition = heartbeat_pool_partition_of(heartbeat_pool_at(i));
		int			end = (i / size + 1) * size;

		if (partition->used == 0)	/* unlocked: found the next time */
		{
			i = end;
			continue;
		}
		heartbeat_pool_lock(partition, LW_SHARED);
		for (; i < end && n < limit; i++)
		{
			HeartbeatSlot *slot = heartbeat_pool_at(i);

			if (slot->free || !slot->unsaved || slot->database != MyDatabaseId)
				continue;
			memcpy(&beats[n++], &slot->beat,
				   offsetof(Beat, details) + slot->beat.length);
		}
		heartbeat_pool_unlock(partition);
	}
	*position = i < HEARTBEAT_PARTITIONS * size ? i : -1;
	return n;
}

/*
 * heartbeat_slot_saved: a committed row has this heartbeat.
 */
void
heartbeat_slot_saved(const Beat *beat)
{
	HeartbeatPartition *partition = heartbeat_pool_partition(beat->nonce);
	HeartbeatSlot *slot;

	heartbeat_pool_lock(partition, LW_EXCLUSIVE);
	slot = heartbeat_pool_find(beat->run_id, beat->nonce);
	if (slot != NULL && slot->beat.count == beat->count)
	{
		slot->unsaved = false;
		heartbeat_pool_free_if_idle(partition, slot);
	}
	heartbeat_pool_unlock(partition);
}

/* ------------------------------------------------------------------------
 * Forgetting
 * ------------------------------------------------------------------------
 */

/* from when on heartbeats of the database are known again */
static void
set_lost(Oid database, TimestampTz when)
{
	DatabaseSlot *slot;

	LWLockAcquire(control->lock, LW_SHARED);
	slot = directory_slot(database, /* create */ false);
	if (slot != NULL)
	{
		SpinLockAcquire(&slot->mutex);
		slot->heartbeats.lost_at = when;
		slot->heartbeats.lost_run = PG_INT64_MAX;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(control->lock);
}

/*
 * heartbeat_slots_drop: the database is gone, or the extension there.  Does
 * not fail.
 */
void
heartbeat_slots_drop(Oid database)
{
	if (!heartbeat_pool_exists())
		return;
	for (int i = 0; i < HEARTBEAT_PARTITIONS; i++)
		heartbeat_pool_forget(i, database);
}

/*
 * heartbeat_slots_forget: empty the slots of a database, as a crash does.
 * Transactions that hold slots lose what they have not committed yet.  Does
 * not fail.
 */
void
heartbeat_slots_forget(Oid database)
{
	set_lost(database, clock_now() + FORGET_AHEAD);
	heartbeat_slots_drop(database);
	set_lost(database, clock_now());
}

/*
 * heartbeat_flush_wanted: there are heartbeats to flush.  Does not fail.
 */
void
heartbeat_flush_wanted(DatabaseSlot *slot)
{
	bool		wake;

	SpinLockAcquire(&slot->mutex);
	wake = !slot->heartbeats.flush_wanted;
	slot->heartbeats.flush_wanted = true;
	SpinLockRelease(&slot->mutex);
	if (wake)
		directory_wake_worker(slot);
}
