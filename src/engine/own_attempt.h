/*
 * own_attempt.h
 *		The attempt that this process runs as a function.
 */
#ifndef TASKQ_OWN_ATTEMPT_H
#define TASKQ_OWN_ATTEMPT_H

#include "model/activity.h"

typedef struct OwnAttempt
{
	Activity	activity;		/* as it was claimed; only what a worker gets */
} OwnAttempt;

extern const OwnAttempt *own_attempt(void);
extern const OwnAttempt *own_attempt_next(void);
extern void own_attempt_claimed(const Task *task);
extern void own_attempt_end(bool committed);
extern State own_attempt_heartbeat(struct varlena *details);

#endif							/* TASKQ_OWN_ATTEMPT_H */
