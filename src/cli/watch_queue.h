/*
 * watch_queue.h
 *		`taskq watch`.
 */
#ifndef TASKQ_WATCH_QUEUE_H
#define TASKQ_WATCH_QUEUE_H

extern int	watch_main(int count, char **arguments);

#endif							/* TASKQ_WATCH_QUEUE_H */
