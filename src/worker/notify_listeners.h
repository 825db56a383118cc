/*
 * notify_listeners.h
 *		The worker's chore for listeners, who are told of many queues.
 */
#ifndef TASKQ_NOTIFY_LISTENERS_H
#define TASKQ_NOTIFY_LISTENERS_H

#include "datatype/timestamp.h"

extern TimestampTz notify_listeners_run(void);
extern void notify_listeners_stop(void);

#endif							/* TASKQ_NOTIFY_LISTENERS_H */
