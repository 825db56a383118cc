/*
 * chore.h
 *		What the worker's chores are, and what they use.
 */
#ifndef TASKQ_CHORE_H
#define TASKQ_CHORE_H

#include "datatype/timestamp.h"
#include "utils/elog.h"

/*
 * A chore does a bounded piece of work in transactions of its own
 * (chore_begin() .. chore_commit()) and returns when it wants to run again,
 * on taskq's clock: a past instant = at once (after the other chores have had
 * their turn), TIMESTAMP_NEVER = when the latch is set.  Every chore runs at
 * every wake-up, so it has to be cheap when there is nothing to do.
 *
 * An error puts the chore off.  Until the transaction that used it has
 * committed, nothing that was taken from shared memory or from the chore's own
 * memory is given up.
 *
 * run() is called in a memory context that lives until all chores had their
 * turn; between chore_begin() and chore_commit() the current context is the
 * transaction's.
 */
typedef struct Chore
{
	const char *name;
	TimestampTz (*run) (void);
} Chore;

extern void chore_start(void);
extern void chore_enter(void);
extern void chore_end_round(void);
extern void chore_tick(void);
extern bool chore_serves(void);
extern bool chore_extension_is_gone(void);

extern void chore_begin(const char *chore);
extern void chore_commit(void);
extern ErrorData *chore_try(void (*piece) (void *arg), void *arg);
extern void chore_report(ErrorData *error);
extern bool chore_step(void (*act) (int number, TimestampTz now), int number,
					   TimestampTz now);

#endif							/* TASKQ_CHORE_H */
