/*
 * heartbeat_pool.c
 *		The slots of heartbeats in shared memory: which are free, and which belong
 *		to which attempt.
 *
 * A slot is on the free list or in use; either way it is still found by its
 * attempt until another one gets it.  Those that were freed first go first;
 * those that nobody can want any more before them.
 *
 * Slots are divided into partitions by nonce, which is random.  A partition's
 * lock covers its slots, its buckets and its free list; it is held for memory
 * work only, also in commit callbacks, and alone.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/shmem.h"

#include "base/settings.h"
#include "shared/heartbeat_pool.h"

#define PARTITION_BITS	4

StaticAssertDecl(HEARTBEAT_PARTITIONS == 1 << PARTITION_BITS,
				 "a partition is chosen by some bits of a nonce, a bucket by the next");

/* End of a list of slots. */
#define NONE			(-1)

/* Set in every process; the contents are in shared memory. */
static HeartbeatPartition *partitions = NULL;
static int32 *buckets;			/* nbuckets for each partition */
static HeartbeatSlot *slots;	/* nslots for each partition */
static LWLockPadded *partition_locks;
static int	nslots;
static int	nbuckets;

/* ------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------
 */

static void
set_sizes(void)
{
	nslots = (taskq_heartbeat_slots + HEARTBEAT_PARTITIONS - 1) /
		HEARTBEAT_PARTITIONS;
	nbuckets = pg_nextpower2_32(Max(nslots, 1));
}

/* heartbeat_pool_shmem_size: for the request hook. */
Size
heartbeat_pool_shmem_size(void)
{
	Size		size;

	set_sizes();
	size = HEARTBEAT_PARTITIONS * sizeof(HeartbeatPartition);
	size = add_size(size, MAXALIGN(mul_size(HEARTBEAT_PARTITIONS * sizeof(int32),
											nbuckets)));
	return add_size(size, mul_size(HEARTBEAT_PARTITIONS * sizeof(HeartbeatSlot),
								   nslots));
}

/* heartbeat_pool_partition: where an attempt belongs. */
HeartbeatPartition *
heartbeat_pool_partition(int64 nonce)
{
	return &partitions[(uint64) nonce & (HEARTBEAT_PARTITIONS - 1)];
}

/* heartbeat_pool_number: see heartbeat_pool_at(). */
int32
heartbeat_pool_number(const HeartbeatSlot *slot)
{
	return (int32) (slot - slots);
}

/* heartbeat_pool_at: slot number i, those of a partition side by side. */
HeartbeatSlot *
heartbeat_pool_at(int32 i)
{
	return &slots[i];
}

/* heartbeat_pool_per_partition: how many slots each partition has. */
int
heartbeat_pool_per_partition(void)
{
	return nslots;
}

/* heartbeat_pool_exists: was taskq preloaded? */
bool
heartbeat_pool_exists(void)
{
	return partitions != NULL;
}

/* heartbeat_pool_partition_of: where a slot is. */
HeartbeatPartition *
heartbeat_pool_partition_of(const HeartbeatSlot *slot)
{
	return &partitions[heartbeat_pool_number(slot) / nslots];
}

static int32 *
bucket_of(int64 nonce)
{
	uint32		partition = (uint64) nonce & (HEARTBEAT_PARTITIONS - 1);
	uint32		bucket = ((uint64) nonce >> PARTITION_BITS) & (nbuckets - 1);

	return &buckets[partition * nbuckets + bucket];
}

static LWLock *
partition_lock(const HeartbeatPartition *partition)
{
	return &partition_locks[partition - partitions].lock;
}

/* heartbeat_pool_lock: a partition. */
void
heartbeat_pool_lock(HeartbeatPartition *partition, LWLockMode mode)
{
	LWLockAcquire(partition_lock(partition), mode);
}

/* heartbeat_pool_unlock: a partition. */
void
heartbeat_pool_unlock(HeartbeatPartition *partition)
{
	LWLockRelease(partition_lock(partition));
}

