/*
 * heartbeat_flush.h
 *		The worker's chore: heartbeats from shared memory to the table.
 */
#ifndef TASKQ_HEARTBEAT_FLUSH_H
#define TASKQ_HEARTBEAT_FLUSH_H

#include "datatype/timestamp.h"

extern void heartbeat_start(void);
extern TimestampTz heartbeat_flush_run(void);
extern void heartbeat_flush_at_exit(void);

#endif							/* TASKQ_HEARTBEAT_FLUSH_H */
