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
 * seen the attempt's row, before that it may let go again.  Who finds the slot
 * held waits for the holder's virtual transaction (heartbeat.c).
 *
 * Slots are divided into partitions by nonce, which is random.  A partition's
 * lock covers its slots, its buckets and its free list; it is held for memory
 * work only, also in commit callbacks, and alone.  Where "used" or "found" are
 * read without it, who is missed can only have come at the same time; see
 * heartbeat_slot_over() for when that matters.
 *
 * All of it may vanish (crash, heartbeat_slots_forget()).  Lost are then
 * details and counts since the last flush; and since times of heartbeats are
 * lost as well, no heartbeat timeout may fire before all workers could send
 * another one: see heartbeat_last_time().
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "guc.h"
#include "heartbeat_slots.h"
#include "shmem.h"

#define TRANCHE_NAME	"taskq heartbeats"
#define PARTITIONS		16
#define PARTITION_BITS	4

/* End of a list of slots. */
#define NONE			(-1)

/* while slots are being forgotten, their times are taken to be this late */
#define FORGET_AHEAD	USECS_PER_SEC

typedef struct Slot
{
	Oid			database;
	uint32		generation;		/* changes with each use for another attempt */
	int32		next;			/* in its bucket */
	int32		older;			/* on the free list */
	int32		newer;
	uint16		holds;			/* by the holder */
	bool		found;			/* it is in a bucket */
	bool		free;			/* it is on the free list */
	bool		valid;			/* beat is the last heartbeat ... */
	bool		unsaved;		/* ... and the row does not have it yet */
	bool		over;			/* the attempt has ended */
	bool		ask_row;		/* the row may have a greater count */
	bool		firm;			/* the holder has seen the attempt in progress */
	VirtualTransactionId holder;
	Beat		beat;			/* its count is right, or too small if ask_row */
} Slot;

typedef struct Partition
{
	int32		oldest;			/* of the free list */
	int32		newest;
	uint32		used;			/* slots that are not on it */
	uint32		found;			/* slots that are in buckets */
	char		padding[PG_CACHE_LINE_SIZE - 4 * sizeof(int32)];
} Partition;

/* Set in every process; the contents are in shared memory. */
static Partition *partitions = NULL;
static int32 *buckets;			/* nbuckets for each partition */
static Slot *slots;				/* nslots for each partition */
static LWLockPadded *locks;
static int	nslots;
static int	nbuckets;

/* ------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------
 */

static void
set_sizes(void)
{
	nslots = (taskq_heartbeat_slots + PARTITIONS - 1) / PARTITIONS;
	nbuckets = pg_nextpower2_32(Max(nslots, 1));
}

static Size
block_size(void)
{
	Size		size = PARTITIONS * sizeof(Partition);

	size = add_size(size, MAXALIGN(mul_size(PARTITIONS * sizeof(int32), nbuckets)));
	return add_size(size, mul_size(PARTITIONS * sizeof(Slot), nslots));
}

/* heartbeat_slots_shmem_request: for the request hook. */
void
heartbeat_slots_shmem_request(void)
{
	set_sizes();
	RequestAddinShmemSpace(block_size());
	RequestNamedLWLockTranche(TRANCHE_NAME, PARTITIONS);
}

static Partition *
partition_of(int64 nonce)
{
	return &partitions[(uint64) nonce & (PARTITIONS - 1)];
}

static Partition *
partition_of_slot(int32 slot)
{
	return &partitions[slot / nslots];
}

static int32 *
bucket_of(int64 nonce)
{
	uint32		bucket = ((uint64) nonce >> PARTITION_BITS) & (nbuckets - 1);

	return &buckets[((uint64) nonce & (PARTITIONS - 1)) * nbuckets + bucket];
}

static void
lock(Partition *partition, LWLockMode mode)
{
	LWLockAcquire(&locks[partition - partitions].lock, mode);
}

static void
unlock(Partition *partition)
{
	LWLockRelease(&locks[partition - partitions].lock);
}

