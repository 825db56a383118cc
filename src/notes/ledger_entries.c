/*
 * ledger_entries.c
 *		The list of what a transaction has done to the state of queues.
 *
 * Those of the innermost subtransaction come last (marks.c).  An entry that is
 * like one of the last few is added to that.  The list of most transactions
 * needs no allocation.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/compat.h"
#include "base/grow.h"
#include "notes/ledger_entries.h"
#include "notes/ledger_sums.h"
#include "notes/marks.h"
#include "task/queue_keys.h"

/* What most transactions need, so that they need not allocate. */
#define FEW_ENTRIES		16
#define FEW_NAMES		256

static LedgerEntry few_entries[FEW_ENTRIES];
static char few_names[FEW_NAMES];

/* Of the transaction in progress: the above, or in TopTransactionContext. */
static LedgerEntry *entries = NULL;
static int	nentries = 0;
static int	max_entries = 0;
static Marks marks;
static char *names = NULL;
static int	names_used = 0;
static int	max_names = 0;

/* how many entries back an equal one is looked for */
#define MERGE_WINDOW	12

/*
 * ledger_list: the entries, *n of them; NULL when there was none in this
 * transaction.  Entries may be gone with a savepoint while their memory is that
 * of the transaction.  Valid until one is added.
 */
LedgerEntry *
ledger_list(int *n)
{
	*n = nentries;
	return entries;
}

/* ledger_entry_name: the name that an entry brings along. */
const char *
ledger_entry_name(const LedgerEntry *entry)
{
	Assert(entry->name_length > 0);
	return names + entry->name;
}

/* ------------------------------------------------------------------------
 * Adding
 * ------------------------------------------------------------------------
 */

/*
 * ledger_reserve_entries: the next n entries will not fail.  To be called before
 * what they will tell of is done in shared memory.
 */
void
ledger_reserve_entries(int n)
{
	if (entries == NULL)
	{
		entries = few_entries;
		max_entries = FEW_ENTRIES;
	}
	entries = grow(entries, few_entries, &max_entries, nentries + n,
				   sizeof(LedgerEntry), TopTransactionContext);
}

static LedgerEntry *
add_entry(EntryKind kind)
{
	LedgerEntry *entry;

	marks_note(&marks, nentries);
	ledger_reserve_entries(1);
	entry = &entries[nentries++];
	memset(entry, 0, sizeof(LedgerEntry));
	entry->kind = kind;
	return entry;
}

/* the first entry that may be added to */
static int
window(void)
{
	return Max(nentries - MERGE_WINDOW, marks_current(&marks, nentries));
}

/*
 * ledger_queue_entry: the entry of that kind for a queue, found or made.
 */
LedgerEntry *
ledger_queue_entry(EntryKind kind, int counter, const QueueKey *queue)
{
	int			first = window();
	LedgerEntry *entry;

	for (int i = nentries - 1; i >= first; i--)
		if (entries[i].kind == kind && entries[i].counter == counter &&
			entries[i].queue.hash == queue->hash)
			return &entries[i];
	entry = add_entry(kind);
	entry->counter = counter;
	entry->queue = *queue;
	return entry;
}

/* likewise for what has a key of its own */
static LedgerEntry *
key_entry(EntryKind kind, const void *key, Size size)
{
	int			first = window();
	LedgerEntry *entry;

	for (int i = nentries - 1; i >= first; i--)
		if (entries[i].kind == kind && memcmp(&entries[i].key, key, size) == 0)
			return &entries[i];
	entry = add_entry(kind);
	memcpy(&entry->key, key, size);
	return entry;
}

/* ledger_lane_entry: of a lane. */
LedgerEntry *
ledger_lane_entry(EntryKind kind, const LaneKey *lane)
{
	return key_entry(kind, lane, sizeof(LaneKey));
}

/* ledger_delay_entry: of a span of time. */
LedgerEntry *
ledger_delay_entry(const QueueKey *queue, const DelayKey *delay)
{
	LedgerEntry *entry = key_entry(ENTRY_DELAYED, delay, sizeof(DelayKey));

	entry->queue = *queue;
	return entry;
}

