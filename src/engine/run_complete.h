/*
 * run_complete.h
 *		The end of a workflow task, as its worker tells it.
 */
#ifndef TASKQ_RUN_COMPLETE_H
#define TASKQ_RUN_COMPLETE_H

#include "engine/run_write.h"
#include "model/run_commands.h"

/* What a worker tells with a completion. */
typedef struct TaskCompletion
{
	int64		run_id;
	int64		nonce;			/* of the attempt */
	RunCommands commands;
	text	   *sticky_queue;	/* NULL = it has not cached the run */
	int64		sticky_timeout; /* us */
	bool		force_new_task;
	bool		return_new_task;
	Jsonb	   *sdk_metadata;	/* NULL = not told */
	Jsonb	   *extra;			/* further attributes of the event; NULL = none */
	const char *identity;
} TaskCompletion;

/* What becomes of it. */
typedef struct CompletionAnswer
{
	const char *failed_cause;	/* NULL = it was accepted */
	char	   *failed_message;
	bool		closed;
	bool		has_new_task;
	Run			new_task;		/* as it was started */
	RunWritten	written;
} CompletionAnswer;

extern bool run_complete_task(const TaskCompletion *completion, CompletionAnswer *answer);
extern bool run_fail_task(int64 run_id, int64 nonce, const char *cause, Jsonb *failure,
						  const char *identity);
extern bool run_release_task(int64 run_id, int64 nonce);

#endif							/* TASKQ_RUN_COMPLETE_H */
