/*
 * worker_loop.h
 *		`taskq worker`.
 */
#ifndef TASKQ_WORKER_LOOP_H
#define TASKQ_WORKER_LOOP_H

extern int	worker_main(int count, char **arguments);

#endif							/* TASKQ_WORKER_LOOP_H */
