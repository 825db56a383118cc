/*
 * test_listener_marks.c
 *		Tests of listener_marks.c.
 */
#include "unit.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"

#include "base/settings.h"
#include "shared/listener_marks.h"

#include "fakes.h"

#define ROOM		40
#define LISTENERS	60			/* more than lists */
#define QUEUES		12

static bool there[LISTENERS][QUEUES];

static void
new_table(void)
{
	taskq_max_listener_queues = ROOM;
	fake_memory_lost();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);	/* in place of the right one */
	listener_marks_init(AddinShmemInitLock);
	memset(there, 0, sizeof(there));
}

static QueueRef
queue(int i)
{
	return queue_ref(cstring_to_text(psprintf("queue %d", i)));
}

static ListenerMark *
find(int listener, int i, int *n)
{
	return listener_mark_find(queue(i).key.hash, listener, n);
}

/* true if another mark had to go */
static bool
add(int listener, int i, TimestampTz now)
{
	QueueRef	ref = queue(i);
	bool		exceeded = false;
	int			n;

	if (find(listener, i, &n) == NULL)
		listener_mark_add(&ref, n, listener, now, &exceeded)->until = now + USECS_PER_HOUR;
	there[listener][i] = true;
	return exceeded;
}

static int
marks_of(int listener)
{
	int			n = 0;

	for (ListenerMark *mark = listener_mark_first(listener); mark != NULL;
		 mark = listener_mark_next(mark))
		n += mark->place == listener ? 1 : 1000;
	return n;
}

/* what the table has, found in each way */
static void
check(int step)
{
	int			of_queue[QUEUES] = {0};

	for (int l = 0; l < LISTENERS; l++)
	{
		int			wanted = 0;

		for (int i = 0; i < QUEUES; i++)
		{
			int			n;

			if ((find(l, i, &n) != NULL) != there[l][i])
				fault("step %d: listener %d, queue %d", step, l, i);
			wanted += there[l][i];
			of_queue[i] += there[l][i];
		}
		if (marks_of(l) != wanted)
			fault("step %d: listener %d has %d marks in a list, not %d", step, l, marks_of(l), wanted);
	}
	for (int i = 0; i < QUEUES; i++)
		for (int n = 0; n <= of_queue[i]; n++)
			if ((listener_mark_of(queue(i).key.hash, n) != NULL) != (n < of_queue[i]))
				fault("step %d: queue %d, number %d", step, i, n);
}

static void
remove_one(int listener, int i)
{
	int			n;
	ListenerMark *mark = find(listener, i, &n);

	if (mark != NULL)
		listener_mark_remove(mark);
	there[listener][i] = false;
}

static void
remove_all_of(int listener)
{
	ListenerMark *mark;

	while ((mark = listener_mark_first(listener)) != NULL)
		listener_mark_remove(mark);
	memset(there[listener], 0, sizeof(there[listener]));
}

/* when another one had to go, whose was it? */
static void
look_who_went(void)
{
	for (int l = 0; l < LISTENERS; l++)
		for (int i = 0; i < QUEUES; i++)
		{
			int			n;

			there[l][i] = there[l][i] && find(l, i, &n) != NULL;
		}
}

static void
at_random(void)
{
	int			exceeded = 0;

	new_table();
	for (int step = 0; step < 1000 && faultless(); step++)
	{
		int			listener = random_int(0, LISTENERS - 1);
		int			i = random_int(0, QUEUES - 1);

		if (random_int(0, 19) == 0)
			remove_all_of(listener);
		else if (random_int(0, 2) == 0)
			remove_one(listener, i);
		else if (add(listener, i, step))
		{
			exceeded++;
			look_who_went();
		}
		check(step);
	}
	LWLockRelease(AddinShmemInitLock);
	no_fault("1000 times added and removed, found by queue and by listener");
	ok(exceeded > 30, "... and often another one had to go");
	ok(fake_memory_intact(), "... within their memory");
}

static void
over(void)
{
	new_table();
	for (int l = 0; l < 5; l++)
		(void) add(l, 1, l < 3 ? 0 : USECS_PER_HOUR);
	listener_marks_sweep(USECS_PER_HOUR, 0);
	ok(marks_of(0) + marks_of(1) + marks_of(2) == 0 && marks_of(3) == 1 && marks_of(4) == 1,
	   "those whose time is over go, of whichever listener");
	is_int(listener_mark_of(queue(1).key.hash, 1) != NULL && listener_mark_of(queue(1).key.hash, 2) == NULL, 1,
		   "... and the others are numbered anew");
	listener_marks_remove(MyDatabaseId);
	LWLockRelease(AddinShmemInitLock);
	ok(!listener_marks_any(), "of a database all go");
}

UNIT(unit_listener_marks, at_random, over);
