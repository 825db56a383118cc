/*
 * marks.c
 *		Where in a list of notes those of each savepoint begin.
 *
 * Notes of a savepoint come behind those of the savepoints around it, and stand
 * last when it ends.  So a stack of beginnings, for those savepoints only that
 * have notes, tells whose they are: when one is kept its notes become those of
 * its parent, and none of them is touched; when it is rolled back they are cut
 * off.  A transaction may have a savepoint for each task, one after the other or
 * each in the one before, so what is done at the end of one must depend on
 * nothing but its own notes.
 *
 * Notes of the transaction itself need no mark.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/grow.h"
#include "notes/marks.h"

#define KEPT_MARKS		64		/* memory for so many outlives transactions */

uint64		notes_steps = 0;

/* marks_add: the current subtransaction, that has no notes yet, adds one. */
void
marks_add(Marks *marks, SubTransactionId subid, int length)
{
	marks->list = grow(marks->list, NULL, &marks->max, marks->n + 1,
					   sizeof(Mark), TopMemoryContext);
	marks->list[marks->n].subid = subid;
	marks->list[marks->n].first = length;
	marks->n++;
}

/*
 * marks_last: where the notes begin of the innermost that has any; when a
 * savepoint was kept, its parent.
 */
int
marks_last(const Marks *marks)
{
	return marks->n == 0 ? 0 : marks->list[marks->n - 1].first;
}

/*
 * marks_end: a savepoint ends: where its notes begin, "length" if it has none.
 * They are its parent's from now on, or are to be cut off.  Cannot fail.
 */
int
marks_end(Marks *marks, SubXactEvent event, SubTransactionId mine,
		  SubTransactionId parent, int length)
{
	int			first;

	if (marks->n == 0 || marks->list[marks->n - 1].subid != mine)
		return length;
	first = marks->list[marks->n - 1].first;
	if (event == SUBXACT_EVENT_COMMIT_SUB && parent != TopSubTransactionId &&
		(marks->n == 1 || marks->list[marks->n - 2].subid != parent))
		marks->list[marks->n - 1].subid = parent;
	else if (--marks->n == 0)
		marks_forget(marks);
	return first;
}

/* marks_forget: the transaction is over. */
void
marks_forget(Marks *marks)
{
	marks->n = 0;
	if (marks->max > KEPT_MARKS)
	{
		pfree(marks->list);
		marks->list = NULL;
		marks->max = 0;
	}
}
