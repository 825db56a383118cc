/*
 * retention.c
 *		Rotation of the leaves that keep closed activities and runs, and expiry.
 *
 * Closed activities are appended to one of eight tables, the current leaf, closed
 * runs to that of the same number: a leaf is both.
 * Their rows say when they expire, and readers do not see what has; so all
 * that is left to do here is to give the space back, without haste.  After a
 * fifth of taskq.retention the next leaf that is empty becomes the current one;
 * where none is, the current one goes on.  A leaf that is not current and of
 * which every row has expired is emptied by TRUNCATE.  An idle system ends up
 * with all leaves empty, since the current one is rotated away as well when it
 * holds anything.  Rows that are to be kept longer than taskq.retention are in
 * closed_long and closed_run_long, which are emptied by DELETE in batches.
 *
 * With fifths six leaves are in use, or seven for a moment.  The others are
 * there for when taskq.retention is lowered: rows that expire sooner must not
 * wait among those that do not.  They have two leaves for themselves then, in
 * turns, and the others are passed over until their rows have expired.  So that
 * it does not take a leaf each time, when taskq.retention is raised again the
 * next leaf is one whose rows are kept as long already.  Until there is a next
 * one, and while a backend has not heard of a change, the worker's opinion
 * counts: what is kept longer than "limit" goes to closed_long.
 *
 * The truth about the current leaf is in taskq.instance; writers use the hint
 * of leaf_hints.c.  A writer may still use the old leaf just after a
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
#include "shared/leaf_hints.h"
#include "store/catalog_shape.h"
#include "store/leaves.h"
#include "worker/chore.h"
#include "worker/retention.h"

#define CHORE			"retention"

/* a leaf is filled for one part of this many of taskq.retention */
#define SHARES			5

StaticAssertDecl(SHARES + 3 <= CLOSED_LEAVES,
				 "two leaves are free, besides the current one");

/* rounds are as far apart, within these bounds */
#define MIN_ROUND		USECS_PER_SEC
#define MAX_ROUND		(60 * USECS_PER_SEC)

/* blocks of a leaf that are read in one go: 32 MB */
#define PIECE_BLOCKS	4096

/* rows of a table for long that are deleted in one transaction */
#define LONG_BATCH		1000

/* What this worker knows of a table, as long as it is in the same file. */
typedef struct Part
{
	Oid			file;
	BlockNumber blocks_read;	/* from the beginning */
	TimestampTz latest;			/* greatest expire_time seen */
} Part;

/* What it knows of a leaf. */
typedef struct Leaf
{
	Part		parts[LEAF_PARTS];
	bool		empty;			/* as of this round */
	bool		writable;		/* likewise: nobody keeps writers out */
	TimestampTz look_at;		/* no use in looking before */
} Leaf;

static Leaf leaves[CLOSED_LEAVES + 1];	/* that for long comes last */

static int	current = -1;		/* leaf being filled; as of this round */
static TimestampTz filled_since;	/* the first row came after that */
static int	limit = -1;			/* seconds that its rows are kept at most */
static int	awaited = -1;		/* blocked, since no leaf is free */

static TimestampTz next_round = DT_NOBEGIN;

/*
 * share_of: for how long a leaf is filled, with rows that are kept for so many
 * seconds.
 */
static TimestampTz
share_of(int retention)
{
	return Max(retention * USECS_PER_SEC / SHARES, MIN_ROUND);
}

/*
 * round_length: time between two rounds, and before something is tried again.
 */
static TimestampTz
round_length(void)
{
	return Min(share_of(limit), MAX_ROUND);
}

/*
 * forget_leaf: the leaf was emptied, or is filled from now on.
 */
static void
forget_leaf(Leaf *leaf)
{
	for (LeafPart part = 0; part < LEAF_PARTS; part++)
	{
		leaf->parts[part].blocks_read = 0;
		leaf->parts[part].latest = DT_NOBEGIN;
	}
	leaf->look_at = DT_NOBEGIN;
}

