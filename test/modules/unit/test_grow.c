/*
 * test_grow.c
 *		Tests of grow.c.
 */
#include "unit.h"

#include "utils/memutils.h"

#include "base/grow.h"

static void
from_nothing(void)
{
	int			max = 0;
	int		   *array = grow(NULL, NULL, &max, 1, sizeof(int), CurrentMemoryContext);
	int		   *same;

	ok(max > 1, "a first element takes room for some");
	same = grow(array, NULL, &max, max, sizeof(int), CurrentMemoryContext);
	ok(same == array, "what has room stays");
	for (int i = 0; i < 1000; i++)
	{
		array = grow(array, NULL, &max, i + 1, sizeof(int), CurrentMemoryContext);
		array[i] = i;
	}
	for (int i = 0; i < 1000; i++)
		if (array[i] != i)
			fault("element %d", i);
	no_fault("what is in it moves along");
	ok(max <= 2048, "... and there is not much more room than is needed");
	array = grow(array, NULL, &max, 5000, sizeof(int), CurrentMemoryContext);
	ok(max >= 5000, "... but as much, if that is more than the double");
	same = array;
	PG_TRY();
	{
		array = grow(array, NULL, &max, PG_INT32_MIN, sizeof(int), CurrentMemoryContext);
		ok(false, "more than can be counted is an error");
	}
	PG_CATCH();
	{
		FlushErrorState();
		ok(array == same, "more than can be counted is an error");
	}
	PG_END_TRY();
}

/* how often an array moves that grows by one element at a time */
static void
seldom(void)
{
	int			max = 0;
	void	   *array = NULL;
	int			n = 0;

	for (int i = 1; i <= 100000; i++)
	{
		int			before = max;

		array = grow(array, NULL, &max, i, 1, CurrentMemoryContext);
		n += max != before;
	}
	ok(n <= 20, "it grows a few times only");
}

static void
from_something(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "grown", ALLOCSET_DEFAULT_SIZES);
	int			fixed[3] = {1, 2, 3};
	int			max = 3;
	int		   *array = grow(fixed, fixed, &max, 3, sizeof(int), context);

	ok(array == fixed, "memory that an array begins with is used");
	array = grow(array, fixed, &max, 4, sizeof(int), context);
	ok(array != fixed && array[0] == 1 && array[2] == 3, "... and copied when it is too small");
	ok(GetMemoryChunkContext(array) == context, "... into the context");
	array = grow(array, fixed, &max, 100000, sizeof(int), context);
	ok(array[2] == 3, "... and again");
	MemoryContextDelete(context);
}

UNIT(unit_grow, from_nothing, seldom, from_something);
