/*
 * event_summary.c
 *		Events of histories as lines that people read.
 *
 * What is shown of an event are those of its attributes that say something, in an order
 * that suits all kinds of events: what it is about, of which other event, why, by whom,
 * and with which values, which are plain.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "base/json.h"
#include "model/proto_values.h"
#include "model/search_values.h"

/* bytes of one attribute */
#define LONGEST_PART	200

/* What an attribute is. */
typedef enum PartForm
{
	PART_PLAIN,					/* a string or number */
	PART_NAME,					/* {"name": ...} */
	PART_WORKFLOW,				/* a WorkflowExecution */
	PART_CONSTANT,				/* of an enum, whose prefix is "label" */
	PART_VALUES,				/* Payloads, or a map of them */
	PART_FAILURE
} PartForm;

typedef struct Part
{
	const char *key;
	const char *label;			/* shown before it; NULL = none */
	PartForm	form;
} Part;

static const Part parts[] = {
	{"workflowType", NULL, PART_NAME},
	{"activityType", NULL, PART_NAME},
	{"signalName", NULL, PART_PLAIN},
	{"markerName", NULL, PART_PLAIN},
	{"workflowId", "workflow", PART_PLAIN},
	{"workflowExecution", "workflow", PART_WORKFLOW},
	{"activityId", "activity", PART_PLAIN},
	{"timerId", "timer", PART_PLAIN},
	{"taskQueue", "queue", PART_NAME},
	{"scheduledEventId", "of event", PART_PLAIN},
	{"initiatedEventId", "of event", PART_PLAIN},
	{"startToFireTimeout", "after", PART_PLAIN},
	{"cause", "WORKFLOW_TASK_FAILED_CAUSE_", PART_CONSTANT},
	{"timeoutType", "TIMEOUT_TYPE_", PART_CONSTANT},
	{"retryState", "RETRY_STATE_", PART_CONSTANT},
	{"attempt", "attempt", PART_PLAIN},
	{"reason", NULL, PART_PLAIN},
	{"identity", "by", PART_PLAIN},
	{"newExecutionRunId", "new run", PART_PLAIN},
	{"input", NULL, PART_VALUES},
	{"result", NULL, PART_VALUES},
	{"details", NULL, PART_VALUES},
	{"searchAttributes", NULL, PART_VALUES},
	{"upsertedMemo", NULL, PART_VALUES},
	{"failure", NULL, PART_FAILURE},
	{"lastFailure", "after", PART_FAILURE},
};

static char *
text_of(Jsonb *value)
{
	return value == NULL ? NULL :
		JsonbToCString(NULL, &value->root, VARSIZE_ANY_EXHDR(value));
}

/* a string or number; NULL for anything else */
static char *
scalar(Jsonb *attributes, const char *key)
{
	JsonbValue *value = json_get(attributes, key);

	if (value != NULL && value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric)));
	return json_get_text(attributes, key);
}

/* the text without its prefix, in small letters */
static char *
constant(char *name, const char *prefix)
{
	if (name == NULL)
		return NULL;
	if (strncmp(name, prefix, strlen(prefix)) == 0)
		name += strlen(prefix);
	for (char *c = name; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return name;
}

/* payloads of each member, {"name": Payloads} */
static char *
each_of(Jsonb *map)
{
	JsonBuilder plain;
	JsonbIterator *it = JsonbIteratorInit(&map->root);
	JsonbValue	item;
	JsonbIteratorToken token;
	Jsonb	   *object;

	json_begin(&plain);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
		if (token == WJB_KEY)
		{
			char	   *key = pnstrdup(item.val.string.val, item.val.string.len);

			json_add(&plain, key, payloads_plain(json_get_object(map, key)));
		}
	object = json_end(&plain);
	return object == NULL ? NULL : text_of(object);
}

/* Payloads, what wraps a map of Payload, or a map of Payloads */
static char *
values(Jsonb *value)
{
	Jsonb	   *map;

	if (value == NULL || !JB_ROOT_IS_OBJECT(value))
		return NULL;
	if (json_get(value, "payloads") != NULL)
		return text_of(payloads_plain(value));
	map = json_get_object(value, "indexedFields");
	if (map != NULL)
		return text_of(search_values(map));
	map = json_get_object(value, "fields");
	return map != NULL ? text_of(payload_map_plain(map)) : each_of(value);
}

/* messages, from the outermost to the first cause */
static char *
failure_text(Jsonb *failure)
{
	StringInfoData text;

	if (failure == NULL)
		return NULL;
	initStringInfo(&text);
	for (; failure != NULL; failure = json_get_object(failure, "cause"))
	{
		char	   *message = json_get_text(failure, "message");

		if (message == NULL)
			continue;
		if (text.len > 0)
			appendStringInfoString(&text, ": ");
		appendStringInfoString(&text, message);
	}
	return text.data;
}

static char *
part_text(Jsonb *attributes, const Part *part)
{
	Jsonb	   *object = part->form == PART_PLAIN || part->form == PART_CONSTANT ? NULL :
		json_get_object(attributes, part->key);

	switch (part->form)
	{
		case PART_PLAIN:
			return scalar(attributes, part->key);
		case PART_CONSTANT:
			return constant(json_get_text(attributes, part->key), part->label);
		case PART_NAME:
			return object == NULL ? NULL : json_get_text(object, "name");
		case PART_WORKFLOW:
			return object == NULL ? NULL : json_get_text(object, "workflowId");
		case PART_VALUES:
			return values(object);
		case PART_FAILURE:
			return failure_text(object);
	}
	return NULL;
}

/* append it, on the same line, not too long */
static void
append_part(StringInfo line, const Part *part, const char *text)
{
	int			length = strlen(text);
	int			shown = pg_mbcliplen(text, length, LONGEST_PART);

	if (line->len > 0)
		appendStringInfoString(line, ", ");
	if (part->label != NULL && part->form != PART_CONSTANT)
		appendStringInfo(line, "%s ", part->label);
	for (int i = 0; i < shown; i++)
		appendStringInfoChar(line, (unsigned char) text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i]);
	if (shown < length)
		appendStringInfoString(line, "...");
}

PG_FUNCTION_INFO_V1(taskq_event_summary);

/*
 * taskq.event_summary(attributes) returns text: one line; empty if they say nothing.
 */
Datum
taskq_event_summary(PG_FUNCTION_ARGS)
{
	Jsonb	   *attributes = PG_GETARG_JSONB_P(0);
	StringInfoData line;

	initStringInfo(&line);
	for (int i = 0; JB_ROOT_IS_OBJECT(attributes) && i < (int) lengthof(parts); i++)
	{
		char	   *text = part_text(attributes, &parts[i]);

		if (text != NULL && text[0] != '\0')
			append_part(&line, &parts[i], text);
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(line.data, line.len));
}