/*
 * latest_of: when the last row that was seen of a leaf expires.
 */
static TimestampTz
latest_of(const Leaf *leaf)
{
	StaticAssertStmt(LEAF_PARTS == 2, "all are looked at");
	return Max(leaf->parts[LEAF_ACTIVITIES].latest, leaf->parts[LEAF_RUNS].latest);
}

/*
 * measure: size of a table, which the caller has locked.  Of one that was
 * written anew nothing is known: rows have moved.
 */
static BlockNumber
measure(int number, LeafPart part)
{
	Leaf	   *leaf = &leaves[number];
	Oid			file;
	BlockNumber blocks = leaf_blocks(number, part, &file);

	if (leaf->parts[part].file != file)
	{
		forget_leaf(leaf);
		leaf->parts[part].file = file;
	}
	return blocks;
}

/*
 * is_empty: are all tables of a leaf, which the caller has locked?
 */
static bool
is_empty(int number)
{
	bool		empty = true;

	for (LeafPart part = 0; part < LEAF_PARTS; part++)
		empty = measure(number, part) == 0 && empty;
	return empty;
}

static void
note_blocked(int number, bool blocked)
{
	leaf_hints_block(LEAVES_CLOSED, number, blocked);
}

/*
 * read_part: read another piece of a table of a leaf, if that is of use.  True
 * when all of it was read and has expired.
 */
static bool
read_part(int number, LeafPart which, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	Part	   *part = &leaf->parts[which];
	BlockNumber blocks = measure(number, which);
	TimestampTz latest;

	if (blocks < part->blocks_read)
		forget_leaf(leaf);
	if (part->blocks_read == 0 && part->latest == DT_NOBEGIN && blocks > 0)
		part->latest = leaf_latest_expiry(number, which, blocks - 1, blocks);

	if (part->latest <= now && part->blocks_read < blocks)
	{
		BlockNumber end = Min(blocks, part->blocks_read + PIECE_BLOCKS);

		latest = leaf_latest_expiry(number, which, part->blocks_read, end);
		part->latest = Max(part->latest, latest);
		part->blocks_read = end;
	}

	if (part->latest > now)
		leaf->look_at = part->latest;
	else if (part->blocks_read == blocks)
		return true;
	else
		next_round = leaf->look_at = now;	/* go on after the other chores */
	return false;
}

/*
 * read_on: likewise of a leaf, one table after the other.
 */
static bool
read_on(int number, TimestampTz now)
{
	for (LeafPart part = 0; part < LEAF_PARTS; part++)
		if (!read_part(number, part, now))
			return false;
	return true;
}

/*
 * is_unchanged: is a table as read_part() found it?  Writers are kept out.
 */
static bool
is_unchanged(int number, LeafPart which, TimestampTz now)
{
	Part	   *part = &leaves[number].parts[which];
	BlockNumber blocks = part->blocks_read;
	BlockNumber tail = blocks > PIECE_BLOCKS ? blocks - PIECE_BLOCKS : 0;

	if (measure(number, which) == blocks &&
		leaf_latest_expiry(number, which, tail, blocks) <= now)
		return true;
	part->blocks_read = tail;
	return false;
}

/*
 * truncate_leaf: empty a leaf that read_on() found expired, unless somebody
 * uses it or it has changed.  True if it will be empty after the commit.
 */
