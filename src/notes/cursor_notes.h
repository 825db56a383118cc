/*
 * cursor_notes.h
 *		What the transaction in progress has to announce to cursors.
 */
#ifndef TASKQ_CURSOR_NOTES_H
#define TASKQ_CURSOR_NOTES_H

#include "access/xact.h"
#include "storage/itemptr.h"

#include "shared/lane_cursor.h"
#include "task/queue_keys.h"
#include "task/task.h"

extern void cursor_notes_comes(const Task *task, const ItemPointerData *tid,
							   Oid file);
extern void cursor_notes_goes(const QueueKey *queue, int level,
							  const text *fairness_key, ReadyKey place);
extern void cursor_notes_passed(const QueueKey *queue, int level,
								const text *fairness_key, ReadyKey from,
								ReadyKey end);
extern void cursor_notes_announce(const QueueKey *queue);
extern bool cursor_notes_any(const QueueKey *queue);

/* for the end of a transaction: cannot fail */
extern void cursor_notes_commit(void);
extern void cursor_notes_abort(void);
extern void cursor_notes_subtransaction(SubXactEvent event,
										SubTransactionId mine,
										SubTransactionId parent);
extern void cursor_notes_forget(void);

#endif							/* TASKQ_CURSOR_NOTES_H */
