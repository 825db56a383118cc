/*
 * test_lane_cursor.c
 *		Tests of lane_cursor.c.
 */
#include "unit.h"

#include "shared/lane_cursor.h"

/* times are small numbers here; what is due now is due before 100 */
#define NOW		100

static ReadyKey
place(int time, int run_id)
{
	return (ReadyKey) {time, run_id};
}

static bool
same_place(ReadyKey a, ReadyKey b)
{
	return a.dispatch_time == b.dispatch_time && a.run_id == b.run_id;
}

/* a row at a place; tid 0 = where it is is not known */
static Candidate
row(ReadyKey where, int tid)
{
	Candidate	candidate = {.place = where};

	if (tid > 0)
		ItemPointerSet(&candidate.tid, tid, 1);
	else
		ItemPointerSetInvalid(&candidate.tid);
	return candidate;
}

static void
hear(LaneCursor *lane, ReadyKey where, int tid)
{
	Candidate	candidate = row(where, tid);

	lane_cursor_hear(lane, &candidate);
}

static void
is_from(LaneCursor *lane, ReadyKey wanted, const char *claim)
{
	ReadyKey	from;
	uint64		announced;

	lane_cursor_read(lane, &from, &announced);
	is_text(psprintf("%d/%d", (int) from.dispatch_time, (int) from.run_id),
			psprintf("%d/%d", (int) wanted.dispatch_time, (int) wanted.run_id), claim);
}

/* the tids of what a poll takes, in order */
static const char *
take(LaneCursor *lane, int n)
{
	Candidate	candidates[MAX_CANDIDATES];
	char	   *tids = "";

	n = lane_cursor_take(lane, NOW, candidates, n);
	for (int i = 0; i < n; i++)
		tids = psprintf("%s %u", tids, ItemPointerGetBlockNumber(&candidates[i].tid));
	return tids;
}

/* of what it would find that looked when so much had been announced */
static const char *
peek(LaneCursor *lane, uint64 announced, int n)
{
	Candidate	candidates[MAX_CANDIDATES];
	ReadyKey	behind;
	char	   *tids = "";

	if (!lane_cursor_peek(lane, announced, NOW, candidates, &n, &behind))
		return "cannot be told";
	for (int i = 0; i < n; i++)
		tids = psprintf("%s %u", tids, ItemPointerGetBlockNumber(&candidates[i].tid));
	return psprintf("%s, then from %d", tids, (int) behind.dispatch_time);
}

/* a walk that began when so much had been announced, with rows 1, 2, ... at times 10, 20, ... behind it */
static void
walked(LaneCursor *lane, uint64 announced, ReadyKey end, int ncandidates, ReadyKey beyond)
{
	Candidate	candidates[MAX_CANDIDATES];
	WalkEnd		walk = {.end = end,.candidates = candidates,.ncandidates = ncandidates,.beyond = beyond};

	for (int i = 0; i < ncandidates; i++)
		candidates[i] = row(place(10 * (i + 1), 1), i + 1);
	lane_cursor_advance(lane, announced, &walk);
}

/* a lane with five candidates, rows 1 to 5 at times 10 to 50, and what comes from 60 on */
static LaneCursor *
filled(void)
{
	LaneCursor *lane = palloc0(sizeof(LaneCursor));

	lane_cursor_init(lane, place(0, 0));
	walked(lane, 0, place(5, 0), 5, place(60, 0));
	return lane;
}

static void
the_place(void)
{
	LaneCursor *lane = palloc0(sizeof(LaneCursor));

	lane_cursor_init(lane, place(7, 0));
	is_from(lane, place(7, 0), "a cursor begins where it is told");
	is_text(take(lane, 10), "", "... and knows of nothing");
	walked(lane, 0, place(50, 3), 0, place(50, 3));
	is_from(lane, place(50, 3), "it goes to where a walk ended");
	walked(lane, 0, place(40, 0), 0, place(40, 0));
	is_from(lane, place(50, 3), "... the furthest one");
	hear(lane, place(50, 4), 0);
	is_from(lane, place(50, 3), "a task behind it does not move it");
	hear(lane, place(50, 2), 0);
	is_from(lane, place(50, 2), "one before it does");
	hear(lane, place(60, 1), 0);
	is_from(lane, place(50, 2), "... and stays where it is");
}

