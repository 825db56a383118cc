/*
 * ledger_end.h
 *		What a transaction has done to the state of queues, when it ends.
 */
#ifndef TASKQ_LEDGER_END_H
#define TASKQ_LEDGER_END_H

#include "access/xact.h"

extern bool ledger_any(void);
extern bool ledger_moves_numbers(void);
extern void ledger_commit(void);
extern void ledger_abort(void);
extern void ledger_prepare(void);
extern void ledger_subtransaction(SubXactEvent event, SubTransactionId mine,
								  SubTransactionId parent);

#endif							/* TASKQ_LEDGER_END_H */
