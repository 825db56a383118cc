/*
 * heartbeat.h
 *		The last heartbeat of an open activity, wherever it is kept.
 */
#ifndef TASKQ_HEARTBEAT_H
#define TASKQ_HEARTBEAT_H

#include "access/xact.h"

#include "model/activity.h"

/* for calls */
extern bool heartbeat_quickly(int64 run_id, int64 nonce,
							  struct varlena *details, State *state);
extern void heartbeat_record(const Activity *activity, TimestampTz when,
							 struct varlena *details);
extern bool heartbeat_add_newer(int64 run_id, int64 nonce,
								Heartbeat *heartbeat);
extern void heartbeat_clear(const Activity *activity);

/* for who ends an attempt */
extern bool heartbeat_is_held(const Activity *activity);
extern bool heartbeat_await(const Activity *activity);
extern bool heartbeat_wait(const Activity *activity);
extern void heartbeat_take(const Activity *activity, Heartbeat *heartbeat);
extern void heartbeat_hand_over(const Activity *activity);
extern TimestampTz heartbeat_last_time(const Activity *activity);

/* for transaction.c */
extern void heartbeat_before_end(bool prepare);
extern void heartbeat_transaction(XactEvent event);

#endif							/* TASKQ_HEARTBEAT_H */
