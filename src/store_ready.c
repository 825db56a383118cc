/*
 * store_ready.c
 *		The next tasks of a queue: its lanes in open_ready, and where to begin.
 *
 * The index open_ready holds all open rows in the order in which they are
 * handed out inside a lane: (queue, level, fairness key | dispatch time,
 * run_id).  A lane is one (queue, level, fairness key).  Which lanes there are
 * and where live work begins is known to shared memory (cursors.c); where it
 * is not, lanes are discovered by descending to the first key after the last
 * one found, never by walking over a lane.  store_lane.c walks along them.
 *
 * One snapshot serves one ReadyScan, taken after the look at the cursors; a
 * row that changed since is skipped by whoever claims it.
 */
#include "postgres.h"

#include "access/itup.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "clock.h"
#include "compat.h"
#include "cursors.h"
#include "store_ready.h"
#include "store_row.h"

/* ------------------------------------------------------------------------
 * Which lanes there are
 * ------------------------------------------------------------------------
 */

/* the lane of the first entry that matches the keys; false without one */
static bool
first_lane(ReadyScan *ready, ScanKey keys, int nkeys, KnownLane *lane)
{
	IndexScanDesc scan;
	bool		found;

	if (ready->slot == NULL)
		ready->slot = table_slot_create(ready->table, NULL);
	scan = compat_index_beginscan(ready->table, ready->index, ready->snapshot,
								  nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, ready->slot);
	if (found)
	{
		const KnownLane *known;

		memset(lane, 0, sizeof(KnownLane));
		row_open_lane_key(ready->slot, &lane->level, &lane->fairness_key);
		lane->from = READY_KEY_FIRST;
		known = cursors_known(&ready->look, lane->level, lane->fairness_key);
		if (known != NULL)
			*lane = *known;
	}
	index_endscan(scan);
	ExecClearTuple(ready->slot);
	return found;
}

/*
 * The lane after "previous" (NULL = the first) in order of level and fairness
 * key; false after the last.
 */
static bool
discover_next(ReadyScan *ready, const KnownLane *previous, KnownLane *lane)
{
	ScanKeyData keys[3];

	CHECK_FOR_INTERRUPTS();
	row_text_key(&keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ,
				 ready->task_queue);
	if (previous == NULL)
		return first_lane(ready, keys, 1, lane);

	ScanKeyInit(&keys[1], READY_LEVEL, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(previous->level));
	row_text_key(&keys[2], READY_FAIRNESS_KEY, BTGreaterStrategyNumber,
				 F_TEXT_GT, previous->fairness_key);
	if (first_lane(ready, keys, 3, lane))
		return true;
	ScanKeyInit(&keys[1], READY_LEVEL, BTGreaterStrategyNumber, F_INT2GT,
				Int16GetDatum(previous->level));
	return first_lane(ready, keys, 2, lane);
}

/* find all lanes, and let the next poll know */
static void
discover_all(ReadyScan *ready)
{
	int			max = 8;
	KnownLane	lane;
	KnownLane  *previous = NULL;

	ready->lanes = palloc(max * sizeof(KnownLane));
	ready->nlanes = 0;
	while (discover_next(ready, previous, &lane))
	{
		if (ready->nlanes == max)
		{
			max *= 2;
			ready->lanes = repalloc_huge(ready->lanes, max * sizeof(KnownLane));
		}
		previous = &ready->lanes[ready->nlanes++];
		*previous = lane;
	}
	cursors_learn(&ready->look, ready->lanes, ready->nlanes);
}

/* with a registered snapshot, which ready_end() unregisters */
static void
open_with(ReadyScan *ready, Snapshot snapshot, LOCKMODE lock)
{
	ready->table = table_open(catalog()->open, lock);
	ready->index = index_open(catalog()->open_ready, AccessShareLock);
	ready->snapshot = snapshot;
}

static void
open_relations(ReadyScan *ready, LOCKMODE lock)
{
	open_with(ready, fresh_snapshot(), lock);
}

/* look at the cursors of lanes that may have a task before "until" */
static ReadyScan *
look(const text *task_queue, TimestampTz now, TimestampTz until)
{
	ReadyScan  *ready = palloc0(sizeof(ReadyScan));

	ready->task_queue = task_queue;
	cursors_look(task_queue, until, &ready->look);
	ready->now = until == now ? ready->look.now : now;
	ready->next_due = ready->look.next_due;
	ready->lanes = ready->look.lanes;
	ready->nlanes = ready->look.nlanes;
	return ready;
}

