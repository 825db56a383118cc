/*
 * channel_queues.h
 *		Of which queues channels are that were listened to by name.
 */
#ifndef TASKQ_CHANNEL_QUEUES_H
#define TASKQ_CHANNEL_QUEUES_H

#include "datatype/timestamp.h"

#include "shared/channels.h"

extern bool channel_is_nameless(const ListenedChannel *channel);
extern TimestampTz channel_queues_next(TimestampTz now);
extern void channel_queues_find(TimestampTz now);
extern void channel_queues_stop(void);

#endif							/* TASKQ_CHANNEL_QUEUES_H */