static void
meanwhile(void)
{
	LaneCursor *lane = palloc0(sizeof(LaneCursor));
	ReadyKey	from;
	uint64		looked;

	lane_cursor_init(lane, place(0, 0));
	hear(lane, place(5, 0), 0);
	lane_cursor_read(lane, &from, &looked);
	is_int(looked, 1, "announcements are counted");
	hear(lane, place(20, 0), 0);
	walked(lane, looked, place(50, 0), 0, place(50, 0));
	ok(lane->from.dispatch_time <= 20, "a walk does not go past what was announced meanwhile");

	lane_cursor_init(lane, place(0, 0));
	for (int i = 0; i < RECENT_BLOCKS * BLOCK_SIZE - BLOCK_SIZE; i++)
		hear(lane, place(30, i), 0);
	walked(lane, 0, place(50, 0), 0, place(50, 0));
	is_from(lane, place(30, 0), "... of many the first one");

	lane_cursor_init(lane, place(0, 0));
	for (int i = 0; i < RECENT_BLOCKS * BLOCK_SIZE + 1; i++)
		hear(lane, place(30, i), 0);
	walked(lane, 0, place(50, 0), 0, place(50, 0));
	is_from(lane, place(0, 0), "when nobody knows any more what it was, it moves nothing");
	walked(lane, lane->announced, place(50, 0), 0, place(50, 0));
	is_from(lane, place(50, 0), "... as one does that has begun since");
}

static void
candidates(void)
{
	LaneCursor *lane = filled();

	is_from(lane, place(10, 1), "the cursor goes to the first candidate that a walk leaves");
	is_text(take(lane, 2), " 1 2", "they are taken in their order");
	is_from(lane, place(30, 1), "... and the cursor goes along");
	is_text(take(lane, 9), " 3 4 5", "... until there are no more");
	is_from(lane, place(60, 0), "... to where nothing is known");
	is_text(take(lane, 1), "", "... and nothing is taken");

	lane = filled();
	hear(lane, place(25, 9), 25);
	is_text(take(lane, 3), " 1 2 25", "one that is announced is taken at its place");
	hear(lane, place(5, 0), 7);
	is_text(take(lane, 2), " 7 3", "... also in front");
	hear(lane, place(60, 0), 60);
	is_text(take(lane, 9), " 4 5", "... but not where nothing is known");

	lane = filled();
	hear(lane, place(30, 1), 3);
	is_text(take(lane, 9), " 1 2 3 4 5", "one that is announced again is there once");

	lane = filled();
	hear(lane, place(200, 1), 8);
	walked(lane, lane->announced, place(5, 0), 0, place(300, 0));
	hear(lane, place(150, 1), 9);
	hear(lane, place(50, 1), 5);
	is_text(take(lane, 9), " 5", "what is due later is not taken");
	is_from(lane, place(150, 1), "... and the cursor stays there");
}

static void
same_places(void)
{
	LaneCursor *lane = filled();

	hear(lane, place(20, 1), 21);
	hear(lane, place(20, 1), 22);
	is_text(take(lane, 2), " 1 2 21 22", "all rows of a place are taken, or none");

	lane = filled();
	hear(lane, place(20, 1), 21);
	is_text(peek(lane, 1, 2), " 1, then from 20", "... or seen");
	is_text(peek(lane, 1, 3), " 1 2 21, then from 30", "... all of them");
}

static void
unknown_rows(void)
{
	LaneCursor *lane = filled();

	hear(lane, place(30, 0), 0);
	is_text(take(lane, 9), " 1 2", "from a row on of which nobody knows where it is nothing is known");
	is_from(lane, place(30, 0), "... and the cursor is there");

	lane = filled();
	lane_cursor_moved(lane);
	is_text(take(lane, 9), "", "nothing is known when rows are elsewhere");
	is_from(lane, place(10, 1), "... but where to begin");
}

