/*
 * ledger.h
 *		What a transaction has done to the state of queues, to be carried over
 *		at its commit or taken back at its abort.
 */
#ifndef TASKQ_LEDGER_H
#define TASKQ_LEDGER_H

#include "task/queue_keys.h"
#include "task/task.h"

extern void ledger_count(const QueueRef *queue, int counter, int n);
extern void ledger_duration(const QueueRef *queue, int first, int64 duration);
extern void ledger_make_room(int n);
extern void ledger_open(const QueueRef *queue, const Task *task, State state,
						int n);
extern void ledger_reserved(const QueueRef *queue, int n);
extern void ledger_started(const QueueRef *queue, int n);
extern void ledger_ended(const QueueRef *queue);
extern int64 ledger_places(const QueueKey *queue);
extern void ledger_tokens(const QueueKey *key, double part);
extern void ledger_lane_tokens(const LaneKey *key, double part);
extern void ledger_lane_time(const QueueKey *queue, const LaneKey *key,
							 double amount, double ahead);

extern int64 ledger_backlog(const QueueKey *queue, TimestampTz now,
							bool *delayed);

#endif							/* TASKQ_LEDGER_H */
