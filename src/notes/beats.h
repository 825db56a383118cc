/*
 * beats.h
 *		What the transaction in progress has done to heartbeats.
 */
#ifndef TASKQ_BEATS_H
#define TASKQ_BEATS_H

#include "access/xact.h"

#include "shared/heartbeat_slots.h"

typedef struct LogEntry
{
	SlotRef		ref;			/* held; -1 = none */
	bool		written;		/* the row has it, and all before it */
	int64		beats;			/* for the slot: how many, 0 = none */
	int64		base;			/* count of the row; -1 = has to be asked */
	Beat		beat;			/* the last one; its count is that of the row if
								 * written without a slot */
} LogEntry;

/* valid until the next one is added */
extern LogEntry *heartbeat_log_newest(int64 run_id, int64 nonce);
extern LogEntry *heartbeat_log_older(const LogEntry *entry);
extern bool heartbeat_log_is_current(const LogEntry *entry);
extern LogEntry *heartbeat_log_add(int64 run_id, int64 nonce);
extern void heartbeat_log_drop(void);
extern void heartbeat_log_ended(int64 run_id, int64 nonce);
extern int	heartbeat_log_length(void);
extern LogEntry *heartbeat_log_at(int i);
extern void heartbeat_log_written(LogEntry *entry, int64 count);

extern bool heartbeat_log_is_empty(void);
extern bool heartbeat_log_commit(void);
extern void heartbeat_log_abort(void);
extern void heartbeat_log_subtransaction(SubXactEvent event,
										 SubTransactionId mine,
										 SubTransactionId parent);

#endif							/* TASKQ_BEATS_H */
