/*
 * retention.h
 *		Rotation of the leaves that keep closed activities, and expiry.
 */
#ifndef TASKQ_RETENTION_H
#define TASKQ_RETENTION_H

#include "datatype/timestamp.h"

extern TimestampTz retention_run(void);

#endif							/* TASKQ_RETENTION_H */
