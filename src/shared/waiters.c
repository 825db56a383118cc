/*
 * waiters.c
 *		Who waits for what, and who is woken.
 *
 * A backend that waits (wait.c) has a place for each thing that it waits
 * for: a task queue, or the close of a run.  The places for one thing are
 * chained in the order in which they were taken.  Whoever commits n due tasks
 * wakes the first n.  A waiter takes its places before it looks at the tables:
 * what is committed before is seen, what is committed later wakes it.  It gives
 * them back when it returns.  If there is more to be had, or it is cancelled, it
 * wakes the next one.  If there is more to come later, it tells the next one
 * when, who may not know of that: he sleeps on until then.
 *
 * A wake that nobody uses must not be lost.  Who was woken for a queue owes it a
 * look at the table, and who then returns because a task is there owes it a
 * poll.  The debt is paid by the look that finds nothing, by the poll, and is
 * handed to the next waiter when the session waits for something else, fails or
 * ends; also when its client is gone, which is noticed in the sleep, after
 * every wake and before the return.  A debt that is older than PATIENCE_US is
 * handed over by the worker of the database, to one waiter, then to two, four
 * and so on, as long as those do not pay either.  A new waiter looks for itself,
 * so debts matter only where somebody was waiting already: only then is the
 * worker told to look after them, and it stops when there is none left.
 *
 * The worker's part is in waiter_debts.c, the calls and their sleep are in
 * wait.c.
 *
 * Locks: waiter_lock covers places, chains, debts and slot->debts_at.
 * It is held for memory work only, also in commit callbacks.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "shared/waiter_state.h"
#include "shared/waiters.h"

/* waiters woken in one hold of the lock */
#define WAKE_AT_ONCE	64

/* the entries in the lists of pollers that say that we wait */
static PollerKey listed[MAX_WAIT_PLACES];
static int	nlisted = 0;

/* places for which we were woken before this round of looks */
static bool woken_before[MAX_WAIT_PLACES];

/* may this backend owe something? */
static bool owing = false;

/* ------------------------------------------------------------------------
 * Waking
 * ------------------------------------------------------------------------
 */

/* wait_run_key: what those who wait for the close of a run wait on. */
uint64
wait_run_key(int64 run_id)
{
	return hash_bytes_extended((unsigned char *) &run_id, sizeof(run_id), 1);
}

/* wait_anybody: is it worth while to wake? */
bool
wait_anybody(void)
{
	if (wait_state == NULL)
		return false;
	/* what was committed has to be visible before we look */
	pg_memory_barrier();
	return wait_state->waiting > 0;
}

/*
 * Have the worker look after debts that are made at "now"; true when it has to
 * be told, by its latch, after waiter_lock is released.  The caller holds it.
 */
static bool
watch_debts(DatabaseSlot *slot, TimestampTz now)
{
	TimestampTz at = instant_add(now, PATIENCE_US);

	Assert(LWLockHeldByMeInMode(waiter_lock, LW_EXCLUSIVE));
	if (slot == NULL || slot->debts_at <= at)
		return false;
	slot->debts_at = at;
	return true;
}

/*
 * Wake the first n, at most WAKE_AT_ONCE, that wait on the key and were not
 * woken yet.  Their latches are set when the lock is released: who is woken
 * comes for it, and may come at once.
 */
static int
wake_some(uint64 key, int n, TimestampTz now)
{
	DatabaseSlot *slot = directory_my_slot();
	PGPROC	   *procs[WAKE_AT_ONCE];
	int			found = 0;
	bool		tell;
	int			i;

	LWLockAcquire(waiter_lock, LW_EXCLUSIVE);
	for (i = wait_first_asleep(key); i != NOBODY && found < Min(n, WAKE_AT_ONCE);
		 i = wait_next_asleep(wait_state->places[i].next, key))
	{
		Waiter	   *waiter = wait_waiter_of(i);

		wait_state->places[i].woken = true;
		waiter->woken = true;
		waiter->woken_at = now;
		procs[found++] = waiter->proc;
	}
	tell = found > 0 && i != NOBODY && watch_debts(slot, now);
	LWLockRelease(waiter_lock);
	for (i = 0; i < found; i++)
		SetLatch(&procs[i]->procLatch);
	if (tell)
		directory_wake_worker(slot);
	return found;
}

