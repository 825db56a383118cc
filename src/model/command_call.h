/*
 * command_call.h
 *		One command that is being carried out; what all of them do.
 */
#ifndef TASKQ_COMMAND_CALL_H
#define TASKQ_COMMAND_CALL_H

#include "common/proto_enums.h"
#include "model/run_step.h"

#define CAUSE_PREFIX	"WORKFLOW_TASK_FAILED_CAUSE_"

/* One command, as it came. */
typedef struct RunCommand
{
	int			type;			/* a ProtoCommandType */
	const char *name;			/* "StartTimer" */
	Jsonb	   *attributes;		/* NULL = none */
	Jsonb	   *user_metadata;
	Jsonb	   *extra;			/* what else belongs to the event */
} RunCommand;

/* Why commands cannot be carried out: cause is NULL if they can. */
typedef struct CommandFault
{
	const char *cause;			/* the protocol's name, WORKFLOW_TASK_FAILED_CAUSE_... */
	char	   *message;		/* with the cause in front of it */
	bool		fatal;			/* the run ends by it */
} CommandFault;

/* A command at work. */
typedef struct CommandCall
{
	RunStep    *step;
	const RunCommand *command;
	int64		completed_event_id;
	CommandFault *fault;
} CommandCall;

extern void command_fault(CommandCall *call, const char *cause, const char *format,...) pg_attribute_printf(3, 4);
extern void command_is_fatal(CommandCall *call, const char *cause, const char *message);
extern bool command_text_fits(CommandCall *call, const char *cause, const char *what, const char *value);
extern const char *command_queue_problem(CommandCall *call);
extern bool command_payload_fits(CommandCall *call, const char *cause, const char *key, const char *what);
extern int64 command_event(CommandCall *call, int type, Jsonb *attributes);
extern Jsonb *command_attributes(CommandCall *call);

#endif							/* TASKQ_COMMAND_CALL_H */
