/*
 * retention.c
 *		Rotation of the leaves that keep closed activities, and expiry.
 *
 * Closed activities are appended to one of eight tables, the current leaf.
 * Their rows say when they expire, and readers do not see what has; so all
 * that is left to do here is to give the space back, without haste.  After an
 * eighth of taskq.retention the next leaf becomes the current one, provided
 * that it is empty; otherwise the current one goes on.  A leaf that is not
 * current and of which every row has expired is emptied by TRUNCATE.  An idle
 * system ends up with all leaves empty, since the current one is rotated away
 * as well when it holds anything.  Rows that are to be kept longer than
 * taskq.retention are in closed_long, which is emptied by DELETE in batches.
 *
 * The truth about the current leaf is in taskq.instance; slot->leaves.current is
 * the hint that writers use.  A writer may still use the old leaf just after a
 * rotation: its row was closed before that, so it expires no later than rows
 * of that leaf do, and is found there like any other.
 *
 * Is everything expired?  A leaf may be large, and timeouts wait while the
 * worker reads it.  It is read in pieces, one per round, each piece once: what
 * matters is the greatest expire_time so far, and only after that has passed
 * does reading go on.  The last page is looked at first, and mostly tells.
 * Before the TRUNCATE, under a lock that keeps writers out, the last piece is
 * read again, and the table must not have grown.
 *
 * No lock is ever waited for (leaves.c): a TRUNCATE that waits blocks every
 * reader behind it, and the worker has timeouts to fire.  What is not free now
 * is tried again a little later.
 *
 * An error with one table is logged and holds up no other; any other error puts
 * the chore off.  What this file remembers of a leaf can be read again; a new
 * worker does.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "base/settings.h"
#include "shared/directory.h"
#include "store/catalog_shape.h"
#include "store/leaves.h"
#include "worker/chore.h"
#include "worker/retention.h"

#define CHORE			"retention"

/* rounds are an eighth of taskq.retention apart, within these bounds */
#define MIN_ROUND		USECS_PER_SEC
#define MAX_ROUND		(60 * USECS_PER_SEC)

/* blocks of a leaf that are read in one go: 32 MB */
#define PIECE_BLOCKS	4096

/* rows of closed_long that are deleted in one transaction */
#define LONG_BATCH		1000

/* What this worker knows of a leaf, as long as it is in the same file. */
typedef struct Leaf
{
	Oid			file;
	bool		empty;			/* as of this round */
	BlockNumber blocks_read;	/* from the beginning */
	TimestampTz latest;			/* greatest expire_time seen */
	TimestampTz look_at;		/* no use in looking before */
} Leaf;

static Leaf leaves[CLOSED_LEAVES + 1];	/* closed_long comes last */

static int	current = -1;		/* leaf being filled; as of this round */
static TimestampTz filled_since;	/* the first row came after that */

static TimestampTz next_round = DT_NOBEGIN;

/*
 * share: an eighth of taskq.retention, for which a leaf is filled.
 */
static TimestampTz
share(void)
{
	return Max(taskq_retention * USECS_PER_SEC / CLOSED_LEAVES, MIN_ROUND);
}

/*
 * round_length: time between two rounds, and before something is tried again.
 */
static TimestampTz
round_length(void)
{
	return Min(share(), MAX_ROUND);
}

/*
 * forget_leaf: the leaf was emptied, or is filled from now on.
 */
static void
forget_leaf(Leaf *leaf)
{
	leaf->blocks_read = 0;
	leaf->latest = DT_NOBEGIN;
	leaf->look_at = DT_NOBEGIN;
}

/*
 * measure: size of a table, which the caller has locked.  Of one that was
 * written anew nothing is known: rows have moved.
 */
static BlockNumber
measure(int number)
{
	Oid			file;
	BlockNumber blocks = leaf_blocks(number, &file);

	if (leaves[number].file != file)
	{
		forget_leaf(&leaves[number]);
		leaves[number].file = file;
	}
	return blocks;
}

/*
 * note_blocked: say for taskq.health that a leaf cannot be emptied, or that it
 * can.  One at a time is enough.
 */
static void
note_blocked(int number, bool blocked)
{
	DatabaseSlot *slot = shmem_my_slot();
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&slot->mutex);
	if (blocked && slot->leaves.blocked < 0)
	{
		slot->leaves.blocked = number;
		slot->leaves.blocked_since = now;
	}
	else if (!blocked && slot->leaves.blocked == number)
		slot->leaves.blocked = -1;
	SpinLockRelease(&slot->mutex);
}

/*
 * read_on: read another piece of a leaf, if that is of use.  True when all of
 * it was read and has expired.
 */
static bool
read_on(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	BlockNumber blocks = measure(number);
	TimestampTz latest;

	if (blocks < leaf->blocks_read)
		forget_leaf(leaf);
	if (leaf->blocks_read == 0 && leaf->latest == DT_NOBEGIN && blocks > 0)
		leaf->latest = leaf_latest_expiry(number, blocks - 1, blocks);

	if (leaf->latest <= now && leaf->blocks_read < blocks)
	{
		BlockNumber end = Min(blocks, leaf->blocks_read + PIECE_BLOCKS);

		latest = leaf_latest_expiry(number, leaf->blocks_read, end);
		leaf->latest = Max(leaf->latest, latest);
		leaf->blocks_read = end;
	}

	if (leaf->latest > now)
		leaf->look_at = leaf->latest;
	else if (leaf->blocks_read == blocks)
		return true;
	else
		next_round = leaf->look_at = now;	/* go on after the other chores */
	return false;
}

