/*
 * run_commands.c
 *		What a worker tells a run to do: which command has which effect.
 *
 * The table is the state machine of commands; each of them adds its event to the
 * step, and what else is to be done.  One that cannot be carried out makes the
 * workflow task fail with the cause that the table has for it, unless it says
 * another, and nothing of the step is done.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/json.h"
#include "common/proto_commands.h"
#include "common/proto_events.h"
#include "model/run_activity_commands.h"
#include "model/run_close_commands.h"
#include "model/run_commands.h"
#include "model/run_other_commands.h"

/* of how many commands an error tells */
#define SHOWN_COMMANDS	20

/* A command and its effect. */
typedef struct CommandRule
{
	int			type;
	const char *name;			/* as errors have it */
	const char *cause;			/* of a fault of its attributes */
	bool		closes;			/* it is the last one of the run */
	bool		bare;			/* needs no attributes */
	const char *payload;		/* key of those attributes whose size is limited; NULL = none */
	const char *oversized;		/* how they are called then */
	void		(*apply) (CommandCall *call);
} CommandRule;

static void
command_not_there(CommandCall *call)
{
	command_fault(call, CAUSE_PREFIX "FEATURE_DISABLED",
				  "%sCommand is not supported yet.", call->command->name);
}

static const CommandRule rules[] = {
	{COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, "ScheduleActivityTask",
	CAUSE_PREFIX "BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", false, false, "input", ".Input", command_schedule_activity},
	{COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK, "RequestCancelActivityTask",
	CAUSE_PREFIX "BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES", false, false, NULL, NULL, command_cancel_activity},
	{COMMAND_TYPE_START_TIMER, "StartTimer",
	CAUSE_PREFIX "BAD_START_TIMER_ATTRIBUTES", false, false, NULL, NULL, command_start_timer},
	{COMMAND_TYPE_CANCEL_TIMER, "CancelTimer",
	CAUSE_PREFIX "BAD_CANCEL_TIMER_ATTRIBUTES", false, false, NULL, NULL, command_cancel_timer},
	{COMMAND_TYPE_RECORD_MARKER, "RecordMarker",
	CAUSE_PREFIX "BAD_RECORD_MARKER_ATTRIBUTES", false, false, "details", ".Details", command_record_marker},
	{COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, "UpsertWorkflowSearchAttributes",
	CAUSE_PREFIX "BAD_SEARCH_ATTRIBUTES", false, false, "searchAttributes", "", command_upsert_search_attributes},
	{COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES, "ModifyWorkflowProperties",
	CAUSE_PREFIX "BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES", false, false, "upsertedMemo", "", command_modify_properties},
	{COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, "CompleteWorkflowExecution",
	CAUSE_PREFIX "BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES", true, false, "result", ".Result", command_complete},
	{COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, "FailWorkflowExecution",
	CAUSE_PREFIX "BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES", true, false, "failure", ".Failure", command_fail},
	{COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, "CancelWorkflowExecution",
	CAUSE_PREFIX "BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES", true, false, "details", ".Details", command_cancel},
	{COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, "ContinueAsNewWorkflowExecution",
	CAUSE_PREFIX "BAD_CONTINUE_AS_NEW_ATTRIBUTES", true, false, "input", ". Input", command_continue_as_new},

	/* those of a later version */
	{COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, "StartChildWorkflowExecution",
	CAUSE_PREFIX "FEATURE_DISABLED", false, true, NULL, NULL, command_not_there},
	{COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, "SignalExternalWorkflowExecution",
	CAUSE_PREFIX "BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES", false, false, NULL, NULL, command_not_there},
	{COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, "RequestCancelExternalWorkflowExecution",
	CAUSE_PREFIX "BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES", false, false, NULL, NULL, command_not_there},
	{COMMAND_TYPE_PROTOCOL_MESSAGE, "ProtocolMessage",
	CAUSE_PREFIX "BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE", false, false, NULL, NULL, command_not_there},
	{COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION, "ScheduleNexusOperation",
	CAUSE_PREFIX "FEATURE_DISABLED", false, true, NULL, NULL, command_not_there},
	{COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION, "RequestCancelNexusOperation",
	CAUSE_PREFIX "FEATURE_DISABLED", false, true, NULL, NULL, command_not_there},
};

