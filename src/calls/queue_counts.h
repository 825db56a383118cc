/*
 * queue_counts.h
 *		How many open activities of each queue there are: reading the numbers.
 */
#ifndef TASKQ_QUEUE_COUNTS_H
#define TASKQ_QUEUE_COUNTS_H

extern int64 queue_counts_started(void);

#endif							/* TASKQ_QUEUE_COUNTS_H */
