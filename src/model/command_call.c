/*
 * command_call.c
 *		One command that is being carried out: its faults, and its event.
 */
#include "postgres.h"

#include "base/json.h"
#include "common/lengths.h"
#include "model/command_call.h"
#include "model/options.h"
#include "model/proto_json.h"

/* ------------------------------------------------------------------------
 * Faults
 * ------------------------------------------------------------------------
 */

/* "BadStartTimerAttributes: " of WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES */
static void
append_cause(StringInfo to, const char *cause)
{
	bool		upper = true;

	for (const char *c = cause + strlen(CAUSE_PREFIX); *c != '\0'; c++)
	{
		if (*c == '_')
		{
			upper = true;
			continue;
		}
		appendStringInfoChar(to, upper ? *c : pg_ascii_tolower((unsigned char) *c));
		upper = false;
	}
}

/* command_fault: the command cannot be carried out. */
void
command_fault(CommandCall *call, const char *cause, const char *format,...)
{
	StringInfoData message;

	initStringInfo(&message);
	append_cause(&message, cause);
	appendStringInfoString(&message, ": ");
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	call->fault->cause = cause;
	call->fault->message = message.data;
}

/* command_is_fatal: what it brings is too large, and the run ends. */
void
command_is_fatal(CommandCall *call, const char *cause, const char *message)
{
	command_fault(call, cause, "%s", message);
	call->fault->fatal = true;
}

/* command_text_fits: names have a greatest length. */
bool
command_text_fits(CommandCall *call, const char *cause, const char *what, const char *value)
{
	if (value == NULL || strlen(value) <= MAX_NAME_LENGTH)
		return true;
	command_fault(call, cause, "%s on %sCommand exceeds length limit. %s=%s Length=%d Limit=%d",
				  what, call->command->name, what, value, (int) strlen(value), MAX_NAME_LENGTH);
	return false;
}

/* command_queue_problem: may the command's queue be one?  NULL: yes, and so may one that it does not name. */
const char *
command_queue_problem(CommandCall *call)
{
	Jsonb	   *queue = json_get_object(call->command->attributes, "taskQueue");
	char	   *name = queue == NULL ? NULL : json_get_text(queue, "name");

	if (name == NULL)
		return NULL;
	if (is_reserved_queue_name(name, strlen(name)))
		return "task queue name cannot start with reserved prefix " RESERVED_QUEUE_PREFIX;
	return strlen(name) > MAX_NAME_LENGTH ? "taskQueue length exceeds limit" : NULL;
}

/*
 * command_payload_fits: what the attributes have under that key has a greatest size; "what" is said of them
 * if it is larger.
 */
bool
command_payload_fits(CommandCall *call, const char *cause, const char *key, const char *what)
{
	Jsonb	   *message = json_get_object(call->command->attributes, key);

	if (message == NULL || !message_is_large(message))
		return true;
	command_is_fatal(call, cause,
					 psprintf("%sCommandAttributes%s exceeds size limit.", call->command->name, what));
	return false;
}

/* ------------------------------------------------------------------------
 * Events of commands
 * ------------------------------------------------------------------------
 */

/* command_attributes: those of the command, and the number of the task's completion. */
Jsonb *
command_attributes(CommandCall *call)
{
	JsonBuilder builder;

	json_begin(&builder);
	if (call->command->attributes != NULL)
		json_add_members(&builder, call->command->attributes, NULL);
	json_add_event_id(&builder, "workflowTaskCompletedEventId", call->completed_event_id);
	return json_end(&builder);
}

/* command_event: the command's event, with what the command says of it. */
int64
command_event(CommandCall *call, int type, Jsonb *attributes)
{
	int64		event_id = run_add_event(call->step, type, attributes);
	HistoryEvent *event = run_last_event(call->step);

	event->user_metadata = call->command->user_metadata;
	event->extra = call->command->extra;
	return event_id;
}
