/*
 * history_retention.c
 *		Rotation of the leaves that keep histories of runs, and their retirement.
 *
 * Steps of runs append to the current one of eight tables.  After a fifth of
 * taskq.retention the next one that is empty becomes current.  When a leaf has not
 * been filled for so long that what closed meanwhile has expired, it is retired:
 * what is still needed, of runs that are open or closed and not expired, is moved
 * to history_long, and the rest goes by TRUNCATE.  So each append is moved once at
 * most, those of short runs never.  What has expired in history_long is deleted.  An
 * idle system ends up with all leaves empty.
 *
 * A leaf is retired in these steps, each in transactions of its own.
 *
 * 1. It is sealed: nobody has a lock for writing, and nobody who gets one will use it
 *	  (see history.c).  From now on it only shrinks.
 * 2. It is gone through, run by run.  What its runs need is moved, some in each
 *	  transaction.
 * 3. It is emptied, when no transaction has a snapshot from before that, since a dump
 *	  has its snapshot before its locks; but a transaction that is simply left open
 *	  has to be waited for no longer than OLD_SNAPSHOTS.
 *
 * What says that a run has expired, its last append, must not go before the others
 * do: so others are looked for when a run has expired that does not begin in the
 * leaf where it ends.  And what is moved of a run that is closed says so itself.
 *
 * All that is remembered here can be found out again: a new worker begins with the
 * first step, and finds what was moved moved.  No lock is waited for, nor a row.
 */
#include "postgres.h"

#include "access/transam.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "base/settings.h"
#include "engine/run_retire.h"
#include "shared/leaf_hints.h"
#include "store/catalog_shape.h"
#include "store/history_leaves.h"
#include "store/leaves.h"
#include "worker/chore.h"
#include "worker/history_retention.h"

#define CHORE			"histories"

/* a leaf is filled for one part of this many of taskq.retention */
#define SHARES			5

/* rounds are as far apart, within these bounds */
#define MIN_ROUND		USECS_PER_SEC
#define MAX_ROUND		(60 * USECS_PER_SEC)

/* history_long is gone through that often at least; and for a part of the time */
#define MAX_SWEEP		(600 * USECS_PER_SEC)
#define SWEEP_PAUSE		20

/* runs, and bytes, in one transaction */
#define RUNS			500
#define BYTES			(1024 * 1024)

/* who is in the way is waited for that long, and then longer */
#define FIRST_WAIT		(20 * INT64CONST(1000))

/* so long an old snapshot puts off what could be done */
#define OLD_SNAPSHOTS	(600 * USECS_PER_SEC)

/* before all runs */
#define FROM_THE_LAST	PG_INT64_MAX

/* What this worker knows of a leaf. */
typedef struct Leaf
{
	bool		empty;			/* as of this round */
	bool		writable;		/* likewise: nobody keeps writers out */
	bool		filled_known;
	TimestampTz filled;			/* nothing came after that */
	bool		sealed;
	bool		seen;			/* all of its runs were */
	int64		before;			/* otherwise those from this one on */
	TransactionId since;		/* the next transaction, when it was seen */
	TimestampTz seen_at;
	TimestampTz look_at;		/* no use in looking before */
	TimestampTz wait;			/* for who is in the way */
} Leaf;

static Leaf leaves[HISTORY_LEAVES + 1]; /* that for long comes last */

static int	current = -1;		/* leaf being filled; as of this round */
static TimestampTz filled_since;	/* the first append came after that */
static int	early = -1;			/* to be retired before its time; no other is free */

static TimestampTz next_round = DT_NOBEGIN;

static TimestampTz sweep_at = DT_NOBEGIN;	/* DT_NOBEGIN = it is not known */
static TimestampTz sweep_began;

/* for how long a leaf is filled */
static TimestampTz
share(void)
{
	return Max(taskq_retention * USECS_PER_SEC / SHARES, MIN_ROUND);
}

static TimestampTz
round_length(void)
{
	return Min(share(), MAX_ROUND);
}

/* the leaf was emptied, or is filled from now on */
static void
forget_leaf(Leaf *leaf)
{
	leaf->filled_known = leaf->sealed = leaf->seen = false;
	leaf->before = FROM_THE_LAST;
	leaf->look_at = DT_NOBEGIN;
	leaf->wait = FIRST_WAIT;
}

/* go on with a leaf after the other chores */
static void
go_on(Leaf *leaf, TimestampTz now)
{
	next_round = leaf->look_at = now;
	leaf->wait = FIRST_WAIT;
}

/* somebody is in the way: try again later */
static void
wait_for_others(Leaf *leaf, TimestampTz now)
{
	leaf->look_at = now + Min(leaf->wait, round_length());
	leaf->wait = Min(leaf->wait * 2, MAX_ROUND);
	next_round = Min(next_round, leaf->look_at);
}

/*
 * Read which leaf is current, and which leaves are empty; one that is locked counts
 * as not empty.  False when it is not known which is current.
 */
