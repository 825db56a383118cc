/*
 * kinds.h
 *		The kinds of tasks, and what differs between them.
 */
#ifndef TASKQ_KINDS_H
#define TASKQ_KINDS_H

#include "datatype/timestamp.h"

#include "task/queue_keys.h"
#include "task/store_result.h"
#include "task/task.h"

/*
 * What is marked with PGDLLEXPORT, here and elsewhere, is for libraries that
 * bring a kind of their own.
 */

/* The start of an attempt. */
typedef struct Start
{
	TimestampTz now;
	const char *identity;		/* of the worker */
	int64		nonce;			/* of the attempt */
} Start;

/* What a kind of task does its own way.  Its struct begins with a Task. */
typedef struct Kind
{
	const char *name;
	const char *prefix;			/* of its queues' names; NULL = activities */
	Size		size;			/* of the struct */

	/*
	 * Columns of taskq.open beyond those of Task, into the struct, which is
	 * all zeros but for its Task; varlenas point to where the values do.
	 * deadlines_from_row: no more of them than next_deadline needs.
	 */
	void		(*from_row) (const Datum *values, const bool *nulls, Task *task);
	void		(*deadlines_from_row) (const Datum *values, const bool *nulls,
									   Task *task);
	void		(*to_row) (Task *task, Datum *values, bool *nulls);

	/*
	 * Which timer fires first; pure.  "last_alive" is when the worker of the
	 * attempt in progress was known to be alive: DT_NOBEGIN for a lower bound,
	 * DT_NOEND for what fires even so.
	 */
	Deadline	(*next_deadline) (const Task *task, TimestampTz last_alive);
	const char *(*deadline_name) (int type);

	/* the queue that the attempt in progress was taken from; pure */
	const text *(*taken_from) (Task *task);

	/* a worker starts an attempt: changes the struct; false = it may not */
	bool		(*start) (Task *task, const Start *start);

	/* of an attempt in progress; reads tables.  NULL = nothing is known */
	TimestampTz (*last_alive) (const Task *task);

	/* does another transaction keep it from timing out?  NULL = none does */
	bool		(*is_held) (const Task *task);

	/*
	 * That timer fires, of a row as it was read: writes what follows, without
	 * waiting for anybody.
	 */
	StoreResult (*time_out) (Task *task, int type, TimestampTz now);
} Kind;

/* Room for a task of any kind. */
typedef union TaskRoom
{
	Task		task;
	char		room[1024];
} TaskRoom;

extern PGDLLEXPORT void kind_register(const Kind *kind);
extern PGDLLEXPORT const Kind *kind_of_queue(const text *queue);
extern const Kind *kind_of_activities(void);

/* kind_of: of a task, by its queue. */
static inline const Kind *
kind_of(const Task *task)
{
	return kind_of_queue(task->queue);
}

#endif							/* TASKQ_KINDS_H */
