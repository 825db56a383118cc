/*
 * marks.h
 *		Where in a list of notes those of each savepoint begin.
 */
#ifndef TASKQ_MARKS_H
#define TASKQ_MARKS_H

#include "access/xact.h"

typedef struct Mark
{
	SubTransactionId subid;
	int			first;			/* its notes begin there */
} Mark;

/* Of one list; all zero at first. */
typedef struct Marks
{
	Mark	   *list;			/* in TopMemoryContext */
	int			n;
	int			max;
} Marks;

extern void marks_add(Marks *marks, SubTransactionId subid, int length);
extern int	marks_last(const Marks *marks);
extern int	marks_end(Marks *marks, SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, int length);
extern void marks_forget(Marks *marks);

/* the mark of a subtransaction, if its notes are the last ones */
static inline const Mark *
marks_of(const Marks *marks, SubTransactionId subid)
{
	if (marks->n == 0 || marks->list[marks->n - 1].subid != subid)
		return NULL;
	return &marks->list[marks->n - 1];
}

/*
 * marks_note: the current subtransaction adds a note to a list of this length.
 * To be called before; an error leaves all as it was.
 */
static inline void
marks_note(Marks *marks, int length)
{
	SubTransactionId subid = GetCurrentSubTransactionId();

	if (subid != TopSubTransactionId && marks_of(marks, subid) == NULL)
		marks_add(marks, subid, length);
}

/* marks_current: where the notes of the current subtransaction begin. */
static inline int
marks_current(const Marks *marks, int length)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	const Mark *mark;

	if (subid == TopSubTransactionId)
		return 0;
	mark = marks_of(marks, subid);
	return mark == NULL ? length : mark->first;
}

/* for tests: how many notes were looked at in loops over them, and told */
extern uint64 notes_steps;

#endif							/* TASKQ_MARKS_H */
