/*
 * sweep.h
 *		Marking what is dead behind the newest rows of taskq.open.
 */
#ifndef TASKQ_SWEEP_H
#define TASKQ_SWEEP_H

#include "task/task.h"

extern void store_sweep(const Task *task);

#endif							/* TASKQ_SWEEP_H */
