/*
 * ledger_end.c
 *		What a transaction has done to the state of queues, when it ends, or a
 *		savepoint of it.
 *
 * All of it is carried over, or taken back, at once, under the locks of all
 * queues involved (mostly one), without allocating.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/shared_table.h"
#include "common/lengths.h"
#include "notes/ledger_end.h"
#include "notes/ledger_entries.h"
#include "notes/marks.h"
#include "shared/counts.h"
#include "shared/counts_known.h"
#include "shared/delays.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"

/* does anything happen to it at commit? */
static bool
is_for_commit(const LedgerEntry *entry)
{
	return entry->kind != ENTRY_TOKENS && entry->kind != ENTRY_LANE_TOKENS &&
		entry->kind != ENTRY_LANE_TIME;
}

/* or at abort? */
static bool
is_for_abort(const LedgerEntry *entry)
{
	return entry->kind == ENTRY_RESERVED || !is_for_commit(entry);
}

/* the part of shared memory that the entry is about, as a bit */
static uint32
entry_part(const LedgerEntry *entry)
{
	return part_bit(entry->kind == ENTRY_LANE_TOKENS ?
					lane_state_part(&entry->key.lane) :
					queue_state_part(&entry->queue));
}

/* lock the parts that those entries from "first" on are about */
static void
lock_entry_parts(int first, bool (*concerns) (const LedgerEntry *entry))
{
	int			n;
	const LedgerEntry *list = ledger_list(&n);
	uint32		parts = 0;

	for (int i = first; i < n; i++)
		if (concerns(&list[i]))
			parts |= entry_part(&list[i]);
	queue_state_lock_parts(parts, LW_EXCLUSIVE);
}

/* does the commit change how many activities of the queue are open? */
static bool
moves_number(const LedgerEntry *entry)
{
	switch (entry->kind)
	{
		case ENTRY_RESERVED:
		case ENTRY_STARTED:
		case ENTRY_ENDED:
		case ENTRY_WAITING:
		case ENTRY_DELAYED:
		case ENTRY_PAUSED:
			return entry->n != 0;
		default:
			return false;
	}
}

/* the queue of an entry at commit; NULL when there is none, and no room */
static QueueState *
entry_state(const LedgerEntry *entry, TimestampTz now)
{
	QueueState *state = queue_state_find(&entry->queue);

	if (state != NULL)
		state->last_used = now;
	else if (entry->name_length > 0)
		state = queue_state_make(&entry->queue, ledger_entry_name(entry),
								 entry->name_length, EVICT_ANY);
	return state;
}

/* spans of time get a new chance when no task is left */
static void
retry_delays(QueueState *state)
{
	for (int i = 0; i < LEVELS; i++)
		if (state->waiting[i] != 0)
			return;
	if (!counts_others_commit())
		state->delays_known = true;
}

/* "counted": where the worker counts, it counts what we did */
static void
carry_over(QueueState *state, const LedgerEntry *entry, TimestampTz now,
		   bool counted)
{
	int64		n = counted && state->being_counted &&
		state->counted_by == 0 ? 0 : entry->n;

	Assert(queue_state_is_locked(queue_state_part(&state->key), LW_EXCLUSIVE));
	switch (entry->kind)
	{
		case ENTRY_COUNT:
			queue_state_count(state, entry->counter, entry->n, now);
			break;
		case ENTRY_RESERVED:
			state->reserved = Max(state->reserved - entry->n, 0);
			state->started += n;
			break;
		case ENTRY_STARTED:
			state->started += n;
			break;
		case ENTRY_ENDED:
			state->started -= n;
			break;
		case ENTRY_WAITING:
			if (!state->delays_known)
				retry_delays(state);
			state->waiting[entry->counter - 1] += n;
			state->latest_due = Max(state->latest_due, entry->due);
			break;
		case ENTRY_DELAYED:
			if (n != 0)
				delays_add(state, &entry->key.delay, n, clock_now());
			break;
		case ENTRY_PAUSED:
			state->paused += n;
			break;
		default:
			break;
	}
}

