/*
 * listens.h
 *		Which channels this session listens to.
 */
#ifndef TASKQ_LISTENS_H
#define TASKQ_LISTENS_H

#include "access/xact.h"

#include "task/queue_keys.h"

extern void listens_begin(const char *channel, uint64 hash, NameKind kind,
						  bool make);
extern void listens_end(const char *channel, uint64 hash);
extern void listens_renew(const char *channel, uint64 hash, NameKind kind);

/* for the end of a transaction: cannot fail */
extern void listens_transaction(XactEvent event);
extern void listens_subtransaction(SubXactEvent event, SubTransactionId mine,
								   SubTransactionId parent);

#endif							/* TASKQ_LISTENS_H */
