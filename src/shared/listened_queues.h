/*
 * listened_queues.h
 *		Of which queues listeners are told.
 */
#ifndef TASKQ_LISTENED_QUEUES_H
#define TASKQ_LISTENED_QUEUES_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#include "shared/listener_marks.h"
#include "task/queue_keys.h"

/* What is to be done about a queue of a listener. */
typedef struct ListenerNews
{
	uint64		hash;			/* of the queue */
	int			place;			/* of the listener's channel */
	bool		notify;
	bool		look_up;		/* when is the next task due? */
	TimestampTz found;			/* that is when */
	int			name_length;	/* 0 = the name was not kept */
	char		name[KEPT_QUEUE_NAME];
} ListenerNews;

extern Size listened_queues_shmem_size(void);
extern void listened_queues_shmem_init(LWLockPadded *locks);
extern void listened_queues_forget_database(Oid database);

extern void listened_queues_add(int place, const QueueRef *queues, int n);
extern void listened_queues_remove(int place, const QueueRef *queues, int n);

/* cannot fail, no allocation */
extern void listened_queues_drop(int place);
extern bool listened_queues_renew(int place);
extern bool listened_queues_any(void);
extern void listened_queues_due(uint64 hash, TimestampTz due);
extern void listened_queues_hungry(uint64 hash);
extern void listened_queues_all_due(void);

/* for the worker */
extern int	listened_queues_take(ListenerNews *news, int max,
								 TimestampTz *next);
extern void listened_queues_settle(const ListenerNews *news, int n,
								   bool failed);

#endif							/* TASKQ_LISTENED_QUEUES_H */
