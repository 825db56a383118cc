/*
 * sweep.h
 *		Marking what is dead behind the newest rows of taskq.open.
 */
#ifndef TASKQ_SWEEP_H
#define TASKQ_SWEEP_H

#include "model/activity.h"

extern void store_sweep(const Activity *activity);

#endif							/* TASKQ_SWEEP_H */
