/*
 * config_rows.h
 *		Rows of taskq.queue_config: what somebody configured for a queue.
 */
#ifndef TASKQ_CONFIG_ROWS_H
#define TASKQ_CONFIG_ROWS_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"

typedef struct ConfigRow
{
	text	   *task_queue;
	Jsonb	   *config;
	text	   *reason;			/* NULL = not given */
	text	   *identity;		/* likewise */
	TimestampTz update_time;
	int64		revision;		/* 0 = there is no row */
	ItemPointerData tid;		/* of the version read, if there is one */
} ConfigRow;

extern bool config_rows_each(bool (*callback) (const text *task_queue,
											   Jsonb *config));
extern Jsonb *config_row_now(const text *task_queue);
extern void config_row_read(text *task_queue, ConfigRow *row);
extern bool config_row_write(const ConfigRow *row);

#endif							/* TASKQ_CONFIG_ROWS_H */
