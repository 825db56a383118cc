/*
 * beats.c
 *		What the transaction in progress has done to heartbeats.
 *
 * A log, in order: heartbeats that go to slots when the transaction commits,
 * each of which holds its slot until then, and heartbeats that were written to
 * rows; and a list of attempts that the transaction has ended.  Each entry
 * knows its subtransaction.  Entries of one attempt are chained, the newest
 * first, from "chains".
 *
 * The arrays outlive the transaction, unless they have become large, since a
 * transaction often is a single heartbeat.  What happens at its end neither
 * allocates nor fails.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/grow.h"
#include "notes/beats.h"
#include "shared/heartbeat_slots.h"

/* An attempt that the transaction has ended. */
typedef struct Ended
{
	SubTransactionId subid;
	int64		run_id;
	int64		nonce;
} Ended;

#define CHAINS			256
#define KEPT_ENTRIES	128		/* memory for so many outlives transactions */

/* Of the transaction in progress; the arrays are in TopMemoryContext. */
static LogEntry *entries = NULL;
static int	nentries = 0;
static int	max_entries = 0;
static int	chains[CHAINS];		/* index + 1; 0 = none */
static Ended *ended = NULL;
static int	nended = 0;
static int	max_ended = 0;

static int *
log_chain(int64 nonce)
{
	return &chains[(uint64) nonce % CHAINS];
}

/* the newest entry of the attempt from this link of a chain on, or NULL */
static LogEntry *
newest_from(int link, int64 run_id, int64 nonce)
{
	while (link != 0)
	{
		LogEntry   *entry = &entries[link - 1];

		if (entry->beat.run_id == run_id && entry->beat.nonce == nonce)
			return entry;
		link = entry->older;
	}
	return NULL;
}

/* heartbeat_log_newest: the last entry of an attempt, or NULL. */
LogEntry *
heartbeat_log_newest(int64 run_id, int64 nonce)
{
	return newest_from(*log_chain(nonce), run_id, nonce);
}

/* heartbeat_log_older: the one before of the same attempt, or NULL. */
LogEntry *
heartbeat_log_older(const LogEntry *entry)
{
	return newest_from(entry->older, entry->beat.run_id, entry->beat.nonce);
}

/*
 * heartbeat_log_add: a new entry, of the current subtransaction, that holds
 * nothing.
 */
LogEntry *
heartbeat_log_add(int64 run_id, int64 nonce)
{
	LogEntry   *entry;
	int		   *chain = log_chain(nonce);

	entries = grow(entries, NULL, &max_entries, nentries + 1, sizeof(LogEntry),
				   TopMemoryContext);
	entry = &entries[nentries++];
	entry->subid = GetCurrentSubTransactionId();
	entry->ref.slot = -1;
	entry->older = *chain;
	entry->written = false;
	entry->beats = 0;
	entry->base = 0;
	entry->beat.run_id = run_id;
	entry->beat.nonce = nonce;
	*chain = nentries;
	return entry;
}

/* heartbeat_log_drop: forget the last entry and let its slot go. */
void
heartbeat_log_drop(void)
{
	LogEntry   *entry;

	Assert(nentries > 0);
	entry = &entries[--nentries];
	heartbeat_slot_release(entry->ref);
	*log_chain(entry->beat.nonce) = entry->older;
}

/* heartbeat_log_ended: the attempt has ended, if the transaction commits. */
void
heartbeat_log_ended(int64 run_id, int64 nonce)
{
	ended = grow(ended, NULL, &max_ended, nended + 1, sizeof(Ended),
				 TopMemoryContext);
	ended[nended].subid = GetCurrentSubTransactionId();
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
	for (; nentries > 0; nentries--)
		*log_chain(entries[nentries - 1].beat.nonce) = 0;
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

/*
 * heartbeat_log_subtransaction: a savepoint ends.  What it has done is at the end
 * of both arrays.
 */
void
heartbeat_log_subtransaction(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent)
{
	int			i = nentries - 1;
	int			j = nended - 1;

	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (; i >= 0 && entries[i].subid == mine; i--)
			entries[i].subid = parent;
		for (; j >= 0 && ended[j].subid == mine; j--)
			ended[j].subid = parent;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		for (; i >= 0 && entries[i].subid == mine; i--)
			heartbeat_log_drop();
		for (; j >= 0 && ended[j].subid == mine; j--)
			nended--;
	}
}
