/*
 * queue_config.h
 *		Configuration of task queues.
 */
#ifndef TASKQ_QUEUE_CONFIG_H
#define TASKQ_QUEUE_CONFIG_H

#include "postgres.h"

extern int64 queue_config_retention(const text *task_queue);

#endif							/* TASKQ_QUEUE_CONFIG_H */