static void
no_more_room(void)
{
	LaneCursor *lane = filled();

	for (int i = 0; i < MAX_CANDIDATES - 5; i++)
		hear(lane, place(11, i), 100 + i);
	hear(lane, place(10, 0), 99);
	is_int(lane->ncandidates, MAX_CANDIDATES, "there is room for so many");
	is_text(take(lane, 2), " 99 1", "the first ones stay");
	is_int(lane->beyond.dispatch_time, 50, "... and from the one on that had to go nothing is known");

	lane = filled();
	for (int i = 0; i < MAX_CANDIDATES - 5; i++)
		hear(lane, place(11, i), 100 + i);
	hear(lane, place(55, 0), 55);
	is_int(lane->ncandidates, MAX_CANDIDATES, "one at the end finds no room");
	is_int(lane->beyond.dispatch_time, 55, "... and nothing is known from there on");
}

static void
peeks(void)
{
	LaneCursor *lane = filled();

	is_text(peek(lane, 0, 3), " 1 2 3, then from 40", "some are seen");
	is_text(peek(lane, 0, 9), " 1 2 3 4 5, then from 60", "... or all");
	is_text(take(lane, 1), " 1", "they stay where they are");
	hear(lane, place(35, 1), 35);
	is_text(peek(lane, 0, 9), " 2 3, then from 35", "not those that were announced since the look, nor any behind");
	is_text(peek(lane, 1, 9), " 2 3 35 4 5, then from 60", "... but for those who looked later");
	for (int i = 0; i < RECENT_BLOCKS * BLOCK_SIZE + BLOCK_SIZE; i++)
		hear(lane, place(90, 1), 90);
	is_text(peek(lane, 0, 9), "cannot be told", "after too many announcements nobody can tell");

	lane = filled();
	walked(lane, 0, place(5, 0), 5, place(200, 0));
	hear(lane, place(150, 1), 15);
	is_text(peek(lane, 1, 9), " 1 2 3 4 5, then from 150", "what is due later is not seen");
}

static void
better_walks(void)
{
	LaneCursor *lane = filled();

	walked(lane, 0, place(5, 0), 2, place(30, 0));
	is_text(peek(lane, 0, 9), " 1 2 3 4 5, then from 60", "a walk that knows less changes nothing");
	walked(lane, 0, place(5, 0), 7, place(80, 0));
	is_text(peek(lane, 0, 9), " 1 2 3 4 5 6 7, then from 80", "one that knows more does");
	walked(lane, 0, place(35, 0), 0, place(35, 0));
	is_text(peek(lane, 0, 9), " 4 5 6 7, then from 80", "what a walk has passed is gone");
	walked(lane, 0, place(95, 0), 9, place(99, 0));
	is_text(take(lane, 9), "", "... all of it");
	is_from(lane, place(99, 0), "... up to where it knows that there is nothing");

	lane = filled();
	hear(lane, place(45, 0), 45);
	walked(lane, 0, place(5, 0), 7, place(80, 0));
	is_text(peek(lane, 1, 9), " 1 2 3 4 45 5, then from 60", "nor does one that does not know what was announced meanwhile");
}

/* ---- at random, beside all tasks of the lane ---- */

#define TASKS		40
#define POLLS		4

typedef struct Waiting
{
	bool		used;
	ReadyKey	place;
	int			tid;
	bool		pending;		/* committed, not yet announced */
	int			holder;			/* the poll that is about to start it, -1 = none */
} Waiting;

typedef struct Poll
{
	bool		looked;
	bool		has_snapshot;
	ReadyKey	from;
	uint64		announced;
	Waiting		snapshot[TASKS];
} Poll;

static LaneCursor *lane;
static Waiting tasks[TASKS];
static Poll polls[POLLS];
static int	now;
static int	last_tid;
static int	last_run;

static void
schedule_one(void)
{
	Waiting	   *task = &tasks[random_int(0, TASKS - 1)];

	if (task->used)
		return;
	*task = (Waiting) {true, place(now + random_int(-20, 10), ++last_run), ++last_tid, true, -1};
}

