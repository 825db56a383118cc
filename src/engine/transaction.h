/*
 * transaction.h
 *		The end of a transaction, and of a savepoint: who does what, and when.
 */
#ifndef TASKQ_TRANSACTION_H
#define TASKQ_TRANSACTION_H

extern void transaction_init(void);

#endif							/* TASKQ_TRANSACTION_H */
