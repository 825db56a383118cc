/*
 * ledger_entries.h
 *		The list of what a transaction has done to the state of queues; for the
 *		files of the ledger only.
 */
#ifndef TASKQ_LEDGER_ENTRIES_H
#define TASKQ_LEDGER_ENTRIES_H

#include "access/xact.h"

#include "notes/ledger_entry.h"
#include "task/queue_keys.h"

extern LedgerEntry *ledger_list(int *n);
extern const char *ledger_entry_name(const LedgerEntry *entry);

extern void ledger_reserve_entries(int n);
extern LedgerEntry *ledger_queue_entry(EntryKind kind, int counter,
									   const QueueKey *queue);
extern LedgerEntry *ledger_lane_entry(EntryKind kind, const LaneKey *lane);
extern LedgerEntry *ledger_delay_entry(const QueueKey *queue,
									   const DelayKey *delay);
extern LedgerEntry *ledger_named_entry(EntryKind kind, int counter,
									   const QueueRef *queue);

extern void ledger_add(LedgerEntry *entry, int64 n);

extern void ledger_forget(void);
extern void ledger_cut(int first);
extern int	ledger_end_savepoint(SubXactEvent event, SubTransactionId mine,
								 SubTransactionId parent);

#endif							/* TASKQ_LEDGER_ENTRIES_H */
