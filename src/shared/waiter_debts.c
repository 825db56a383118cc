/*
 * waiter_debts.c
 *		The worker's chore for wakes that were not used.
 *
 * Looks at what waiters owe (waiters.c) while some debt is young, and hands what
 * is older than PATIENCE_US over to the next waiters: what that session does
 * later is its own affair.  Whom that wakes looks at the table.  If no task is
 * due any more he sleeps on, and that was all; if one is, he owes a poll in his
 * turn.  When a queue has such debts time after time, each time twice as many
 * waiters are woken, so that many that are silent delay one that is not for a
 * few rounds only.  The round is as long as the patience, and there is none
 * without debts.
 *
 * Locks: waiter_lock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/basics.h"
#include "base/clock.h"
#include "shared/directory.h"
#include "shared/waiter_debts.h"
#include "shared/waiter_state.h"
#include "shared/waiters.h"

/* queues whose debts are handed over in one round */
#define DEBTS_AT_ONCE	64

/* A queue whose debts were handed over. */
typedef struct HandedOver
{
	uint64		key;
	int			waiters;		/* to so many */
	TimestampTz at;
} HandedOver;

/* Of one round: what is to be handed over. */
typedef struct Debts
{
	TimestampTz now;
	TimestampTz next;			/* when to look again */
	int			n;
	uint64		keys[DEBTS_AT_ONCE];
} Debts;

static HandedOver handed_over[DEBTS_AT_ONCE];
static int	nhanded_over = 0;

/* is a debt of that age, for that key, to be handed over now? */
static bool
take_debt(Debts *debts, TimestampTz since, uint64 key)
{
	TimestampTz due = instant_add(since, PATIENCE_US);
	int			i;

	if (due > debts->now && since <= debts->now)
	{
		debts->next = Min(debts->next, due);
		return false;
	}
	for (i = 0; i < debts->n && debts->keys[i] != key; i++)
		;
	if (i == DEBTS_AT_ONCE)
	{
		debts->next = debts->now;
		return false;
	}
	debts->keys[i] = key;
	debts->n = Max(debts->n, i + 1);
	return true;
}

/* collect what is to be handed over of one backend */
static void
take_debts_of(Debts *debts, int backend)
{
	Waiter	   *waiter = &wait_state->waiters[backend];

	Assert(LWLockHeldByMeInMode(waiter_lock, LW_EXCLUSIVE));
	if (waiter->owes_since != DT_NOEND &&
		take_debt(debts, waiter->owes_since, waiter->owed))
		waiter->owes_since = DT_NOEND;
	for (int i = 0; waiter->waiting && i < waiter->nplaces; i++)
	{
		Place	   *place = &wait_state->places[backend * MAX_WAIT_PLACES + i];

		if (place->woken && take_debt(debts, waiter->woken_at, place->key))
			place->woken = false;
	}
}

static void
take_debts(Debts *debts, DatabaseSlot *slot)
{
	debts->now = clock_now();
	debts->next = DT_NOEND;
	debts->n = 0;
	LWLockAcquire(waiter_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MaxBackends; i++)
		if (wait_state->waiters[i].database == MyDatabaseId)
			take_debts_of(debts, i);
	if (debts->n > 0)
		debts->next = Min(debts->next, instant_add(debts->now, PATIENCE_US));
	slot->debts_at = debts->next;
	LWLockRelease(waiter_lock);
}

/* to how many: twice as many as a moment ago */
static int
how_many(uint64 key, TimestampTz now)
{
	for (int i = 0; i < nhanded_over; i++)
		if (handed_over[i].key == key && handed_over[i].at <= now &&
			now - handed_over[i].at <= 4 * PATIENCE_US)
			return Min(handed_over[i].waiters * 2, MaxBackends);
	return 1;
}

/*
 * wait_run: the chore.  Touches shared memory only.
 */
TimestampTz
wait_run(void)
{
	DatabaseSlot *slot = directory_my_slot();
	HandedOver	handed[DEBTS_AT_ONCE];
	Debts		debts;

	/* read without lock: who sets it sets the latch after it */
	if (slot == NULL || slot->debts_at > clock_now())
		return slot == NULL ? TIMESTAMP_NEVER : slot->debts_at;
	take_debts(&debts, slot);
	for (int i = 0; i < debts.n; i++)
	{
		handed[i].key = debts.keys[i];
		handed[i].waiters = how_many(debts.keys[i], debts.now);
		handed[i].at = debts.now;
		wait_wake_at(debts.keys[i], handed[i].waiters, debts.now);
	}
	memcpy(handed_over, handed, debts.n * sizeof(HandedOver));
	nhanded_over = debts.n;
	return debts.next;
}
