/*
 * queue_kinds.h
 *		Queues of activities and of workflows, which may have the same names.
 */
#ifndef TASKQ_QUEUE_KINDS_H
#define TASKQ_QUEUE_KINDS_H

#include "fmgr.h"

/* In the order of taskq.task_kind. */
typedef enum QueueKind
{
	QUEUE_OF_ACTIVITIES,
	QUEUE_OF_WORKFLOWS
} QueueKind;

#define QUEUE_KIND_LAST		QUEUE_OF_WORKFLOWS

/* no argument says the kinds */
#define NO_KINDS			(-1)

/* Puts rows of a queue, by its name inside, or of all (NULL). */
typedef void (*QueueRows) (FunctionCallInfo fcinfo, const text *one_queue);

extern QueueKind arg_queue_kind(FunctionCallInfo fcinfo, int n);
extern text *queue_of_kind(text *name, QueueKind kind);
extern text *queue_of_worker(text *name, QueueKind kind, const text *normal_name);
extern text *arg_queue(FunctionCallInfo fcinfo, int name, int kind);
extern text *arg_worker_queue(FunctionCallInfo fcinfo, int name, int kind, int sticky_for);
extern text **arg_worker_queues(FunctionCallInfo fcinfo, int queues, QueueKind kind, int kinds,
								int normal_names, int *count);
extern text *queue_shown(const text *inside);
extern bool put_queue_name(const char *name, int length, Datum *shown, Datum *kind);
extern void put_of_queues(FunctionCallInfo fcinfo, QueueRows put);

#endif							/* TASKQ_QUEUE_KINDS_H */
