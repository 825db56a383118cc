/*
 * history_retention.h
 *		Rotation of the leaves that keep histories of runs, and their retirement.
 */
#ifndef TASKQ_HISTORY_RETENTION_H
#define TASKQ_HISTORY_RETENTION_H

#include "datatype/timestamp.h"

extern TimestampTz history_retention_run(void);

#endif							/* TASKQ_HISTORY_RETENTION_H */