static bool
survey(TimestampTz now)
{
	TimestampTz since = now;
	int			number;

	chore_begin(CHORE);
	number = leaf_read_current(LEAVES_HISTORIES, &since);
	for (int i = 0; number >= 0 && i <= HISTORY_LONG; i++)
	{
		leaves[i].empty = history_leaf_lock(i, AccessShareLock) &&
			history_leaf_blocks(i) == 0;
		leaves[i].writable = history_leaf_lock(i, RowExclusiveLock);
		if (leaves[i].empty)
			leaf_hints_block(LEAVES_HISTORIES, i, false);
	}
	chore_commit();

	if (number < 0 || number >= HISTORY_LEAVES)
		return false;
	if (number != current)
	{
		current = number;
		filled_since = since;
	}
	if (leaves[current].empty || filled_since > now)
		filled_since = now;
	forget_leaf(&leaves[current]);
	leaf_hints_tell(LEAVES_HISTORIES, current);
	return true;
}

/* ------------------------------------------------------------------------
 * Retiring a leaf
 * ------------------------------------------------------------------------
 */

/* when do those runs expire, if it is said elsewhere? */
static void
find_expiry(int number, LeafRun *runs, int n)
{
	bool		wanted[HISTORY_LONG + 1];

	for (int i = 0; i <= HISTORY_LONG; i++)
		wanted[i] = i != number && (i == current || !leaves[i].empty);
	history_find_expiry(wanted, runs, n);
}

/*
 * Delete what there is of a run that has expired and ends in this leaf, which comes
 * last; false when not all of it is done.
 */
static bool
forget_run(int number, const LeafRun *run, int64 *budget)
{
	for (int i = 0; i <= HISTORY_LONG; i++)
		if (i != number && !history_leaf_clear(i, run, false, budget))
			return false;
	return number != HISTORY_LONG || history_leaf_clear(number, run, false, budget);
}

/* see to one run of a leaf; likewise */
static bool
see_to_run(int number, const LeafRun *run, TimestampTz now, int64 *budget)
{
	if (run->expire_time <= now)
	{
		if (!run->ends_there || (run->is_whole && number != HISTORY_LONG))
			return true;		/* goes with the leaf */
		return forget_run(number, run, budget);
	}
	if (number == HISTORY_LONG)
		return true;
	if (!history_leaf_clear(number, run, true, budget))
		return false;
	if (run->expire_time == DT_NOEND)
		run_left_leaf(run->run_id, number);
	return true;
}

/*
 * See to some runs of a leaf, all of which are locked, from *before on, which moves.
 * True when that was the last one.
 */
static bool
see_to_runs(int number, TimestampTz now, int64 *before, int64 *budget)
{
	LeafRun    *runs = palloc(RUNS * sizeof(LeafRun));
	int			n = history_leaf_runs(number, *before, runs, RUNS);

	if (number != HISTORY_LONG)
		find_expiry(number, runs, n);
	for (int i = 0; i < n; i++)
	{
		if (!see_to_run(number, &runs[i], now, budget))
			return false;
		*before = runs[i].run_id;
	}
	return n < RUNS;
}

/* one piece of the way through a leaf; true at its end */
static bool
go_through(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	int64		before = leaf->before;
	int64		budget = BYTES;
	bool		end = false;

	chore_begin(CHORE);
	if (history_leaves_lock())
		end = see_to_runs(number, now, &before, &budget);
	chore_commit();
	if (!end && before == leaf->before && budget > 0)
		wait_for_others(leaf, now);
	else
		go_on(leaf, now);
	leaf->before = before;
	return end;
}

/* has nobody been in the leaf for so long that most has expired? */
static bool
is_its_turn(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];

	if (leaf->sealed || number == early)
		return true;
	if (!leaf->filled_known)
	{
		chore_begin(CHORE);
		if (history_leaf_lock(number, RowExclusiveLock))
		{
			leaf->filled = history_leaf_filled(number);
			leaf->filled_known = true;
		}
		chore_commit();
	}
	return leaf->filled_known &&
		leaf->filled <= now - taskq_retention * USECS_PER_SEC - share() / 2;
}

/* see that nobody appends to the leaf any more */
static void
seal(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	bool		sealed;

	chore_begin(CHORE);
	sealed = history_leaf_lock(number, ShareLock);
	chore_commit();
	leaf_hints_block(LEAVES_HISTORIES, number, !sealed);
	if (!sealed)
	{
		wait_for_others(leaf, now);
		return;
	}
	leaf->sealed = true;
	go_on(leaf, now);
}

/* empty a leaf whose runs have all been seen to; true if it will be after the commit */
static bool
empty_leaf(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	TimestampTz since;

	if (leaf_read_current(LEAVES_HISTORIES, &since) != current ||
		!history_leaf_lock(number, AccessShareLock))
		return false;
	if (is_ahead(leaf->seen_at + OLD_SNAPSHOTS, now, OLD_SNAPSHOTS) &&
		history_leaf_has_readers(number, leaf->since))
		return false;
	if (!history_leaf_lock(number, AccessExclusiveLock))
		return false;
	history_leaf_truncate(number);
	return true;
}

