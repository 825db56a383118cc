/*
 * test_heartbeat_slots.c
 *		Tests of heartbeat_slots.c, with heartbeat_pool.c.
 */
#include "unit.h"

#include "miscadmin.h"
#include "storage/lwlock.h"

#include "base/compat.h"
#include "base/settings.h"
#include "shared/heartbeat_pool.h"
#include "shared/heartbeat_slots.h"

#include "fakes.h"

/* attempts of one partition have nonces that end alike */
#define NONCE(i)		((int64) (i) * HEARTBEAT_PARTITIONS)

static VirtualTransactionId holder;

/* with so many slots in each partition */
static void
new_slots(int n)
{
	fake_memory_lost();
	fake_exceeded = 0;
	taskq_heartbeat_slots = n * HEARTBEAT_PARTITIONS;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	heartbeat_pool_shmem_init(fake_locks());
	LWLockRelease(AddinShmemInitLock);
}

static HoldResult
hold(int i, SlotRef *ref, bool *ask_row)
{
	return heartbeat_slot_hold(i, NONCE(i), ref, ask_row, &holder);
}

/* what is held by us is somebody else's from now on */
static void
of_another(SlotRef ref)
{
	heartbeat_pool_at(ref.slot)->holder.localTransactionId++;
}

static Beat
beat_of(int i, TimestampTz when)
{
	Beat		beat = {.run_id = i,.nonce = NONCE(i),.last_time = when};

	beat.length = (uint16) snprintf(beat.details, SLOT_DETAILS, "%d at %d", i, (int) when);
	return beat;
}

/* a transaction of one heartbeat; the row's count is 0 */
static HoldResult
heartbeat(int i, TimestampTz when)
{
	SlotRef		ref;
	bool		ask_row;
	Beat		beat = beat_of(i, when);
	HoldResult	result = hold(i, &ref, &ask_row);

	if (result == HOLD_OK)
		heartbeat_slot_beat(ref, 1, 0, &beat, false);
	return result;
}

/* "count: details", as the slot knows them */
static const char *
known(int i)
{
	Beat		beat;

	if (!heartbeat_slot_read(i, NONCE(i), &beat))
		return "nothing";
	return psprintf(INT64_FORMAT ": %.*s", beat.count, beat.length, beat.details);
}

/* how many heartbeats there are to be saved */
static int
unsaved(void)
{
	Beat		beats[100];
	int			position = 0;

	return heartbeat_slots_unsaved(&position, beats, 100);
}

static void
beats(void)
{
	SlotRef		ref;
	bool		ask_row;
	Beat		beat = beat_of(1, 70);

	new_slots(2);
	is_text(known(1), "nothing", "an attempt without a heartbeat");
	is_int(heartbeat_slot_time(1, NONCE(1)), DT_NOBEGIN, "... has no time either");
	is_int(hold(1, &ref, &ask_row), HOLD_OK, "it gets a slot");
	ok(ask_row, "... that does not know what the row has");
	is_text(known(1), "nothing", "a heartbeat is not there before it is committed");
	heartbeat_slot_beat(ref, 2, 5, &beat, false);
	is_text(known(1), "7: 1 at 70", "then it is, counted on from the row");
	is_int(heartbeat_slot_time(1, NONCE(1)), 70, "... with its time");
	hold(1, &ref, &ask_row);
	ok(!ask_row, "the next one need not ask the row");
	beat = beat_of(1, 80);
	heartbeat_slot_beat(ref, 1, 0, &beat, false);
	is_text(known(1), "8: 1 at 80", "... and counts on from the slot");
	hold(1, &ref, &ask_row);
	heartbeat_slot_release(ref);
	is_text(known(1), "8: 1 at 80", "one that is rolled back changes nothing");
	is_text(known(2), "nothing", "nor is it another attempt's");
	ok(!heartbeat_slot_read(1, NONCE(3), &beat) && !heartbeat_slot_read(3, NONCE(1), &beat),
	   "run and nonce both count");
	heartbeat_pool_at(ref.slot)->database++;
	is_text(known(1), "nothing", "... and the database");
	beat.length = 0;
	ok(heartbeat_slot_details(&beat) == NULL, "no details are NULL");
	beat = beat_of(1, 80);
	is_int(VARSIZE_ANY_EXHDR(heartbeat_slot_details(&beat)), beat.length, "details are as long as they were");
}

