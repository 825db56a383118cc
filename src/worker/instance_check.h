/*
 * instance_check.h
 *		The worker's chore: making the row of taskq.instance.
 */
#ifndef TASKQ_INSTANCE_CHECK_H
#define TASKQ_INSTANCE_CHECK_H

#include "datatype/timestamp.h"

extern TimestampTz instance_run(void);

#endif							/* TASKQ_INSTANCE_CHECK_H */
