/*
 * lane_cursor.c
 *		Where live work begins in one lane, and what comes next there.
 *
 * How a place moves.  A transaction that puts a task into a lane, or gives one
 * back because it rolls back, announces the task's place when it ends: the
 * cursor is lowered to it if it stands behind.  A poll (1) looks at the
 * cursors, and at how much has been announced, (2) takes its snapshot, (3)
 * walks, and (4) raises the cursor to where its own walk ended, but not past
 * anything announced since (1).  So what its snapshot does not show holds the
 * cursor back, and what it shows it has seen.  Lowering is always safe, and so
 * is the greater of two ends that are both right.  To know what was announced
 * meanwhile a lane remembers the least place of each of the last RECENT_BLOCKS blocks
 * of announcements; a poll that took longer than that raises nothing.
 *
 * A poll takes what it passes for gone: what another transaction is about to
 * change is either changed, and announced where it comes up again, or given
 * back, and announced by whoever rolls back.  Where that cannot be told (a row
 * is locked, not changed) the walk counts as ended there; see
 * lane.c.
 *
 * What comes next.  A poll that has walked reads a few entries on, and leaves
 * them for those to come: candidates, each with the tuple id of its row.  From
 * "from" to "beyond" they are all there is, so whoever takes one need not walk,
 * and no two polls try the same row.  An announcement before "beyond" becomes a
 * candidate if it says where the row is; otherwise, or when there is no room,
 * "beyond" comes down.  Who takes a candidate answers for it like for one that
 * he has walked to.  Whoever may not start all that he takes only peeks: for him
 * they are the beginning of a walk, without what was announced since he looked,
 * which his snapshot may not show.  Candidates are raw: dead, taken or moved
 * rows may be among them, and the row decides.
 *
 * Nothing here can fail, or takes long.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/timestamp.h"

#include "shared/lane_cursor.h"

/* lane_cursor_init: a new one; nothing is known from "from" on. */
void
lane_cursor_init(LaneCursor *lane, ReadyKey from)
{
	SpinLockInit(&lane->mutex);
	lane->from = from;
	lane->beyond = from;
	lane->ncandidates = 0;
	lane->announced = 0;
}

/* lane_cursor_read: where it stands, and how much has been announced. */
void
lane_cursor_read(LaneCursor *lane, ReadyKey *from, uint64 *announced)
{
	SpinLockAcquire(&lane->mutex);
	*from = lane->from;
	*announced = lane->announced;
	SpinLockRelease(&lane->mutex);
}

/* nothing is known from "place" on */
static void
know_less(LaneCursor *lane, ReadyKey place)
{
	while (lane->ncandidates > 0 &&
		   !ready_key_before(lane->candidates[lane->ncandidates - 1].place,
							 place))
		lane->ncandidates--;
	lane->beyond = ready_key_least(lane->beyond, place);
	lane->from = ready_key_least(lane->from, place);
}

/*
 * One more candidate, before lane->beyond.  A place may have several rows:
 * versions with index entries of their own, of which one may live.
 */
static void
add_candidate(LaneCursor *lane, const Candidate *candidate)
{
	int			i = lane->ncandidates;

	while (i > 0 && ready_key_before(candidate->place,
									 lane->candidates[i - 1].place))
		i--;
	for (int j = i - 1; j >= 0 && !ready_key_before(lane->candidates[j].place,
													candidate->place); j--)
		if (ItemPointerEquals(&lane->candidates[j].tid,
							  unconstify(ItemPointerData *, &candidate->tid)))
			return;				/* announced again */
	if (i == MAX_CANDIDATES)
	{
		know_less(lane, candidate->place);
		return;
	}
	if (lane->ncandidates == MAX_CANDIDATES)
		know_less(lane, lane->candidates[MAX_CANDIDATES - 1].place);
	memmove(&lane->candidates[i + 1], &lane->candidates[i],
			(lane->ncandidates - i) * sizeof(Candidate));
	lane->candidates[i] = *candidate;
	lane->ncandidates++;
	lane->from = ready_key_least(lane->from, candidate->place);
}

/* the first n candidates are gone */
static void
drop_candidates(LaneCursor *lane, int n)
{
	lane->ncandidates -= n;
	memmove(&lane->candidates[0], &lane->candidates[n],
			lane->ncandidates * sizeof(Candidate));
}

/* nothing can be started before "end" */
static void
raise_cursor(LaneCursor *lane, ReadyKey end)
{
	int			n = 0;

	if (!ready_key_before(lane->from, end))
		return;
	lane->from = end;
	if (ready_key_before(lane->beyond, end))
		lane->beyond = end;
	while (n < lane->ncandidates &&
		   ready_key_before(lane->candidates[n].place, end))
		n++;
	drop_candidates(lane, n);
}

/* lane_cursor_hear: a task can be started there.  Cannot fail. */
void
lane_cursor_hear(LaneCursor *lane, const Candidate *candidate)
{
	ReadyKey   *block;

	SpinLockAcquire(&lane->mutex);
	if (ready_key_before(candidate->place, lane->beyond))
	{
		if (ItemPointerIsValid(&candidate->tid))
			add_candidate(lane, candidate);
		else
			know_less(lane, candidate->place);
	}
	block = &lane->recent[lane->announced / BLOCK_SIZE % RECENT_BLOCKS];
	*block = lane->announced % BLOCK_SIZE == 0 ? candidate->place :
		ready_key_least(*block, candidate->place);
	lane->announced++;
	SpinLockRelease(&lane->mutex);
}

