/*
 * timers.c
 *		Firing of timeouts, and the hints by which the worker learns of them.
 *
 * Deadlines are computed from an activity's row; nothing else is a timer.  To
 * know when to look at which row, the worker has two sources:
 *
 * - open_alarm, the index of alarms in the tables: a lower bound of the next
 *	 deadline, written where the row is written anyway (schedule, retry,
 *	 pause, options).  The worker walks it with a cursor.
 * - a heap in its own memory for attempts that were started: polls hand
 *	 run_id and first deadline over through a ring in shared memory when they
 *	 commit.  What still runs after taskq.arm_after gets its alarm written once
 *	 and leaves the heap.
 *
 * When either says "now", the row is read, its deadlines are computed again,
 * and the first one that has passed is fired; otherwise the worker goes on
 * waiting for that row.  As long as shared memory has heartbeats that put the
 * deadline off, the row need not be read.  So a hint may be early, doubled or pointless, but not
 * lost: a poll that finds the ring full writes the alarm itself, and a worker
 * that starts reads all attempts in progress from the table once.
 *
 * The cursor over alarms is exact in (alarm, run_id).  It moves only past what
 * a committed scan has seen; a transaction that commits an alarm announces it
 * and the cursor goes back to it.  Announcements are collected before the
 * snapshot of a scan is taken, so whatever is not seen is announced later.
 *
 * Locks: slot->mutex for the ring; rows are locked without waiting, a row that
 * somebody else holds is tried again soon.  Work is done in transactions of at
 * most BATCH rows.
 */
#include "postgres.h"

#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "effects.h"
#include "execute.h"
#include "guc.h"
#include "heartbeat.h"
#include "heartbeat_slots.h"
#include "timers.h"
#include "worker.h"

#define BATCH			1000	/* rows fired in one transaction */
#define BUSY_RETRY		(10 * INT64CONST(1000))	/* us, row held by another */
#define CHUNK_HINTS		(1024 * 256)	/* attempts read at a time */

/* An attempt to look at. */
typedef struct Watch
{
	pairingheap_node node;
	int64		run_id;
	TimestampTz when;
	bool		armed;			/* do not write its alarm (again) */
	/* when it waits for the next heartbeat, else 0 */
	int64		nonce;
	int64		heartbeat_timeout;
	TimestampTz other;			/* first deadline but that of the heartbeat */
} Watch;

/* Of the worker. */
static MemoryContext watch_context;
static pairingheap *watches;
static TimestampTz cursor = DT_NOBEGIN; /* alarms seen up to here ... */
static int64 cursor_run_id;		/* ... and this run */
static TimestampTz next_alarm = DT_NOBEGIN; /* first one not seen */

/* ------------------------------------------------------------------------
 * Hints in shared memory
 * ------------------------------------------------------------------------
 */

static uint32
ring_size(void)
{
	return (uint32) taskq_timer_buffer;
}

/*
 * timers_reserve: room for n more hints, to be filled at commit.
 */
bool
timers_reserve(DatabaseSlot *slot, int n)
{
	bool		granted;

	SpinLockAcquire(&slot->mutex);
	granted = slot->ring_used + slot->ring_reserved + n <= ring_size();
	if (granted)
		slot->ring_reserved += n;
	SpinLockRelease(&slot->mutex);
	return granted;
}

/* timers_release: give room back, filled or not. */
void
timers_release(DatabaseSlot *slot, int n)
{
	if (n == 0)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->ring_reserved -= Min((uint32) n, slot->ring_reserved);
	SpinLockRelease(&slot->mutex);
}

/*
 * timers_publish: tell the worker of attempts and of an alarm (DT_NOEND =
 * none), and wake it if it would sleep too long.  Cannot fail.
 */