/* wait_wake_at: wait_wake(), at "now". */
void
wait_wake_at(uint64 key, int n, TimestampTz now)
{
	int			found;

	do
	{
		found = wake_some(key, n, now);
		n -= found;
	} while (n > 0 && found == WAKE_AT_ONCE);
}

/* wait_wake: wake the first n that wait on the key and were not woken yet. */
void
wait_wake(uint64 key, int n)
{
	wait_wake_at(key, n, clock_now());
}

/* wait_hand_on: have the first one on the key that was not woken look at "when". */
void
wait_hand_on(uint64 key, TimestampTz when)
{
	int			i;

	if (when == DT_NOEND)
		return;
	LWLockAcquire(waiter_lock, LW_EXCLUSIVE);
	i = wait_first_asleep(key);
	if (i != NOBODY && when < wait_waiter_of(i)->until)
	{
		wait_waiter_of(i)->until = when;
		SetLatch(&wait_waiter_of(i)->proc->procLatch);
	}
	LWLockRelease(waiter_lock);
}

/* wait_wake_all: wake all that wait in this database. */
void
wait_wake_all(void)
{
	TimestampTz now;

	if (!wait_anybody())
		return;
	now = clock_now();
	LWLockAcquire(waiter_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MaxBackends; i++)
	{
		Waiter	   *waiter = &wait_state->waiters[i];

		if (!waiter->waiting || waiter->database != MyDatabaseId)
			continue;
		for (int j = 0; j < waiter->nplaces; j++)
			wait_state->places[i * MAX_WAIT_PLACES + j].woken = true;
		waiter->woken = true;
		waiter->woken_at = now;
		SetLatch(&waiter->proc->procLatch);
	}
	LWLockRelease(waiter_lock);
}

/* ------------------------------------------------------------------------
 * Entering and leaving
 * ------------------------------------------------------------------------
 */

/*
 * Take the debt away, if there is one, unless its queue is among the keys;
 * false when there is none, or it stays.  Caller holds waiter_lock.
 */
static bool
drop_debt(const uint64 *keys, int n, uint64 *owed)
{
	Waiter	   *waiter = wait_me();

	Assert(LWLockHeldByMeInMode(waiter_lock, LW_EXCLUSIVE));
	if (waiter->owes_since == DT_NOEND)
		return false;
	for (int i = 0; i < n; i++)
		if (keys[i] == waiter->owed)
			return false;
	*owed = waiter->owed;
	waiter->owes_since = DT_NOEND;
	return true;
}

/* before_shmem_exit callback: what the session owes is for others */
static void
leave_at_exit(int code, Datum arg)
{
	wait_leave(true);
}

/*
 * wait_enter: take a place for each key, or stay in them; a wake from now on is
 * not lost.  What is owed to another queue is handed over: this session does
 * not poll it.
 */
void
wait_enter(const uint64 *keys, int n)
{
	static bool registered = false;
	Waiter	   *waiter = wait_me();
	uint64		owed;
	bool		pass_on;

	Assert(n <= MAX_WAIT_PLACES);
	if (!registered)
		before_shmem_exit(leave_at_exit, (Datum) 0);
	registered = true;

	LWLockAcquire(waiter_lock, LW_EXCLUSIVE);
	pass_on = drop_debt(keys, n, &owed);
	for (int i = 0; i < n; i++)
	{
		if (!waiter->waiting)
			wait_take_place(i, keys[i]);
		woken_before[i] = wait_my_place(i)->woken;
		wait_my_place(i)->woken = false;
	}
	waiter->woken = false;
	waiter->until = DT_NOEND;
	if (!waiter->waiting)
	{
		waiter->waiting = true;
		waiter->nplaces = n;
		waiter->database = MyDatabaseId;
		waiter->proc = MyProc;
		wait_state->waiting++;
	}
	LWLockRelease(waiter_lock);
	if (pass_on)
		wait_wake(owed, 1);
}

/*
 * Give our places back.  The keys that somebody else has to look at, or all,
 * become "keys"; returns how many.  Caller holds waiter_lock.
 */
static int
give_places_back(bool all, uint64 *keys)
{
	Waiter	   *waiter = wait_me();
	int			n = 0;

	Assert(LWLockHeldByMeInMode(waiter_lock, LW_EXCLUSIVE));
	for (int i = 0; waiter->waiting && i < waiter->nplaces; i++)
	{
		const Place *place = wait_my_place(i);

		wait_free_place(place);
		if (all || place->woken || woken_before[i])
			keys[n++] = place->key;
	}
	if (waiter->waiting)
		wait_state->waiting--;
	waiter->waiting = false;
	return n;
}