static void
finish(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	bool		emptied;

	chore_begin(CHORE);
	emptied = empty_leaf(number, now);
	chore_commit();
	leaf_hints_block(LEAVES_HISTORIES, number, !emptied);
	if (!emptied)
	{
		wait_for_others(leaf, now);
		return;
	}
	forget_leaf(leaf);
	leaf->empty = true;
	if (early == number)
		early = -1;
	ereport(DEBUG1,
			(errmsg_internal("emptied taskq.history_%d", number)));
}

/* do what can be done for a leaf that is not empty nor current */
static void
retire(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];

	leaf->look_at = now + round_length();
	if (!is_its_turn(number, now))
		return;
	if (!leaf->sealed)
		seal(number, now);
	else if (leaf->seen)
		finish(number, now);
	else if (go_through(number, now))
	{
		leaf->seen = true;
		leaf->since = ReadNextTransactionId();
		leaf->seen_at = now;
	}
}

/* ------------------------------------------------------------------------
 * What is kept for long
 * ------------------------------------------------------------------------
 */

/*
 * Go through those for long now and then.  Not at once after a start: there is
 * more to do then.
 */
static void
sweep(int number, TimestampTz now)
{
	Leaf	   *leaf = &leaves[number];
	TimestampTz pause = Min(share(), MAX_SWEEP);

	if (leaf->empty)
		return;
	if (sweep_at == DT_NOBEGIN || sweep_at > now + Max(pause, MAX_SWEEP))
		sweep_at = now + pause;
	if (sweep_at > now || leaf->look_at > now)
	{
		next_round = Min(next_round, Max(sweep_at, leaf->look_at));
		return;
	}
	if (leaf->before == FROM_THE_LAST)
		sweep_began = GetCurrentTimestamp();
	if (!go_through(number, now))
		return;
	forget_leaf(leaf);
	pause = Max(pause, (GetCurrentTimestamp() - sweep_began) * SWEEP_PAUSE);
	sweep_at = now + Min(pause, MAX_SWEEP);
}

/* ------------------------------------------------------------------------
 * Rotation
 * ------------------------------------------------------------------------
 */

/* have another leaf filled */
static void
rotate(int next, TimestampTz now)
{
	bool		done;

	chore_begin(CHORE);
	done = leaf_change_current(LEAVES_HISTORIES, current, next, now);
	chore_commit();
	if (!done)
		return;

	forget_leaf(&leaves[current]);
	leaves[current].filled = now;
	leaves[current].filled_known = true;
	current = next;
	filled_since = now;
	early = -1;
	leaf_hints_tell(LEAVES_HISTORIES, current);
}

/* the leaf to fill next, -1 when none is free */
static int
choose(void)
{
	for (int i = 1; i < HISTORY_LEAVES; i++)
	{
		int			number = (current + i) % HISTORY_LEAVES;

		if (leaves[number].empty && leaves[number].writable)
			return number;
	}
	return -1;
}

/* the leaf that was filled first */
static int
oldest(void)
{
	int			first = -1;

	for (int i = 0; i < HISTORY_LEAVES; i++)
		if (i != current && leaves[i].filled_known &&
			(first < 0 || leaves[i].filled < leaves[first].filled))
			first = i;
	return first;
}

/* fill another leaf if it is time */
static void
move_on(TimestampTz now)
{
	TimestampTz filled = now - filled_since;
	int			next;

	if (leaves[current].empty || filled < share())
		return;
	next = choose();
	if (next >= 0)
		rotate(next, now);
	else if (filled >= 2 * share() && early < 0)
		early = oldest();
}

/* ------------------------------------------------------------------------
 * The chore
 * ------------------------------------------------------------------------
 */

/* see to one table */
static void
tend(int number, TimestampTz now)
{
	if (chore_step(number == HISTORY_LONG ? sweep : retire, number, now))
		return;
	leaves[number].look_at = now + round_length();
	if (number != HISTORY_LONG)
		leaf_hints_block(LEAVES_HISTORIES, number, true);
}

/* is it time for another round?  After a change of taskq.retention, too */
static bool
is_due(TimestampTz now)
{
	static int	retention = -1;
	bool		changed = retention != taskq_retention;

	if (retention < 0)
		for (int i = 0; i <= HISTORY_LONG; i++)
			forget_leaf(&leaves[i]);
	retention = taskq_retention;
	return changed || !is_ahead(next_round, now, MAX_ROUND);
}

/*
 * history_retention_run: the chore.
 */
TimestampTz
history_retention_run(void)
{
	TimestampTz now = clock_now();

	if (!is_due(now))
		return next_round;
	next_round = now + round_length();
	if (!survey(now))
		return next_round;
	for (int i = 0; i < HISTORY_LEAVES; i++)
		if (i != current && !leaves[i].empty &&
			!is_ahead(leaves[i].look_at, now, MAX_ROUND))
			tend(i, now);
	tend(HISTORY_LONG, now);
	move_on(now);
	return next_round;
}
