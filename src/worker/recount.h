/*
 * recount.h
 *		The worker's chore: counting open activities.
 */
#ifndef TASKQ_RECOUNT_H
#define TASKQ_RECOUNT_H

#include "datatype/timestamp.h"

extern TimestampTz recount_run(void);
extern void recount_stop(void);

#endif							/* TASKQ_RECOUNT_H */
