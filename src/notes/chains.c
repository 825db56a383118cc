/*
 * chains.c
 *		Which notes of a list are about the same.
 *
 * Beside a list of notes, that grows and shrinks at its end, stands a list of
 * links.  Notes about the same are linked from the newest to the oldest; the
 * newest of each are found by a hash table, which grows with the list.  So what
 * it costs to find one does not depend on how many there are.
 *
 * The memory outlives the transaction, unless it has become large.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/grow.h"
#include "notes/chains.h"
#include "notes/marks.h"

#define FEW_HEADS		256
#define KEPT_LINKS		128		/* memory for so many outlives transactions */

static int
head_of(const Chains *chains, ChainKey key)
{
	uint64		hash = key.a * UINT64CONST(0x9E3779B97F4A7C15);

	hash = (hash ^ key.b) * UINT64CONST(0xC2B2AE3D27D4EB4F);
	return (int) ((hash >> 32) & (uint64) (chains->nheads - 1));
}

static bool
is_about(const Link *link, ChainKey key)
{
	return link->key.a == key.a && link->key.b == key.b;
}

/* where the newest about that is linked from, or the end of its chain */
static int *
place_of(const Chains *chains, ChainKey key)
{
	int		   *place = &chains->heads[head_of(chains, key)];

	while (*place != 0 && !is_about(&chains->links[*place - 1], key))
	{
		notes_steps++;
		place = &chains->links[*place - 1].next;
	}
	return place;
}

/* link number i, which is the newest of all */
static void
link_in(Chains *chains, int i)
{
	Link	   *link = &chains->links[i];
	int		   *place = place_of(chains, link->key);

	link->older = *place;
	link->next = *place == 0 ? 0 : chains->links[*place - 1].next;
	*place = i + 1;
}

/* chains_newest: the newest note about that, -1 when there is none. */
int
chains_newest(const Chains *chains, ChainKey key)
{
	return chains->n == 0 ? -1 : *place_of(chains, key) - 1;
}

/* chains_older: the one before that is about the same, or -1. */
int
chains_older(const Chains *chains, int i)
{
	notes_steps++;
	return chains->links[i].older - 1;
}

/* so many heads; an error leaves all as it was */
static void
make_heads(Chains *chains, int n)
{
	int		   *heads = MemoryContextAllocExtended(TopMemoryContext,
												   n * sizeof(int),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	if (chains->heads != NULL)
		pfree(chains->heads);
	chains->heads = heads;
	chains->nheads = n;
	for (int i = 0; i < chains->n; i++)
		link_in(chains, i);
}

/* chains_reserve: the next note will be added without an error. */
void
chains_reserve(Chains *chains)
{
	chains->links = grow(chains->links, NULL, &chains->max, chains->n + 1,
						 sizeof(Link), TopMemoryContext);
	if (chains->nheads == 0)
		make_heads(chains, FEW_HEADS);
	else if (chains->n >= chains->nheads / 2 && chains->nheads <= PG_INT32_MAX / 2)
		make_heads(chains, chains->nheads * 2);
}

/* chains_add: one more note, about that, for which room was reserved. */
void
chains_add(Chains *chains, ChainKey key)
{
	Assert(chains->n < chains->max && chains->nheads > 0);
	chains->links[chains->n].key = key;
	link_in(chains, chains->n++);
}

/* chains_cut: the last note goes. */
void
chains_cut(Chains *chains)
{
	const Link *last = &chains->links[chains->n - 1];
	int		   *place = place_of(chains, last->key);

	Assert(*place == chains->n);
	if (last->older == 0)
		*place = last->next;
	else
	{
		*place = last->older;
		chains->links[last->older - 1].next = last->next;
	}
	chains->n--;
}

/* chains_forget: the transaction is over. */
void
chains_forget(Chains *chains)
{
	if (chains->max > KEPT_LINKS || chains->nheads > FEW_HEADS)
	{
		pfree(chains->links);
		pfree(chains->heads);
		memset(chains, 0, sizeof(Chains));
		return;
	}
	for (int i = 0; i < chains->n; i++)
		chains->heads[head_of(chains, chains->links[i].key)] = 0;
	chains->n = 0;
}
