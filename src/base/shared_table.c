/*
 * shared_table.c
 *		Hash tables of fixed size in shared memory, made of parts that are
 *		locked one by one.
 *
 * What dynahash does not give: a walk over one part under the lock of that
 * part, and a look at all entries under no lock at all, to find one that may
 * go when the table is full.
 *
 * The caller says which part a key belongs to, so that things which change
 * together can lie in the same part of several tables; see queues.c.
 * Each part has chains of its own, the room is shared: any part can take all
 * of it.  Entries never move, so a pointer to one stays a pointer to an entry;
 * whose it is only the lock of its part tells.
 *
 * Locks: the caller's, one per part.  table->mutex covers the free list.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "base/shared_table.h"

#define NONE			(-1)
#define MIN_CHAINS		8		/* per part */

/* before each entry, which begins with its key */
typedef struct EntryHead
{
	int			next;			/* in the chain, or in the free list */
	int			chain;			/* NONE = free */
} EntryHead;

struct SharedTable
{
	int			entries;
	int			chains;			/* per part */
	Size		key_size;
	Size		entry_size;
	Size		stride;			/* head and entry */
	Size		entries_at;		/* offset of the first one */
	slock_t		mutex;
	int			first_free;
	int			used;
	int			first[FLEXIBLE_ARRAY_MEMBER];	/* of each chain */
	/* then the entries */
};

static int
chains_for(int entries)
{
	return Max(MIN_CHAINS, entries / 4);
}

static Size
header_size(int entries)
{
	return MAXALIGN(add_size(offsetof(SharedTable, first),
							 mul_size(TABLE_PARTS * sizeof(int),
									  chains_for(entries))));
}

static Size
stride_for(Size entry_size)
{
	return MAXALIGN(sizeof(EntryHead)) + MAXALIGN(entry_size);
}

/* shared_table_size: bytes of shared memory; for the request hook. */
Size
shared_table_size(int entries, Size entry_size)
{
	return add_size(header_size(entries),
					mul_size(entries, stride_for(entry_size)));
}

static EntryHead *
head_at(const SharedTable *table, int i)
{
	return (EntryHead *) ((char *) table + table->entries_at +
						  i * table->stride);
}

static void *
entry_of(EntryHead *head)
{
	return (char *) head + MAXALIGN(sizeof(EntryHead));
}

static EntryHead *
head_of(const void *entry)
{
	return (EntryHead *) ((char *) entry - MAXALIGN(sizeof(EntryHead)));
}

static int
number_of(const SharedTable *table, const EntryHead *head)
{
	return (int) (((char *) head - (char *) head_at(table, 0)) /
				  table->stride);
}

/*
 * shared_table_init: make the table, or find the one that is there.  Keys are
 * uint64s, as many as key_size says, aligned.  Caller holds AddinShmemInitLock.
 */
SharedTable *
shared_table_init(const char *name, int entries, Size key_size,
				  Size entry_size)
{
	bool		found;
	SharedTable *table;

	Assert(LWLockHeldByMeInMode(AddinShmemInitLock, LW_EXCLUSIVE));
	Assert(key_size <= entry_size && key_size % sizeof(uint64) == 0);
	table = ShmemInitStruct(name, shared_table_size(entries, entry_size),
							&found);
	if (found)
		return table;
	table->entries = entries;
	table->chains = chains_for(entries);
	table->key_size = key_size;
	table->entry_size = entry_size;
	table->stride = stride_for(entry_size);
	table->entries_at = header_size(entries);
	SpinLockInit(&table->mutex);
	for (int i = 0; i < TABLE_PARTS * table->chains; i++)
		table->first[i] = NONE;
	for (int i = 0; i < entries; i++)
	{
		head_at(table, i)->chain = NONE;
		head_at(table, i)->next = i + 1 < entries ? i + 1 : NONE;
	}
	table->first_free = 0;
	table->used = 0;
	return table;
}

