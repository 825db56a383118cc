/*
 * lane.c
 *		The tasks of one lane, in the order in which they are handed out.
 *
 * First come the candidates that shared memory knew: taken, if the lane is the
 * only one of its level, and ours alone then; otherwise only peeked at; or the
 * one by which the lane was found in the index.  Then a walk along open_ready
 * from there, or from the lane's cursor, to the first entry that is not due yet.
 * Paused rows have no dispatch time and come last.
 *
 * The caller says of each task whether he has passed it: he has claimed it, or
 * others are at it.  Whoever changes a row announces it when it comes up again,
 * so what is passed is gone; what is left holds the cursor back, and if it was
 * taken it is announced again.  When the lane is ended the cursor learns
 * how far the walk has come (lane_cursor.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "base/compat.h"
#include "notes/cursor_notes.h"
#include "store/lane.h"
#include "store/open.h"
#include "store/open_row.h"
#include "store/ready.h"
#include "store/ready_internal.h"
#include "store/row.h"
#include "task/store_result.h"

/* of one lane, for those who only want to know whether there are tasks */
#define CANDIDATES_TO_LOOK_AT	2

/* does the walk go on for the polls to come?  Not if it takes much itself. */
static bool
collects(const ReadyScan *ready)
{
	return ready->look.complete && ready->wanted > 0 &&
		ready->wanted <= MAX_CANDIDATES / 4;
}

/* the candidate is left where it is, so the lane's cursor stays before it */
static void
leave_candidate(Lane *lane)
{
	Offers	   *offers = lane->offers;

	if (lane->has_candidate && lane->scan == NULL && offers->ours)
		offers->candidates[offers->kept++] = offers->candidates[offers->next - 1];
	else if (lane->has_candidate)
		lane->end = ready_key_least(lane->end, lane->place);
	lane->has_candidate = false;
}

/* the lane is at the row in its slot */
static void
look_at_row(Lane *lane)
{
	OpenPlace	row;

	row_open_place(lane->slot, &row);
	lane->place = row.key;
	lane->fairness_weight = row.fairness_weight;
}

/* the row where the candidate was, if it is still that */
static bool
fetch_candidate(Lane *lane, const Candidate *candidate)
{
	ReadyScan  *ready = lane->ready;
	Offers	   *offers = lane->offers;
	ItemPointerData tid = candidate->tid;
	bool		call_again = false;

	/* vacuum cannot cut the table off while we have it open */
	if (ItemPointerGetBlockNumber(&tid) >= RelationGetNumberOfBlocks(ready->table))
		return false;
	if (offers->fetch == NULL)
		offers->fetch = table_index_fetch_begin(ready->table);
	if (!table_index_fetch_tuple(offers->fetch, &tid, ready->snapshot,
								 lane->slot, &call_again, NULL))
		return false;
	look_at_row(lane);
	return lane->place.run_id == candidate->place.run_id &&
		lane->place.dispatch_time == candidate->place.dispatch_time &&
		row_open_in_lane(lane->slot, ready->queue.name, lane->level,
						 lane->fairness_key);
}

/*
 * Is it known that the candidate's row is not to be had?  Our snapshot does not
 * show what our own transaction has done since.  Who only looks takes others'
 * changes as they come.
 */
static bool
is_gone(const Lane *lane)
{
	RowHolder	holder = row_holder(lane->slot);

	return holder == ROW_CHANGED_BY_US ||
		(holder == ROW_CHANGED && lane->ready->wanted > 0);
}

/* the lane was found in the index by a task that is due: begin there */
static void
offer_first(Lane *lane)
{
	Candidate	first = lane->known.first;
	Offers	   *offers = palloc0(sizeof(Offers));

	offers->n = 1;
	offers->candidates[0] = first;
	offers->behind = first.place;
	offers->behind.run_id++;
	lane->offers = offers;
}

