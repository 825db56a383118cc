/*
 * queue_counts.h
 *		How many open activities of each queue there are: reading the numbers.
 */
#ifndef TASKQ_QUEUE_COUNTS_H
#define TASKQ_QUEUE_COUNTS_H

#include "taskq.h"

extern bool queue_backlog_exceeds(const text *task_queue, int limit);

#endif							/* TASKQ_QUEUE_COUNTS_H */
