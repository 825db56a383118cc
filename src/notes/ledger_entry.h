/*
 * ledger_entry.h
 *		One entry in the list of what a transaction has done to the state of
 *		queues; for the files of the ledger only.
 */
#ifndef TASKQ_LEDGER_ENTRY_H
#define TASKQ_LEDGER_ENTRY_H

#include "datatype/timestamp.h"

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

#endif							/* TASKQ_LEDGER_ENTRY_H */