/* another version of a row, perhaps due at another time */
static void
write_one(void)
{
	Waiting	   *task = &tasks[random_int(0, TASKS - 1)];

	if (!task->used || task->holder >= 0)
		return;
	task->tid = ++last_tid;
	task->pending = true;
	if (random_int(0, 1))
		task->place.dispatch_time = now + random_int(-20, 10);
}

static void
announce_one(void)
{
	Waiting	   *task = &tasks[random_int(0, TASKS - 1)];

	if (!task->used || task->holder >= 0 || (!task->pending && random_int(0, 9)))
		return;
	hear(lane, task->place, random_int(0, 3) ? task->tid : 0);
	task->pending = false;
}

/* more than a lane remembers */
static void
announce_often(void)
{
	Waiting	   *task = &tasks[random_int(0, TASKS - 1)];

	for (int i = 0; i < RECENT_BLOCKS * BLOCK_SIZE && task->used && !task->pending && task->holder < 0; i++)
		hear(lane, task->place, task->tid);
}

static void
look(Poll *poll)
{
	lane_cursor_read(lane, &poll->from, &poll->announced);
	poll->looked = true;
}

static void
take_snapshot(Poll *poll)
{
	memcpy(poll->snapshot, tasks, sizeof(tasks));
	poll->has_snapshot = true;
}

/* the entry of the snapshot that comes next from a place on; NULL = none */
static Waiting *
next_entry(Poll *poll, ReadyKey from)
{
	Waiting	   *next = NULL;

	for (int i = 0; i < TASKS; i++)
		if (poll->snapshot[i].used && !ready_key_before(poll->snapshot[i].place, from) &&
			(next == NULL || ready_key_before(poll->snapshot[i].place, next->place)))
			next = &poll->snapshot[i];
	return next;
}

static ReadyKey
behind(ReadyKey where)
{
	return (ReadyKey) {where.dispatch_time, where.run_id + 1};
}

/* to the poll, if nobody else has it and it is still that version */
static bool
claim(int poll, ReadyKey where, int tid)
{
	for (int i = 0; i < TASKS; i++)
	{
		Waiting	   *task = &tasks[i];

		if (task->used && task->holder < 0 && task->tid == tid && same_place(task->place, where))
		{
			task->holder = poll;
			return true;
		}
	}
	return false;
}

/* go along the lane, and leave candidates */
static void
walk_on(int number)
{
	Poll	   *poll = &polls[number];
	int			wanted = random_int(1, 5);
	int			nmore = random_int(0, MAX_CANDIDATES);
	Candidate	more[MAX_CANDIDATES];
	WalkEnd		walk = {.end = poll->from,.candidates = more};
	Waiting	   *entry;

	while (wanted > 0 && (entry = next_entry(poll, walk.end)) != NULL && entry->place.dispatch_time <= now)
	{
		walk.end = behind(entry->place);
		wanted -= claim(number, entry->place, entry->tid);
	}
	walk.beyond = walk.end;
	while ((entry = next_entry(poll, walk.beyond)) != NULL &&
		   entry->place.dispatch_time <= now && walk.ncandidates < nmore)
	{
		more[walk.ncandidates++] = row(entry->place, entry->tid);
		walk.beyond = behind(entry->place);
	}
	walk.beyond = entry == NULL ? READY_KEY_LAST : entry->place;
	lane_cursor_advance(lane, poll->announced, &walk);
	poll->looked = poll->has_snapshot = false;
}

static void
end_poll(int number)
{
	bool		rolled_back = random_int(0, 2) == 0;

	for (int i = 0; i < TASKS; i++)
		if (tasks[i].used && tasks[i].holder == number)
		{
			tasks[i].holder = -1;
			tasks[i].pending = rolled_back;
			tasks[i].used = rolled_back;
		}
}

static void
take_some(int number)
{
	Candidate	taken[MAX_CANDIDATES];
	int			wanted = random_int(1, 5);
	int			n = lane_cursor_take(lane, now, taken, wanted);

	for (int i = 0; i < n; i++)
	{
		if (taken[i].place.dispatch_time > now)
			fault("one is taken that is not due");
		if (i >= wanted && !same_place(taken[i].place, taken[i - 1].place))
			fault("more are taken than were wanted");
		if (i > 0 && ready_key_before(taken[i].place, taken[i - 1].place))
			fault("they are taken out of order");
		claim(number, taken[i].place, ItemPointerGetBlockNumber(&taken[i].tid));
	}
}

