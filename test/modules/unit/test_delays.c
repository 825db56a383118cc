/*
 * test_delays.c
 *		Tests of delays.c.
 */
#include "unit.h"

#include "storage/lwlock.h"

#include "base/settings.h"
#include "base/shared_table.h"
#include "shared/delays.h"
#include "shared/queue_locks.h"

#include "fakes.h"

#define SECOND		USECS_PER_SEC
#define MINUTE		(60 * SECOND)
#define DAY			(86400 * SECOND)
#define START		(10000 * DAY)

static void
new_queues(int room)
{
	fake_memory_lost();
	fake_locked = 0;
	fake_exceeded = 0;
	taskq_max_delays = room;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	delays_shmem_init(NULL);
	LWLockRelease(AddinShmemInitLock);
	for (int i = 0; i < FAKE_QUEUES; i++)
	{
		QueueState *queue = &fake_queues[i];

		memset(queue, 0, sizeof(QueueState));
		queue->key.database = 1;
		queue->key.hash = 1 + (i == 1 ? TABLE_PARTS : i);
		queue->delays_known = true;
		queue->delays_from = queue->latest_due = DT_NOBEGIN;
		dlist_init(&queue->delays);
	}
}

static int64
width_of(const DelayKey *key)
{
	return INT64CONST(1) << key->width;
}

/* n tasks that wait since "since" for "delay" come (or go) now */
static void
add_late(QueueState *queue, int level, TimestampTz since, TimestampTz delay, int n, TimestampTz now)
{
	DelayKey	key;

	queue->waiting[level - 1] += n;
	if (delay_key(&key, &queue->key, level, since, since + delay))
		delays_add(queue, &key, n, now);
}

/* ... since now */
static void
add(QueueState *queue, int level, TimestampTz now, TimestampTz delay, int n)
{
	add_late(queue, level, now, delay, n, now);
}

static void
spans(void)
{
	QueueKey	queue = {1, 0, 7};
	DelayKey	key;

	ok(!delay_key(&key, &queue, 3, START, START), "who is due at once is not delayed");
	ok(!delay_key(&key, &queue, 3, START, START - DAY), "... nor who was due before");
	ok(delay_key(&key, &queue, 3, START, START + 1), "who is due a microsecond later is");
	is_int(key.width, 20, "the shortest span is a second");
	ok(delay_key(&key, &queue, 3, 0, DT_NOEND - DAY), "for ever, nearly");
	is_int(key.width, 29, "the longest one is nine minutes");
	for (int i = 0; i < 100000 && faultless(); i++)
	{
		TimestampTz due = START + random_int(1, 2000000000);
		int			width;

		delay_key(&key, &queue, 3, START, due);
		width = key.width;
		if (!(key.end - width_of(&key) <= due && due < key.end))
			fault("due at START + %d: is not in its span", (int) (due - START));
		if (key.end % width_of(&key) != 0)
			fault("due at START + %d: the span does not end at a multiple of its width", (int) (due - START));
		if (width > 20 && width_of(&key) > (due - START) / 128)
			fault("due at START + %d: the span is too wide", (int) (due - START));
		if (width < 29 && width_of(&key) < (due - START) / 512)
			fault("due at START + %d: the span is too narrow", (int) (due - START));
	}
	no_fault("a span has its task, and is no wider than a small part of the delay");
	delay_key(&key, &queue, 3, START, START + MINUTE);
	ok(!delay_has_passed(&key, key.end - 2), "a span is not past while something in it may be due later");
	ok(delay_has_passed(&key, key.end - 1), "... then it is");
}

static int
spans_of(QueueState *queue)
{
	dlist_iter	iter;
	int			n = 0;

	dlist_foreach(iter, &queue->delays)
		n++;
	return n;
}