/*
 * wait_list: the list of the queue's pollers says that we wait for a task, as
 * "identity".
 */
void
wait_list(const QueueKey *key, const char *identity)
{
	PollerState *poller;

	Assert(nlisted < MAX_WAIT_PLACES);
	queue_state_lock(key, LW_EXCLUSIVE);
	poller = poller_state_get(key, identity);
	if (poller != NULL)
	{
		poller->waiting++;
		listed[nlisted++] = poller->key;
	}
	queue_state_unlock();
}

static void
unlist(void)
{
	while (nlisted > 0)
	{
		const PollerKey *key = &listed[--nlisted];
		QueueKey	queue = {.database = key->database, .hash = key->queue_hash};
		PollerState *poller;

		queue_state_lock(&queue, LW_EXCLUSIVE);
		poller = poller_state_find(key);
		if (poller != NULL)
			poller->waiting = Max(poller->waiting - 1, 0);
		queue_state_unlock();
	}
}

/*
 * wait_leave: give our places back, if we have any, and wake the next ones
 * where we were woken and did not look since.  With "pass_on" wherever we
 * waited, and where we owe a poll: also called when a transaction is aborted,
 * whatever it did, and when the session ends.
 */
void
wait_leave(bool pass_on)
{
	uint64		keys[MAX_WAIT_PLACES + 1];
	int			n;

	if (wait_state == NULL || MyProc == NULL)
		return;
	unlist();
	if (!wait_me()->waiting && !(pass_on && owing))
		return;
	LWLockAcquire(waiter_lock, LW_EXCLUSIVE);
	n = give_places_back(pass_on, keys);
	if (pass_on && drop_debt(NULL, 0, &keys[n]))
		n++;
	LWLockRelease(waiter_lock);
	if (pass_on)
		owing = false;
	for (int i = 0; i < n; i++)
		wait_wake(keys[i], 1);
}

/*
 * wait_leave_ready: leave because a poll of the queue of our i-th place would
 * get a task, which we owe from now on, if not since before.  With "more" the
 * next one is woken.
 */
void
wait_leave_ready(int i, bool more)
{
	DatabaseSlot *slot = directory_my_slot();
	Waiter	   *waiter = wait_me();
	TimestampTz now = clock_now();
	uint64		keys[MAX_WAIT_PLACES];
	uint64		key = wait_my_place(i)->key;
	int			n;
	bool		tell;

	unlist();
	LWLockAcquire(waiter_lock, LW_EXCLUSIVE);
	wait_my_place(i)->woken |= more;
	if (waiter->owes_since == DT_NOEND || waiter->owed != key)
		waiter->owes_since = woken_before[i] ? waiter->woken_at : now;
	waiter->owed = key;
	owing = true;
	woken_before[i] = false;
	n = give_places_back(false, keys);
	tell = wait_first_asleep(key) != NOBODY && watch_debts(slot, now);
	LWLockRelease(waiter_lock);
	if (tell)
		directory_wake_worker(slot);
	for (i = 0; i < n; i++)
		wait_wake(keys[i], 1);
}

/* pay what is owed to the queue with that key */
static void
pay(uint64 key)
{
	Waiter	   *waiter = wait_me();

	LWLockAcquire(waiter_lock, LW_EXCLUSIVE);
	if (waiter->owed == key)
		waiter->owes_since = DT_NOEND;
	owing = waiter->owes_since != DT_NOEND;
	LWLockRelease(waiter_lock);
}

/* wait_saw_nothing: we looked at the queue of our i-th place: no task. */
void
wait_saw_nothing(int i)
{
	woken_before[i] = false;
	if (owing)
		pay(wait_my_place(i)->key);
}

/* wait_polled: this session has polled the queue with that key. */
void
wait_polled(uint64 key)
{
	if (owing)
		pay(key);
}

/*
 * wait_until: when to look again; lowers *until to it.  False when we were
 * woken: at once.
 */
bool
wait_until(TimestampTz *until)
{
	const volatile Waiter *waiter = wait_me();

	*until = Min(*until, waiter->until);
	return !waiter->woken;
}
