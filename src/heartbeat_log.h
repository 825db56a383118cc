/*
 * heartbeat_log.h
 *		What the transaction in progress has done to heartbeats.
 */
#ifndef TASKQ_HEARTBEAT_LOG_H
#define TASKQ_HEARTBEAT_LOG_H

#include "access/xact.h"

#include "heartbeat_slots.h"

typedef struct LogEntry
{
	SubTransactionId subid;
	SlotRef		ref;			/* held; -1 = none, or it is written */
	int			older;			/* in the chain, index + 1; 0 = none */
	bool		written;		/* to the row, whose count is beat.count now */
	int64		beats;			/* if not written: how many, 0 = only held */
	int64		base;			/* count of the row; -1 = has to be asked */
	Beat		beat;			/* the last one */
} LogEntry;

/* valid until the next one is added */
extern LogEntry *heartbeat_log_newest(int64 run_id, int64 nonce);
extern LogEntry *heartbeat_log_older(const LogEntry *entry);
extern LogEntry *heartbeat_log_add(int64 run_id, int64 nonce);
extern void heartbeat_log_drop(void);
extern void heartbeat_log_ended(int64 run_id, int64 nonce);
extern int	heartbeat_log_length(void);
extern const LogEntry *heartbeat_log_at(int i);

extern bool heartbeat_log_is_empty(void);
extern bool heartbeat_log_commit(void);
extern void heartbeat_log_abort(void);
extern void heartbeat_subtransaction(SubXactEvent event, SubTransactionId mine,
									 SubTransactionId parent);

#endif							/* TASKQ_HEARTBEAT_LOG_H */