/* put a slot that is in use on the free list, to be reused last or first */
static void
free_slot(Partition *partition, int32 i, bool reuse_first)
{
	Slot	   *slot = &slots[i];
	int32	   *near = reuse_first ? &partition->oldest : &partition->newest;

	slot->free = true;
	slot->older = reuse_first ? NONE : partition->newest;
	slot->newer = reuse_first ? partition->oldest : NONE;
	if (*near == NONE)
		partition->oldest = partition->newest = i;
	else
	{
		if (reuse_first)
			slots[*near].older = i;
		else
			slots[*near].newer = i;
		*near = i;
	}
	partition->used--;
}

/* take a slot off the free list */
static void
use_slot(Partition *partition, int32 i)
{
	Slot	   *slot = &slots[i];

	if (slot->older == NONE)
		partition->oldest = slot->newer;
	else
		slots[slot->older].newer = slot->newer;
	if (slot->newer == NONE)
		partition->newest = slot->older;
	else
		slots[slot->newer].older = slot->older;
	slot->free = false;
	partition->used++;
}

/* heartbeat_slots_shmem_init: caller holds AddinShmemInitLock. */
void
heartbeat_slots_shmem_init(void)
{
	bool		found;

	set_sizes();
	partitions = ShmemInitStruct("taskq heartbeats", block_size(), &found);
	buckets = (int32 *) (partitions + PARTITIONS);
	slots = (Slot *) ((char *) buckets +
					  MAXALIGN(sizeof(int32) * PARTITIONS * nbuckets));
	locks = GetNamedLWLockTranche(TRANCHE_NAME);
	if (found)
		return;

	memset(partitions, 0, block_size());
	for (int i = 0; i < PARTITIONS * nbuckets; i++)
		buckets[i] = NONE;
	for (int i = 0; i < PARTITIONS; i++)
	{
		partitions[i].oldest = partitions[i].newest = NONE;
		partitions[i].used = nslots;
	}
	for (int32 i = 0; i < PARTITIONS * nslots; i++)
		free_slot(partition_of_slot(i), i, false);
}

/* ------------------------------------------------------------------------
 * Finding.  The caller holds the partition's lock, to change exclusively.
 * ------------------------------------------------------------------------
 */

/* the slot of an attempt of this database, NONE without one */
static int32
find(int64 run_id, int64 nonce)
{
	int32		i = *bucket_of(nonce);

	while (i != NONE && (slots[i].beat.nonce != nonce ||
						 slots[i].beat.run_id != run_id ||
						 slots[i].database != MyDatabaseId))
		i = slots[i].next;
	return i;
}

/* take a slot out of its bucket: nobody finds it any more */
static void
lose(int32 i)
{
	int32	   *link = bucket_of(slots[i].beat.nonce);

	while (*link != i)
		link = &slots[*link].next;
	*link = slots[i].next;
	slots[i].found = false;
	slots[i].generation++;
	partition_of_slot(i)->found--;
}

/* a slot for an attempt that has none, NONE when all are in use */
static int32
make(Partition *partition, int64 run_id, int64 nonce)
{
	int32		i = partition->oldest;
	int32	   *bucket = bucket_of(nonce);
	Slot	   *slot;

	if (i == NONE)
		return NONE;
	use_slot(partition, i);
	slot = &slots[i];
	if (slot->found)
		lose(i);
	slot->database = MyDatabaseId;
	slot->holds = 0;
	slot->found = true;
	slot->valid = slot->unsaved = slot->over = false;
	slot->ask_row = true;
	slot->beat.run_id = run_id;
	slot->beat.nonce = nonce;
	slot->beat.count = 0;
	slot->next = *bucket;
	*bucket = i;
	partition->found++;
	return i;
}

/* free the slot unless there is a reason to keep it */
static void
free_if_idle(Partition *partition, int32 i)
{
	Slot	   *slot = &slots[i];

	if (!slot->free && slot->holds == 0 && (!slot->unsaved || slot->over))
		free_slot(partition, i, !slot->valid);
}

