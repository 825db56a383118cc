/*
 * channel_names.h
 *		The names of the LISTEN channels of task queues, workers, listeners and runs.
 */
#ifndef TASKQ_CHANNEL_NAMES_H
#define TASKQ_CHANNEL_NAMES_H

#include "task/queue_keys.h"

extern char *channel_name(const char *name, int length, NameKind kind);
extern char *run_channel(int64 run_id);
extern bool channel_parse(const char *channel, uint64 *hash, NameKind *kind);

#endif							/* TASKQ_CHANNEL_NAMES_H */
