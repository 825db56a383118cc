/*
 * timers.c
 *		Firing of timeouts.
 *
 * Deadlines are computed from an activity's row; nothing else is a timer.  To
 * know when to look at which row, the worker has a heap in its own memory, and
 * fills it from three sources:
 *
 * - open_alarm, the index of alarms in the tables: a lower bound of the next
 *	 deadline, written where the row is written anyway (schedule, retry,
 *	 pause, options).  The worker walks it with a cursor, in the order of time,
 *	 and takes into the heap what is due.
 * - attempts that were started: polls hand run_id and first deadline over when
 *	 they commit (timer_ring.c).  What still runs after taskq.arm_after gets its
 *	 alarm written once and leaves the heap.
 * - the table itself, of which a worker reads all attempts in progress when it
 *	 starts, and when somebody asks for that since hints were lost.
 *
 * When the heap says "now", the row is looked at (timer_look.c): the first of its
 * deadlines that has passed is fired; otherwise the worker goes on waiting for
 * that row.  As long as shared memory has heartbeats that put the
 * deadline off, the row need not be read.  So a hint may be early, doubled or
 * pointless, but not lost.
 *
 * The cursor over alarms is exact in (alarm, run_id).  It moves only past what
 * a committed scan has seen; a transaction that commits an alarm announces it
 * and the cursor goes back to it.  Announcements are collected before the
 * snapshot of a scan is taken, so whatever is not seen is announced later.
 *
 * Attempts in progress are read in one snapshot: in another one a row might
 * have moved to where the scan has been.  What is read makes a new heap, which
 * takes the place of the old one when the scan has committed; the walk along
 * the alarms begins anew.
 *
 * Rows are looked at in batches, each a transaction.  What was taken from the
 * heap is given up only when that has committed: on an error all of it is put
 * back, or rather looked at once more, row by row.  A run that fails alone is
 * put off (put_off.c).  Errors that do not look like a row's fault, such as a
 * full disk, put the chore off when they meet two rows one after the other.
 */
#include "postgres.h"

#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"
#include "shared/function_pool.h"
#include "shared/heartbeat_slots.h"
#include "shared/timer_ring.h"
#include "store/scan.h"
#include "worker/chore.h"
#include "worker/put_off.h"
#include "worker/timer_look.h"
#include "worker/timers.h"

#define CHORE			"timers"
#define BATCH			1000	/* rows looked at in one transaction */

/* Looks first to end - 1 of the batch. */
typedef struct Piece
{
	int			first;
	int			end;
} Piece;

/* Of the worker. */
static MemoryContext watch_context;
static pairingheap *watches;
static Look batch[BATCH];
static TimestampTz cursor;		/* alarms seen up to here ... */
static int64 cursor_run_id;		/* ... and this run */
static TimestampTz next_alarm;	/* first one not seen */

/* ------------------------------------------------------------------------
 * The heap
 * ------------------------------------------------------------------------
 */

/* the first one is the greatest: what is due first, and of that what is older */
static int
compare_watches(const pairingheap_node *a, const pairingheap_node *b,
				void *arg)
{
	const Watch *x = pairingheap_const_container(Watch, node, a);
	const Watch *y = pairingheap_const_container(Watch, node, b);

	if (x->when != y->when)
		return x->when < y->when ? 1 : -1;
	return x->run_id < y->run_id ? 1 : x->run_id > y->run_id ? -1 : 0;
}

static void
watch(int64 run_id, TimestampTz when, bool armed)
{
	Watch	   *entry = MemoryContextAlloc(watch_context, sizeof(Watch));

	entry->run_id = run_id;
	entry->when = when;
	entry->armed = armed;
	entry->nonce = 0;
	pairingheap_add(watches, &entry->node);
}

/*
 * Has a heartbeat come in since the deadline was computed, so that it has
 * moved?  Then there is no need to look at the row: whoever shortens a timeout
 * there announces an alarm.
 */
