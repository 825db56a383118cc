/*
 * texts.h
 *		Comparing text, byte by byte as in the "C" collation.
 *
 * The texts have to be detoasted, but may have short headers.
 */
#ifndef TASKQ_TEXTS_H
#define TASKQ_TEXTS_H

#include "base/compat.h"

/* text_is: is the text these bytes? */
static inline bool
text_is(const text *string, const char *bytes, Size length)
{
	return VARSIZE_ANY_EXHDR(string) == length &&
		memcmp(VARDATA_ANY(string), bytes, length) == 0;
}

/* text_equal: NULL equals nothing. */
static inline bool
text_equal(const text *a, const text *b)
{
	return a != NULL && b != NULL &&
		text_is(a, VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b));
}

/* text_compare: less than 0 when "a" comes first, greater when "b" does. */
static inline int
text_compare(const text *a, const text *b)
{
	Size		length_a = VARSIZE_ANY_EXHDR(a);
	Size		length_b = VARSIZE_ANY_EXHDR(b);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b),
							   Min(length_a, length_b));

	return order != 0 || length_a == length_b ? order :
		length_a < length_b ? -1 : 1;
}

#endif							/* TASKQ_TEXTS_H */