static void
sums(void)
{
	QueueState *queue = &fake_queues[0];
	LevelDelays levels[LEVELS];

	new_queues(40);
	is_int(delays_shmem_size(), fake_memory_size(), "as much memory is taken as was asked for");
	delays_sum(queue, START, levels);
	is_int(levels[2].later, 0, "a new queue: nothing is due later");
	is_int(levels[2].until, DT_NOBEGIN, "... and nothing has to be looked up");
	add(queue, 3, START, DAY, 2);
	add(queue, 3, START, 2 * DAY, 1);
	add(queue, 1, START, DAY, 5);
	delays_sum(queue, START, levels);
	is_int(levels[2].later, 3, "tasks that are due later");
	is_int(levels[0].later, 5, "... of their level");
	is_int(levels[2].until, DT_NOBEGIN, "... and nothing to look up");
	delays_sum(queue, START + DAY - MINUTE, levels);
	ok(levels[2].until > START + DAY, "about when they are due it has to be looked up");
	is_int(levels[2].later, 1, "... where the others are counted");
	delays_sum(queue, START + DAY + 20 * MINUTE, levels);
	is_int(levels[2].later, 1, "once they are all due they are not counted");
	is_int(levels[0].later, 0, "... on no level");
	is_int(levels[2].until, DT_NOBEGIN, "... and not looked up");
	add(queue, 3, START, 2 * DAY, -1);
	delays_sum(queue, START + DAY + 20 * MINUTE, levels);
	is_int(levels[2].later, 0, "what is taken away is not counted");
	add(queue, 1, START, DAY, -5);
	add(queue, 3, START, DAY, -2);
	is_int(spans_of(queue), 0, "... and needs no memory");
}

/* spans that contain one another, with the present in them; tells us the end of the larger one */
static void
nested(bool small_first)
{
	QueueState *queue = &fake_queues[0];
	LevelDelays levels[LEVELS];
	DelayKey	large;
	TimestampTz now;

	new_queues(40);
	delay_key(&large, &queue->key, 3, START, START + DAY);
	now = large.end - MINUTE;
	if (small_first)
		add(queue, 3, now - SECOND, SECOND, 1);
	add(queue, 3, START, DAY, 1);
	if (!small_first)
		add(queue, 3, now - SECOND, SECOND, 1);
	delays_sum(queue, now - 1, levels);
	is_int(levels[2].until, large.end, small_first ? "of two spans about now the larger one has to be looked up" : "... whichever was first");
}

static void
nested_spans(void)
{
	nested(true);
	nested(false);
}

static void
not_known(void)
{
	QueueState *queue = &fake_queues[0];
	LevelDelays levels[LEVELS];

	new_queues(40);
	add(queue, 3, START, DAY, 2);
	delays_forget(queue);
	ok(!queue->delays_known, "a queue can forget");
	ok(dlist_is_empty(&queue->delays), "... all");
	delays_sum(queue, START, levels);
	is_int(levels[2].until, DT_NOEND, "everything has to be looked up then");
	is_int(levels[0].until, DT_NOBEGIN, "... where there are tasks");

	new_queues(40);
	add(queue, 3, START, DAY, 2);
	queue->latest_due = START;
	delays_sum(queue, START - 1, levels);
	is_int(levels[2].until, DT_NOEND, "so it has when the clock was set back, and some wait who were never delayed");
}

/* what is past goes when something new comes */
static void
the_past(void)
{
	QueueState *queue = &fake_queues[0];
	LevelDelays levels[LEVELS];

	new_queues(40);
	add(queue, 3, START, MINUTE, 1);
	add(queue, 3, START + DAY, DAY, 1);
	delays_sum(queue, START, levels);
	is_int(levels[2].until, DT_NOEND, "who asks with a clock that stands before what was dropped looks everything up");
	delays_sum(queue, START + DAY, levels);
	is_int(levels[2].later, 1, "... others do not");
	add(queue, 3, START, MINUTE, -1);
	delays_sum(queue, START + DAY, levels);
	is_int(levels[2].later, 1, "what was dropped can be taken away");
	is_int(spans_of(queue), 1, "... and needs no memory");
	add_late(queue, 3, START + DAY, MINUTE, 1, START + DAY + 2 * MINUTE);
	is_int(spans_of(queue), 1, "nor does what is past when it comes");
}

static void
no_room(void)
{
	LevelDelays levels[LEVELS];

	new_queues(3);
	for (int i = 1; i <= 3; i++)
		add(&fake_queues[0], 3, START, i * DAY, 1);
	add(&fake_queues[1], 3, START, DAY, 1);
	ok(!fake_queues[1].delays_known, "no room: what is delayed is not known");
	is_int(fake_exceeded, 1, "... and it is said that the size was exceeded");
	ok(fake_queues[0].delays_known, "... nothing changes for other queues");

	add(&fake_queues[2], 3, START + DAY + MINUTE * 20, DAY, 1);
	ok(fake_queues[2].delays_known, "there is room where others have what is past");
	delays_sum(&fake_queues[0], START + DAY + MINUTE * 20, levels);
	is_int(levels[2].later, 2, "... who keep what is not");

	new_queues(1);
	add(&fake_queues[0], 3, START, DAY, 1);
	fake_locked = part_bit(queue_state_part(&fake_queues[0].key));
	add(&fake_queues[1], 3, START + 3 * DAY, DAY, 1);
	ok(!fake_queues[1].delays_known, "nobody waits for a lock to make room");
}

