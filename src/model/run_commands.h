/*
 * run_commands.h
 *		What a worker tells a run to do.
 */
#ifndef TASKQ_RUN_COMMANDS_H
#define TASKQ_RUN_COMMANDS_H

#include "model/command_call.h"

/* Commands of one completion. */
typedef struct RunCommands
{
	RunCommand *items;
	int			count;
	bool		closes;			/* the last one closes the run */
} RunCommands;

extern void run_commands_read(Jsonb *list, RunCommands *commands);
extern void run_commands_apply(RunStep *step, const RunCommands *commands,
							   int64 completed_event_id, CommandFault *fault);

#endif							/* TASKQ_RUN_COMMANDS_H */