void
timers_publish(DatabaseSlot *slot, const TimerHint *hints, int n,
			   TimestampTz alarm)
{
	TimestampTz first = alarm;
	int			told = 0;
	bool		wake;

	if (n == 0 && alarm == DT_NOEND)
		return;
	SpinLockAcquire(&slot->mutex);
	for (int i = 0; i < n && slot->ring_used < ring_size(); i++)
	{
		uint32		at = (slot->ring_first + slot->ring_used) %
			ring_size();

		slot->ring[at] = hints[i];
		slot->ring_used++;
		first = Min(first, hints[i].deadline);
		told++;
	}
	if (told < n)
	{
		slot->rescan = true;	/* not reserved here: let the table tell */
		first = DT_NOBEGIN;
	}
	slot->alarm_from = Min(slot->alarm_from, alarm);
	wake = first < slot->wake_at ||
		(slot->ring_used >= ring_size() / 2 &&
		 slot->wake_at != DT_NOBEGIN);
	if (wake)
		slot->wake_at = DT_NOBEGIN; /* one latch is enough */
	SpinLockRelease(&slot->mutex);
	if (wake)
		shmem_wake_worker(slot);
}

/*
 * timers_rescan: have the worker read all alarms and attempts again.
 */
void
timers_rescan(DatabaseSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->rescan = true;
	slot->alarm_from = DT_NOBEGIN;
	SpinLockRelease(&slot->mutex);
	shmem_wake_worker(slot);
}

/*
 * timers_forget: lose the hints, and have the worker read the table.  What is
 * reserved stays promised.
 */
void
timers_forget(DatabaseSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->ring_first = 0;
	slot->ring_used = 0;
	SpinLockRelease(&slot->mutex);
	timers_rescan(slot);
}

/*
 * timers_awake: the worker is up; nobody needs to wake it.
 */
void
timers_awake(void)
{
	DatabaseSlot *slot = shmem_my_slot();

	SpinLockAcquire(&slot->mutex);
	slot->wake_at = DT_NOBEGIN;
	SpinLockRelease(&slot->mutex);
}

/*
 * timers_may_sleep_until: announce how long the worker will sleep; false when
 * there are hints that it has not seen.
 */
bool
timers_may_sleep_until(TimestampTz when)
{
	DatabaseSlot *slot = shmem_my_slot();
	bool		may;

	SpinLockAcquire(&slot->mutex);
	may = slot->ring_used == 0 && slot->alarm_from == DT_NOEND &&
		!slot->rescan;
	if (may)
		slot->wake_at = when;
	SpinLockRelease(&slot->mutex);
	return may;
}

/* ------------------------------------------------------------------------
 * The heap of attempts
 * ------------------------------------------------------------------------
 */

static int
compare_watches(const pairingheap_node *a, const pairingheap_node *b,
				void *arg)
{
	TimestampTz x = pairingheap_const_container(Watch, node, a)->when;
	TimestampTz y = pairingheap_const_container(Watch, node, b)->when;

	return x < y ? 1 : x > y ? -1 : 0;
}

static Watch *
watch(int64 run_id, TimestampTz when, bool armed)
{
	Watch	   *entry = MemoryContextAlloc(watch_context, sizeof(Watch));

	entry->run_id = run_id;
	entry->when = when;
	entry->armed = armed;
	entry->nonce = 0;
	pairingheap_add(watches, &entry->node);
	return entry;
}

/* look at it again at this deadline, computed from the row */
static void
watch_row(const Activity *activity, const Deadline *deadline)
{
	Watch	   *entry = watch(activity->run_id, deadline->when, true);

	if (deadline->type != TIMEOUT_HEARTBEAT)
		return;
	entry->nonce = activity->nonce;
	entry->heartbeat_timeout = activity->options.heartbeat_timeout;
	entry->other = activity_next_deadline(activity, DT_NOEND).when;
}

/*
 * Has a heartbeat come in since the deadline was computed, so that it has
 * moved?  Then there is no need to look at the row: whoever shortens a timeout
 * there announces an alarm.
 */
