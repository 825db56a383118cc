/*
 * ready_count.c
 *		How many tasks of a queue wait, and until when: reading open_ready.
 *
 * For those who start nothing: who waits for a task, the views of queues, and
 * the worker's check that cursors have passed nothing over (cursor_check.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "notes/cursor_notes.h"
#include "shared/cursors.h"
#include "shared/ring.h"
#include "store/lane.h"
#include "store/open_row.h"
#include "store/ready.h"
#include "store/ready_count.h"
#include "store/ready_internal.h"
#include "store/row.h"
#include "task/task.h"

/* when a queue with very many lanes is looked at again */
#define LOOK_AGAIN		USECS_PER_SEC

/* look and read, to start nothing */
static ReadyScan *
begin_to_read(const QueueRef *queue, TimestampTz now)
{
	ReadyScan  *ready = ready_look(queue, now);

	ready_open(ready, 0, false);
	return ready;
}

/* likewise, with all lanes, and a slot to look at single rows */
static ReadyScan *
begin_over_all(const QueueRef *queue, TimestampTz now)
{
	ReadyScan  *ready = ready_look_until(queue, now, DT_NOEND);

	ready_open_relations(ready, AccessShareLock);
	ready->snapshot = fresh_snapshot();
	ready->slot = table_slot_create(ready->table, NULL);
	ready_find_lanes(ready);
	return ready;
}

/*
 * store_count_due: how many tasks of the queue could be started at "now", at
 * most "limit".
 */
int
store_count_due(const QueueRef *queue, TimestampTz now, int limit)
{
	ReadyScan  *ready = begin_to_read(queue, now);
	Lane	   *lane = NULL;
	int			n = 0;

	while (n < limit && (lane = ready_next_lane(ready, lane)) != NULL)
	{
		while (n < limit && lane_next(lane))
			n++;
		lane_end(lane);
	}
	ready_end(ready);
	return n;
}

/*
 * store_any_due: is there a task of the queue that could be started at "now"?
 * May say no where one would have to look at very many lanes.
 */
bool
store_any_due(const QueueRef *queue, TimestampTz now)
{
	ReadyScan  *ready = begin_to_read(queue, now);
	Lane	   *lane = NULL;
	bool		found = false;

	for (int i = 0; i < RING_SLICE && !found; i++)
	{
		lane = ready_next_lane(ready, lane);
		if (lane == NULL)
			break;
		found = lane_next(lane);
		lane_end(lane);
	}
	ready_end(ready);
	return found;
}

/* the first entry of the lane that is due after "now" */
static TimestampTz
next_due_in(ReadyScan *ready, const KnownLane *lane)
{
	ReadyKey	from = {instant_add(ready->now, 1), PG_INT64_MIN};
	LaneKeys	keys;
	OpenPlace	first;
	IndexScanDesc scan;

	if (!ready_key_before(lane->from, from))
		return lane->from.dispatch_time;
	first.key.dispatch_time = DT_NOEND;
	scan = ready_walk(ready, lane, from, &keys, false);
	if (index_getnext_slot(scan, ForwardScanDirection, ready->slot))
		row_open_place(ready->slot, &first);
	ExecClearTuple(ready->slot);
	index_endscan(scan);
	return first.key.dispatch_time;
}

/*
 * store_next_due: when the next task after "now" is due in a queue, DT_NOEND
 * when there is none.  May be too early, and is never far away where one would
 * have to look at very many lanes.
 */
TimestampTz
store_next_due(const QueueRef *queue, TimestampTz now)
{
	ReadyScan  *ready = begin_over_all(queue, now);
	TimestampTz next = DT_NOEND;
	Lane	   *lane = NULL;
	int			looked = 0;

	while ((lane = ready_next_lane(ready, lane)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ready_is_listed(ready) && ++looked > RING_SLICE)
		{
			next = Min(next, instant_add(now, LOOK_AGAIN));
			break;
		}
		next = Min(next, next_due_in(ready, &lane->known));
	}
	ready_end(ready);
	return next;
}

/* ------------------------------------------------------------------------
 * Counting
 * ------------------------------------------------------------------------
 */

/*
 * What is committed now, under any isolation level; with "committed", nothing
 * that the own transaction has done.
 */
static Snapshot
latest_snapshot(bool committed)
{
	Snapshot	snapshot;

	PushCopiedSnapshot(GetLatestSnapshot());
	if (committed)
		GetActiveSnapshot()->curcid = FirstCommandId;
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	PopActiveSnapshot();
	return snapshot;
}

/*
 * All lanes, to be looked at with a snapshot that may not be that of a poll:
 * cursors learn nothing from it.
 */
static ReadyScan *
begin_to_count(const QueueRef *queue, TimestampTz now, bool committed)
{
	ReadyScan  *ready = ready_look_until(queue, now, DT_NOEND);

	ready->look.may_tell = false;
	ready_open_relations(ready, AccessShareLock);
	ready->snapshot = latest_snapshot(committed);
	ready->slot = table_slot_create(ready->table, NULL);
	ready_find_lanes(ready);
	return ready;
}

/* how many of the lane's tasks are due in that time, both ends excluded */
static int64
count_lane_between(ReadyScan *ready, const KnownLane *lane, TimestampTz after,
				   TimestampTz before)
{
	ReadyKey	from = {instant_add(after, 1), PG_INT64_MIN};
	LaneKeys	keys;
	OpenPlace	row;
	IndexScanDesc scan = ready_walk(ready, lane, from, &keys, false);
	int64		n = 0;

	while (index_getnext_slot(scan, ForwardScanDirection, ready->slot))
	{
		CHECK_FOR_INTERRUPTS();
		row_open_place(ready->slot, &row);
		if (row.key.dispatch_time >= before)
			break;
		if (row_open_waits(ready->slot))
			n++;
	}
	index_endscan(scan);
	ExecClearTuple(ready->slot);
	return n;
}