static void
holders(void)
{
	SlotRef		ref;
	SlotRef		again;
	bool		ask_row;

	new_slots(3);
	heartbeat(2, 2);
	is_int(heartbeat_slot_held(1, NONCE(1), &holder), HOLD_NONE, "nobody holds what is not there");
	hold(1, &ref, &ask_row);
	is_int(heartbeat_slot_held(1, NONCE(1), &holder), HOLD_NONE, "what we hold keeps us from nothing");
	is_int(hold(1, &again, &ask_row), HOLD_OK, "... we can hold it twice");
	of_another(ref);
	is_int(heartbeat_slot_held(1, NONCE(1), &holder), HOLD_LOOSE, "another's hold is loose at first");
	memset(&holder, 0, sizeof(holder));
	is_int(hold(1, &again, &ask_row), HOLD_TAKEN, "... and keeps us off");
	is_int(holder.localTransactionId, heartbeat_pool_at(ref.slot)->holder.localTransactionId, "... whom we know then");
	ok(heartbeat_slot_confirm(ref), "who has seen the row is confirmed");
	is_int(heartbeat_slot_held(1, NONCE(1), &holder), HOLD_FIRM, "... then the hold is firm");
	ok(heartbeat_slot_refuse(1, NONCE(1), &holder), "... and cannot be refused");
	heartbeat_slot_release(ref);
	is_int(heartbeat_slot_held(1, NONCE(1), &holder), HOLD_FIRM, "who holds twice lets go twice");
	heartbeat_slot_release(ref);
	is_int(heartbeat_slot_held(1, NONCE(1), &holder), HOLD_NONE, "... then nobody holds it");

	hold(1, &ref, &ask_row);
	ok(!heartbeat_slot_refuse(1, NONCE(1), &holder) && heartbeat_slot_confirm(ref), "we do not refuse ourselves");
	heartbeat_slot_release(ref);
	hold(1, &ref, &ask_row);
	of_another(ref);
	ok(!heartbeat_slot_refuse(1, NONCE(1), &holder), "a loose hold can be refused");
	ok(!heartbeat_slot_confirm(ref), "... and is not confirmed then");
	heartbeat_slot_release(ref);
	hold(1, &ref, &ask_row);
	ok(heartbeat_slot_confirm(ref), "... but the next one is");
}

static void
saving(void)
{
	Beat		some[3];
	Beat		first = beat_of(1, 10);
	int			position = 0;

	new_slots(4);
	is_int(unsaved(), 0, "nothing to be saved");
	for (int i = 1; i <= 3; i++)
		heartbeat(i, 10 * i);
	heartbeat_slot_hold(7, 7, &(SlotRef) {0}, &(bool) {0}, &holder);
	is_int(unsaved(), 3, "heartbeats are to be saved");
	is_int(heartbeat_slots_unsaved(&position, some, 2), 2, "... some at a time");
	is_int(heartbeat_slots_unsaved(&position, some, 2), 1, "... until there are no more");
	is_int(position, -1, "... and that is the end");
	first.count = 1;
	heartbeat_slot_saved(&first);
	is_int(unsaved(), 2, "what is saved is not saved again");
	is_text(known(1), "1: 1 at 10", "... and still known");
	heartbeat(2, 25);
	first = beat_of(2, 20);
	first.count = 1;
	heartbeat_slot_saved(&first);
	is_int(unsaved(), 2, "unless there was another one meanwhile");
}

static void
saving_goes_on(void)
{
	Beat		beat = beat_of(1, 1);
	Beat		some[4];
	SlotRef		ref;
	bool		ask_row;
	int			position = 0;

	new_slots(2);
	heartbeat(1, 1);
	heartbeat(2, 2);
	for (int i = 5; i <= 6; i++)
	{
		heartbeat_slot_hold(i, NONCE(i) + 1, &ref, &ask_row, &holder);
		heartbeat_slot_beat(ref, 1, 0, &beat, false);
	}
	is_int(heartbeat_slots_unsaved(&position, some, 1), 1, "one is to be saved");
	beat.count = 1;
	heartbeat_slot_saved(&beat);
	beat = beat_of(2, 2);
	beat.count = 1;
	heartbeat_slot_saved(&beat);
	is_int(heartbeat_slots_unsaved(&position, some, 4), 2, "where others saved meanwhile, the next partition comes as a whole");
	heartbeat_slot_hold(1, NONCE(1), &ref, &ask_row, &holder);
	heartbeat_slot_beat(ref, 1, 0, &beat, true);
	is_int(unsaved(), 2, "what the row has with its commit is not to be saved");
}