static bool
is_postponed(Watch *entry, TimestampTz now)
{
	TimestampTz last;

	if (entry->nonce == 0)
		return false;
	last = heartbeat_slot_time(entry->run_id, entry->nonce);
	entry->when = Min(instant_add(last, entry->heartbeat_timeout),
					  entry->other);
	return last != DT_NOBEGIN && entry->when > now;
}

static TimestampTz
first_watch(void)
{
	if (pairingheap_is_empty(watches))
		return DT_NOEND;
	return pairingheap_container(Watch, node, pairingheap_first(watches))->when;
}

/* a started attempt: look at it at its deadline, or to write its alarm */
static void
watch_attempt(const TimerHint *hint, TimestampTz now)
{
	watch(hint->run_id,
		  Min(hint->deadline,
			  instant_add(now, taskq_arm_after * INT64CONST(1000))),
		  false);
}

/* take what polls and commits have told; true when a rescan is wanted */
static bool
collect_hints(void)
{
	DatabaseSlot *slot = shmem_my_slot();
	TimerHint	taken[64];
	TimestampTz now = clock_now();
	int			n;
	bool		rescan;

	do
	{
		SpinLockAcquire(&slot->mutex);
		for (n = 0; n < (int) lengthof(taken) && slot->ring_used > 0; n++)
		{
			taken[n] = slot->ring[slot->ring_first];
			slot->ring_first = (slot->ring_first + 1) % ring_size();
			slot->ring_used--;
		}
		if (slot->alarm_from != DT_NOEND)
		{
			if (slot->alarm_from <= cursor)
			{
				cursor = slot->alarm_from;
				cursor_run_id = PG_INT64_MIN;
			}
			next_alarm = Min(next_alarm, slot->alarm_from);
			slot->alarm_from = DT_NOEND;
		}
		rescan = slot->rescan;
		slot->rescan = false;
		SpinLockRelease(&slot->mutex);
		for (int i = 0; i < n; i++)
			watch_attempt(&taken[i], now);
	} while (n > 0);
	return rescan;
}

/* read all attempts in progress from the table */
static void
read_attempts(void)
{
	TimerHint  *hints = MemoryContextAllocHuge(watch_context,
											   CHUNK_HINTS * sizeof(TimerHint));
	uint32		block = 0;
	int			n;
	bool		more;

	do
	{
		worker_begin("timers");
		more = store_scan_in_progress(&block, hints, &n, CHUNK_HINTS);
		worker_commit();
		for (int i = 0; i < n; i++)
			watch(hints[i].run_id, hints[i].deadline, true);
		CHECK_FOR_INTERRUPTS();
	} while (more);
	pfree(hints);
}

/*
 * timers_start: the worker has started and knows nothing.
 */