static void
take_back(const LedgerEntry *entry)
{
	QueueState *state;
	LaneState  *lane;

	switch (entry->kind)
	{
		case ENTRY_RESERVED:
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				state->reserved = Max(state->reserved - entry->n, 0);
			break;
		case ENTRY_TOKENS:
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				limiter_give_back(&state->limiter, entry->amount);
			break;
		case ENTRY_LANE_TOKENS:
			lane = lane_state_find(&entry->key.lane);
			if (lane != NULL)
				limiter_give_back(&lane->limiter, entry->amount);
			break;
		case ENTRY_LANE_TIME:
			lane = lane_state_find(&entry->key.lane);
			if (lane != NULL)
				lane->time -= entry->amount;
			state = queue_state_find(&entry->queue);
			if (state != NULL)
				state->level_time[entry->key.lane.level - 1] -= entry->ahead;
			break;
		default:
			break;
	}
}

/* the entries from "first" on are rolled back */
static void
roll_back_from(int first)
{
	int			n;
	const LedgerEntry *list = ledger_list(&n);

	lock_entry_parts(first, is_for_abort);
	for (int i = first; i < n; i++, notes_steps++)
		take_back(&list[i]);
	queue_state_unlock();
	ledger_cut(first);
}

/* ledger_commit: cannot fail. */
void
ledger_commit(void)
{
	int			n;
	const LedgerEntry *list = ledger_list(&n);

	if (n > 0)
	{
		TimestampTz now = GetCurrentTimestamp();
		QueueState *state = NULL;
		bool		counted;

		lock_entry_parts(0, is_for_commit);
		counted = counts_in_snapshot();
		for (int i = 0; i < n; i++)
		{
			if (!is_for_commit(&list[i]))
				continue;
			if (state == NULL || state->key.hash != list[i].queue.hash)
				state = entry_state(&list[i], now);
			if (state != NULL)
				carry_over(state, &list[i], now, counted);
			else if (moves_number(&list[i]))
				counts_lost();
		}
		queue_state_unlock();
	}
	ledger_forget();
}

/* ledger_abort: cannot fail. */
void
ledger_abort(void)
{
	int			n;

	(void) ledger_list(&n);
	if (n > 0)
		roll_back_from(0);
	ledger_forget();
}

/*
 * ledger_prepare: the transaction is prepared, whether it commits is open.
 * Counters are given up; queues whose numbers it moves are not known from now
 * on.  One that has no entry gets one to say so, as far as there is room: else
 * none that is new would be known before the end of that transaction.
 */
void
ledger_prepare(void)
{
	int			n;
	const LedgerEntry *list = ledger_list(&n);
	TimestampTz now = GetCurrentTimestamp();

	lock_entry_parts(0, is_for_commit);
	if (ledger_moves_numbers())
		counts_prepared();
	for (int i = 0; i < n; i++)
	{
		QueueState *state;

		if (!moves_number(&list[i]))
			continue;
		state = entry_state(&list[i], now);
		if (state == NULL)
			counts_lost();
		else
		{
			if (list[i].kind == ENTRY_RESERVED)
				state->reserved = Max(state->reserved - list[i].n, 0);
			state->known = false;
			state->being_counted = false;	/* not by this count */
		}
	}
	queue_state_unlock();
	ledger_forget();
}

/* ledger_subtransaction: a savepoint ends.  Its entries are the last ones. */
void
ledger_subtransaction(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent)
{
	int			first = ledger_end_savepoint(event, mine, parent);
	int			n;

	(void) ledger_list(&n);
	if (event == SUBXACT_EVENT_ABORT_SUB && first < n)
		roll_back_from(first);
}

/* ledger_any: is there anything to carry over, or at least to forget? */
bool
ledger_any(void)
{
	int			n;

	return ledger_list(&n) != NULL;
}

/* ledger_moves_numbers: will the commit change how many are open? */
bool
ledger_moves_numbers(void)
{
	int			n;
	const LedgerEntry *list = ledger_list(&n);

	for (int i = 0; i < n; i++)
		if (moves_number(&list[i]))
			return true;
	return false;
}