/* see what is known of the lane, unless it was taken */
static void
peek(Lane *lane)
{
	const ReadyScan *ready = lane->ready;
	const Candidate *first = &lane->known.first;
	Offers	   *offers;

	if (lane->offers != NULL || !ready->look.may_tell)
		return;
	if (ItemPointerIsValid(&first->tid) && first->place.dispatch_time <= ready->now)
	{
		offer_first(lane);
		return;
	}
	if (!ready->look.complete)
		return;
	offers = palloc0(sizeof(Offers));
	offers->n = ready->wanted == 0 ? CANDIDATES_TO_LOOK_AT :
		Min(ready->wanted, MAX_CANDIDATES);
	if (cursors_peek(&ready->look, &lane->known, ready->now,
					 offers->candidates, &offers->n, &offers->behind))
		lane->offers = offers;
}

/*
 * The next one of those offered that can be started.  What is not there any
 * more was changed by somebody who has announced it, or will.
 */
static bool
next_offered(Lane *lane)
{
	Offers	   *offers = lane->offers;

	while (offers != NULL && offers->next < offers->n)
	{
		CHECK_FOR_INTERRUPTS();
		if (!fetch_candidate(lane, &offers->candidates[offers->next++]) ||
			!row_open_waits(lane->slot) || is_gone(lane))
			continue;
		lane->has_candidate = true;
		if (row_open_is_ready(lane->slot, lane->ready->now))
			return true;
		leave_candidate(lane);	/* its timeout is about to be fired */
	}
	return false;
}

/* announce again what was taken and not passed */
static void
announce_left(const Offers *offers, Oid file)
{
	for (int i = 0; i < offers->kept; i++)
		cursors_announce(&offers->lane, &offers->candidates[i], file);
	for (int i = offers->next; i < offers->n; i++)
		cursors_announce(&offers->lane, &offers->candidates[i], file);
}

/*
 * May a poll come to a lane twice?  With its snapshot it does not see what it has
 * started there itself.
 */
static bool
may_come_again(const ReadyScan *ready)
{
	return ready->wanted > 0 && !ready_is_listed(ready);
}

/* the next one in the index that can be started */
static bool
next_walked(Lane *lane)
{
	ReadyScan  *ready = lane->ready;

	while (!lane->exhausted &&
		   index_getnext_slot(lane->scan, ForwardScanDirection, lane->slot))
	{
		CHECK_FOR_INTERRUPTS();
		look_at_row(lane);
		if (lane->place.dispatch_time > ready->now)
		{
			lane->end = ready_key_least(lane->end, lane->place);
			ready->next_due = Min(ready->next_due, lane->place.dispatch_time);
			lane->exhausted = true;
			return false;
		}
		lane->has_candidate = row_open_waits(lane->slot) &&
			(!may_come_again(ready) ||
			 row_holder(lane->slot) != ROW_CHANGED_BY_US);
		if (!lane->has_candidate)
			continue;
		if (row_open_is_ready(lane->slot, ready->now))
			return true;
		leave_candidate(lane);	/* its timeout is about to be fired */
	}
	lane->exhausted = true;
	return false;
}

/* a walk begins behind what was offered */
static ReadyKey
walk_start(const Lane *lane)
{
	return lane->offers == NULL ? lane->known.from : lane->offers->behind;
}

static void
begin_walk(Lane *lane)
{
	lane->keys = palloc(sizeof(LaneKeys));
	lane->scan = ready_walk(lane->ready, &lane->known,
							walk_start(lane), lane->keys, collects(lane->ready));
}

/*
 * lane_next: move to the lane's next task that can be started; false when
 * there is none.  The candidate before counts as left unless it was claimed.
 */
bool
lane_next(Lane *lane)
{
	leave_candidate(lane);
	if (lane->slot == NULL)
	{
		lane->slot = table_slot_create(lane->ready->table, NULL);
		peek(lane);
	}
	if (lane->scan == NULL)
	{
		if (next_offered(lane))
			return true;
		begin_walk(lane);
	}
	return next_walked(lane);
}

