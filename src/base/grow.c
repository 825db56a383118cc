/*
 * grow.c
 *		Arrays that grow.
 *
 * They double, so that n elements that come one by one are copied n times in
 * all.  Any of them may be larger than 1 GB.
 */
#include "postgres.h"

#include "base/grow.h"

#define AT_FIRST		16		/* elements */

/* grow_array: grow() where there is too little room. */
void *
grow_array(void *array, void *fixed, int *max, int n, Size size,
		   MemoryContext context)
{
	int			room = Max(n, AT_FIRST);
	void	   *larger;

	if (n < 0)					/* the caller has counted too far */
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many tasks in one transaction")));
	Assert(n > *max);
	if (*max <= PG_INT32_MAX / 2)
		room = Max(room, *max * 2);
	if (array == NULL || array == fixed)
	{
		larger = MemoryContextAllocHuge(context, room * size);
		if (array != NULL)
			memcpy(larger, array, *max * size);
	}
	else
		larger = repalloc_huge(array, room * size);
	*max = room;
	return larger;
}
