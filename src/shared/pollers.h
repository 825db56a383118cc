/*
 * pollers.h
 *		Whether anybody polls a queue.
 */
#ifndef TASKQ_POLLERS_H
#define TASKQ_POLLERS_H

#include "datatype/timestamp.h"

#include "task/queue_keys.h"

extern bool pollers_alive(const QueueKey *key, TimestampTz since);
extern void pollers_forget(const QueueKey *key);

#endif							/* TASKQ_POLLERS_H */