/* find the lanes, if they are not known */
static void
find_lanes(ReadyScan *ready)
{
	if (ready->look.complete)
		return;
	if (ready->look.generation != 0)
		discover_all(ready);
	else
		ready->nlanes = -1;
}

/*
 * Take what shared memory knows to come next, if it can only come from one
 * lane.  The note of the lane is made before, so that what is taken will be
 * announced again whatever happens.
 */
static void
take_candidates(ReadyScan *ready)
{
	const KnownLane *lane = &ready->lanes[0];
	Offers	   *offers;

	if (ready->wanted == 0 || ready->wanted > MAX_CANDIDATES ||
		!ready->look.complete || !ready->look.may_tell ||
		(ready->nlanes > 1 && ready->lanes[1].level == lane->level))
		return;
	offers = palloc0(sizeof(Offers));
	if (!cursors_name_lane(&ready->look.queue, lane->level,
						   lane->fairness_key, &offers->lane))
		return;
	cursor_notes_goes(ready->task_queue, lane->level, lane->fairness_key,
					  READY_KEY_LAST);
	offers->n = cursors_take(&ready->look, lane, ready->now,
							 offers->candidates, ready->wanted);
	if (offers->n == 0)
		return;
	cursor_notes_goes(ready->task_queue, lane->level, lane->fairness_key,
					  offers->candidates[0].place);
	offers->ours = true;
	offers->behind = offers->candidates[offers->n - 1].place;
	offers->behind.run_id++;
	ready->offers = offers;
}

/*
 * ready_look: start to look for tasks of a queue that can be started at "now".
 * Nothing is read before ready_open().
 */
ReadyScan *
ready_look(const text *task_queue, TimestampTz now)
{
	return look(task_queue, now, now);
}

/* ready_is_empty: is it known that there is none, without reading? */
bool
ready_is_empty(const ReadyScan *ready)
{
	return ready->look.complete && ready->nlanes == 0;
}

/*
 * ready_open: go on with a snapshot taken now.  Who wants to start some tasks
 * says how many, and whether he starts whatever he finds.
 */
void
ready_open(ReadyScan *ready, int wanted, bool start_all)
{
	ready->wanted = wanted;
	if (ready_is_empty(ready))
		return;
	if (start_all)
		take_candidates(ready);
	open_relations(ready, wanted > 0 ? RowExclusiveLock : AccessShareLock);
	find_lanes(ready);
}

/* look and read, to start nothing */
static ReadyScan *
begin_to_read(const text *task_queue, TimestampTz now)
{
	ReadyScan  *ready = ready_look(task_queue, now);

	ready_open(ready, 0, false);
	return ready;
}

/* likewise, with all lanes, and a slot to look at single rows */
static ReadyScan *
begin_over_all(const text *task_queue, TimestampTz now)
{
	ReadyScan  *ready = look(task_queue, now, DT_NOEND);

	open_relations(ready, AccessShareLock);
	ready->slot = table_slot_create(ready->table, NULL);
	find_lanes(ready);
	return ready;
}

/* ready_now: what is due by then is found. */
TimestampTz
ready_now(const ReadyScan *ready)
{
	return ready->now;
}

/* ready_end: all lanes have to be ended before. */
void
ready_end(ReadyScan *ready)
{
	if (ready->table == NULL)
		return;
	if (ready->slot != NULL)
		ExecDropSingleTupleTableSlot(ready->slot);
	UnregisterSnapshot(ready->snapshot);
	index_close(ready->index, NoLock);
	table_close(ready->table, NoLock);
}

/*
 * ready_next_due: when the next task is due, DT_NOEND when there is none, as
 * far as the walks have gone: all lanes have to have been ended after
 * lane_next() said that there is none.  May be too early.
 */
TimestampTz
ready_next_due(const ReadyScan *ready)
{
	return ready->next_due;
}

/*
 * ready_next_lane: the lane after "previous" (NULL = the first) in order of
 * level and fairness key; NULL after the last.  It has no candidate yet.
 */