static bool
truncate_leaf(int number, TimestampTz now)
{
	if (!leaf_lock(number, ShareRowExclusiveLock))
	{
		note_blocked(number, true);
		return false;
	}
	for (LeafPart part = 0; part < LEAF_PARTS; part++)
		if (!is_unchanged(number, part, now))
			return false;
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
 * tell_current: tell writers which leaf to fill, and with what.
 */
static void
tell_current(void)
{
	leaf_hints_tell(LEAVES_CLOSED, current);
	leaf_hints_tell_limit(limit);
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
	number = leaf_read_current(LEAVES_CLOSED, &since);
	for (int i = 0; number >= 0 && i < CLOSED_LEAVES; i++)
	{
		leaves[i].empty = leaf_lock(i, AccessShareLock) && is_empty(i);
		leaves[i].writable = leaf_lock(i, RowExclusiveLock);
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
	}
	if (leaves[current].empty || filled_since > now)
		filled_since = now;
	forget_leaf(&leaves[current]);
	tell_current();
	return true;
}

/*
 * rotate: have another leaf filled.
 */
static void
rotate(int next, TimestampTz now)
{
	bool		done;

	chore_begin(CHORE);
	done = leaf_change_current(LEAVES_CLOSED, current, next, now);
	chore_commit();
	if (!done)
		return;

	current = next;
	filled_since = now;
	limit = taskq_retention;
	tell_current();
	next_round = now;			/* what was current may have expired */
}

/*
 * choose: the leaf to fill next, -1 when there is none.  One that is free; or,
 * since taskq.retention was raised, one whose rows are kept as long as new ones
 * will be, within what is usual.
 */
static int
choose(TimestampTz now)
{
	TimestampTz latest = now + taskq_retention * USECS_PER_SEC;
	TimestampTz alike = latest - share_of(taskq_retention);
	int			free = -1;

	for (int i = CLOSED_LEAVES - 1; i > 0; i--)
	{
		int			number = (current + i) % CLOSED_LEAVES;
		const Leaf *leaf = &leaves[number];

		if (!leaf->writable)
			continue;
		if (limit < taskq_retention && !leaf->empty &&
			latest_of(leaf) >= alike && latest_of(leaf) <= latest)
			return number;
		if (leaf->empty)
			free = number;
	}
	return free;
}

/*
 * await_leaf: the current leaf goes on, since no other is free: say for
 * taskq.health that this is long, or (-1) that it is over.
 */
static void
await_leaf(int number)
{
	if (awaited >= 0 && awaited != number)
		note_blocked(awaited, false);
	awaited = number;
	if (awaited >= 0)
		note_blocked(awaited, true);
}

/*
 * move_on: fill another leaf if it is time, or else this one with what is kept
 * as long as is said now.
 */
static void
move_on(TimestampTz now)
{
	TimestampTz filled = now - filled_since;
	bool		empty = leaves[current].empty;
	int			next;

	if (empty ? limit == taskq_retention : filled < share_of(limit))
		return;
	next = choose(now);
	if (next >= 0 && !(empty && leaves[next].empty))
	{
		await_leaf(-1);
		rotate(next, now);
		return;
	}
	if (!empty && filled >= 2 * share_of(limit))
		await_leaf((current + 1) % CLOSED_LEAVES);
	if (limit != taskq_retention)
	{
		limit = taskq_retention;
		tell_current();
	}
}

/*
 * delete_long: delete rows of the tables for long that have expired, one batch of
 * each.
 */
static void
delete_long(int number, TimestampTz now)
{
	chore_begin(CHORE);
	if (leaf_lock(number, RowExclusiveLock))
		for (LeafPart part = 0; part < LEAF_PARTS; part++)
			if (measure(number, part) > 0 &&
				leaf_delete_expired(part, now, LONG_BATCH) >= LONG_BATCH)
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

/*
 * retention_run: the chore.
 */
TimestampTz
retention_run(void)
{
	TimestampTz now = clock_now();

	if (limit < 0 || limit > taskq_retention)
		limit = taskq_retention;
	if (!is_due(now))
		return next_round;
	next_round = now + round_length();

	if (!survey(now))
		return next_round;

	(void) chore_step(delete_long, CLOSED_LONG, now);
	for (int i = 0; i < CLOSED_LEAVES; i++)
		if (i != current && !leaves[i].empty && leaves[i].look_at <= now &&
			!chore_step(tend_leaf, i, now))
			note_blocked(i, true);
	move_on(now);
	return next_round;
}
