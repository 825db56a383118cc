/*
 * leaf_hints.c
 *		Which leaves are filled, and which cannot be emptied, as far as is known.
 *
 * The worker says which leaf is filled when it has looked into the table, or has
 * changed it.  Until it has, whoever has read the table for himself says so; unless
 * the worker has said something since he began to read, which is newer then.  So
 * what is known is never older than what the worker has last said, which
 * history.c relies on.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/leaf_hints.h"

/* leaf_hints_current: the leaf that is filled; -1 if it is not known. */
int
leaf_hints_current(LeafKind kind)
{
	const volatile DatabaseSlot *slot = directory_my_slot();

	return slot == NULL ? -1 : slot->leaves.of[kind].current;
}

/* leaf_hints_told: to be noted before the table is read. */
uint32
leaf_hints_told(void)
{
	DatabaseSlot *slot = directory_my_slot();
	uint32		told;

	if (slot == NULL)
		return 0;
	SpinLockAcquire(&slot->mutex);
	told = slot->leaves.told;
	SpinLockRelease(&slot->mutex);
	return told;
}

/* leaf_hints_suggest: the table says so, which was read after that was noted. */
void
leaf_hints_suggest(LeafKind kind, int number, uint32 told)
{
	DatabaseSlot *slot = directory_my_slot();

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	if (slot->leaves.of[kind].current < 0 && slot->leaves.told == told)
		slot->leaves.of[kind].current = number;
	SpinLockRelease(&slot->mutex);
}

/* leaf_hints_forget: nothing is known; for the worker, as are those that follow. */
void
leaf_hints_forget(void)
{
	DatabaseSlot *slot = directory_my_slot();

	SpinLockAcquire(&slot->mutex);
	for (LeafKind kind = 0; kind < LEAF_KINDS; kind++)
		slot->leaves.of[kind].current = -1;
	slot->leaves.limit = -1;
	slot->leaves.told++;
	SpinLockRelease(&slot->mutex);
}

/* leaf_hints_tell: writers fill that leaf from now on. */
void
leaf_hints_tell(LeafKind kind, int number)
{
	DatabaseSlot *slot = directory_my_slot();

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->leaves.of[kind].current = number;
	slot->leaves.told++;
	SpinLockRelease(&slot->mutex);
}

/* leaf_hints_tell_limit: and the closed one with what is kept so many seconds. */
void
leaf_hints_tell_limit(int limit)
{
	DatabaseSlot *slot = directory_my_slot();

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->leaves.limit = limit;
	SpinLockRelease(&slot->mutex);
}

/*
 * leaf_hints_block: say for taskq.health that a leaf cannot be emptied, or that it
 * can.  One at a time is enough.
 */
void
leaf_hints_block(LeafKind kind, int number, bool blocked)
{
	DatabaseSlot *slot = directory_my_slot();
	LeafHints  *hints = &slot->leaves.of[kind];
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&slot->mutex);
	if (blocked && hints->blocked < 0)
	{
		hints->blocked = number;
		hints->blocked_since = now;
	}
	else if (!blocked && hints->blocked == number)
		hints->blocked = -1;
	SpinLockRelease(&slot->mutex);
}
