/*
 * ledger.h
 *		What a transaction has done to the state of queues, to be carried over
 *		at its commit or taken back at its abort.
 */
#ifndef TASKQ_LEDGER_H
#define TASKQ_LEDGER_H

#include "access/xact.h"

#include "activity.h"
#include "queue_state.h"

extern void ledger_count(const text *task_queue, int counter, int n);
extern void ledger_duration(const text *task_queue, int first, int64 duration);
extern void ledger_make_room(int n);
extern void ledger_open(const Activity *activity, State state, int n);
extern void ledger_reserved(const text *task_queue, int n);
extern void ledger_started(const text *task_queue, int n);
extern void ledger_ended(const text *task_queue);
extern void ledger_tokens(const QueueKey *key, double part);
extern void ledger_lane_tokens(const LaneKey *key, double part);
extern void ledger_lane_time(const QueueKey *queue, const LaneKey *key,
							 double amount, double ahead);

extern int64 ledger_backlog(const QueueKey *queue, TimestampTz now,
							bool *delayed);

/* for effects.c */
extern void ledger_commit(void);
extern void ledger_abort(void);
extern void ledger_prepare(void);
extern void ledger_subtransaction(SubXactEvent event, SubTransactionId mine,
								  SubTransactionId parent);
extern bool ledger_any(void);
extern bool ledger_moves_numbers(void);

#endif							/* TASKQ_LEDGER_H */