/* what others read without a lock */
static void
numbers(void)
{
	HeartbeatPartition *partition;
	Beat		beat = beat_of(1, 1);

	new_slots(3);
	partition = heartbeat_pool_partition(NONCE(1));
	is_int(partition->used, 0, "no slot is in use at first");
	heartbeat(1, 1);
	heartbeat(2, 2);
	is_int(partition->used, 2, "... then some are");
	is_int(partition->found, 2, "... and are found");
	beat.count = 1;
	heartbeat_slot_saved(&beat);
	is_int(partition->used, 1, "what is saved is not in use");
	is_int(partition->found, 2, "... but found");
	heartbeat_slot_written(2, NONCE(2), 5);
	is_int(partition->used, 0, "nor is what the row has by itself");
	heartbeat(2, 7);
	heartbeat_slot_over(2, NONCE(2));
	is_int(partition->used, 0, "... or what has ended");
	heartbeat(3, 3);
	heartbeat_slots_drop(MyDatabaseId);
	is_int(partition->used, 0, "... or is forgotten");
	is_int(partition->found, 0, "... which is not found any more");
}

/* a savepoint for each heartbeat, and more of them than 16 bits can count */
static void
many_holds(void)
{
	HeartbeatPartition *partition;
	SlotRef		ref;
	bool		ask_row;

	new_slots(2);
	partition = heartbeat_pool_partition(NONCE(1));
	for (int i = 0; i < 70000; i++)
		hold(1, &ref, &ask_row);
	for (int i = 0; i < 4464; i++)
		heartbeat_slot_release(ref);
	is_int(partition->used, 1, "a slot is held 65536 times");
	of_another(ref);
	is_int(hold(1, &ref, &ask_row), HOLD_TAKEN, "... and taken for others");
	for (int i = 0; i < 65536; i++)
		heartbeat_slot_release(ref);
	is_int(partition->used, 0, "... until it is released as often");
	is_int(hold(1, &ref, &ask_row), HOLD_OK, "... and free for others");
}

static void
found_again(void)
{
	new_slots(3);
	heartbeat(1, 1);
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	heartbeat_pool_shmem_init(fake_locks());
	LWLockRelease(AddinShmemInitLock);
	is_text(known(1), "1: 1 at 1", "a second process finds what is there");
}

static void
no_room(void)
{
	SlotRef		ref;
	bool		ask_row;
	Beat		saved = beat_of(2, 2);

	new_slots(3);
	for (int i = 1; i <= 3; i++)
		is_int(heartbeat(i, i), HOLD_OK, "there is room");
	is_int(heartbeat(4, 4), HOLD_FULL, "nothing that is not saved is pushed out");
	is_int(fake_exceeded, 1, "... and it is said that the size was exceeded");
	is_int(heartbeat_slot_hold(5, NONCE(5) + 1, &ref, &ask_row, &holder), HOLD_OK, "another partition has room of its own");
	saved.count = 1;
	heartbeat_slot_saved(&saved);
	is_int(heartbeat(4, 4), HOLD_OK, "what is saved can go");
	is_text(known(2), "nothing", "... and is gone");
	is_text(known(3), "1: 3 at 3", "... the others are not");
	ok(fake_memory_intact(), "the memory is as large as it said");
}

/* who goes first for whom there is no room */
static void
turns(void)
{
	SlotRef		ref;
	bool		ask_row;
	Beat		beat;

	new_slots(3);
	for (int i = 1; i <= 3; i++)
		heartbeat(i, i);
	for (int i = 3; i >= 1; i--)
	{
		beat = beat_of(i, i);
		beat.count = 1;
		heartbeat_slot_saved(&beat);
	}
	hold(3, &ref, &ask_row);
	heartbeat(4, 4);
	is_text(known(2), "nothing", "who was saved first goes first, unless he is held");
	heartbeat_slot_release(ref);
	heartbeat(5, 5);
	is_text(known(1), "nothing", "... then the next");
	heartbeat(6, 6);
	is_text(known(3), "nothing", "... then who was let go last");

	new_slots(2);
	heartbeat(1, 1);
	beat = beat_of(1, 1);
	beat.count = 1;
	heartbeat_slot_saved(&beat);
	hold(2, &ref, &ask_row);
	heartbeat_slot_release(ref);
	heartbeat(3, 3);
	is_text(known(1), "1: 1 at 1", "before all a slot that has nothing");
}

