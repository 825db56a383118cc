/*
 * test_timer_ring.c
 *		Tests of timer_ring.c.
 */
#include "unit.h"

#include "miscadmin.h"
#include "storage/lwlock.h"

#include "base/settings.h"
#include "shared/timer_ring.h"

#include "fakes.h"

static DatabaseSlot *slot = &fake_slot;

static void
new_ring(int room)
{
	fake_memory_lost();
	fake_wakes = 0;
	taskq_max_databases = 2;
	taskq_timer_buffer = room;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	timer_ring_shmem_init(NULL);
	LWLockRelease(AddinShmemInitLock);
	memset(slot, 0, sizeof(DatabaseSlot));
	SpinLockInit(&slot->mutex);
	slot->timers.alarm_from = DT_NOEND;
}

static void
publish(int run_id, TimestampTz deadline)
{
	TimerHint	hint = {run_id, deadline};

	timers_publish(slot, &hint, 1, DT_NOEND);
}

/* the runs that are read, all of them dropped */
static const char *
read_all(void)
{
	char	   *runs = "";
	TimerHint	hints[TIMER_PIECE];
	int			n;

	while ((n = timer_ring_read(slot, hints)) > 0)
	{
		for (int i = 0; i < n; i++)
			runs = psprintf("%s %d", runs, (int) hints[i].run_id);
		timer_ring_drop(slot, n);
	}
	return runs;
}

static void
hints(void)
{
	new_ring(4);
	is_text(read_all(), "", "a ring is empty at first");
	publish(1, 100);
	publish(2, 50);
	is_text(read_all(), " 1 2", "hints are read in their order");
	is_text(read_all(), "", "... once");
	publish(3, 1);
	publish(4, 1);
	publish(5, 1);
	is_text(read_all(), " 3 4 5", "... also around the end");
	is_int(slot->timers.rescan.asked, 0, "... and nothing has to be read again");
	for (int i = 1; i <= 5; i++)
		publish(i, 1);
	is_int(slot->timers.rescan.asked, 1, "what finds no room is read from the table");
	is_text(read_all(), " 1 2 3 4", "... the rest is in the ring");
	ok(fake_memory_intact(), "... which is as large as it said");
}

static void
reservations(void)
{
	TimerHint	some[TIMER_PIECE];

	new_ring(10);
	ok(timers_reserve(slot, 6), "room is promised");
	ok(!timers_reserve(slot, 5), "... no more than there is");
	ok(timers_reserve(slot, 4), "... all of it");
	timers_release(slot, 6);
	ok(timers_reserve(slot, 6), "what is given back is there again");
	timers_release(slot, 10);
	publish(1, 1);
	ok(!timers_reserve(slot, 10), "what is in the ring takes room");
	ok(timers_reserve(slot, 9), "... as much as it needs");
	timers_release(slot, 100);
	is_int(slot->timers.reserved, 0, "more than was promised cannot be given back");
	timers_forget(MyDatabaseId);
	is_text(read_all(), "", "a ring can be emptied");
	is_int(slot->timers.rescan.asked, 1, "... then the table is read");
	publish(1, 1);
	publish(2, 1);
	(void) timer_ring_read(slot, some);
	timers_forget(MyDatabaseId);
	timer_ring_drop(slot, 2);
	publish(3, 1);
	is_text(read_all(), " 3", "... also by others, between reading and dropping");
}

static void
sleep_and_wakes(void)
{
	new_ring(10);
	ok(timers_may_sleep_until(1000), "a worker that has seen everything may sleep");
	publish(1, 2000);
	is_int(fake_wakes, 0, "who is due after that wakes nobody");
	publish(2, 900);
	is_int(fake_wakes, 1, "who is due before does");
	publish(3, 800);
	is_int(fake_wakes, 1, "... once");
	ok(!timers_may_sleep_until(1000), "it may not sleep while there is something to be read");
	read_all();
	ok(timers_may_sleep_until(1000), "... then it may");
	timers_awake();
	publish(4, 1);
	is_int(fake_wakes, 1, "who is up is not woken");
	read_all();
	timers_may_sleep_until(1000);
	for (int i = 0; i < 5; i++)
		publish(i, 5000);
	is_int(fake_wakes, 2, "a ring that is half full wakes it");
	publish(9, 5000);
	is_int(fake_wakes, 2, "... once");
	read_all();
	timers_rescan(slot);
	is_int(fake_wakes, 3, "so does the wish that it reads the table");
	ok(!timers_may_sleep_until(1000), "... which keeps it up");
}

static void
alarms(void)
{
	new_ring(10);
	is_int(timer_ring_take_alarm(slot), DT_NOEND, "no alarm");
	timers_may_sleep_until(1000);
	timers_publish(slot, NULL, 0, 700);
	timers_publish(slot, NULL, 0, 900);
	timers_publish(slot, NULL, 0, DT_NOEND);
	is_int(fake_wakes, 1, "an alarm wakes the worker that would sleep beyond it");
	ok(!timers_may_sleep_until(1000), "... and keeps it up");
	is_int(timer_ring_take_alarm(slot), 700, "the earliest one is told");
	is_int(timer_ring_take_alarm(slot), DT_NOEND, "... once");
	ok(timers_may_sleep_until(1000), "... then it may sleep");
}

/* ---- at random, beside a list ---- */

#define MANY		300

static void
at_random(void)
{
	TimerHint	list[MANY];
	int			first = 0;
	int			last = 0;
	int			run = 0;

	new_ring(200);
	for (int step = 0; step < 20000 && faultless(); step++)
	{
		TimerHint	some[MANY];
		int			n = random_int(0, 150);
		int			rescans = slot->timers.rescan.asked;

		if (random_int(0, 1))
		{
			for (int i = 0; i < n; i++)
				some[i] = (TimerHint) {++run, random_int(1, 1000)};
			timers_publish(slot, some, n, DT_NOEND);
			if ((last - first + n > 200) != (slot->timers.rescan.asked != (uint32) rescans))
				fault("step %d: %d more, and the table is%s read", step, n, rescans == (int) slot->timers.rescan.asked ? " not" : "");
			for (int i = 0; i < n && last - first < 200; i++)
				list[last++ % MANY] = some[i];
			continue;
		}
		n = timer_ring_read(slot, some);
		if (n != Min(last - first, TIMER_PIECE))
			fault("step %d: %d are read of %d", step, n, last - first);
		for (int i = 0; i < n; i++)
			if (some[i].run_id != list[(first + i) % MANY].run_id || some[i].deadline != list[(first + i) % MANY].deadline)
				fault("step %d: run %d is read", step, (int) some[i].run_id);
		n = random_int(0, n);
		timer_ring_drop(slot, n);
		first += n;
	}
	no_fault("20000 times published and read, beside a list");
	ok(fake_memory_intact(), "... within its memory");
}

UNIT(unit_timer_ring, hints, reservations, sleep_and_wakes, alarms, at_random);
