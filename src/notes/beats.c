/*
 * beats.c
 *		What the transaction in progress has done to heartbeats.
 *
 * A log, in order: heartbeats that go to slots when the transaction commits,
 * each of which holds its slot until then, and heartbeats that were written to
 * rows; and a list of attempts that the transaction has ended.  Of both lists
 * the last ones are those of the innermost savepoint (marks.c).  Entries of one
 * attempt are linked, the newest first (chains.c).
 *
 * There may be a savepoint for each heartbeat.  One that is kept adds to what
 * its parent has noted of the attempt, so that the log does not grow with it.
 *
 * The arrays outlive the transaction, unless they have become large, since a
 * transaction often is a single heartbeat.  What happens at its end neither
 * allocates nor fails.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/grow.h"
#include "notes/beats.h"
#include "notes/chains.h"
#include "notes/marks.h"
#include "shared/heartbeat_slots.h"

/* An attempt that the transaction has ended. */
typedef struct Ended
{
	int64		run_id;
	int64		nonce;
} Ended;

#define KEPT_ENTRIES	128		/* memory for so many outlives transactions */
#define MERGED			16		/* entries of a savepoint that may be added up */

/* Of the transaction in progress; the arrays are in TopMemoryContext. */
static LogEntry *entries = NULL;
static int	nentries = 0;
static int	max_entries = 0;
static Marks entry_marks;
static Chains chains;			/* of entries, by attempt */
static Ended *ended = NULL;
static int	nended = 0;
static int	max_ended = 0;
static Marks ended_marks;

static ChainKey
attempt_key(int64 run_id, int64 nonce)
{
	return (ChainKey) {(uint64) run_id, (uint64) nonce};
}

/* the entry of that index, NULL when it is -1 */
static LogEntry *
entry_at(int i)
{
	return i < 0 ? NULL : &entries[i];
}

/* ------------------------------------------------------------------------
 * The log
 * ------------------------------------------------------------------------
 */

/* heartbeat_log_newest: the last entry of an attempt, or NULL. */
LogEntry *
heartbeat_log_newest(int64 run_id, int64 nonce)
{
	return entry_at(chains_newest(&chains, attempt_key(run_id, nonce)));
}

/* heartbeat_log_older: the one before of the same attempt, or NULL. */
LogEntry *
heartbeat_log_older(const LogEntry *entry)
{
	return entry_at(chains_older(&chains, entry - entries));
}

/* heartbeat_log_is_current: is the entry of the current subtransaction? */
bool
heartbeat_log_is_current(const LogEntry *entry)
{
	return entry - entries >= marks_current(&entry_marks, nentries);
}

/*
 * heartbeat_log_add: a new entry, of the current subtransaction, that holds
 * nothing.
 */
LogEntry *
heartbeat_log_add(int64 run_id, int64 nonce)
{
	LogEntry   *entry;

	entries = grow(entries, NULL, &max_entries, nentries + 1, sizeof(LogEntry),
				   TopMemoryContext);
	chains_reserve(&chains);
	marks_note(&entry_marks, nentries);
	entry = &entries[nentries++];
	entry->ref.slot = -1;
	entry->written = false;
	entry->beats = 0;
	entry->base = 0;
	entry->beat.run_id = run_id;
	entry->beat.nonce = nonce;
	chains_add(&chains, attempt_key(run_id, nonce));
	return entry;
}

/* heartbeat_log_drop: forget the last entry and let its slot go. */
void
heartbeat_log_drop(void)
{
	Assert(nentries > 0);
	chains_cut(&chains);
	heartbeat_slot_release(entries[--nentries].ref);
}

/* heartbeat_log_ended: the attempt has ended, if the transaction commits. */
void
heartbeat_log_ended(int64 run_id, int64 nonce)
{
	ended = grow(ended, NULL, &max_ended, nended + 1, sizeof(Ended),
				 TopMemoryContext);
	marks_note(&ended_marks, nended);
	ended[nended].run_id = run_id;
	ended[nended].nonce = nonce;
	nended++;
}

/* heartbeat_log_length: how many entries there are. */
int
heartbeat_log_length(void)
{
	return nentries;
}

/* heartbeat_log_at: the i-th of them. */
LogEntry *
heartbeat_log_at(int i)
{
	Assert(i >= 0 && i < nentries);
	return &entries[i];
}

/*
 * heartbeat_log_written: before the end of the transaction the row got all
 * heartbeats of the attempt up to this entry, with at least one that it did not
 * have, and has this count now.  The slots stay held.
 */
