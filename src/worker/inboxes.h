/*
 * inboxes.h
 *		The worker's chore: mail of runs that nobody comes for.
 */
#ifndef TASKQ_INBOXES_H
#define TASKQ_INBOXES_H

#include "datatype/timestamp.h"

extern TimestampTz inboxes_run(void);

#endif							/* TASKQ_INBOXES_H */