/* keys are few words, mostly hashes themselves */
static int
chain_of(const SharedTable *table, int part, const void *key)
{
	const uint64 *words = key;
	uint64		hash = 0;

	Assert(part >= 0 && part < TABLE_PARTS);
	for (Size i = 0; i < table->key_size / sizeof(uint64); i++)
		hash = hash_combine64(hash, words[i]);
	return part * table->chains +
		(int) (murmurhash32((uint32) (hash ^ hash >> 32)) %
			   (uint32) table->chains);
}

/* shared_table_find: NULL when there is none. */
void *
shared_table_find(SharedTable *table, int part, const void *key)
{
	int			i = table->first[chain_of(table, part, key)];

	while (i != NONE)
	{
		EntryHead  *head = head_at(table, i);

		if (memcmp(entry_of(head), key, table->key_size) == 0)
			return entry_of(head);
		i = head->next;
	}
	return NULL;
}

/*
 * shared_table_add: a new entry, zero but for its key, which the table must
 * not have; NULL when the table is full.
 */
void *
shared_table_add(SharedTable *table, int part, const void *key)
{
	int			chain = chain_of(table, part, key);
	EntryHead  *head = NULL;
	int			i;

	Assert(shared_table_find(table, part, key) == NULL);
	SpinLockAcquire(&table->mutex);
	i = table->first_free;
	if (i != NONE)
	{
		head = head_at(table, i);
		table->first_free = head->next;
		table->used++;
	}
	SpinLockRelease(&table->mutex);
	if (head == NULL)
		return NULL;
	memset(entry_of(head), 0, table->entry_size);
	memcpy(entry_of(head), key, table->key_size);
	head->chain = chain;
	head->next = table->first[chain];
	table->first[chain] = i;
	return entry_of(head);
}

/* shared_table_remove: take it out; its memory stays as it is for now. */
void
shared_table_remove(SharedTable *table, void *entry)
{
	EntryHead  *head = head_of(entry);
	int			me = number_of(table, head);
	int		   *link;

	Assert(head->chain != NONE);
	link = &table->first[head->chain];
	while (*link != me)
	{
		Assert(*link != NONE);
		link = &head_at(table, *link)->next;
	}
	*link = head->next;
	head->chain = NONE;
	SpinLockAcquire(&table->mutex);
	head->next = table->first_free;
	table->first_free = me;
	table->used--;
	SpinLockRelease(&table->mutex);
}

/*
 * shared_table_next: the entry of the part after "previous" (NULL = the
 * first), in no order; NULL after the last.
 */
void *
shared_table_next(SharedTable *table, int part, const void *previous)
{
	int			chain = part * table->chains;
	int			i = NONE;

	Assert(part >= 0 && part < TABLE_PARTS);
	if (previous != NULL)
	{
		Assert(shared_table_part(table, previous) == part);
		chain = head_of(previous)->chain + 1;
		i = head_of(previous)->next;
	}
	while (i == NONE && chain < (part + 1) * table->chains)
		i = table->first[chain++];
	return i == NONE ? NULL : entry_of(head_at(table, i));
}

/* shared_table_size_of: for how many entries there is room. */
int
shared_table_size_of(const SharedTable *table)
{
	return table->entries;
}

/* shared_table_used: how many there are. */
int
shared_table_used(const SharedTable *table)
{
	return *(volatile const int *) &table->used;
}

/* shared_table_at: number i of all places; NULL when nothing is there. */
void *
shared_table_at(SharedTable *table, int i)
{
	EntryHead  *head = head_at(table, i);

	Assert(i >= 0 && i < table->entries);
	return *(volatile int *) &head->chain == NONE ? NULL : entry_of(head);
}

/* shared_table_place: the number of an entry's place. */
int
shared_table_place(const SharedTable *table, const void *entry)
{
	return number_of(table, head_of(entry));
}

/* shared_table_part: where the entry belongs, negative when it is free. */
int
shared_table_part(const SharedTable *table, const void *entry)
{
	int			chain = *(volatile int *) &head_of(entry)->chain;

	return chain == NONE ? -1 : chain / table->chains;
}