void
heartbeat_log_written(LogEntry *entry, int64 count)
{
	LogEntry   *last = NULL;
	int64		beats = 0;

	for (; entry != NULL && !entry->written;
		 entry = heartbeat_log_older(entry))
	{
		beats += entry->beats;
		if (last == NULL && entry->beats > 0)
			last = entry;
		else
			entry->beats = 0;
	}
	Assert(last != NULL);
	last->written = true;
	last->beats = beats;
	last->base = count - beats;
}

/* ------------------------------------------------------------------------
 * End of a transaction
 * ------------------------------------------------------------------------
 */

/* heartbeat_log_is_empty: nothing happened. */
bool
heartbeat_log_is_empty(void)
{
	return nentries == 0 && nended == 0;
}

/* the transaction is over, and no slot is held any more */
static void
forget_log(void)
{
	chains_forget(&chains);
	marks_forget(&entry_marks);
	marks_forget(&ended_marks);
	nentries = 0;
	nended = 0;
	if (max_entries > KEPT_ENTRIES)
	{
		pfree(entries);
		entries = NULL;
		max_entries = 0;
	}
	if (max_ended > KEPT_ENTRIES)
	{
		pfree(ended);
		ended = NULL;
		max_ended = 0;
	}
}

/*
 * heartbeat_log_commit: apply all to the slots.  True when there is something
 * to flush now.
 */
bool
heartbeat_log_commit(void)
{
	bool		unsaved = false;

	for (int i = 0; i < nentries; i++)
	{
		LogEntry   *entry = &entries[i];

		if (entry->beats > 0)
		{
			heartbeat_slot_beat(entry->ref, entry->beats, entry->base,
								&entry->beat, entry->written);
			unsaved |= !entry->written;
		}
		else if (entry->written)
			heartbeat_slot_written(entry->beat.run_id, entry->beat.nonce,
								   entry->beat.count);
		else
			heartbeat_slot_release(entry->ref);
	}
	for (int i = 0; i < nended; i++)
		heartbeat_slot_over(ended[i].run_id, ended[i].nonce);
	forget_log();
	return unsaved;
}

/* heartbeat_log_abort: let all slots go. */
void
heartbeat_log_abort(void)
{
	for (int i = 0; i < nentries; i++)
		heartbeat_slot_release(entries[i].ref);
	forget_log();
}

/* can the second, which is newer, be added to the first? */
static bool
is_alike(const LogEntry *entry, const LogEntry *more)
{
	return !entry->written && !more->written && more->ref.slot >= 0 &&
		entry->ref.slot == more->ref.slot &&
		entry->ref.generation == more->ref.generation;
}

static void
add_to(LogEntry *entry, const LogEntry *more)
{
	heartbeat_slot_release(more->ref);	/* held by the entry, too */
	if (more->beats == 0)
		return;
	entry->beats += more->beats;
	entry->base = Max(entry->base, more->base);
	memcpy(&entry->beat, &more->beat,
		   offsetof(Beat, details) + more->beat.length);
}

/* is there anything to be added up? */
static bool
has_alike(int first, int parents)
{
	for (int i = first; i < nentries; i++)
	{
		int			older = chains_older(&chains, i);

		if (older >= parents && is_alike(&entries[older], &entries[i]))
			return true;
	}
	return false;
}

/*
 * The entries from "first" on, a few, are their parent's, whose begin at
 * "parents": to be added to those that it has of the same attempts.
 */
static void
hand_up(int first, int parents)
{
	LogEntry	own[MERGED];
	int			n = nentries - first;

	if (!has_alike(first, parents))
		return;
	memcpy(own, &entries[first], n * sizeof(LogEntry));
	for (; nentries > first; nentries--)
		chains_cut(&chains);
	for (int i = 0; i < n; i++)
	{
		ChainKey	key = attempt_key(own[i].beat.run_id, own[i].beat.nonce);
		int			newest = chains_newest(&chains, key);

		notes_steps++;
		if (newest >= parents && is_alike(&entries[newest], &own[i]))
			add_to(&entries[newest], &own[i]);
		else
		{
			entries[nentries++] = own[i];
			chains_add(&chains, key);
		}
	}
}

/* heartbeat_log_subtransaction: a savepoint ends; cannot fail. */
void
heartbeat_log_subtransaction(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent)
{
	int			first = marks_end(&entry_marks, event, mine, parent, nentries);
	int			first_ended = marks_end(&ended_marks, event, mine, parent, nended);
	int			parents = marks_last(&entry_marks);

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		for (; nentries > first; notes_steps++)
			heartbeat_log_drop();
		nended = first_ended;
	}
	else if (parents < first && nentries - first <= MERGED)
		hand_up(first, parents);
}
