/*
 * lane.h
 *		The tasks of one lane, in the order in which they are handed out.
 */
#ifndef TASKQ_LANE_H
#define TASKQ_LANE_H

#include "model/activity.h"
#include "store/ready.h"
#include "store/store_result.h"

extern bool lane_next(Lane *lane);
extern void lane_activity(Lane *lane, Activity *activity);
extern StoreResult lane_claim(Lane *lane, Activity *activity);
extern bool lane_is_free(const Lane *lane);
extern void lane_end(Lane *lane);

#endif							/* TASKQ_LANE_H */
