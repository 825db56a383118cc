/*
 * leaf_hints.h
 *		Which leaves are filled, and which cannot be emptied, as far as is known.
 */
#ifndef TASKQ_LEAF_HINTS_H
#define TASKQ_LEAF_HINTS_H

#include "shared/directory.h"

extern int	leaf_hints_current(LeafKind kind);
extern uint32 leaf_hints_told(void);
extern void leaf_hints_suggest(LeafKind kind, int number, uint32 told);
extern void leaf_hints_forget(void);
extern void leaf_hints_tell(LeafKind kind, int number);
extern void leaf_hints_tell_limit(int limit);
extern void leaf_hints_block(LeafKind kind, int number, bool blocked);

#endif							/* TASKQ_LEAF_HINTS_H */