/*
 * truncate_leaf: empty a leaf that read_on() found expired, unless somebody
 * uses it or it has changed.  True if it will be empty after the commit.
 */
static bool
truncate_leaf(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	BlockNumber blocks = leaf->blocks_read;
	BlockNumber tail = blocks > PIECE_BLOCKS ? blocks - PIECE_BLOCKS : 0;

	if (!leaf_lock(number, ShareRowExclusiveLock))
	{
		note_blocked(number, true);
		return false;
	}
	if (measure(number) != blocks ||
		leaf_latest_expiry(number, tail, blocks) > now)
	{
		leaf->blocks_read = tail;
		return false;
	}
	if (!leaf_lock(number, AccessExclusiveLock))
	{
		note_blocked(number, true);
		return false;
	}

	leaf_truncate(number);
	return true;
}

/*
 * tend_leaf: do what can be done for a leaf that is not empty nor current.
 */
static void
tend_leaf(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	bool		emptied = false;

	leaf->look_at = now + round_length();
	chore_begin(CHORE);
	if (!leaf_lock(number, RowExclusiveLock))
		note_blocked(number, true);
	else if (read_on(number, now))
		emptied = truncate_leaf(number, now);
	else
		note_blocked(number, false);	/* nor is it to be emptied yet */
	chore_commit();
	if (!emptied)
		return;
	forget_leaf(leaf);
	leaf->empty = true;
	note_blocked(number, false);
	ereport(DEBUG1,
			(errmsg_internal("emptied taskq.closed_%d", number)));
}

/*
 * tell_current: tell writers which leaf to fill.
 */
static void
tell_current(int number)
{
	DatabaseSlot *slot = shmem_my_slot();

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	slot->leaves.current = number;
	SpinLockRelease(&slot->mutex);
}

/*
 * survey: read which leaf is current, and which leaves are empty; one that is
 * locked counts as not empty.  False when it is not known which is current.
 */
static bool
survey(TimestampTz now)
{
	TimestampTz since = now;
	int			number;

	chore_begin(CHORE);
	number = leaf_read_current(&since);
	for (int i = 0; number >= 0 && i < CLOSED_LEAVES; i++)
	{
		leaves[i].empty = leaf_lock(i, AccessShareLock) && measure(i) == 0;
		if (leaves[i].empty)
			note_blocked(i, false);
	}
	chore_commit();

	if (number < 0 || number >= CLOSED_LEAVES)
		return false;
	if (number != current)
	{
		current = number;
		filled_since = since;
		tell_current(current);
	}
	if (leaves[current].empty)
		filled_since = now;
	forget_leaf(&leaves[current]);
	return true;
}

/*
 * rotate: have the next leaf filled, which is empty.
 */
static void
rotate(TimestampTz now)
{
	int			next = (current + 1) % CLOSED_LEAVES;
	bool		done;

	chore_begin(CHORE);
	done = leaf_change_current(current, next, now);
	chore_commit();
	if (!done)
		return;

	current = next;
	filled_since = now;
	tell_current(current);
	next_round = now;			/* what was current may have expired */
}

/*
 * delete_long: delete rows of closed_long that have expired, one batch.
 */
static void
delete_long(TimestampTz now)
{
	chore_begin(CHORE);
	if (leaf_lock(CLOSED_LONG, RowExclusiveLock) &&
		measure(CLOSED_LONG) > 0 &&
		leaf_delete_expired(now, LONG_BATCH) >= LONG_BATCH)
		next_round = now;
	chore_commit();
}

/*
 * is_due: is it time for another round?  After a step of the clock or a change
 * of taskq.retention, too.
 */
static bool
is_due(TimestampTz now)
{
	static int	retention = -1;
	bool		changed = retention != taskq_retention;

	retention = taskq_retention;
	return changed || !is_ahead(next_round, now, MAX_ROUND);
}

/* What a round does for one table. */
typedef struct Step
{
	int			leaf;
	TimestampTz now;
} Step;

static void
leaf_step(void *arg)
{
	const Step *step = arg;

	if (step->leaf == CLOSED_LONG)
		delete_long(step->now);
	else
		tend_leaf(step->leaf, step->now);
}

/*
 * tend: see to one table.  An error is logged, and the others have their turn.
 */
static void
tend(int number, TimestampTz now)
{
	Step		step = {number, now};
	ErrorData  *error = chore_try(leaf_step, &step);

	if (error == NULL)
		return;
	chore_report(error);
	if (number != CLOSED_LONG)
		note_blocked(number, true);
}

/*
 * retention_run: the chore.
 */
TimestampTz
retention_run(void)
{
	TimestampTz now = clock_now();

	if (!is_due(now))
		return next_round;
	next_round = now + round_length();

	if (!survey(now))
		return next_round;

	tend(CLOSED_LONG, now);
	for (int i = 0; i < CLOSED_LEAVES; i++)
	{
		if (i != current && !leaves[i].empty && leaves[i].look_at <= now)
			tend(i, now);
	}
	if (!leaves[current].empty && now - filled_since >= share())
	{
		int			next = (current + 1) % CLOSED_LEAVES;

		if (leaves[next].empty)
			rotate(now);
		else if (now - filled_since >= 2 * share())
			note_blocked(next, true);
	}
	return next_round;
}
