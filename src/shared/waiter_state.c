/*
 * waiter_state.c
 *		The shared memory of waiters: places, and chains of them.
 *
 * A backend that waits has a place for each thing that it waits for: a task
 * queue, or the close of a run, known by a key.  The places for one key are
 * chained in the order in which they were taken, with those for others of the
 * same bucket.
 *
 * Locks: waiter_lock covers all of it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "shared/waiter_state.h"

WaitState  *wait_state = NULL;
LWLock	   *waiter_lock = NULL;

/* wait_shmem_size: for the request hook. */
Size
wait_shmem_size(void)
{
	Size		size = MAXALIGN(offsetof(WaitState, places));

	size = add_size(size, mul_size(mul_size(MaxBackends, MAX_WAIT_PLACES),
								   sizeof(Place)));
	return add_size(MAXALIGN(size), mul_size(MaxBackends, sizeof(Waiter)));
}

/* wait_shmem_init: caller holds AddinShmemInitLock. */
void
wait_shmem_init(LWLockPadded *locks)
{
	bool		found;
	Size		size = wait_shmem_size();

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	waiter_lock = &locks->lock;
	wait_state = ShmemInitStruct("taskq waiters", size, &found);
	if (found)
		return;
	memset(wait_state, 0, size);
	for (int i = 0; i < BUCKETS; i++)
		wait_state->first[i] = wait_state->last[i] = NOBODY;
	wait_state->waiters = (Waiter *) ((char *) wait_state + size -
								 MaxBackends * sizeof(Waiter));
	for (int i = 0; i < MaxBackends; i++)
		wait_state->waiters[i].owes_since = DT_NOEND;
}

static int
place_bucket(uint64 key)
{
	return (int) (key % BUCKETS);
}

/* wait_me: this backend. */
Waiter *
wait_me(void)
{
	return &wait_state->waiters[compat_my_proc_number()];
}

/* wait_my_place: its n-th place. */
Place *
wait_my_place(int n)
{
	return &wait_state->places[compat_my_proc_number() * MAX_WAIT_PLACES + n];
}

/* wait_waiter_of: whose place it is. */
Waiter *
wait_waiter_of(int place)
{
	return &wait_state->waiters[place / MAX_WAIT_PLACES];
}

/*
 * wait_next_asleep: the first place from "i" on (along its chain) for that key
 * whose waiter was not woken; NOBODY without one.  Caller holds waiter_lock.
 */
int
wait_next_asleep(int i, uint64 key)
{
	Assert(LWLockHeldByMe(waiter_lock));
	for (; i != NOBODY; i = wait_state->places[i].next)
	{
		const Waiter *waiter = wait_waiter_of(i);

		if (wait_state->places[i].key == key && !waiter->woken &&
			waiter->database == MyDatabaseId)
			break;
	}
	return i;
}

/* wait_first_asleep: the first of all. */
int
wait_first_asleep(uint64 key)
{
	return wait_next_asleep(wait_state->first[place_bucket(key)], key);
}

/*
 * wait_take_place: our n-th place is for that key from now on, last in its chain.
 * Caller holds waiter_lock, exclusively.
 */
void
wait_take_place(int n, uint64 key)
{
	int			me = compat_my_proc_number() * MAX_WAIT_PLACES + n;
	Place	   *place = &wait_state->places[me];
	int			bucket = place_bucket(key);

	Assert(LWLockHeldByMeInMode(waiter_lock, LW_EXCLUSIVE));
	Assert(n < MAX_WAIT_PLACES);
	place->key = key;
	place->woken = false;
	place->next = NOBODY;
	place->previous = wait_state->last[bucket];
	if (wait_state->last[bucket] != NOBODY)
		wait_state->places[wait_state->last[bucket]].next = me;
	else
		wait_state->first[bucket] = me;
	wait_state->last[bucket] = me;
}

/* wait_free_place: out of its chain.  Caller holds waiter_lock, exclusively. */
void
wait_free_place(const Place *place)
{
	int			bucket = place_bucket(place->key);

	Assert(LWLockHeldByMeInMode(waiter_lock, LW_EXCLUSIVE));
	if (place->previous != NOBODY)
		wait_state->places[place->previous].next = place->next;
	else
		wait_state->first[bucket] = place->next;
	if (place->next != NOBODY)
		wait_state->places[place->next].previous = place->previous;
	else
		wait_state->last[bucket] = place->previous;
}
