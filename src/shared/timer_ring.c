/*
 * timer_ring.c
 *		Hints in shared memory by which a worker learns of new deadlines.
 *
 * Polls hand the first deadline of each attempt over through a ring when they
 * commit; a commit that writes alarms announces the earliest.  A poll reserves
 * its place in the ring before it starts an attempt; without one it writes the
 * alarm into the row.  When hints are lost all the same, or rows have changed
 * in other ways, the worker is asked to read the table ("rescan").
 *
 * The worker reads hints and drops them from the ring when it has them in its
 * own memory.  An announced alarm is taken by moving the worker's cursor back,
 * which cannot fail.
 *
 * Locks: slot->mutex, for at most TIMER_PIECE hints at a time.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "shared/sizes.h"
#include "shared/timer_ring.h"

/* Set in every process; a ring in shared memory for each slot. */
static TimerHint *rings = NULL;

static uint32
ring_room(void)
{
	return (uint32) taskq_timer_buffer;
}

/* timer_ring_shmem_size: for the request hook. */
Size
timer_ring_shmem_size(void)
{
	return mul_size(mul_size(taskq_max_databases, taskq_timer_buffer),
					sizeof(TimerHint));
}

/* timer_ring_shmem_init: caller holds AddinShmemInitLock. */
void
timer_ring_shmem_init(LWLockPadded *locks)
{
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	rings = ShmemInitStruct("taskq timer hints", timer_ring_shmem_size(),
							&found);
}

static TimerHint *
ring_of(const DatabaseSlot *slot)
{
	return rings + (Size) directory_slot_number(slot) * ring_room();
}

/* ------------------------------------------------------------------------
 * For transactions
 * ------------------------------------------------------------------------
 */

/*
 * timers_reserve: room for n more hints, to be filled at commit.
 */
bool
timers_reserve(DatabaseSlot *slot, int n)
{
	bool		granted;

	SpinLockAcquire(&slot->mutex);
	granted = slot->timers.used + slot->timers.reserved + n <= ring_room();
	if (granted)
		slot->timers.reserved += n;
	SpinLockRelease(&slot->mutex);
	if (!granted)
		size_exceeded(SIZE_TIMER_BUFFER);
	return granted;
}

/* timers_release: give room back, filled or not. */
void
timers_release(DatabaseSlot *slot, int n)
{
	if (n == 0)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->timers.reserved -= Min((uint32) n, slot->timers.reserved);
	SpinLockRelease(&slot->mutex);
}

/* append up to a piece of n hints; how many */
static int
append_piece(DatabaseSlot *slot, const TimerHint *hints, int n)
{
	TimerHint  *ring = ring_of(slot);
	int			done = 0;

	SpinLockAcquire(&slot->mutex);
	while (done < Min(n, TIMER_PIECE) && slot->timers.used < ring_room())
	{
		uint32		at = (slot->timers.first + slot->timers.used) % ring_room();

		ring[at] = hints[done++];
		slot->timers.used++;
	}
	SpinLockRelease(&slot->mutex);
	return done;
}

/* announce an alarm, and see whether the worker would sleep beyond "first" */
static bool
announce_alarm(DatabaseSlot *slot, TimestampTz alarm, TimestampTz first)
{
	bool		wake;

	SpinLockAcquire(&slot->mutex);
	slot->timers.alarm_from = Min(slot->timers.alarm_from, alarm);
	wake = first < slot->timers.wake_at ||
		(slot->timers.used >= ring_room() / 2 &&
		 slot->timers.wake_at != DT_NOBEGIN);
	if (wake)
	{
		slot->timers.wake_at = DT_NOBEGIN; /* one latch is enough */
		slot->timers.called_at = GetCurrentTimestamp();
	}
	SpinLockRelease(&slot->mutex);
	return wake;
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
	int			piece;

	if (n == 0 && alarm == DT_NOEND)
		return;
	for (int i = 0; i < n; i++)
		first = Min(first, hints[i].deadline);
	while (told < n &&
		   (piece = append_piece(slot, hints + told, n - told)) > 0)
		told += piece;
	if (announce_alarm(slot, alarm, first))
		directory_wake_worker(slot);
	if (told < n)
		timers_rescan(slot);	/* not reserved here: let the table tell */
}

/*
 * timers_rescan: have the worker read all alarms and attempts again.  Cannot
 * fail.
 */
void
timers_rescan(DatabaseSlot *slot)
{
	(void) errand_ask(slot, &slot->timers.rescan);
	directory_wake_worker(slot);
}

/*
 * timers_forget: lose the hints of a database, and have its worker, if any, read
 * the table.  What is reserved stays promised.
 */
void
timers_forget(Oid database)
{
	DatabaseSlot *slot = directory_slot_of(database);

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->timers.first = 0;
	slot->timers.used = 0;
	SpinLockRelease(&slot->mutex);
	timers_rescan(slot);
}

/* ------------------------------------------------------------------------
 * For the worker
 * ------------------------------------------------------------------------
 */

/*
 * timers_awake: the worker is up; nobody needs to wake it.
 */
void
timers_awake(void)
{
	DatabaseSlot *slot = directory_my_slot();

	SpinLockAcquire(&slot->mutex);
	slot->timers.wake_at = DT_NOBEGIN;
	SpinLockRelease(&slot->mutex);
}

/*
 * timers_may_sleep_until: announce how long the worker will sleep; false when
 * there are hints that it has not seen.
 */
bool
timers_may_sleep_until(TimestampTz when)
{
	DatabaseSlot *slot = directory_my_slot();
	bool		may;

	SpinLockAcquire(&slot->mutex);
	may = slot->timers.used == 0 && slot->timers.alarm_from == DT_NOEND &&
		slot->timers.rescan.asked == slot->timers.rescan.done;
	if (may)
		slot->timers.wake_at = when;
	SpinLockRelease(&slot->mutex);
	return may;
}

/*
 * timer_ring_read: copy up to TIMER_PIECE of the oldest hints, which stay where
 * they are; how many.
 */
int
timer_ring_read(DatabaseSlot *slot, TimerHint *hints)
{
	const TimerHint *ring = ring_of(slot);
	int			n;

	SpinLockAcquire(&slot->mutex);
	n = Min(slot->timers.used, TIMER_PIECE);
	for (int i = 0; i < n; i++)
		hints[i] = ring[(slot->timers.first + i) % ring_room()];
	SpinLockRelease(&slot->mutex);
	return n;
}

/*
 * timer_ring_drop: n hints that were read are in the worker's memory.  If the
 * ring was emptied meanwhile (timers_forget), a rescan is asked for, which
 * sees all that is dropped unread here.
 */
void
timer_ring_drop(DatabaseSlot *slot, int n)
{
	SpinLockAcquire(&slot->mutex);
	n = Min((uint32) n, slot->timers.used);
	slot->timers.first = (slot->timers.first + n) % ring_room();
	slot->timers.used -= n;
	SpinLockRelease(&slot->mutex);
}

/*
 * timer_ring_take_alarm: the earliest alarm announced since the last call,
 * DT_NOEND without one.  The caller looks from there on, whatever happens.
 */
TimestampTz
timer_ring_take_alarm(DatabaseSlot *slot)
{
	TimestampTz alarm;

	SpinLockAcquire(&slot->mutex);
	alarm = slot->timers.alarm_from;
	slot->timers.alarm_from = DT_NOEND;
	SpinLockRelease(&slot->mutex);
	return alarm;
}