Lane *
ready_next_lane(ReadyScan *ready, const Lane *previous)
{
	KnownLane	known;
	Lane	   *lane;

	if (ready->nlanes < 0)
	{
		if (!discover_next(ready, previous ? previous->known : NULL, &known))
			return NULL;
	}
	else if (ready->next_lane < ready->nlanes)
		known = ready->lanes[ready->next_lane++];
	else
		return NULL;

	lane = palloc0(sizeof(Lane));
	lane->ready = ready;
	lane->level = known.level;
	lane->fairness_key = known.fairness_key;
	lane->known = palloc(sizeof(KnownLane));
	*lane->known = known;
	lane->dispatch_time = known.from.dispatch_time;
	lane->run_id = known.from.run_id;
	lane->end = READY_KEY_LAST;
	lane->offers = ready->offers;
	ready->offers = NULL;
	return lane;
}

/* ------------------------------------------------------------------------
 * Walks
 * ------------------------------------------------------------------------
 */

/* (dispatch_time, run_id) >= from */
static void
from_key(ScanKey key, ScanKey members, ReadyKey from)
{
	ScanKeyEntryInitialize(&members[0], SK_ROW_MEMBER, READY_DISPATCH_TIME,
						   BTGreaterEqualStrategyNumber, InvalidOid,
						   InvalidOid, F_TIMESTAMPTZ_CMP,
						   TimestampTzGetDatum(from.dispatch_time));
	ScanKeyEntryInitialize(&members[1], SK_ROW_MEMBER | SK_ROW_END,
						   READY_RUN_ID, BTGreaterEqualStrategyNumber,
						   InvalidOid, InvalidOid, F_BTINT8CMP,
						   Int64GetDatum(from.run_id));
	memset(key, 0, sizeof(ScanKeyData));
	key->sk_flags = SK_ROW_HEADER;
	key->sk_attno = READY_DISPATCH_TIME;
	key->sk_strategy = BTGreaterEqualStrategyNumber;
	key->sk_argument = PointerGetDatum(members);
}

/*
 * ready_walk: a scan over the lane from a place on; "keys" live as long as it
 * does.
 */
IndexScanDesc
ready_walk(const ReadyScan *ready, const KnownLane *lane, ReadyKey from,
		   LaneKeys *keys, bool want_index_tuple)
{
	int			nkeys = 3;
	IndexScanDesc scan;

	row_text_key(&keys->keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber,
				 F_TEXTEQ, ready->task_queue);
	ScanKeyInit(&keys->keys[1], READY_LEVEL, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(lane->level));
	row_text_key(&keys->keys[2], READY_FAIRNESS_KEY, BTEqualStrategyNumber,
				 F_TEXTEQ, lane->fairness_key);
	if (from.dispatch_time != DT_NOBEGIN)
		from_key(&keys->keys[nkeys++], keys->members, from);
	scan = compat_index_beginscan(ready->table, ready->index,
								  ready->snapshot, nkeys);
	scan->xs_want_itup = want_index_tuple;
	index_rescan(scan, keys->keys, nkeys, NULL, 0);
	return scan;
}

/* ready_place: where such a scan stands, if it was asked for index tuples. */
ReadyKey
ready_place(IndexScanDesc scan)
{
	Datum		values[READY_COLUMNS];
	bool		nulls[READY_COLUMNS];

	index_deform_tuple(scan->xs_itup, scan->xs_itupdesc, values, nulls);
	if (nulls[READY_DISPATCH_TIME - 1])
		return READY_KEY_LAST;
	return (ReadyKey) {
		DatumGetTimestampTz(values[READY_DISPATCH_TIME - 1]),
		DatumGetInt64(values[READY_RUN_ID - 1])
	};
}

/*
 * store_count_due: how many tasks of the queue could be started at "now", at
 * most "limit".
 */