/* lane_task: the lane's candidate, copied. */
void
lane_task(Lane *lane, TaskRoom *room)
{
	HeapTuple	tuple = ExecCopySlotHeapTuple(lane->slot);

	Assert(lane->has_candidate);
	tuple->t_self = lane->slot->tts_tid;
	(void) row_open_task(tuple, lane->slot->tts_tupleDescriptor, NULL,
						 &room->task);
}

/*
 * lane_claim: write the task, which is the lane's candidate, started.  It
 * counts as passed unless others merely lock it: whoever changes it announces
 * it when it comes up again, a lock says nothing.
 */
StoreResult
lane_claim(Lane *lane, Task *task)
{
	StoreResult result;

	Assert(lane->has_candidate && task->run_id == lane->place.run_id);
	result = store_claim(task);

	/* by ourselves, or in a way that an update gets along with? */
	if (result == STORE_BUSY && row_holder(lane->slot) < ROW_CHANGED)
	{
		result = store_update(task, false);
		if (result == STORE_BUSY)
			return result;
	}
	lane->has_candidate = false;
	return result;
}

/* lane_is_free: does nobody keep others from writing the lane's candidate? */
bool
lane_is_free(const Lane *lane)
{
	Assert(lane->has_candidate);
	return row_holder(lane->slot) <= ROW_SHARED;
}

/*
 * What comes next in the lane: candidates for the polls to come.  A place may
 * have several entries; all of them are collected, or none.
 */
static void
collect(Lane *lane, WalkEnd *walk)
{
	ItemPointer tid;

	while ((tid = index_getnext_tid(lane->scan, ForwardScanDirection)) != NULL)
	{
		walk->beyond = ready_place(lane->scan);
		if (walk->beyond.dispatch_time > lane->ready->now ||
			walk->ncandidates == MAX_CANDIDATES)
			break;
		walk->candidates[walk->ncandidates++] =
			(Candidate) {.place = walk->beyond,.tid = *tid};
	}
	if (tid == NULL)
		walk->beyond = READY_KEY_LAST;
	while (walk->ncandidates > 0 &&
		   !ready_key_before(walk->candidates[walk->ncandidates - 1].place,
							 walk->beyond))
		walk->ncandidates--;
}

/* tell the lane's cursor how far we have come */
static void
end_walk(Lane *lane)
{
	Candidate	candidates[MAX_CANDIDATES];
	WalkEnd		walk = {.end = lane->end, .candidates = candidates};

	if (!lane->exhausted)
	{
		/* behind what was passed last */
		ReadyKey	place = {lane->place.dispatch_time, lane->place.run_id + 1};

		walk.end = ready_key_least(lane->end, place);
	}
	if (lane->scan != NULL)
		cursor_notes_passed(&lane->ready->queue.key, lane->level,
							lane->fairness_key, walk_start(lane), walk.end);
	walk.beyond = walk.end;
	if (lane->scan != NULL && collects(lane->ready) && !lane->exhausted &&
		lane->end.dispatch_time == DT_NOEND)
		collect(lane, &walk);
	cursors_advance(&lane->ready->look, &lane->known, &walk);
}

/* lane_end: release what the lane holds, and move its cursor. */
void
lane_end(Lane *lane)
{
	Offers	   *offers = lane->offers;

	leave_candidate(lane);
	if (lane->scan != NULL || (offers != NULL && !offers->ours))
		end_walk(lane);
	if (lane->scan != NULL)
		index_endscan(lane->scan);
	lane->scan = NULL;
	if (offers != NULL && offers->ours)
		announce_left(offers, lane->ready->look.file);
	if (offers != NULL && offers->fetch != NULL)
		table_index_fetch_end(offers->fetch);
	lane->offers = NULL;
	if (lane->slot != NULL)
		ExecDropSingleTupleTableSlot(lane->slot);
	lane->slot = NULL;
}
