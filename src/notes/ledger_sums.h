/*
 * ledger_sums.h
 *		What a transaction has done to each queue, summed up; for the files of
 *		the ledger only.
 */
#ifndef TASKQ_LEDGER_SUMS_H
#define TASKQ_LEDGER_SUMS_H

#include "notes/ledger_entry.h"

typedef struct LedgerSums
{
	uint64		hash;			/* of the queue */
	int64		places;			/* attempts ended, less those started */
	int64		waiting;		/* tasks added */
	int			delayed;		/* entries of spans of time that are not 0 */
	TimestampTz until;			/* when the last of them is over, or later */
} LedgerSums;

extern LedgerSums ledger_sums_of(uint64 hash, const LedgerEntry *list, int n);
extern void ledger_sums_reserve(const LedgerEntry *entry);
extern void ledger_sums_add(const LedgerEntry *entry, int sign);
extern void ledger_sums_forget(void);

#endif							/* TASKQ_LEDGER_SUMS_H */