static bool
is_postponed(Watch *entry, TimestampTz now)
{
	TimestampTz last;

	if (entry->nonce == 0)
		return false;
	last = Max(heartbeat_slot_time(entry->run_id, entry->nonce),
			   function_pool_beat_time(entry->nonce));
	entry->when = Min(instant_add(last, entry->renewal),
					  entry->other);
	return last != DT_NOBEGIN && entry->when > now;
}

static TimestampTz
first_watch(void)
{
	if (pairingheap_is_empty(watches))
		return DT_NOEND;
	return pairingheap_container(Watch, node, pairingheap_first(watches))->when;
}

/* a started attempt: look at it at its deadline, or to write its alarm */
static void
watch_attempt(const TimerHint *hint, TimestampTz now)
{
	watch(hint->run_id,
		  Min(hint->deadline,
			  instant_add(now, taskq_arm_after * INT64CONST(1000))),
		  false);
}

static void
make_heap(void)
{
	MemoryContext old_context;

	watch_context = AllocSetContextCreate(TopMemoryContext, "taskq timers",
										  ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(watch_context);
	watches = pairingheap_allocate(compare_watches, NULL);
	MemoryContextSwitchTo(old_context);
}

static void
walk_from(TimestampTz alarm, int64 run_id)
{
	cursor = next_alarm = alarm;
	cursor_run_id = run_id;
}

/* ------------------------------------------------------------------------
 * What fills it
 * ------------------------------------------------------------------------
 */

/* take over what polls and commits have told */
static void
collect_hints(DatabaseSlot *slot)
{
	TimerHint	hints[TIMER_PIECE];
	TimestampTz now = clock_now();
	TimestampTz alarm;
	int			n;

	while ((n = timer_ring_read(slot, hints)) > 0)
	{
		for (int i = 0; i < n; i++)
			watch_attempt(&hints[i], now);
		timer_ring_drop(slot, n);
	}
	alarm = timer_ring_take_alarm(slot);
	if (alarm <= cursor)
		walk_from(alarm, PG_INT64_MIN);
	next_alarm = Min(next_alarm, alarm);
}

static void
watch_found(const TimerHint *hint)
{
	watch(hint->run_id, hint->deadline, true);
}

/* its row may be gone, and nothing else would tell */
static void
watch_put_off(int64 run_id)
{
	watch(run_id, DT_NOBEGIN, true);
}

/* make a new heap of all attempts in progress, and of what was put off */
static void
read_attempts(void)
{
	MemoryContext old_context = watch_context;
	pairingheap *old_watches = watches;

	make_heap();
	PG_TRY();
	{
		chore_begin(CHORE);
		store_scan_in_progress(watch_found);
		chore_commit();
	}
	PG_CATCH();
	{
		MemoryContextDelete(watch_context);
		watch_context = old_context;
		watches = old_watches;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextDelete(old_context);
	walk_from(DT_NOBEGIN, PG_INT64_MIN);
	put_off_try_again();
	put_off_each(PUT_OFF_TIMEOUT, watch_put_off);
}

/* up to a batch of alarms that are due */
static void
read_alarms(TimestampTz now)
{
	static TimerHint hints[BATCH];
	TimestampTz next;
	int			n;

	chore_begin(CHORE);
	n = store_alarms(cursor, cursor_run_id, now, hints, BATCH, &next);
	chore_commit();
	for (int i = 0; i < n; i++)
		watch(hints[i].run_id, hints[i].deadline, true);
	if (n > 0)
	{
		cursor = hints[n - 1].deadline;
		cursor_run_id = hints[n - 1].run_id;
	}
	next_alarm = next;
}

/*
 * timers_start: the worker has started and knows nothing.
 */
void
timers_start(void)
{
	make_heap();
	walk_from(DT_NOBEGIN, PG_INT64_MIN);
	timers_rescan(directory_my_slot());
}

/* ------------------------------------------------------------------------
 * Batches
 * ------------------------------------------------------------------------
 */

/* must it wait longer?  Then it goes back into the heap with another time */
static bool
must_wait(Watch *entry, TimestampTz now, bool *put_off)
{
	TimestampTz until;

	*put_off = put_off_find(PUT_OFF_TIMEOUT, entry->run_id, &until);
	if (!*put_off || until <= now)
		return is_postponed(entry, now);
	entry->when = until;
	return true;
}

/*
 * Take what is due from the heap: a run that was put off by itself, or up to a
 * batch of others.  How many.
 */
static int
take_due(TimestampTz now)
{
	bool		alone = false;
	int			n = 0;

	while (n < BATCH && !alone && first_watch() <= now)
	{
		Watch	   *entry = pairingheap_container(Watch, node,
												  pairingheap_remove_first(watches));
		bool		put_off;

		if (must_wait(entry, now, &put_off))
			pairingheap_add(watches, &entry->node);
		else if (put_off && n > 0)
		{
			pairingheap_add(watches, &entry->node);
			break;
		}
		else
		{
			batch[n++].watch = entry;
			alone = put_off;
		}
	}
	return n;
}

/* look at a piece of the batch; see chore_try() */
static void
look_at_piece(void *arg)
{
	const Piece *piece = arg;

	Assert(0 <= piece->first && piece->first <= piece->end && piece->end <= BATCH);
	chore_begin(CHORE);
	for (int i = piece->first; i < piece->end; i++)
		timer_look(&batch[i]);
	chore_commit();
}

/* what came of the look is committed */
static void
settle_look(Look *look)
{
	Watch	   *entry = look->watch;

	if (!look->busy)
		put_off_done(PUT_OFF_TIMEOUT, entry->run_id);
	if (look->again)
	{
		*entry = look->next;
		pairingheap_add(watches, &entry->node);
	}
	else
		pfree(entry);
	look->watch = NULL;
}

/* NULL when all went well, else nothing has happened */
static ErrorData *
try_piece(int first, int end)
{
	Piece		piece = {first, end};
	ErrorData  *error = chore_try(look_at_piece, &piece);

	for (int i = first; error == NULL && i < end; i++)
		settle_look(&batch[i]);
	return error;
}

static ErrorData *
try_one(int i)
{
	return try_piece(i, i + 1);
}

static void
put_off(int i, const ErrorData *error)
{
	Look	   *look = &batch[i];

	look->watch->when = put_off_add(PUT_OFF_TIMEOUT, look->watch->run_id,
									error);
	pairingheap_add(watches, &look->watch->node);
	look->watch = NULL;
}

static void
fire_taken(int n)
{
	ErrorData  *error = try_piece(0, n);
	TimestampTz until;

	if (error == NULL)
		return;
	if (put_off_find(PUT_OFF_TIMEOUT, batch[0].watch->run_id, &until))
		put_off(0, error);		/* not for the first time; it is alone */
	else
		put_off_one_by_one(0, n, try_one, put_off);
}

/* fire up to a batch of what is due; on error what is not settled goes back */
static void
fire_due(TimestampTz now)
{
	int			n = take_due(now);

	if (n == 0)
		return;
	PG_TRY();
	{
		fire_taken(n);
	}
	PG_CATCH();
	{
		for (int i = 0; i < n; i++)
			if (batch[i].watch != NULL)
				pairingheap_add(watches, &batch[i].watch->node);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * timers_run: fire a batch of what is due.  Returns when to be called again;
 * the past when there is more.
 */
TimestampTz
timers_run(void)
{
	DatabaseSlot *slot = directory_my_slot();
	uint32		asked;
	bool		rescan = errand_look(slot, &slot->timers.rescan, &asked);
	TimestampTz now;

	collect_hints(slot);
	if (rescan)
	{
		read_attempts();
		errand_done(slot, &slot->timers.rescan, asked);
	}
	now = clock_now();
	if (next_alarm <= now && next_alarm <= first_watch())
		read_alarms(now);
	fire_due(now);
	return Min(next_alarm, first_watch());
}