/* ---- at random, beside a list of all tasks ---- */

#define TASKS		60

typedef struct Delayed
{
	bool		used;
	int			level;
	TimestampTz since;
	TimestampTz due;
} Delayed;

static Delayed tasks[FAKE_QUEUES][TASKS];

static TimestampTz
random_delay(void)
{
	static const TimestampTz longest[] = {0, SECOND, MINUTE, 60 * MINUTE, 3 * DAY};

	return (TimestampTz) (pg_prng_double(&unit_random) * longest[random_int(0, 4)]);
}

/* as a commit does it (ledger.c) */
static void
count(QueueState *queue, const Delayed *task, int n, TimestampTz now)
{
	DelayKey	key;
	int64		waiting = 0;

	for (int i = 0; i < LEVELS; i++)
		waiting += queue->waiting[i];
	if (waiting == 0)
		queue->delays_known = true;
	queue->waiting[task->level - 1] += n;
	if (delay_key(&key, &queue->key, task->level, task->since, task->due))
		delays_add(queue, &key, n, now);
	else
		queue->latest_due = Max(queue->latest_due, task->due);
}

static void
check_queue(int number, TimestampTz now, int step)
{
	LevelDelays levels[LEVELS];
	int64		wrong[LEVELS] = {0};

	delays_sum(&fake_queues[number], now, levels);
	for (int i = 0; i < TASKS; i++)
	{
		Delayed	   *task = &tasks[number][i];

		/* those before "until" are looked up */
		if (task->used && task->due > now && task->due >= levels[task->level - 1].until)
			wrong[task->level - 1]++;
	}
	for (int i = 0; i < LEVELS; i++)
		if (wrong[i] != levels[i].later)
			fault("step %d: " INT64_FORMAT " of level %d, should be " INT64_FORMAT, step, levels[i].later, i + 1, wrong[i]);
}

/* as the worker does it (counts.c, recount.c) */
static void
count_anew(int number, TimestampTz now)
{
	QueueState *queue = &fake_queues[number];

	delays_forget(queue);
	memset(queue->waiting, 0, sizeof(queue->waiting));
	queue->delays_from = queue->latest_due = DT_NOBEGIN;
	queue->delays_known = true;
	for (int i = 0; i < TASKS; i++)
		if (tasks[number][i].used)
			count(queue, &tasks[number][i], 1, now);
}

static void
change_one(int number, TimestampTz now)
{
	Delayed	   *task = &tasks[number][random_int(0, TASKS - 1)];

	if (task->used)
	{
		task->used = false;
		count(&fake_queues[number], task, -1, now);
		return;
	}
	task->used = true;
	task->level = random_int(1, LEVELS);
	task->since = now - (random_int(0, 3) ? 0 : random_delay());
	task->due = task->since + random_delay();
	count(&fake_queues[number], task, 1, now);
}

/* returns in how many steps the queue in question was known */
static int
random_steps(int room, bool clock_goes_back)
{
	TimestampTz now = START;
	int			known = 0;

	new_queues(room);
	memset(tasks, 0, sizeof(tasks));
	for (int step = 0; step < 20000 && faultless(); step++)
	{
		int			number = random_int(0, FAKE_QUEUES - 1);

		change_one(number, now);
		if (random_int(0, 99) == 0)
			count_anew(number, now);
		if (random_int(0, 9) == 0)
			now += random_delay() / 10;
		if (clock_goes_back && random_int(0, 99) == 0)
			now -= random_delay();
		check_queue(number, now, step);
		known += fake_queues[number].delays_known;
	}
	return known;
}

static void
at_random(void)
{
	int			known = random_steps(1000, false);

	no_fault("20000 steps beside a list");
	is_int(known, 20000, "... with room for all");
	random_steps(1000, true);
	no_fault("... with a clock that is set back");
	known = random_steps(20, true);
	no_fault("... with too little room");
	ok(known > 5000 && known < 15000, "... which it was now and then");
	ok(fake_exceeded > 10, "... and is said of it");
	ok(fake_memory_intact(), "... within its memory");
}

UNIT(unit_delays, spans, sums, nested_spans, not_known, the_past, no_room, at_random);
