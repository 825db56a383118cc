/*
 * run_sticky.h
 *		Sticky queues: workers that have runs cached, and those that have gone.
 */
#ifndef TASKQ_RUN_STICKY_H
#define TASKQ_RUN_STICKY_H

#include "c.h"

extern void run_sticky_gone(const text *sticky_queue);
extern bool run_sticky_reset(int64 run_id);

#endif							/* TASKQ_RUN_STICKY_H */
