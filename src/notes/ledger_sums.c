/*
 * ledger_sums.c
 *		What a transaction has done to each queue, summed up.
 *
 * Who schedules into a queue with max_backlog, or polls one with max_started,
 * asks each time what the transaction has done there before.  The list is short,
 * mostly, and looked through.  Once somebody asks a list that is not, there is a
 * table with a sum for each queue, which is kept right until the transaction
 * ends.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "notes/ledger_sums.h"
#include "notes/marks.h"

#define SHORT_LIST		64		/* entries that are looked through */

static HTAB *table = NULL;		/* in TopTransactionContext */

/* add one entry, or (-1) take it away */
static void
add(LedgerSums *sums, const LedgerEntry *entry, int sign)
{
	notes_steps++;
	switch (entry->kind)
	{
		case ENTRY_ENDED:
			sums->places += sign * entry->n;
			break;
		case ENTRY_STARTED:
			sums->places -= sign * entry->n;
			break;
		case ENTRY_WAITING:
			sums->waiting += sign * entry->n;
			break;
		case ENTRY_DELAYED:
			if (entry->n == 0)
				break;
			sums->delayed += sign;
			sums->until = Max(sums->until, entry->key.delay.end);
			break;
		default:
			break;
	}
}

static LedgerSums
no_sums(uint64 hash)
{
	return (LedgerSums) {.hash = hash,.until = DT_NOBEGIN};
}

/* the sums of a queue in the table, made if asked for; else NULL if there are none */
static LedgerSums *
find(uint64 hash, bool make)
{
	bool		found;
	LedgerSums *sums = hash_search(table, &hash, make ? HASH_ENTER : HASH_FIND,
								   &found);

	if (sums != NULL && !found)
		*sums = no_sums(hash);
	return sums;
}

static void
make_table(const LedgerEntry *list, int n)
{
	HASHCTL		info = {.keysize = sizeof(uint64),.entrysize = sizeof(LedgerSums),
	.hcxt = TopTransactionContext};
	HTAB	   *made = hash_create("taskq ledger sums", SHORT_LIST, &info,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	table = made;
	PG_TRY();
	{
		for (int i = 0; i < n; i++)
			add(find(list[i].queue.hash, true), &list[i], 1);
	}
	PG_CATCH();
	{
		table = NULL;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* ledger_sums_of: what those n entries, which are all, have done to a queue. */
LedgerSums
ledger_sums_of(uint64 hash, const LedgerEntry *list, int n)
{
	LedgerSums	sums = no_sums(hash);
	LedgerSums *found;

	if (table == NULL && n > SHORT_LIST)
		make_table(list, n);
	if (table != NULL)
	{
		found = find(hash, false);
		return found == NULL ? sums : *found;
	}
	for (int i = 0; i < n; i++)
		if (list[i].queue.hash == hash)
			add(&sums, &list[i], 1);
	return sums;
}

/* ledger_sums_reserve: ledger_sums_add() will find the entry's queue. */
void
ledger_sums_reserve(const LedgerEntry *entry)
{
	if (table != NULL)
		(void) find(entry->queue.hash, true);
}

/*
 * ledger_sums_add: the entry counts from now on, or (-1) does not.  Cannot
 * fail; what has no sums does not count.
 */
void
ledger_sums_add(const LedgerEntry *entry, int sign)
{
	LedgerSums *sums = table == NULL ? NULL : find(entry->queue.hash, false);

	if (sums != NULL)
		add(sums, entry, sign);
}

/* ledger_sums_forget: the transaction is over. */
void
ledger_sums_forget(void)
{
	table = NULL;
}
