/*
 * run_retire.h
 *		A run's history has left a leaf.
 */
#ifndef TASKQ_RUN_RETIRE_H
#define TASKQ_RUN_RETIRE_H

extern void run_left_leaf(int64 run_id, int leaf);

#endif							/* TASKQ_RUN_RETIRE_H */
