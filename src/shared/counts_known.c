/*
 * counts_known.c
 *		Whether the numbers of open activities in shared memory are right.
 *
 * They are unknown after a start of the server, after transactions were
 * prepared, when rows were changed by others than taskq's calls, and when there
 * was no room for all queues.  Then the worker counts the table once, as soon
 * as somebody has missed them.  A database is complete when each queue that
 * has no entry in shared memory has no open activity either: a queue that is
 * new then is known from the start.
 *
 * Locks: slot->mutex covers the slot's fields about counts.
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"

#include "shared/counts_known.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"

/* numbers of the database went missing: they have to be counted, not kept */
static void
lose_numbers(Oid database, bool complete)
{
	DatabaseSlot *slot = directory_slot_of(database);

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->counts.lost = true;
	slot->counts.complete &= complete;
	SpinLockRelease(&slot->mutex);
}

/* counts_lost: there is no entry for what the transaction has moved. */
void
counts_lost(void)
{
	lose_numbers(MyDatabaseId, false);
}

/*
 * counts_may_be_elsewhere: may there be attempts in progress that count for
 * another queue than that of their row?
 */
bool
counts_may_be_elsewhere(DatabaseSlot *slot)
{
	bool		may_be;

	SpinLockAcquire(&slot->mutex);
	may_be = !slot->counts.none_elsewhere;
	SpinLockRelease(&slot->mutex);
	return may_be;
}

/*
 * counts_moved_away: this transaction makes one so; InvalidTransactionId =
 * others have, maybe, that have committed.  Before it does.
 */
void
counts_moved_away(TransactionId mover)
{
	DatabaseSlot *slot = directory_slot_of(MyDatabaseId);

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->counts.none_elsewhere = false;
	slot->counts.moves++;
	if (!TransactionIdIsValid(slot->counts.mover) ||
		(TransactionIdIsValid(mover) &&
		 TransactionIdFollows(mover, slot->counts.mover)))
		slot->counts.mover = mover;
	SpinLockRelease(&slot->mutex);
}

/* counts_moves: how often attempts were made so. */
uint32
counts_moves(DatabaseSlot *slot)
{
	uint32		moves;

	SpinLockAcquire(&slot->mutex);
	moves = slot->counts.moves;
	SpinLockRelease(&slot->mutex);
	return moves;
}

/*
 * counts_none_elsewhere: a snapshot in which all transactions before "xmin" have
 * ended, taken after so many moves, shows none.
 */
void
counts_none_elsewhere(DatabaseSlot *slot, TransactionId xmin, uint32 moves)
{
	SpinLockAcquire(&slot->mutex);
	if (slot->counts.moves == moves &&
		(!TransactionIdIsValid(slot->counts.mover) ||
		 TransactionIdPrecedes(slot->counts.mover, xmin)))
	{
		slot->counts.none_elsewhere = true;
		slot->counts.mover = InvalidTransactionId;
	}
	SpinLockRelease(&slot->mutex);
}

/* counts_are_zero: as far as is known the queue has no open activity. */
bool
counts_are_zero(const QueueState *state)
{
	if (state->started != 0 || state->reserved != 0 || state->paused != 0)
		return false;
	for (int i = 0; i < LEVELS; i++)
		if (state->waiting[i] != 0)
			return false;
	return true;
}

/*
 * counts_complete: does a queue of this database that has no entry have no open
 * activity?
 */
bool
counts_complete(void)
{
	DatabaseSlot *slot = directory_slot_of(MyDatabaseId);
	bool		complete;

	if (slot == NULL)
		return false;
	SpinLockAcquire(&slot->mutex);
	complete = slot->counts.complete;
	SpinLockRelease(&slot->mutex);
	return complete;
}

/* counts_begin: the entry is new, its numbers are zero. */
void
counts_begin(QueueState *state)
{
	DatabaseSlot *slot = directory_slot_of(state->key.database);

	Assert(queue_state_is_locked(queue_state_part(&state->key), LW_EXCLUSIVE));
	state->latest_due = state->delays_from = DT_NOBEGIN;
	state->delays_known = true;
	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	state->known = slot->counts.complete;
	state->being_counted = !state->known && slot->counts.running &&
		!slot->counts.lost;
	SpinLockRelease(&slot->mutex);
}

/* counts_evicted: the entry goes. */
void
counts_evicted(const QueueState *state)
{
	Assert(queue_state_is_locked(queue_state_part(&state->key), LW_EXCLUSIVE));
	lose_numbers(state->key.database, state->known && counts_are_zero(state));
}