/* the least place announced since the look; false when that is forgotten */
static bool
announced_since(const LaneCursor *lane, uint64 announced, ReadyKey *least)
{
	uint64		first = announced / BLOCK_SIZE;
	uint64		last;

	*least = READY_KEY_LAST;
	if (lane->announced == announced)
		return true;
	last = (lane->announced - 1) / BLOCK_SIZE;
	if (last - first >= RECENT_BLOCKS)
		return false;
	for (uint64 i = first; i <= last; i++)
		*least = ready_key_least(*least, lane->recent[i % RECENT_BLOCKS]);
	return true;
}

/* take over what the walk knows of what comes next, if nobody else does */
static void
adopt(LaneCursor *lane, const WalkEnd *walk, ReadyKey limit)
{
	ReadyKey	beyond = ready_key_least(walk->beyond, limit);

	Assert(!ready_key_before(lane->beyond, lane->from));
	if (!ready_key_before(lane->beyond, beyond))
		return;
	lane->ncandidates = 0;
	for (int i = 0; i < walk->ncandidates; i++)
		if (!ready_key_before(walk->candidates[i].place, lane->from) &&
			ready_key_before(walk->candidates[i].place, beyond))
			lane->candidates[lane->ncandidates++] = walk->candidates[i];
	lane->beyond = beyond;
	lane->from = lane->ncandidates > 0 ? lane->candidates[0].place : beyond;
}

/*
 * lane_cursor_take: up to n candidates that are due, in order, and all that are
 * at the place of the last one; from now on they are the caller's.  He has room
 * for MAX_CANDIDATES.
 */
int
lane_cursor_take(LaneCursor *lane, TimestampTz now, Candidate *candidates,
				 int n)
{
	int			taken = 0;

	SpinLockAcquire(&lane->mutex);
	while (taken < lane->ncandidates &&
		   lane->candidates[taken].place.dispatch_time <= now &&
		   (taken < n || !ready_key_before(candidates[taken - 1].place,
										   lane->candidates[taken].place)))
	{
		candidates[taken] = lane->candidates[taken];
		taken++;
	}
	drop_candidates(lane, taken);
	if (taken > 0)
		lane->from = lane->ncandidates > 0 ?
			lane->candidates[0].place : lane->beyond;
	SpinLockRelease(&lane->mutex);
	return taken;
}

/*
 * lane_cursor_peek: what a walk would find that began when so much had been
 * announced: up to *n candidates that are due, in order, all there is before
 * *behind, and all of a place or none.  They stay where they are.  False when
 * that cannot be told.
 */
bool
lane_cursor_peek(LaneCursor *lane, uint64 announced, TimestampTz now,
				 Candidate *candidates, int *n, ReadyKey *behind)
{
	int			seen = 0;
	bool		known;

	SpinLockAcquire(&lane->mutex);
	known = announced_since(lane, announced, behind);
	*behind = ready_key_least(*behind, lane->beyond);
	while (known && seen < lane->ncandidates &&
		   ready_key_before(lane->candidates[seen].place, *behind))
	{
		if (seen == *n || lane->candidates[seen].place.dispatch_time > now)
			*behind = lane->candidates[seen].place;
		else
		{
			candidates[seen] = lane->candidates[seen];
			seen++;
		}
	}
	SpinLockRelease(&lane->mutex);
	while (seen > 0 && !ready_key_before(candidates[seen - 1].place, *behind))
		seen--;
	*n = seen;
	return known;
}

/*
 * lane_cursor_advance: a walk that began when so much had been announced has
 * come to its end.
 */
void
lane_cursor_advance(LaneCursor *lane, uint64 announced, const WalkEnd *walk)
{
	ReadyKey	limit;

	SpinLockAcquire(&lane->mutex);
	if (announced_since(lane, announced, &limit))
	{
		raise_cursor(lane, ready_key_least(walk->end, limit));
		adopt(lane, walk, limit);
	}
	SpinLockRelease(&lane->mutex);
}

/*
 * lane_cursor_moved: the table was written anew, and rows are elsewhere.
 */
void
lane_cursor_moved(LaneCursor *lane)
{
	SpinLockAcquire(&lane->mutex);
	know_less(lane, lane->from);
	SpinLockRelease(&lane->mutex);
}

/*
 * lane_cursor_scramble: make it wrong, as broken memory would.  For tests.
 */
void
lane_cursor_scramble(LaneCursor *lane)
{
	int64		hours = (int64) pg_prng_uint64_range(&pg_global_prng_state, 0, 2);

	SpinLockAcquire(&lane->mutex);
	lane->from.dispatch_time = GetCurrentTimestamp() +
		(hours - 1) * SECS_PER_HOUR * USECS_PER_SEC;
	lane->beyond = lane->from;
	for (int i = 0; i < lane->ncandidates; i++)
		if (hours == 0)
			ItemPointerSet(&lane->candidates[i].tid,
						   pg_prng_uint32(&pg_global_prng_state) % 1000, 1 + i);
		else
			lane->candidates[i] = lane->candidates[i & ~1];
	SpinLockRelease(&lane->mutex);
}
