/*
 * store_sweep.h
 *		Marking what is dead behind the newest rows of taskq.open.
 */
#ifndef TASKQ_STORE_SWEEP_H
#define TASKQ_STORE_SWEEP_H

#include "store.h"

extern void store_sweep(const Activity *activity);

#endif							/* TASKQ_STORE_SWEEP_H */
