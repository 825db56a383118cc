/*
 * run_other_commands.h
 *		Commands about timers, markers, search attributes and memos.
 */
#ifndef TASKQ_RUN_OTHER_COMMANDS_H
#define TASKQ_RUN_OTHER_COMMANDS_H

#include "model/command_call.h"

extern void command_start_timer(CommandCall *call);
extern void command_cancel_timer(CommandCall *call);
extern void command_record_marker(CommandCall *call);
extern void command_upsert_search_attributes(CommandCall *call);
extern void command_modify_properties(CommandCall *call);

#endif							/* TASKQ_RUN_OTHER_COMMANDS_H */
