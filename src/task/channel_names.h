/*
 * channel_names.h
 *		The names of the LISTEN channels of task queues and workers, and of runs.
 */
#ifndef TASKQ_CHANNEL_NAMES_H
#define TASKQ_CHANNEL_NAMES_H

extern char *channel_name(const char *name, int length, bool is_worker);
extern char *run_channel(int64 run_id);
extern bool channel_parse(const char *channel, uint64 *hash, bool *is_worker);

#endif							/* TASKQ_CHANNEL_NAMES_H */
