/*
 * queue_locks.c
 *		The locks of queues: a queue and all that belongs to it share one.
 *
 * The tables of queues, lanes, pollers and delays are cut into TABLE_PARTS parts
 * by the hash of the queue, each with an LWLock of its own, so that all that
 * belongs to a queue lies under one lock.  They are held for memory work only,
 * also in commit callbacks; nothing that can fail happens under them.  Who
 * needs several at once takes them in the order of their numbers; who holds
 * some and needs room in another part takes that lock only if it is free.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "base/shared_table.h"
#include "shared/queue_locks.h"

static LWLockPadded *part_locks = NULL;	/* TABLE_PARTS */

/* parts that this backend has locked */
static uint32 locked_parts = 0;

/* queue_locks_shmem_init: these TABLE_PARTS locks are theirs. */
void
queue_locks_shmem_init(LWLockPadded *locks)
{
	part_locks = locks;
}

static int
part_of(uint64 queue_hash)
{
	return (int) (queue_hash >> 32) & (TABLE_PARTS - 1);
}

/* queue_state_part: the part of all tables where a queue belongs. */
int
queue_state_part(const QueueKey *key)
{
	return part_of(key->hash);
}

/* lane_state_part: likewise of its lanes. */
int
lane_state_part(const LaneKey *key)
{
	return part_of(key->queue_hash);
}

static LWLock *
part_lock(int part)
{
	return &part_locks[part].lock;
}

/* queue_state_lock: protects a queue, its lanes and its pollers. */
void
queue_state_lock(const QueueKey *key, LWLockMode mode)
{
	int			part = part_of(key->hash);

	Assert(locked_parts == 0);
	LWLockAcquire(part_lock(part), mode);
	locked_parts = part_bit(part);
}

/* queue_state_lock_parts: several parts at once, one bit for each. */
void
queue_state_lock_parts(uint32 parts, LWLockMode mode)
{
	Assert(locked_parts == 0 && (parts & ~ALL_PARTS) == 0);
	locked_parts = 0;
	while (parts != 0)
	{
		int			part = pg_rightmost_one_pos32(parts);

		LWLockAcquire(part_lock(part), mode);
		locked_parts |= part_bit(part);
		parts &= parts - 1;
	}
}

/* queue_state_lock_all: everything. */
void
queue_state_lock_all(LWLockMode mode)
{
	queue_state_lock_parts(ALL_PARTS, mode);
}

/*
 * queue_state_lock_more: one more part, exclusively, unless somebody else is
 * there.  *taken: it was not ours before, queue_state_unlock_part() is due.
 */
bool
queue_state_lock_more(int part, bool *taken)
{
	uint32		bit = part_bit(part);

	*taken = false;
	Assert(locked_parts != 0);
	if (locked_parts & bit)
		return true;
	if (!LWLockConditionalAcquire(part_lock(part), LW_EXCLUSIVE))
		return false;
	locked_parts |= bit;
	*taken = true;
	return true;
}

/* queue_state_unlock_part: what queue_state_lock_more() has taken. */
void
queue_state_unlock_part(int part)
{
	Assert(locked_parts & part_bit(part));
	locked_parts &= ~part_bit(part);
	LWLockRelease(part_lock(part));
}

/* queue_state_unlock: all that is locked. */
void
queue_state_unlock(void)
{
	while (locked_parts != 0)
		queue_state_unlock_part(pg_rightmost_one_pos32(locked_parts));
}

/* queue_state_is_locked: by this process, in that mode or a stronger one? */
bool
queue_state_is_locked(int part, LWLockMode mode)
{
	return LWLockHeldByMeInMode(part_lock(part), LW_EXCLUSIVE) ||
		(mode == LW_SHARED && LWLockHeldByMeInMode(part_lock(part), LW_SHARED));
}

/* queue_state_locked_parts: that this process has locked, one bit for each. */
uint32
queue_state_locked_parts(void)
{
	return locked_parts;
}
