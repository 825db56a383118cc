/*
 * errword.h
 *		The stable word of an error, for programs; see common/error_words.h.
 */
#ifndef TASKQ_ERRWORD_H
#define TASKQ_ERRWORD_H

#include "base/compat.h"

/* errword: in ereport(): the word goes to the field of the constraint's name. */
static inline int
errword(const char *word)
{
	return err_generic_string(PG_DIAG_CONSTRAINT_NAME, word);
}

#endif							/* TASKQ_ERRWORD_H */
