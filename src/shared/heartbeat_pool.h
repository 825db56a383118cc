/*
 * heartbeat_pool.h
 *		The slots of heartbeats in shared memory; for heartbeat_slots.c only.
 */
#ifndef TASKQ_HEARTBEAT_POOL_H
#define TASKQ_HEARTBEAT_POOL_H

#include "storage/lock.h"
#include "storage/lwlock.h"

#include "shared/beat.h"

#define HEARTBEAT_PARTITIONS	16

typedef struct HeartbeatSlot
{
	Oid			database;
	uint32		generation;		/* changes with each use for another attempt */
	int32		next;			/* in its bucket */
	int32		older;			/* on the free list */
	int32		newer;
	uint32		holds;			/* by the holder, one for each savepoint */
	bool		found;			/* it is in a bucket */
	bool		free;			/* it is on the free list */
	bool		valid;			/* beat is the last heartbeat ... */
	bool		unsaved;		/* ... and the row does not have it yet */
	bool		over;			/* the attempt has ended */
	bool		ask_row;		/* the row may have a greater count */
	bool		firm;			/* the holder has seen the attempt in progress */
	bool		refused;		/* he has not, and need not look any more */
	VirtualTransactionId holder;
	Beat		beat;			/* its count is right, or too small if ask_row */
} HeartbeatSlot;

typedef struct HeartbeatPartition
{
	int32		oldest;			/* of the free list */
	int32		newest;
	uint32		used;			/* slots that are not on it */
	uint32		found;			/* slots that are in buckets */
	char		padding[PG_CACHE_LINE_SIZE - 4 * sizeof(int32)];
} HeartbeatPartition;

StaticAssertDecl(sizeof(HeartbeatPartition) == PG_CACHE_LINE_SIZE,
				 "partitions lie in different cache lines");

extern Size heartbeat_pool_shmem_size(void);
extern void heartbeat_pool_shmem_init(LWLockPadded *locks);
extern bool heartbeat_pool_exists(void);

/* slots and partitions */
extern int	heartbeat_pool_per_partition(void);
extern HeartbeatSlot *heartbeat_pool_at(int32 i);
extern int32 heartbeat_pool_number(const HeartbeatSlot *slot);
extern HeartbeatPartition *heartbeat_pool_partition(int64 nonce);
extern HeartbeatPartition *heartbeat_pool_partition_of(const HeartbeatSlot *slot);
extern void heartbeat_pool_lock(HeartbeatPartition *partition, LWLockMode mode);
extern void heartbeat_pool_unlock(HeartbeatPartition *partition);

/* caller holds the lock of the partition, exclusively to change something */
extern HeartbeatSlot *heartbeat_pool_find(int64 run_id, int64 nonce);
extern HeartbeatSlot *heartbeat_pool_make(HeartbeatPartition *partition,
										  int64 run_id, int64 nonce);
extern void heartbeat_pool_use(HeartbeatPartition *partition,
							   HeartbeatSlot *slot);
extern void heartbeat_pool_free_if_idle(HeartbeatPartition *partition,
										HeartbeatSlot *slot);

extern void heartbeat_pool_forget(int n, Oid database);

#endif							/* TASKQ_HEARTBEAT_POOL_H */
