/*
 * lane.h
 *		The tasks of one lane, in the order in which they are handed out.
 */
#ifndef TASKQ_LANE_H
#define TASKQ_LANE_H

#include "store/ready.h"
#include "task/kinds.h"
#include "task/store_result.h"

extern bool lane_next(Lane *lane);
extern void lane_task(Lane *lane, TaskRoom *room);
extern StoreResult lane_claim(Lane *lane, Task *task);
extern bool lane_is_free(const Lane *lane);
extern void lane_end(Lane *lane);

#endif							/* TASKQ_LANE_H */
