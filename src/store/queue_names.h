/*
 * queue_names.h
 *		The names of all queues that have open tasks.
 */
#ifndef TASKQ_QUEUE_NAMES_H
#define TASKQ_QUEUE_NAMES_H

#include "c.h"

extern void store_queue_names(void (*callback) (const text *name));

#endif							/* TASKQ_QUEUE_NAMES_H */