static const CommandRule *
rule_of(int type)
{
	for (int i = 0; i < (int) lengthof(rules); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

/* ------------------------------------------------------------------------
 * Reading and applying
 * ------------------------------------------------------------------------
 */

static void
read_command(Jsonb *object, RunCommand *command)
{
	char	   *constant = json_get_text(object, "commandType");
	const ProtoKind *kind = constant == NULL ? NULL :
		proto_command_named(slice_of(constant));
	const CommandRule *rule = kind == NULL ? NULL : rule_of(kind->number);
	Jsonb	   *markers = json_get_object(object, "eventGroupMarkers");
	JsonBuilder builder;

	if (rule == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown command type: %s", constant == NULL ? "0" : constant)));
	memset(command, 0, sizeof(RunCommand));
	command->type = rule->type;
	command->name = rule->name;
	command->attributes = json_get_object(object, kind->key);
	command->user_metadata = json_get_object(object, "userMetadata");
	if (markers == NULL)
		return;
	json_begin(&builder);
	json_add(&builder, "eventGroupMarkers", markers);
	command->extra = json_end(&builder);
}

/* what comes after a command that closes the run would never be done */
static void
check_sequence(const RunCommands *commands)
{
	for (int i = 0; i < commands->count - 1; i++)
	{
		StringInfoData names;

		if (!rule_of(commands->items[i].type)->closes)
			continue;
		initStringInfo(&names);
		for (int j = 0; j < Min(commands->count, SHOWN_COMMANDS); j++)
			appendStringInfo(&names, "%s%s", j == 0 ? "" : ", ", commands->items[j].name);
		if (commands->count > SHOWN_COMMANDS)
			appendStringInfoString(&names, ", ...");
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid command sequence: [%s], command %s must be the last command.",
						names.data, commands->items[i].name)));
	}
}

/*
 * run_commands_read: a list of commands that proto_check_list() has passed; NULL is
 * an empty one.  Raises 22023 for unknown types and for a sequence that makes no
 * sense.
 */
void
run_commands_read(Jsonb *list, RunCommands *commands)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	memset(commands, 0, sizeof(RunCommands));
	if (list == NULL || JB_ROOT_COUNT(list) == 0)
		return;
	commands->items = palloc(sizeof(RunCommand) * JB_ROOT_COUNT(list));
	iterator = JsonbIteratorInit(&list->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			read_command(JsonbValueToJsonb(&value), &commands->items[commands->count++]);
	check_sequence(commands);
	commands->closes = commands->count > 0 &&
		rule_of(commands->items[commands->count - 1].type)->closes;
}

/* a large result has the cause of another command, in the protocol's server too */
static const char *
cause_of_size(const CommandRule *rule)
{
	return rule->type == COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION ?
		CAUSE_PREFIX "BAD_SCHEDULE_ACTIVITY_ATTRIBUTES" : rule->cause;
}

/*
 * run_commands_apply: carry them out, in order, up to the first that cannot be.
 */
void
run_commands_apply(RunStep *step, const RunCommands *commands,
				   int64 completed_event_id, CommandFault *fault)
{
	memset(fault, 0, sizeof(CommandFault));
	for (int i = 0; i < commands->count && fault->cause == NULL; i++)
	{
		const RunCommand *command = &commands->items[i];
		const CommandRule *rule = rule_of(command->type);
		CommandCall call = {step, command, completed_event_id, fault};

		if (command->attributes == NULL && !rule->bare)
			command_fault(&call, rule->cause, "%sCommandAttributes is not set on %sCommand.",
						  rule->name, rule->name);
		else if (rule->payload == NULL || command_payload_fits(&call, cause_of_size(rule), rule->payload, rule->oversized))
			rule->apply(&call);
	}
}
