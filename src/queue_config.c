/*
 * queue_config.c
 *		Configuration of task queues.
 */
#include "postgres.h"

#include "datatype/timestamp.h"

#include "guc.h"
#include "queue_config.h"

/*
 * queue_config_retention: how long closed activities of the queue are kept,
 * in microseconds.
 */
int64
queue_config_retention(const text *task_queue)
{
	return taskq_retention * USECS_PER_SEC;
}
