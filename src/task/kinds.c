/*
 * kinds.c
 *		The kinds of tasks: which one a queue's name means.
 *
 * Lanes, cursors, counts and timers know no kind but through these callbacks.
 * Activities are the kind of all queues with names that are not reserved;
 * another one has a reserved prefix, so that the queues of two kinds never meet.
 *
 * The table is filled while libraries are loaded, in the postmaster, and is the
 * same in all processes.
 */
#include "postgres.h"

#include "base/compat.h"
#include "task/kinds.h"

#define MAX_KINDS	4

static const Kind *kinds[MAX_KINDS];	/* activities are the first */
static int	nkinds = 0;

/*
 * kind_register: from _PG_init.  Activities have to be registered first.  "kind"
 * has to stay.
 */
void
kind_register(const Kind *kind)
{
	if (nkinds == MAX_KINDS)
		elog(ERROR, "too many kinds of tasks");
	if (kind->size > sizeof(TaskRoom))
		elog(ERROR, "tasks of kind \"%s\" are too large", kind->name);
	if ((kind->prefix == NULL) != (nkinds == 0) ||
		(kind->prefix != NULL &&
		 strncmp(kind->prefix, RESERVED_QUEUE_PREFIX, strlen(RESERVED_QUEUE_PREFIX)) != 0))
		elog(ERROR, "queues of kind \"%s\" have no prefix of their own", kind->name);
	kinds[nkinds++] = kind;
}

/* kind_of_activities: what the calls of workers and operators are about. */
const Kind *
kind_of_activities(void)
{
	Assert(nkinds > 0);
	return kinds[0];
}

/*
 * kind_of_queue: by its name, not toasted.  A reserved one that nobody has
 * registered counts as one of activities.
 */
const Kind *
kind_of_queue(const text *queue)
{
	const char *name = VARDATA_ANY(queue);
	Size		length = VARSIZE_ANY_EXHDR(queue);

	Assert(nkinds > 0);
	if (length > 0 && name[0] == RESERVED_QUEUE_PREFIX[0])
		for (int i = 1; i < nkinds; i++)
			if (length >= strlen(kinds[i]->prefix) &&
				memcmp(name, kinds[i]->prefix, strlen(kinds[i]->prefix)) == 0)
				return kinds[i];
	return kinds[0];
}
