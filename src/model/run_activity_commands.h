/*
 * run_activity_commands.h
 *		Commands about activities.
 */
#ifndef TASKQ_RUN_ACTIVITY_COMMANDS_H
#define TASKQ_RUN_ACTIVITY_COMMANDS_H

#include "model/command_call.h"

extern void command_schedule_activity(CommandCall *call);
extern void command_cancel_activity(CommandCall *call);

#endif							/* TASKQ_RUN_ACTIVITY_COMMANDS_H */
