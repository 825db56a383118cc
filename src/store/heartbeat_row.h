/*
 * heartbeat_row.h
 *		Rows of taskq.heartbeat_state: the last heartbeat of an open activity.
 */
#ifndef TASKQ_HEARTBEAT_ROW_H
#define TASKQ_HEARTBEAT_ROW_H

#include "model/activity.h"
#include "task/store_result.h"

extern bool heartbeat_row_lock_at_once(void);
extern void heartbeat_row_read(int64 run_id, Heartbeat *heartbeat);
extern TransactionId heartbeat_row_writer(int64 run_id);

typedef enum RowWrite
{
	ROW_ALONE,					/* we have the activity's row: nobody makes one */
	ROW_WAIT,					/* wait for who does */
	ROW_NO_WAIT					/* give up: STORE_BUSY or STORE_CHANGED */
} RowWrite;

extern StoreResult heartbeat_row_write(int64 run_id,
									   const Heartbeat *heartbeat,
									   RowWrite how);
extern StoreResult heartbeat_row_delete(const Heartbeat *heartbeat);

#endif							/* TASKQ_HEARTBEAT_ROW_H */
