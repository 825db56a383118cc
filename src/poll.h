/*
 * poll.h
 *		Handing attempts to workers.
 */
#ifndef TASKQ_POLL_H
#define TASKQ_POLL_H

#include "fmgr.h"

#include "store.h"

typedef struct PollArguments
{
	text	   *task_queue;
	char	   *identity;
	int			max_tasks;
	double		max_tasks_per_second;	/* 0 = not given */
} PollArguments;

extern void poll_arguments(FunctionCallInfo fcinfo, int first,
						   PollArguments *arguments);
extern void poll_queue(FunctionCallInfo fcinfo,
					   const PollArguments *arguments);
extern const char *poll_last_identity(void);
extern int	poll_ready(text *task_queue, TimestampTz *next);

#endif							/* TASKQ_POLL_H */