static bool
is_mine(const Slot *slot)
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
	Partition  *partition = partition_of(nonce);
	HoldResult	result = HOLD_OK;
	int32		i;

	lock(partition, LW_EXCLUSIVE);
	i = find(run_id, nonce);
	if (i == NONE)
		i = make(partition, run_id, nonce);
	if (i == NONE)
		result = HOLD_FULL;
	else if (slots[i].holds > 0 && !is_mine(&slots[i]))
	{
		*holder = slots[i].holder;
		result = HOLD_TAKEN;
	}
	else
	{
		Slot	   *slot = &slots[i];

		if (slot->free)
			use_slot(partition, i);
		if (slot->holds++ == 0)
			slot->firm = false;
		GET_VXID_FROM_PGPROC(slot->holder, *MyProc);
		*ask_row = slot->ask_row;
		ref->slot = i;
		ref->generation = slot->generation;
	}
	unlock(partition);
	return result;
}

/*
 * heartbeat_slot_held: how another transaction holds the attempt's slot.
 */
Hold
heartbeat_slot_held(int64 run_id, int64 nonce, VirtualTransactionId *holder)
{
	Partition  *partition = partition_of(nonce);
	Hold		hold = HOLD_NONE;
	int32		i;

	if (partition->used == 0)	/* unlocked, see heartbeat_slot_over() */
		return HOLD_NONE;
	lock(partition, LW_SHARED);
	i = find(run_id, nonce);
	if (i != NONE && slots[i].holds > 0 && !is_mine(&slots[i]))
	{
		*holder = slots[i].holder;
		hold = slots[i].firm ? HOLD_FIRM : HOLD_LOOSE;
	}
	unlock(partition);
	return hold;
}

/* the slot that we hold, its partition locked; NULL if it was forgotten */
static Slot *
held_slot(SlotRef ref)
{
	Slot	   *slot;

	if (ref.slot == NONE)
		return NULL;
	lock(partition_of_slot(ref.slot), LW_EXCLUSIVE);
	slot = &slots[ref.slot];
	if (slot->generation == ref.generation)
		return slot;
	unlock(partition_of_slot(ref.slot));
	return NULL;
}

static void
release(SlotRef ref)
{
	slots[ref.slot].holds--;
	free_if_idle(partition_of_slot(ref.slot), ref.slot);
	unlock(partition_of_slot(ref.slot));
}

/*
 * heartbeat_slot_confirm: the holder has seen the attempt in progress; false
 * when the slot was forgotten.
 */
bool
heartbeat_slot_confirm(SlotRef ref)
{
	Slot	   *slot = held_slot(ref);

	if (slot == NULL)
		return false;
	slot->firm = true;
	unlock(partition_of_slot(ref.slot));
	return true;
}

/* heartbeat_slot_release: hold it once less.  Cannot fail. */
void
heartbeat_slot_release(SlotRef ref)
{
	if (held_slot(ref) != NULL)
		release(ref);
}

/*
 * heartbeat_slot_beat: the transaction has committed "beats" heartbeats, of
 * which "beat" is the last; release the slot.  "base" is the count of the row,
 * if we had to ask for it.  Cannot fail.
 */
void
heartbeat_slot_beat(SlotRef ref, int64 beats, int64 base, const Beat *beat)
{
	Slot	   *slot = held_slot(ref);

	if (slot == NULL)
		return;
	if (!slot->over)
	{
		slot->beat.last_time = beat->last_time;
		slot->beat.count = Max(slot->beat.count, base) + beats;
		slot->beat.length = beat->length;
		memcpy(slot->beat.details, beat->details, beat->length);
		slot->valid = slot->unsaved = true;
		slot->ask_row = false;
	}
	release(ref);
}

/*
 * heartbeat_slot_ask_row: a heartbeat is written to the row, which will have a
 * greater count when that is committed.
 */
void
heartbeat_slot_ask_row(int64 run_id, int64 nonce)
{
	Partition  *partition = partition_of(nonce);
	int32		i;

	lock(partition, LW_EXCLUSIVE);
	i = find(run_id, nonce);
	if (i != NONE)
		slots[i].ask_row = true;
	unlock(partition);
}

/*
 * heartbeat_slot_written: a transaction has committed a heartbeat to the row,
 * which now has this count.  Unless somebody has heartbeated since, asking the
 * row, that is newer than what the slot has.  Cannot fail.
 */
