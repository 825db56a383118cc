/*
 * channel.h
 *		The LISTEN channels of task queues and workers: names and directory.
 */
#ifndef TASKQ_CHANNEL_H
#define TASKQ_CHANNEL_H

#include "postgres.h"

#include "shmem.h"

extern char *channel_name(const char *name, int length, bool is_worker);

/* caller holds control->lock */
extern int	channel_next(uint64 hash, int i);
extern ListenedChannel *channel_find(uint64 hash, const char *name, int length);
extern void channel_forget(int i);
extern void channel_forget_database(Oid database);

#endif							/* TASKQ_CHANNEL_H */
