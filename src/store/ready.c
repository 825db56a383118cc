/*
 * ready.c
 *		The next tasks of a queue: its lanes in open_ready, and where to begin.
 *
 * The index open_ready holds all open rows in the order in which they are
 * handed out inside a lane: (queue, level, fairness key | dispatch time,
 * run_id).  A lane is one (queue, level, fairness key).  Which lanes there are
 * and where live work begins is known to shared memory (cursors.c); where it
 * is not, lanes are discovered by descending to the first key after the last
 * one found, never by walking over a lane.  lane.c walks along them.
 *
 * One snapshot serves one ReadyScan, taken after the look at the cursors; a
 * row that changed since is skipped by whoever claims it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/grow.h"
#include "notes/cursor_notes.h"
#include "shared/cursors.h"
#include "store/catalog.h"
#include "store/open_row.h"
#include "store/ready.h"
#include "store/ready_internal.h"
#include "store/row.h"
#include "task/queue_keys.h"
#include "task/task.h"

/* lanes that one look finds for the list */
#define DISCOVERED_AT_ONCE	128

/* the comparison of a row with two members, which live as long as it does */
static void
row_key(ScanKey key, ScanKey members)
{
	memset(key, 0, sizeof(ScanKeyData));
	key->sk_flags = SK_ROW_HEADER;
	key->sk_attno = members[0].sk_attno;
	key->sk_strategy = members[0].sk_strategy;
	key->sk_argument = PointerGetDatum(members);
}

/* ------------------------------------------------------------------------
 * Which lanes there are
 * ------------------------------------------------------------------------
 */

/*
 * The lane of the first entry that matches the keys, and that entry's place;
 * false without one.  "alone" = no other matches them.
 */
