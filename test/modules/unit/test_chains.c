/*
 * test_chains.c
 *		Tests of chains.c, and of marks.c.
 */
#include "unit.h"

#include "access/xact.h"
#include "utils/resowner.h"

#include "notes/chains.h"
#include "notes/marks.h"

#define NOTES	3000

static ChainKey
key(int i)
{
	return (ChainKey) {i % 7, i / 7};
}

/* beside a list that is looked through */
static void
at_random(void)
{
	Chains		chains = {0};
	int			about[NOTES];
	int			n = 0;

	is_int(chains_newest(&chains, key(1)), -1, "there is nothing at first");
	for (int round = 0; round < 3; round++)
	{
		for (int step = 0; step < 10000 && faultless(); step++)
		{
			int			i = random_int(0, 400);
			int			newest = n - 1;
			int			older;

			while (newest >= 0 && about[newest] != i)
				newest--;
			if (chains_newest(&chains, key(i)) != newest)
				fault("step %d: newest about %d", step, i);
			for (older = newest - 1; older >= 0 && about[older] != i;)
				older--;
			if (newest >= 0 && chains_older(&chains, newest) != older)
				fault("step %d: the one before about %d", step, i);
			if (n > 0 && random_int(0, 9) < (step < 5000 ? 3 : 7))
			{
				chains_cut(&chains);
				n--;
			}
			else if (n < NOTES)
			{
				chains_reserve(&chains);
				chains_add(&chains, key(i));
				about[n++] = i;
			}
		}
		no_fault("10000 steps: the newest is found, and those before it");
		chains_forget(&chains);
		n = 0;
		is_int(chains_newest(&chains, key(1)), -1, "... and nothing when all is forgotten");
	}
}

/* how many links are passed to find one */
static void
short_ways(void)
{
	Chains		chains = {0};
	uint64		before = notes_steps;

	for (int i = 0; i < 100000; i++)
	{
		chains_reserve(&chains);
		chains_add(&chains, (ChainKey) {12345, (uint64) i * 64});
	}
	for (int i = 0; i < 100000; i++)
		if (chains_newest(&chains, (ChainKey) {12345, (uint64) i * 64}) != i)
			fault("note %d", i);
	no_fault("all are found");
	ok(notes_steps - before < 300000, "... and few others on the way");
	chains_forget(&chains);
}

/* a savepoint begins */
static void
begin(void)
{
	BeginInternalSubTransaction(NULL);
}

/* it ends, so or so as far as marks are told */
static int
end(Marks *marks, SubXactEvent event, int length)
{
	SubTransactionId mine = GetCurrentSubTransactionId();

	ReleaseCurrentSubTransaction();
	return marks_end(marks, event, mine, GetCurrentSubTransactionId(), length);
}

static void
savepoints(void)
{
	Marks		marks = {0};
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	begin();
	is_int(marks_current(&marks, 2), 2, "a savepoint has no notes at first");
	marks_note(&marks, 2);
	marks_note(&marks, 3);
	is_int(marks_current(&marks, 4), 2, "then those from the first on");
	begin();
	is_int(marks_current(&marks, 4), 4, "one inside it has none of them");
	begin();
	marks_note(&marks, 4);
	is_int(end(&marks, SUBXACT_EVENT_COMMIT_SUB, 6), 4, "what is kept begins where it began");
	is_int(marks_current(&marks, 6), 4, "... and is its parent's");
	is_int(marks_last(&marks), 4, "... whose notes come last");
	is_int(end(&marks, SUBXACT_EVENT_ABORT_SUB, 6), 4, "... and goes with it");
	is_int(marks_current(&marks, 4), 2, "... but not what came before");
	is_int(end(&marks, SUBXACT_EVENT_COMMIT_SUB, 4), 2, "the outer one is kept");
	is_int(marks.n, 0, "... and nothing is left to know of");
	begin();
	is_int(end(&marks, SUBXACT_EVENT_ABORT_SUB, 4), 4, "one without notes has none");
	for (int i = 0; i < 200; i++)
	{
		begin();
		marks_note(&marks, i);
	}
	for (int i = 199; i >= 0; i--)
		if (end(&marks, SUBXACT_EVENT_COMMIT_SUB, 200) != i)
			fault("savepoint %d", i);
	no_fault("200 inside each other");
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

UNIT(unit_chains, at_random, short_ways, savepoints);