int
store_count_due(const text *task_queue, TimestampTz now, int limit)
{
	ReadyScan  *ready = begin_to_read(task_queue, now);
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

/* the first entry of the lane that is due after "now" */
static TimestampTz
next_due_in(ReadyScan *ready, const KnownLane *lane)
{
	ReadyKey	from = {instant_add(ready->now, 1), PG_INT64_MIN};
	LaneKeys	keys;
	Lane		first;
	IndexScanDesc scan;

	if (!ready_key_before(lane->from, from))
		return lane->from.dispatch_time;
	first.dispatch_time = DT_NOEND;
	scan = ready_walk(ready, lane, from, &keys, false);
	if (index_getnext_slot(scan, ForwardScanDirection, ready->slot))
		row_open_lane(ready->slot, &first);
	ExecClearTuple(ready->slot);
	index_endscan(scan);
	return first.dispatch_time;
}

/*
 * store_next_due: when the next task after "now" is due in a queue, DT_NOEND
 * when there is none.  May be too early.
 */
TimestampTz
store_next_due(const text *task_queue, TimestampTz now)
{
	ReadyScan  *ready = begin_over_all(task_queue, now);
	TimestampTz next = DT_NOEND;
	Lane	   *lane = NULL;

	while ((lane = ready_next_lane(ready, lane)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		next = Min(next, next_due_in(ready, lane->known));
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
begin_to_count(const text *task_queue, TimestampTz now, bool committed)
{
	ReadyScan  *ready = look(task_queue, now, DT_NOEND);

	ready->look.may_tell = false;
	open_with(ready, latest_snapshot(committed), AccessShareLock);
	ready->slot = table_slot_create(ready->table, NULL);
	find_lanes(ready);
	return ready;
}

/* how many of the lane's tasks are due in that time, both ends excluded */
static int64
count_lane_between(ReadyScan *ready, const KnownLane *lane, TimestampTz after,
				   TimestampTz before)
{
	ReadyKey	from = {instant_add(after, 1), PG_INT64_MIN};
	LaneKeys	keys;
	Lane		row;
	IndexScanDesc scan = ready_walk(ready, lane, from, &keys, false);
	int64		n = 0;

	while (index_getnext_slot(scan, ForwardScanDirection, ready->slot))
	{
		CHECK_FOR_INTERRUPTS();
		row_open_lane(ready->slot, &row);
		if (row.dispatch_time >= before)
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
store_count_between(const text *task_queue, int level, TimestampTz after,
					TimestampTz before, bool committed)
{
	ReadyScan  *ready = begin_to_count(task_queue, after, committed);
	Lane	   *lane = NULL;
	int64		n = 0;

	while ((lane = ready_next_lane(ready, lane)) != NULL)
		if (lane->level == level)
			n += count_lane_between(ready, lane->known, after, before);
	ready_end(ready);
	return n;
}

/*
 * store_oldest_due: when the oldest task that could be started at "now" was
 * due, for each level; DT_NOEND = there is none.  Without what the own
 * transaction has done.
 */
void
store_oldest_due(const text *task_queue, TimestampTz now, TimestampTz *oldest)
{
	ReadyScan  *ready = begin_to_count(task_queue, now, true);
	bool		took = cursor_notes_any(&ready->look.queue);
	Lane	   *lane = NULL;

	for (int i = 0; i < LEVELS; i++)
		oldest[i] = DT_NOEND;
	while ((lane = ready_next_lane(ready, lane)) != NULL)
	{
		TimestampTz *least = &oldest[valid_level(lane->level) - 1];

		if (took)
			lane->known->from = READY_KEY_FIRST;	/* it is there for others */
		if (lane_next(lane))
			*least = Min(*least, lane->dispatch_time);
		lane_end(lane);
	}
	ready_end(ready);
}

/* ------------------------------------------------------------------------
 * Checking cursors
 * ------------------------------------------------------------------------
 */

/* the lane has a task there after all */
static void
correct(const ReadyScan *ready, const KnownLane *lane, ReadyKey place)
{
	LaneName	name;
	Candidate	candidate = {.place = place};

	ItemPointerSetInvalid(&candidate.tid);
	if (cursors_name_lane(&ready->look.queue, lane->level, lane->fairness_key,
						  &name))
		cursors_announce(&name, &candidate);
}

/*
 * Walk from *from on to the lane's cursor.  False after *budget entries, dead
 * ones included, with *from where to go on.  A task that can be started is
 * told to the cursor.
 */
static bool
check_some(ReadyScan *ready, const KnownLane *lane, ReadyKey *from,
		   int *budget)
{
	LaneKeys	keys;
	Lane		probe = {.slot = ready->slot};
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
			lane_is_free(&probe))
		{
			ereport(LOG,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("taskq found a task that polls would have passed over, in queue \"%s\"",
							text_to_cstring(ready->task_queue))));
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
ready_check(const text *task_queue, CheckPlace *at, int *budget)
{
	ReadyScan  *ready = begin_over_all(task_queue, clock_now());
	bool		done = true;

	for (; done && at->lane < ready->nlanes; at->lane += done)
	{
		done = check_some(ready, &ready->lanes[at->lane], &at->from, budget);
		if (done)
			at->from = READY_KEY_FIRST;
	}
	ready_end(ready);
	return done;
}
