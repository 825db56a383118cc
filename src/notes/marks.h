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

extern void marks_note(Marks *marks, int length);
extern int	marks_current(const Marks *marks, int length);
extern int	marks_last(const Marks *marks);
extern int	marks_end(Marks *marks, SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, int length);
extern void marks_forget(Marks *marks);

/* for tests: how many notes were looked at in loops over them, and told */
extern uint64 notes_steps;

#endif							/* TASKQ_MARKS_H */
