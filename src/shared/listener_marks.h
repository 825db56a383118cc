/*
 * listener_marks.h
 *		The table of listened_queues.c: marks of listeners at queues.
 */
#ifndef TASKQ_LISTENER_MARKS_H
#define TASKQ_LISTENER_MARKS_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#include "task/queue_keys.h"

/* longer names of queues are not kept, but found when they are needed */
#define KEPT_QUEUE_NAME		128

typedef struct ListenerMarkKey
{
	Oid			database;
	int32		number;
	uint64		hash;			/* of the queue */
} ListenerMarkKey;

typedef struct ListenerMark
{
	ListenerMarkKey key;
	int			place;			/* of the listener's channel */
	int			next;			/* mark of the listener, and the one before, as */
	int			previous;		/* their places in the table plus one, 0 = none */
	bool		news;			/* a task is due */
	TimestampTz until;			/* real clock */
	TimestampTz next_due;		/* -infinity = look it up */
	TimestampTz last_sent;		/* -infinity = the next one is sent at once */
	uint16		name_length;	/* 0 = the name was too long */
	char		name[KEPT_QUEUE_NAME];
} ListenerMark;

extern Size listener_marks_size(void);
extern void listener_marks_init(LWLock *lock);
extern bool listener_marks_any(void);

extern ListenerMark *listener_mark_at(int i);
extern ListenerMark *listener_mark_of(uint64 hash, int n);
extern ListenerMark *listener_mark_find(uint64 hash, int place, int *n);
extern ListenerMark *listener_mark_first(int place);
extern ListenerMark *listener_mark_next(const ListenerMark *mark);
extern ListenerMark *listener_mark_pending(int *place);

extern ListenerMark *listener_mark_add(const QueueRef *queue, int n, int place,
									   TimestampTz real_now, bool *exceeded);
extern void listener_mark_changed(const ListenerMark *mark);
extern void listener_mark_remove(ListenerMark *mark);
extern void listener_marks_remove(Oid database);
extern void listener_marks_sweep(TimestampTz real_now, int64 interval);

#endif							/* TASKQ_LISTENER_MARKS_H */
