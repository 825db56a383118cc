/*
 * grow.h
 *		Arrays that grow.
 */
#ifndef TASKQ_GROW_H
#define TASKQ_GROW_H

extern void *grow_array(void *array, void *fixed, int *max, int n, Size size,
						MemoryContext context);

/*
 * grow: the array, which has room for *max elements of that size, with room for
 * n at least.  It may be another one then, with what was in it, in the given
 * context, and *max is higher.  NULL is an array without room.  "fixed" is the
 * memory, if any, that the array began with and that cannot be freed.  An error
 * leaves all as it was; more elements than an int can count are one.
 */
static inline void *
grow(void *array, void *fixed, int *max, int n, Size size,
	 MemoryContext context)
{
	return n <= *max && n >= 0 ? array :
		grow_array(array, fixed, max, n, size, context);
}

#endif							/* TASKQ_GROW_H */