static void
the_row(void)
{
	SlotRef		ref;
	bool		ask_row;

	new_slots(2);
	heartbeat(1, 1);
	heartbeat_slot_ask_row(1, NONCE(1));
	hold(1, &ref, &ask_row);
	ok(ask_row, "when somebody writes to the row, it is to be asked");
	heartbeat_slot_release(ref);
	is_text(known(1), "1: 1 at 1", "... and the slot is good until he commits");
	heartbeat_slot_written(1, NONCE(1), 2);
	is_text(known(1), "nothing", "then the row is newer");
	is_int(unsaved(), 0, "... and nothing is to be saved");
	heartbeat(1, 5);
	is_text(known(1), "3: 1 at 5", "the next one counts on from there");
	heartbeat_slot_written(1, NONCE(1), 2);
	is_text(known(1), "3: 1 at 5", "what was written before changes nothing");
}

static void
full_counts(void)
{
	SlotRef		ref;
	bool		ask_row;
	Beat		beat = beat_of(1, 7);

	new_slots(2);
	hold(1, &ref, &ask_row);
	heartbeat_slot_beat(ref, 3, PG_INT64_MAX - 1, &beat, false);
	is_text(known(1), psprintf(INT64_FORMAT ": 1 at 7", PG_INT64_MAX), "a count that is full stays so");
	heartbeat(1, 8);
	is_text(known(1), psprintf(INT64_FORMAT ": 1 at 8", PG_INT64_MAX), "... and the heartbeats go on");
	is_int(unsaved(), 1, "... and are to be saved");
}

static void
ends(void)
{
	SlotRef		ref;
	bool		ask_row;
	Beat		beat = beat_of(1, 9);

	new_slots(2);
	heartbeat(1, 1);
	hold(1, &ref, &ask_row);
	heartbeat_slot_over(1, NONCE(1));
	is_int(unsaved(), 0, "what an attempt has left that has ended is not saved");
	is_int(heartbeat_slot_time(1, NONCE(1)), DT_NOBEGIN, "... its time does not count");
	heartbeat_slot_beat(ref, 1, 0, &beat, false);
	is_text(known(1), "1: 1 at 1", "and nothing comes after");
	is_int(unsaved(), 0, "... that would have to be saved");
	heartbeat(2, 2);
	is_int(heartbeat(3, 3), HOLD_OK, "its slot can go");
}

static void
forgetting(void)
{
	SlotRef		ref;
	bool		ask_row;
	Beat		beat = beat_of(2, 9);

	new_slots(2);
	SpinLockInit(&fake_slot.mutex);
	fake_now = 12345;
	heartbeat(1, 1);
	hold(2, &ref, &ask_row);
	heartbeat_slots_drop(MyDatabaseId + 1);
	is_text(known(1), "1: 1 at 1", "another database is another's");
	heartbeat_slots_forget(MyDatabaseId);
	is_text(known(1), "nothing", "all can be forgotten");
	is_int(fake_slot.heartbeats.lost_at, 12345, "... and it is known since when");
	ok(!heartbeat_slot_confirm(ref), "who held a slot does not any more");
	heartbeat_slot_beat(ref, 1, 0, &beat, false);
	is_text(known(2), "nothing", "... and his heartbeat is lost");
	is_int(heartbeat(3, 3), HOLD_OK, "... and there is room");
	is_int(heartbeat(4, 4), HOLD_OK, "... for all");
	heartbeat_slot_release(ref);
	is_int(heartbeat(5, 5), HOLD_FULL, "... while he lets nothing go that is another's");

	fake_slot.heartbeats.flush_wanted = false;
	fake_wakes = 0;
	heartbeat_flush_wanted(&fake_slot);
	heartbeat_flush_wanted(&fake_slot);
	is_int(fake_wakes, 1, "the worker is woken once to flush");
}