static bool
first_lane(ReadyScan *ready, ScanKey keys, int nkeys, KnownLane *lane,
		   OpenPlace *first, bool *alone)
{
	IndexScanDesc scan;
	ItemPointer tid;
	ItemPointerData entry;
	bool		found = false;

	if (ready->slot == NULL)
		ready->slot = table_slot_create(ready->table, NULL);
	scan = compat_index_beginscan(ready->table, ready->index, ready->snapshot,
								  nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (!found && (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		entry = *tid;			/* the row may be further on in its chain */
		found = index_fetch_heap(scan, ready->slot);
	}
	if (found)
	{
		const KnownLane *known;

		memset(lane, 0, sizeof(KnownLane));
		row_open_lane_key(ready->slot, &lane->level, &lane->fairness_key);
		row_open_place(ready->slot, first);
		lane->key = lane_key(&ready->queue.key, lane->level,
							 VARDATA_ANY(lane->fairness_key),
							 VARSIZE_ANY_EXHDR(lane->fairness_key));
		lane->from = READY_KEY_FIRST;
		lane->first = (Candidate) {.place = first->key,.tid = entry};
		known = cursors_known(&ready->look, lane->level, lane->fairness_key);
		if (known != NULL)
			*lane = *known;
		*alone = index_getnext_tid(scan, ForwardScanDirection) == NULL;
	}
	index_endscan(scan);
	ExecClearTuple(ready->slot);
	return found;
}

/* (level, fairness_key) > that one */
static void
behind_key(ScanKey key, ScanKey members, int16 level, text *fairness_key)
{
	ScanKeyEntryInitialize(&members[0], SK_ROW_MEMBER, READY_LEVEL,
						   BTGreaterStrategyNumber, InvalidOid, InvalidOid,
						   F_BTINT2CMP, Int16GetDatum(level));
	row_text_key(&members[1], READY_FAIRNESS_KEY, BTGreaterStrategyNumber,
				 F_BTTEXTCMP, fairness_key);
	members[1].sk_flags = SK_ROW_MEMBER | SK_ROW_END;
	row_key(key, members);
}

/*
 * The lane after that one (NULL = the first) in order of level and fairness key;
 * false after the last.  "last" = it is known that there is none behind.
 */
static bool
discover_next(ReadyScan *ready, int16 level, text *fairness_key,
			  KnownLane *lane, bool *last)
{
	ScanKeyData keys[2];
	ScanKeyData members[2];
	OpenPlace	first;

	CHECK_FOR_INTERRUPTS();
	row_text_key(&keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ,
				 ready->queue.name);
	if (fairness_key != NULL)
		behind_key(&keys[1], members, level, fairness_key);
	return first_lane(ready, keys, fairness_key == NULL ? 1 : 2, lane, &first,
					  last);
}

/*
 * ready_lane_behind: the first lane of the level whose fairness key is behind
 * that one (NULL = before all), or "itself" that one, with the place of its first
 * entry; false without one.
 */
bool
ready_lane_behind(ReadyScan *ready, int16 level, text *fairness_key,
				  bool itself, KnownLane *lane, OpenPlace *first)
{
	ScanKeyData keys[3];
	bool		alone;

	row_text_key(&keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ,
				 ready->queue.name);
	ScanKeyInit(&keys[1], READY_LEVEL, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(level));
	if (fairness_key != NULL)
		row_text_key(&keys[2], READY_FAIRNESS_KEY,
					 itself ? BTEqualStrategyNumber : BTGreaterStrategyNumber,
					 itself ? F_TEXTEQ : F_TEXT_GT, fairness_key);
	return first_lane(ready, keys, fairness_key == NULL ? 2 : 3, lane, first,
					  &alone);
}

/* ready_level_behind: the first lane of the level after that one. */
bool
ready_level_behind(ReadyScan *ready, int16 level, KnownLane *lane)
{
	ScanKeyData keys[2];
	OpenPlace	first;
	bool		alone;

	row_text_key(&keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ,
				 ready->queue.name);
	ScanKeyInit(&keys[1], READY_LEVEL, BTGreaterStrategyNumber, F_INT2GT,
				Int16GetDatum(level));
	return first_lane(ready, keys, 2, lane, &first, &alone);
}

/*
 * Find more lanes than polls before have, at most DISCOVERED_AT_ONCE, and let
 * the next one know.  If these are all that there are, they are ours to walk.
 */
static void
discover_more(ReadyScan *ready)
{
	const LaneSpot *from = &ready->look.discovered;
	KnownLane  *lanes = NULL;
	int			max = 0;
	int16		level = from->level;
	text	   *fairness_key = lane_spot_key(from);
	bool		last = false;
	int			n = 0;

	while (n < DISCOVERED_AT_ONCE && !last)
	{
		lanes = grow(lanes, NULL, &max, n + 1, sizeof(KnownLane),
					 CurrentMemoryContext);
		if (!discover_next(ready, level, fairness_key, &lanes[n], &last))
			break;
		level = lanes[n].level;
		fairness_key = lanes[n++].fairness_key;
	}
	cursors_learn(&ready->look, lanes, n, n < DISCOVERED_AT_ONCE);
	if (from->length != BEFORE_FIRST || n == DISCOVERED_AT_ONCE)
		return;
	ready->lanes = lanes;
	ready->nlanes = n;
}

/* ready_open_relations: the snapshot comes later. */
void
ready_open_relations(ReadyScan *ready, LOCKMODE lock)
{
	ready->table = catalog_open_table(catalog()->open, lock);
	ready->index = catalog_open_index(ready->table, OPEN_READY);
	cursors_settle(&ready->look, ready->table->rd_rel->relfilenode);
}

/*
 * ready_look_until: look at the cursors of lanes that may have a task before
 * "until".  The tasks that this transaction has made are there for itself, unless
 * its snapshot is older.
 */
ReadyScan *
ready_look_until(const QueueRef *queue, TimestampTz now, TimestampTz until)
{
	ReadyScan  *ready = palloc0(sizeof(ReadyScan));

	ready->queue = *queue;
	if (!IsolationUsesXactSnapshot())
		cursor_notes_announce(&queue->key);
	cursors_look(&queue->key, until, &ready->look);
	ready->now = until == now ? ready->look.now : now;
	ready->next_due = ready->look.next_due;
	ready->lanes = ready->look.lanes;
	ready->nlanes = ready->look.nlanes;
	return ready;
}

/* ready_find_lanes: find the lanes, if they are not known. */
void
ready_find_lanes(ReadyScan *ready)
{
	if (ready->look.complete)
		return;
	ready->nlanes = -1;
	if (ready->look.discovering)
		discover_more(ready);
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
	cursor_notes_goes(&ready->queue.key, lane->level, lane->fairness_key,
					  READY_KEY_LAST);
	offers->n = cursors_take(&ready->look, lane, ready->now,
							 offers->candidates, ready->wanted);
	if (offers->n == 0)
		return;
	cursor_notes_goes(&ready->queue.key, lane->level, lane->fairness_key,
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
ready_look(const QueueRef *queue, TimestampTz now)
{
	return ready_look_until(queue, now, now);
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
	Assert(ready->table == NULL);
	ready->wanted = wanted;
	if (ready_is_empty(ready))
		return;
	ready_open_relations(ready, wanted > 0 ? RowExclusiveLock : AccessShareLock);
	if (start_all)
		take_candidates(ready);
	ready->snapshot = fresh_snapshot();
	ready_find_lanes(ready);
}

/* ready_is_listed: are all lanes known?  Else they are found one by one. */
bool
ready_is_listed(const ReadyScan *ready)
{
	return ready->nlanes >= 0;
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
	catalog_close_index(ready->index);
	table_close(ready->table, NoLock);
}

/*
 * ready_news: has a task come that the look did not know?  It may not be due,
 * or gone.  Also after ready_end().
 */
bool
ready_news(const ReadyScan *ready)
{
	return cursors_news(&ready->look);
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
	bool		last;

	if (ready->nlanes < 0)
	{
		if (!discover_next(ready, previous ? previous->level : 0,
						   previous ? previous->fairness_key : NULL, &known,
						   &last))
			return NULL;
	}
	else if (ready->next_lane < ready->nlanes)
		known = ready->lanes[ready->next_lane++];
	else
		return NULL;

	lane = ready_make_lane(ready, &known);
	lane->offers = ready->offers;
	ready->offers = NULL;
	return lane;
}

/* ready_make_lane: one that was found; it has no candidate yet. */
Lane *
ready_make_lane(ReadyScan *ready, const KnownLane *known)
{
	Lane	   *lane = palloc0(sizeof(Lane));

	lane->ready = ready;
	lane->level = known->level;
	lane->fairness_key = known->fairness_key;
	lane->known = *known;
	lane->place = known->from;
	lane->end = READY_KEY_LAST;
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
	row_key(key, members);
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

	Assert(ready->snapshot != NULL);
	row_text_key(&keys->keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber,
				 F_TEXTEQ, ready->queue.name);
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

	Assert(scan->xs_itupdesc->natts == READY_COLUMNS);
	index_deform_tuple(scan->xs_itup, scan->xs_itupdesc, values, nulls);
	if (nulls[READY_DISPATCH_TIME - 1])
		return READY_KEY_LAST;
	return (ReadyKey) {
		DatumGetTimestampTz(values[READY_DISPATCH_TIME - 1]),
		DatumGetInt64(values[READY_RUN_ID - 1])
	};
}