void
heartbeat_slot_written(int64 run_id, int64 nonce, int64 count)
{
	Partition  *partition = partition_of(nonce);
	int32		i;

	lock(partition, LW_EXCLUSIVE);
	i = find(run_id, nonce);
	if (i != NONE && slots[i].beat.count <= count)
	{
		slots[i].beat.count = count;
		slots[i].valid = slots[i].unsaved = slots[i].ask_row = false;
		free_if_idle(partition, i);
	}
	unlock(partition);
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
	Partition  *partition = partition_of(nonce);
	int32		i;

	if (partition->used == 0)
		return;
	lock(partition, LW_EXCLUSIVE);
	i = find(run_id, nonce);
	if (i != NONE)
	{
		slots[i].over = true;
		slots[i].unsaved = false;
		free_if_idle(partition, i);
	}
	unlock(partition);
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
	Partition  *partition;
	bool		valid;
	int32		i;

	if (partitions == NULL)
		return false;
	partition = partition_of(nonce);
	if (partition->found == 0)	/* unlocked: in time for what has committed */
		return false;
	lock(partition, LW_SHARED);
	i = find(run_id, nonce);
	valid = i != NONE && slots[i].valid;
	if (valid)
		memcpy(beat, &slots[i].beat,
			   offsetof(Beat, details) + slots[i].beat.length);
	unlock(partition);
	return valid;
}

/*
 * heartbeat_slot_time: of the last heartbeat that the slot of a running attempt
 * knows, DT_NOBEGIN when it knows none.  For a worker without a transaction.
 */
TimestampTz
heartbeat_slot_time(int64 run_id, int64 nonce)
{
	Partition  *partition = partition_of(nonce);
	TimestampTz when = DT_NOBEGIN;
	int32		i;

	lock(partition, LW_SHARED);
	i = find(run_id, nonce);
	if (i != NONE && slots[i].valid && !slots[i].over)
		when = slots[i].beat.last_time;
	unlock(partition);
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
	int			i = *position;
	int			n = 0;

	while (n < limit && i < PARTITIONS * nslots)
	{
		Partition  *partition = partition_of_slot(i);
		int			end = (i / nslots + 1) * nslots;

		if (partition->used == 0)	/* unlocked: found the next time */
		{
			i = end;
			continue;
		}
		lock(partition, LW_SHARED);
		for (; i < end && n < limit; i++)
		{
			Slot	   *slot = &slots[i];

			if (slot->free || !slot->unsaved || slot->database != MyDatabaseId)
				continue;
			memcpy(&beats[n++], &slot->beat,
				   offsetof(Beat, details) + slot->beat.length);
		}
		unlock(partition);
	}
	*position = i < PARTITIONS * nslots ? i : -1;
	return n;
}

/*
 * heartbeat_slot_saved: a committed row has this heartbeat.
 */
void
heartbeat_slot_saved(const Beat *beat)
{
	Partition  *partition = partition_of(beat->nonce);
	int32		i;

	lock(partition, LW_EXCLUSIVE);
	i = find(beat->run_id, beat->nonce);
	if (i != NONE && slots[i].beat.count == beat->count)
	{
		slots[i].unsaved = false;
		free_if_idle(partition, i);
	}
	unlock(partition);
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
	slot = shmem_slot(database, /* create */ false);
	if (slot != NULL)
	{
		SpinLockAcquire(&slot->mutex);
		slot->heartbeats_lost_at = when;
		slot->heartbeats_lost_run = PG_INT64_MAX;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(control->lock);
}

static void
forget_partition(Partition *partition, Oid database)
{
	int32		first = (partition - partitions) * nslots;

	lock(partition, LW_EXCLUSIVE);
	for (int32 i = first; i < first + nslots; i++)
	{
		Slot	   *slot = &slots[i];

		if (!slot->found || slot->database != database)
			continue;
		lose(i);
		slot->valid = slot->unsaved = false;
		slot->holds = 0;
		if (!slot->free)
			free_slot(partition, i, true);
	}
	unlock(partition);
}

/*
 * heartbeat_slots_drop: the database is gone, or the extension there.  Does
 * not fail.
 */
void
heartbeat_slots_drop(Oid database)
{
	if (partitions == NULL)
		return;
	for (int i = 0; i < PARTITIONS; i++)
		forget_partition(&partitions[i], database);
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