/* the offset of the name of a queue, which an entry has to bring along */
static int
remember_name(const QueueRef *queue)
{
	int			length = VARSIZE_ANY_EXHDR(queue->name);

	if (names == NULL)
	{
		names = few_names;
		max_names = FEW_NAMES;
	}
	for (int i = nentries - 1; i >= 0 && i >= nentries - MERGE_WINDOW; i--)
		if (entries[i].name_length > 0 &&
			entries[i].queue.hash == queue->key.hash)
			return entries[i].name;
	names = grow(names, few_names, &max_names, names_used + length, 1,
				 TopTransactionContext);
	memcpy(names + names_used, VARDATA_ANY(queue->name), length);
	names_used += length;
	return names_used - length;
}

/*
 * ledger_named_entry: the entry of a queue that it may make known, so it brings
 * the name along.
 */
LedgerEntry *
ledger_named_entry(EntryKind kind, int counter, const QueueRef *queue)
{
	LedgerEntry *entry = ledger_queue_entry(kind, counter, &queue->key);

	if (entry->name_length == 0)
	{
		int			name = remember_name(queue);

		entry->name = name;
		entry->name_length = VARSIZE_ANY_EXHDR(queue->name);
	}
	return entry;
}

/* ledger_add: n more. */
void
ledger_add(LedgerEntry *entry, int64 n)
{
	ledger_sums_reserve(entry);
	ledger_sums_add(entry, -1);
	entry->n += n;
	ledger_sums_add(entry, 1);
}

/* ------------------------------------------------------------------------
 * Going
 * ------------------------------------------------------------------------
 */

/* ledger_forget: all of it; their memory goes with the transaction. */
void
ledger_forget(void)
{
	ledger_sums_forget();
	marks_forget(&marks);
	entries = NULL;
	names = NULL;
	nentries = max_entries = names_used = max_names = 0;
}

/* ledger_cut: forget the entries from "first" on. */
void
ledger_cut(int first)
{
	Assert(first <= nentries);
	for (; nentries > first; nentries--)
		ledger_sums_add(&entries[nentries - 1], -1);
}

static bool
is_alike(const LedgerEntry *a, const LedgerEntry *b)
{
	return a->kind == b->kind && a->counter == b->counter &&
		a->queue.hash == b->queue.hash &&
		memcmp(&a->key, &b->key, sizeof(a->key)) == 0;
}

static void
add_to(LedgerEntry *entry, const LedgerEntry *more)
{
	ledger_sums_add(more, -1);
	ledger_sums_add(entry, -1);
	entry->n += more->n;
	ledger_sums_add(entry, 1);
	entry->amount += more->amount;
	entry->ahead += more->ahead;
	entry->due = Max(entry->due, more->due);
	if (entry->name_length == 0)
	{
		entry->name = more->name;
		entry->name_length = more->name_length;
	}
}

/* the entries from "first" on, a few, are added to those from "parents" on */
static void
hand_up(int first, int parents)
{
	int			kept = first;

	for (int i = first; i < nentries; i++)
	{
		int			like = kept - 1;

		while (like >= Max(kept - MERGE_WINDOW, parents) &&
			   !is_alike(&entries[like], &entries[i]))
			like--, notes_steps++;
		if (like >= Max(kept - MERGE_WINDOW, parents))
			add_to(&entries[like], &entries[i]);
		else
			entries[kept++] = entries[i];
	}
	nentries = kept;
}

/*
 * ledger_end_savepoint: a savepoint ends: where its entries begin.  If it is
 * kept, they are its parent's from now on, a few of them added to those that it
 * has; else they are to be cut off.  Cannot fail.
 */
int
ledger_end_savepoint(SubXactEvent event, SubTransactionId mine,
					 SubTransactionId parent)
{
	int			first = marks_end(&marks, event, mine, parent, nentries);
	int			parents = marks_last(&marks);

	if (event == SUBXACT_EVENT_COMMIT_SUB && parents < first &&
		nentries - first <= MERGE_WINDOW)
		hand_up(first, parents);
	return first;
}
