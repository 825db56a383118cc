/*
 * channel_marks.h
 *		What transactions mark on the channels that somebody listens to.
 */
#ifndef TASKQ_CHANNEL_MARKS_H
#define TASKQ_CHANNEL_MARKS_H

#include "datatype/timestamp.h"

#include "shared/channels.h"

/* at the end of a transaction: cannot fail, no allocation */
extern void channels_task_due(uint64 hash, TimestampTz due);
extern void channels_hungry(uint64 hash);
extern void channels_all_queues(void);
extern void channels_worker_event(uint64 hash, int64 run_id, int attempt,
								  WorkerEvent event);

/* caller holds control->lock */
extern void channel_add_event(ListenedChannel *channel,
							  const PendingEvent *event);

#endif							/* TASKQ_CHANNEL_MARKS_H */