/*
 * store_count_between: how many tasks of a level wait that are due in that
 * time, both ends excluded.  With "committed", without what the own
 * transaction has done.
 */
int64
store_count_between(const QueueRef *queue, int level, TimestampTz after,
					TimestampTz before, bool committed)
{
	ReadyScan  *ready = begin_to_count(queue, after, committed);
	Lane	   *lane = NULL;
	int64		n = 0;

	while ((lane = ready_next_lane(ready, lane)) != NULL)
		if (lane->level == level)
			n += count_lane_between(ready, &lane->known, after, before);
	ready_end(ready);
	return n;
}

/*
 * store_oldest_due: when the oldest task that could be started at "now" was
 * due, for each level; DT_NOEND = there is none.  Without what the own
 * transaction has done.
 */
void
store_oldest_due(const QueueRef *queue, TimestampTz now, TimestampTz *oldest)
{
	ReadyScan  *ready = begin_to_count(queue, now, true);
	bool		took = cursor_notes_any(&ready->look.queue);
	Lane	   *lane = NULL;

	for (int i = 0; i < LEVELS; i++)
		oldest[i] = DT_NOEND;
	while ((lane = ready_next_lane(ready, lane)) != NULL)
	{
		TimestampTz *least = &oldest[valid_level(lane->level) - 1];

		if (took)
			lane->known.from = READY_KEY_FIRST;	/* it is there for others */
		if (lane_next(lane))
			*least = Min(*least, lane->place.dispatch_time);
		lane_end(lane);
	}
	ready_end(ready);
}

/* ------------------------------------------------------------------------
 * Checking cursors
 * ------------------------------------------------------------------------
 */

/*
 * A commit tells the cursors a moment after others can see what it did, so a
 * task before a cursor has been passed over only if it is still there at the
 * next look.  These were there at the last look, and at this one.
 */
#define SUSPECTS	16			/* others are found when these are corrected */

static ReadyKey suspects[SUSPECTS];
static ReadyKey seen[SUSPECTS];
static int	nsuspects = 0;
static int	nseen = 0;

/* ready_check_again: a look at all queues begins. */
void
ready_check_again(void)
{
	memcpy(suspects, seen, sizeof(seen));
	nsuspects = nseen;
	nseen = 0;
}

/* was the task there at the last look as well?  Else it is kept in mind. */
static bool
seen_twice(ReadyKey place)
{
	for (int i = 0; i < nsuspects; i++)
		if (suspects[i].run_id == place.run_id &&
			suspects[i].dispatch_time == place.dispatch_time)
			return true;
	if (nseen < SUSPECTS)
		seen[nseen++] = place;
	return false;
}

/* the lane has a task there after all */
static void
correct(const ReadyScan *ready, const KnownLane *lane, ReadyKey place)
{
	LaneName	name;
	Candidate	candidate = {.place = place};

	ItemPointerSetInvalid(&candidate.tid);
	if (cursors_name_lane(&ready->look.queue, lane->level, lane->fairness_key,
						  &name))
		cursors_announce(&name, &candidate, InvalidOid);
}

/*
 * Walk from *from on to the lane's cursor.  False after *budget entries, dead
 * ones included, with *from where to go on.  A task that can be started, at the
 * last look as well, is told to the cursor.
 */
static bool
check_lane(ReadyScan *ready, const KnownLane *lane, ReadyKey *from,
		   int *budget)
{
	LaneKeys	keys;
	IndexScanDesc scan = ready_walk(ready, lane, *from, &keys, true);
	bool		done = true;

	while (index_getnext_tid(scan, ForwardScanDirection) != NULL)
	{
		ReadyKey	place = ready_place(scan);

		CHECK_FOR_INTERRUPTS();
		if (!ready_key_before(place, lane->from))
			break;
		*from = place;
		if ((*budget)-- <= 0)
		{
			done = false;
			break;
		}
		if (index_fetch_heap(scan, ready->slot) &&
			row_open_is_ready(ready->slot, ready->now) &&
			row_holder(ready->slot) <= ROW_SHARED)
		{
			if (!seen_twice(place))
			{
				elog(DEBUG1, "taskq looks again for a task at the next check");
				break;
			}
			ereport(LOG,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("taskq found a task that polls would have passed over, in queue \"%s\"",
							text_to_cstring(ready->queue.name))));
			correct(ready, lane, place);
			break;
		}
	}
	ExecClearTuple(ready->slot);
	index_endscan(scan);
	return done;
}

/*
 * ready_check: look for tasks before the cursors of the queue's lanes, from
 * the place *at on.  True when all is looked at; false when *budget entries
 * were read, with *at where to go on.
 */
bool
ready_check(const QueueRef *queue, CheckPlace *at, int *budget)
{
	ReadyScan  *ready = begin_over_all(queue, clock_now());
	bool		done = true;

	for (; done && at->lane < ready->nlanes; at->lane += done)
	{
		done = check_lane(ready, &ready->lanes[at->lane], &at->from, budget);
		if (done)
			at->from = READY_KEY_FIRST;
	}
	ready_end(ready);
	return done;
}