/* put a slot that is in use on the free list, to be reused last or first */
static void
free_slot(HeartbeatPartition *partition, HeartbeatSlot *slot, bool reuse_first)
{
	int32		i = heartbeat_pool_number(slot);
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

/* heartbeat_pool_use: take a slot off the free list. */
void
heartbeat_pool_use(HeartbeatPartition *partition, HeartbeatSlot *slot)
{
	Assert(LWLockHeldByMeInMode(partition_lock(partition), LW_EXCLUSIVE));
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

/* heartbeat_pool_shmem_init: caller holds AddinShmemInitLock. */
void
heartbeat_pool_shmem_init(LWLockPadded *locks)
{
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	partitions = ShmemInitStruct("taskq heartbeats",
								 heartbeat_pool_shmem_size(), &found);
	buckets = (int32 *) (partitions + HEARTBEAT_PARTITIONS);
	slots = (HeartbeatSlot *) ((char *) buckets +
							   MAXALIGN(sizeof(int32) * HEARTBEAT_PARTITIONS * nbuckets));
	partition_locks = locks;
	if (found)
		return;

	memset(partitions, 0, heartbeat_pool_shmem_size());
	for (int i = 0; i < HEARTBEAT_PARTITIONS * nbuckets; i++)
		buckets[i] = NONE;
	for (int i = 0; i < HEARTBEAT_PARTITIONS; i++)
	{
		partitions[i].oldest = partitions[i].newest = NONE;
		partitions[i].used = nslots;
	}
	for (int i = 0; i < HEARTBEAT_PARTITIONS * nslots; i++)
		free_slot(heartbeat_pool_partition_of(&slots[i]), &slots[i], false);
}

/* ------------------------------------------------------------------------
 * Finding.  The caller holds the partition's lock, to change exclusively.
 * ------------------------------------------------------------------------
 */

/*
 * heartbeat_pool_find: the slot of an attempt of this database, NULL without
 * one.
 */
HeartbeatSlot *
heartbeat_pool_find(int64 run_id, int64 nonce)
{
	int32		i = *bucket_of(nonce);

	Assert(LWLockHeldByMe(partition_lock(heartbeat_pool_partition(nonce))));
	while (i != NONE && (slots[i].beat.nonce != nonce ||
						 slots[i].beat.run_id != run_id ||
						 slots[i].database != MyDatabaseId))
		i = slots[i].next;
	return i == NONE ? NULL : &slots[i];
}

/* take a slot out of its bucket: nobody finds it any more */
static void
unlink_slot(HeartbeatSlot *slot)
{
	int32	   *link = bucket_of(slot->beat.nonce);

	Assert(LWLockHeldByMeInMode(partition_lock(heartbeat_pool_partition_of(slot)),
								LW_EXCLUSIVE));
	while (*link != heartbeat_pool_number(slot))
		link = &slots[*link].next;
	*link = slot->next;
	slot->found = false;
	slot->generation++;
	heartbeat_pool_partition_of(slot)->found--;
}

/*
 * heartbeat_pool_make: a slot for an attempt that has none, NULL when all are
 * in use.
 */
HeartbeatSlot *
heartbeat_pool_make(HeartbeatPartition *partition, int64 run_id, int64 nonce)
{
	int32	   *bucket = bucket_of(nonce);
	HeartbeatSlot *slot;

	Assert(LWLockHeldByMeInMode(partition_lock(partition), LW_EXCLUSIVE));
	if (partition->oldest == NONE)
		return NULL;
	slot = &slots[partition->oldest];
	heartbeat_pool_use(partition, slot);
	if (slot->found)
		unlink_slot(slot);
	slot->database = MyDatabaseId;
	slot->holds = 0;
	slot->found = true;
	slot->valid = slot->unsaved = slot->over = false;
	slot->ask_row = true;
	slot->beat.run_id = run_id;
	slot->beat.nonce = nonce;
	slot->beat.count = 0;
	slot->next = *bucket;
	*bucket = heartbeat_pool_number(slot);
	partition->found++;
	return slot;
}

/*
 * heartbeat_pool_free_if_idle: free the slot unless there is a reason to keep
 * it.
 */
void
heartbeat_pool_free_if_idle(HeartbeatPartition *partition, HeartbeatSlot *slot)
{
	Assert(LWLockHeldByMeInMode(partition_lock(partition), LW_EXCLUSIVE));
	if (!slot->free && slot->holds == 0 && (!slot->unsaved || slot->over))
		free_slot(partition, slot, !slot->valid);
}

/*
 * heartbeat_pool_forget: all slots of a database in partition number n.  Takes
 * the lock.
 */
void
heartbeat_pool_forget(int n, Oid database)
{
	HeartbeatPartition *partition = &partitions[n];
	int32		first = n * nslots;

	heartbeat_pool_lock(partition, LW_EXCLUSIVE);
	for (int32 i = first; i < first + nslots; i++)
	{
		HeartbeatSlot *slot = &slots[i];

		if (!slot->found || slot->database != database)
			continue;
		unlink_slot(slot);
		slot->valid = slot->unsaved = false;
		slot->holds = 0;
		if (!slot->free)
			free_slot(partition, slot, true);
	}
	heartbeat_pool_unlock(partition);
}
