/*
 * ledger_entries.h
 *		The list of what a transaction has done to the state of queues; for the
 *		files of the ledger only.
 */
#ifndef TASKQ_LEDGER_ENTRIES_H
#define TASKQ_LEDGER_ENTRIES_H

#include "access/xact.h"

#include "task/queue_keys.h"

typedef enum EntryKind
{
	ENTRY_COUNT,				/* at commit: counter += n */
	ENTRY_RESERVED,				/* at commit: reserved becomes started */
	ENTRY_STARTED,				/* at commit: started += n */
	ENTRY_ENDED,				/* at commit: started -= n */
	ENTRY_WAITING,				/* at commit: waiting += n, of level "counter" */
	ENTRY_DELAYED,				/* at commit: likewise of a span of time */
	ENTRY_PAUSED,				/* at commit: paused += n */
	ENTRY_TOKENS,				/* at abort: back to the queue's limiter */
	ENTRY_LANE_TOKENS,			/* at abort: back to the key's limiter */
	ENTRY_LANE_TIME				/* at abort: back to the lane's time, and its
								 * level's */
} EntryKind;

typedef struct LedgerEntry
{
	SubTransactionId subid;
	EntryKind	kind;
	int			counter;
	int64		n;
	double		amount;
	double		ahead;			/* of LANE_TIME: by how much the level's moved */
	TimestampTz due;			/* of WAITING: latest of those not DELAYED */
	QueueKey	queue;
	union
	{
		LaneKey		lane;		/* of LANE_TOKENS, LANE_TIME */
		DelayKey	delay;		/* of DELAYED */
	}			key;
	int			name;			/* offset in names, of COUNT, WAITING, PAUSED */
	int			name_length;
} LedgerEntry;

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

extern void ledger_forget(void);
extern void ledger_cut(int first);
extern int	ledger_first_of(SubTransactionId mine);
extern void ledger_hand_up(int first, SubTransactionId parent);

#endif							/* TASKQ_LEDGER_ENTRIES_H */