/* ---- at random, beside what is true, and what the table has ---- */

#define ATTEMPTS	60

typedef struct Attempt
{
	int			i;
	int64		count;			/* committed */
	TimestampTz time;
	int64		row_count;		/* of these the table has */
	TimestampTz row_time;
	bool		held;			/* by a transaction of ours */
	SlotRef		ref;
	int64		base;
} Attempt;

static Attempt attempts[ATTEMPTS];

static void
to_row(Attempt *attempt, int64 count, TimestampTz when)
{
	if (count < attempt->row_count)
		fault("attempt %d: the row goes back", attempt->i);
	attempt->row_count = count;
	attempt->row_time = when;
}

/* a transaction begins, or ends in one way or another */
static void
transact(Attempt *attempt, int step)
{
	int			i = attempt->i;
	Beat		beat = beat_of(i, step);
	bool		ask_row;

	if (!attempt->held && hold(i, &attempt->ref, &ask_row) == HOLD_OK)
	{
		attempt->held = true;
		attempt->base = ask_row ? attempt->row_count : 0;
	}
	else if (!attempt->held)
	{
		/* no room: to the row, after what is there */
		heartbeat_slot_ask_row(i, NONCE(i));
		to_row(attempt, attempt->count + 1, step);
		heartbeat_slot_written(i, NONCE(i), ++attempt->count);
		attempt->time = step;
	}
	else
	{
		attempt->held = false;
		if (random_int(0, 2) == 0)
		{
			heartbeat_slot_release(attempt->ref);
			return;
		}
		heartbeat_slot_beat(attempt->ref, 3, attempt->base, &beat, false);
		attempt->count += 3;
		attempt->time = step;
	}
}

/* some of them are saved, and some of these saves are known to have been committed */
static void
flush(void)
{
	Beat		some[5];
	int			position = 0;

	do
	{
		int			n = heartbeat_slots_unsaved(&position, some, lengthof(some));

		for (int i = 0; i < n; i++)
		{
			for (int j = 0; j < ATTEMPTS; j++)
				if (attempts[j].i == some[i].run_id)
					to_row(&attempts[j], some[i].count, some[i].last_time);
			if (random_int(0, 3))
				heartbeat_slot_saved(&some[i]);
		}
	} while (position >= 0 && random_int(0, 3));
}

/* it ends; another one has its place in the list */
static void
end_attempt(Attempt *attempt, int step)
{
	heartbeat_slot_over(attempt->i, NONCE(attempt->i));
	if (attempt->held)
		heartbeat_slot_release(attempt->ref);
	*attempt = (Attempt) {.i = step + 1000};
}

static void
check_attempt(const Attempt *attempt, int step)
{
	Beat		beat;

	if (!heartbeat_slot_read(attempt->i, NONCE(attempt->i), &beat))
	{
		if (attempt->row_count != attempt->count || attempt->row_time != attempt->time)
			fault("step %d: attempt %d is lost", step, attempt->i);
	}
	else if (beat.count != attempt->count || beat.last_time != attempt->time ||
			 beat.count < attempt->row_count || beat.length != beat_of(attempt->i, attempt->time).length)
		fault("step %d: attempt %d is not what was committed", step, attempt->i);
}

static void
at_random(void)
{
	new_slots(20);
	for (int i = 0; i < ATTEMPTS; i++)
		attempts[i] = (Attempt) {.i = i + 1};
	for (int step = 1; step <= 20000 && faultless(); step++)
	{
		Attempt    *attempt = &attempts[random_int(0, ATTEMPTS - 1)];

		if (random_int(0, 99) == 0)
			end_attempt(attempt, step);
		else if (random_int(0, 29) == 0)
			flush();
		else
			transact(attempt, step);
		check_attempt(&attempts[random_int(0, ATTEMPTS - 1)], step);
	}
	no_fault("20000 steps: slot and row together know what was committed");
	ok(fake_exceeded > 100, "... with too little room");
	ok(fake_memory_intact(), "... within its memory");
}

UNIT(unit_heartbeat_slots, beats, holders, saving, saving_goes_on, numbers, many_holds, found_again, no_room, turns, the_row, full_counts, ends, forgetting, at_random);