static bool
is_among(const Candidate *list, int n, const Waiting *task)
{
	for (int i = 0; i < n; i++)
		if (same_place(list[i].place, task->place) && ItemPointerGetBlockNumber(&list[i].tid) == (BlockNumber) task->tid)
			return true;
	return false;
}

/* as good as the beginning of a walk? */
static void
peek_some(Poll *poll, int step)
{
	Candidate	seen[MAX_CANDIDATES];
	int			n = random_int(1, MAX_CANDIDATES);
	ReadyKey	end;

	if (!lane_cursor_peek(lane, poll->announced, now, seen, &n, &end))
		return;
	for (int i = 0; i < n; i++)
		if (seen[i].place.dispatch_time > now || !ready_key_before(seen[i].place, end) ||
			(i > 0 && ready_key_before(seen[i].place, seen[i - 1].place)))
			fault("step %d: a poll that peeks sees what it should not", step);
	for (int i = 0; i < TASKS; i++)
	{
		Waiting	   *task = &tasks[i];

		if (task->used && !task->pending && task->holder < 0 && ready_key_before(task->place, end) &&
			poll->snapshot[i].used && poll->snapshot[i].tid == task->tid && !is_among(seen, n, task))
			fault("step %d: a poll that peeks misses run %d", step, (int) task->place.run_id);
	}
}

/* all rows are elsewhere; waits for the polls */
static void
rewrite_table(void)
{
	for (int i = 0; i < POLLS; i++)
		if (polls[i].looked)
			return;
	for (int i = 0; i < TASKS; i++)
		tasks[i].tid = ++last_tid;
	lane_cursor_moved(lane);
}

/* who can be started, and was announced, is found from the cursor on */
static void
check_lane(int step)
{
	for (int i = 0; i < TASKS; i++)
	{
		Waiting	   *task = &tasks[i];

		if (!task->used || task->pending || task->holder >= 0)
			continue;
		if (ready_key_before(task->place, lane->from))
			fault("step %d: the cursor is past run %d", step, (int) task->place.run_id);
		if (ready_key_before(task->place, lane->beyond) && !is_among(lane->candidates, lane->ncandidates, task))
			fault("step %d: run %d is no candidate", step, (int) task->place.run_id);
	}
}

static void
random_step(int step)
{
	int			number = random_int(0, POLLS - 1);
	Poll	   *poll = &polls[number];

	switch (random_int(0, 9))
	{
		case 0:
		case 1:
			schedule_one();
			break;
		case 2:
			write_one();
			break;
		case 3:
		case 4:
			announce_one();
			break;
		case 5:
			now += random_int(0, 2);
			break;
		case 6:
			take_some(number);
			break;
		case 7:
			end_poll(number);
			break;
		case 8:
			if (poll->has_snapshot)
				peek_some(poll, step);
			else if (random_int(0, 100) == 0)
				announce_often();
			else if (random_int(0, 100) == 0)
				rewrite_table();
			break;
		case 9:
			if (!poll->looked)
				look(poll);
			else if (!poll->has_snapshot)
				take_snapshot(poll);
			else
				walk_on(number);
			break;
	}
}

static void
at_random(void)
{
	for (int round = 0; round < 50; round++)
	{
		lane = palloc0(sizeof(LaneCursor));
		lane_cursor_init(lane, READY_KEY_FIRST);
		memset(tasks, 0, sizeof(tasks));
		memset(polls, 0, sizeof(polls));
		now = NOW;
		for (int step = 0; step < 2000 && faultless(); step++)
		{
			random_step(step);
			check_lane(step);
		}
	}
	no_fault("100000 steps of polls and others at the same time: no task is passed over");
}

UNIT(unit_lane_cursor, the_place, meanwhile, candidates, same_places, unknown_rows, no_more_room, peeks, better_walks, at_random);
