/*
 * run_close_commands.h
 *		Commands that close the run; and whether another one follows.
 */
#ifndef TASKQ_RUN_CLOSE_COMMANDS_H
#define TASKQ_RUN_CLOSE_COMMANDS_H

#include "model/command_call.h"

extern void command_complete(CommandCall *call);
extern void command_fail(CommandCall *call);
extern void command_cancel(CommandCall *call);
extern void command_continue_as_new(CommandCall *call);

extern const char *run_retry(RunStep *step, Jsonb *failure);
extern void run_time_out(RunStep *step);

#endif							/* TASKQ_RUN_CLOSE_COMMANDS_H */
