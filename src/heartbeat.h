/*
 * heartbeat.h
 *		The last heartbeat of an open activity, wherever it is kept.
 */
#ifndef TASKQ_HEARTBEAT_H
#define TASKQ_HEARTBEAT_H

#include "access/xact.h"

#include "store.h"

/* heartbeat.c: for calls */
extern bool heartbeat_quickly(int64 run_id, int64 nonce,
							  struct varlena *details, State *state);
extern void heartbeat_record(const Activity *activity, TimestampTz when,
							 struct varlena *details);
extern void heartbeat_read(const Activity *activity, Heartbeat *heartbeat);
extern void heartbeat_clear(const Activity *activity);

/* heartbeat.c: for who ends an attempt */
extern bool heartbeat_is_held(const Activity *activity);
extern bool heartbeat_await(const Activity *activity);
extern void heartbeat_take(const Activity *activity, Heartbeat *heartbeat);
extern void heartbeat_hand_over(const Activity *activity);
extern TimestampTz heartbeat_last_time(const Activity *activity);

/* heartbeat.c: for effects.c, and so is heartbeat_log.h */
extern void heartbeat_transaction(XactEvent event);

/* for the worker; heartbeat_flush.c is a chore */
extern void heartbeat_start(void);
extern TimestampTz heartbeat_flush_run(void);
extern void heartbeat_flush_at_exit(void);
extern void heartbeat_flush_wanted(DatabaseSlot *slot);

#endif							/* TASKQ_HEARTBEAT_H */
