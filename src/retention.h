/*
 * retention.h
 *		Rotation of the leaves that keep closed activities, and expiry.
 */
#ifndef TASKQ_RETENTION_H
#define TASKQ_RETENTION_H

#include "datatype/timestamp.h"

/* number of closed_N tables; closed_long has the number after the last */
#define CLOSED_LEAVES		8
#define CLOSED_LONG			CLOSED_LEAVES

extern TimestampTz retention_run(void);

#endif							/* TASKQ_RETENTION_H */