void
timers_start(void)
{
	DatabaseSlot *slot = shmem_my_slot();
	MemoryContext old_context;

	watch_context = AllocSetContextCreate(TopMemoryContext, "taskq timers",
										  ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(watch_context);
	watches = pairingheap_allocate(compare_watches, NULL);
	MemoryContextSwitchTo(old_context);
	timers_rescan(slot);
}

/* ------------------------------------------------------------------------
 * Firing
 * ------------------------------------------------------------------------
 */

static Deadline
next_deadline(const Activity *activity)
{
	return activity_next_deadline(activity,
								  activity->options.heartbeat_timeout == 0 ?
								  DT_NOBEGIN : heartbeat_last_time(activity));
}

/*
 * The first deadline of the row as it is now.  Before a deadline of an attempt
 * fires the row gets locked, so that no heartbeat comes in between: a
 * transaction that has heartbeated and is still open counts as holding it.
 */
static StoreResult
current_deadline(Activity *activity, TimestampTz now, Deadline *deadline)
{
	StoreResult result;

	*deadline = activity_next_deadline(activity, DT_NOBEGIN);
	if (deadline->when > now || !state_in_progress(activity->state))
		return STORE_OK;
	*deadline = next_deadline(activity);
	if (deadline->when > now)
		return STORE_OK;
	result = store_lock(activity, false);
	if (result != STORE_OK)
		return result;
	if (heartbeat_is_held(activity))
		return STORE_BUSY;
	*deadline = next_deadline(activity);
	return STORE_OK;
}

/* not due yet: wait in the table or in the heap */
static StoreResult
wait_on(Activity *activity, const Deadline *deadline, TimestampTz now,
		bool armed)
{
	StoreResult result;

	if (deadline->when == DT_NOEND)
		return STORE_OK;
	if (activity->alarm > now && activity->alarm <= deadline->when)
		return STORE_OK;		/* the alarm will bring it up */
	if (armed || !state_in_progress(activity->state))
	{
		watch_row(activity, deadline);
		return STORE_OK;
	}
	activity->alarm = deadline->when;
	result = store_update(activity, false);
	if (result == STORE_OK)
		next_alarm = Min(next_alarm, activity->alarm);
	return result;
}

static StoreResult
fire(Activity *activity, TimeoutType type, TimestampTz now)
{
	EventData	data = {0};
	Activity	before = *activity;
	Verdict		verdict;
	StoreResult result;

	data.now = now;
	data.timeout = type;
	verdict = machine_apply(activity, EVENT_TIMEOUT, &data);
	if (verdict.answer != ANSWER_DONE)
		return STORE_OK;
	result = execute_store(activity, &before, false);
	if (result == STORE_OK && state_in_progress(before.state))
		effects_worker_event(before.worker, before.run_id, before.attempt,
							 WORKER_EVENT_TIMED_OUT);
	return result;
}

/* fire what is due for one run; it may take several rounds */
static void
look_at(int64 run_id, bool armed)
{
	for (;;)
	{
		Activity	activity;
		Deadline	deadline;
		TimestampTz now = clock_now();
		StoreResult result;

		CHECK_FOR_INTERRUPTS();
		if (!store_find(run_id, &activity))
			return;
		result = current_deadline(&activity, now, &deadline);
		if (result == STORE_OK)
		{
			if (deadline.when > now)
			{
				result = wait_on(&activity, &deadline, now, armed);
				if (result == STORE_OK)
					return;
			}
			else
			{
				result = fire(&activity, deadline.type, now);
				armed = true;
			}
		}
		if (result == STORE_BUSY)
		{
			watch(run_id, instant_add(now, BUSY_RETRY), armed);
			return;
		}
	}
}

/* up to a batch of alarms */
static int
fire_alarms(TimestampTz now)
{
	static TimerHint hints[BATCH];
	TimestampTz next;
	int			n;

	if (next_alarm > now)
		return 0;
	worker_begin("timers");
	n = store_alarms(cursor, cursor_run_id, now, hints, BATCH, &next);
	next_alarm = next;
	for (int i = 0; i < n; i++)
		look_at(hints[i].run_id, true);
	worker_commit();
	if (n > 0)
	{
		cursor = hints[n - 1].deadline;
		cursor_run_id = hints[n - 1].run_id;
	}
	return n;
}

/* up to a batch from the heap */
static int
fire_watches(TimestampTz now)
{
	bool		begun = false;
	int			n = 0;

	for (; n < BATCH && first_watch() <= now; n++)
	{
		Watch	   *entry = pairingheap_container(Watch, node,
												  pairingheap_remove_first(watches));
		int64		run_id = entry->run_id;
		bool		armed = entry->armed;

		if (is_postponed(entry, now))
		{
			pairingheap_add(watches, &entry->node);
			continue;
		}
		pfree(entry);
		if (!begun)
			worker_begin("timers");
		begun = true;
		look_at(run_id, armed);
	}
	if (begun)
		worker_commit();
	return n;
}

/*
 * timers_run: fire a batch of what is due.  Returns when to be called again;
 * the past when there is more.
 */
TimestampTz
timers_run(void)
{
	TimestampTz now;

	if (collect_hints())
		read_attempts();
	now = clock_now();
	(void) fire_alarms(now);
	(void) fire_watches(now);
	return Min(next_alarm, first_watch());
}
