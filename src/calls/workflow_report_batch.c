/*
 * workflow_report_batch.c
 *		taskq.complete_workflow_tasks: many workflow tasks completed at once.
 *
 * Each completion is an object with the arguments of complete_workflow_task as its
 * members, and no others.  They are worked on in the order of run_id, so that two
 * batches cannot deadlock, each in a savepoint: an error is told of its own, and of
 * no other, but for those that end all (savepoint_try()).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/basics.h"
#include "base/json.h"
#include "base/savepoint.h"
#include "base/shown.h"
#include "calls/args.h"
#include "calls/workflow_report.h"
#include "engine/run_refusal.h"
#include "engine/run_token.h"
#include "model/duration.h"
#include "model/options.h"

#define SLOT_FIELDS		3		/* slot, ok, error */

/* One completion, and what became of it. */
typedef struct Entry
{
	Jsonb	   *given;
	int			slot;
	TaskCompletion completion;
	bool		known;			/* it has a token that may be one */
	int			sqlstate;		/* 0 = done */
	char	   *message;		/* what the error says */
	Datum		values[COMPLETION_FIELDS];
	bool		nulls[COMPLETION_FIELDS];
} Entry;

/* a member of whatever type; NULL for none, and for null */
static Jsonb *
any_member(const Entry *entry, const char *key)
{
	JsonbValue *value = json_get(entry->given, key);

	return value == NULL || value->type == jbvNull ? NULL : JsonbValueToJsonb(value);
}

static void
raise_wrong_type(const Entry *entry, const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s of completion %d must be a %s", key, entry->slot, wanted)));
}

/* what is misspelt must not be taken for what is not set */
static void
check_members(const Entry *entry)
{
	static const char *const members[] = {
		"task_token", "commands", "sticky_task_queue", "sticky_schedule_to_start_timeout",
		"force_new_task", "return_new_task", "query_results", "messages", "sdk_metadata",
		"extra", "identity"
	};
	JsonbIterator *iterator = JsonbIteratorInit(&entry->given->root);
	JsonbIteratorToken token;
	JsonbValue	item;

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		bool		is_known = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < (int) lengthof(members); i++)
			is_known |= item.val.string.len == (int) strlen(members[i]) &&
				memcmp(item.val.string.val, members[i], item.val.string.len) == 0;
		if (!is_known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized member \"%s\" of completion %d",
							text_shown(pnstrdup(item.val.string.val, item.val.string.len)),
							entry->slot),
					 errhint("The members are the arguments of taskq.complete_workflow_task().")));
	}
}

static char *
text_member(const Entry *entry, const char *key)
{
	char	   *value = json_get_text(entry->given, key);

	if (value == NULL && any_member(entry, key) != NULL)
		raise_wrong_type(entry, key, "string");
	return value;
}

/* the token is read before anything else, for the order */
static void
read_token(Entry *entry)
{
	char	   *token = text_member(entry, "task_token");

	if (token == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("task_token is not set in completion %d", entry->slot)));
	entry->known = run_token_read(DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(token))),
								  &entry->completion.run_id, &entry->completion.nonce);
}

static bool
bool_member(const Entry *entry, const char *key)
{
	JsonbValue *value = json_get(entry->given, key);

	if (value != NULL && value->type != jbvNull && value->type != jbvBool)
		raise_wrong_type(entry, key, "boolean");
	return json_get_bool(entry->given, key);
}

static void
read_completion(Entry *entry)
{
	TaskCompletion *completion = &entry->completion;
	char	   *sticky = text_member(entry, "sticky_task_queue");
	char	   *timeout = text_member(entry, "sticky_schedule_to_start_timeout");
	char	   *identity = text_member(entry, "identity");

	check_members(entry);
	completion_refuse_later(any_member(entry, "query_results"), "query_results");
	completion_refuse_later(any_member(entry, "messages"), "messages");
	if (sticky != NULL && sticky[0] != '\0')
		completion->sticky_queue = check_queue_name(cstring_to_text(sticky));
	if (timeout != NULL)
		completion->sticky_timeout =
			duration_from_interval(interval_from_text(timeout, "sticky_schedule_to_start_timeout"),
								   "sticky_schedule_to_start_timeout");
	completion->force_new_task = bool_member(entry, "force_new_task");
	completion->return_new_task = bool_member(entry, "return_new_task");
	completion_metadata(completion, any_member(entry, "sdk_metadata"), any_member(entry, "extra"));
	if (identity != NULL)
		check_identity(cstring_to_text(identity), true);
	completion->identity = identity == NULL ? default_identity() : identity;
	completion_commands(any_member(entry, "commands"), &completion->commands);
}

static bool
complete(void *arg)
{
	Entry	   *entry = arg;
	CompletionAnswer answer;

	read_completion(entry);
	if (!entry->known || !run_complete_task(&entry->completion, &answer))
		report_stale_task(ERROR);
	completion_values(&answer, entry->completion.sticky_queue != NULL, entry->values, entry->nulls);
	return true;
}

/* what the error says, and where; DETAIL of taskq's own errors is for programs */
static char *
error_text(const ErrorData *error)
{
	if (error->detail == NULL ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_TASKQ_NOT_FOUND))
		return error->message;
	return psprintf("%s: %s", error->message, error->detail);
}

static int
compare_entries(const void *a, const void *b)
{
	const Entry *x = *(Entry *const *) a;
	const Entry *y = *(Entry *const *) b;

	if (x->completion.run_id != y->completion.run_id)
		return x->completion.run_id < y->completion.run_id ? -1 : 1;
	return x->slot - y->slot;
}

static void
put_entry(FunctionCallInfo fcinfo, Entry *entry)
{
	Datum		values[SLOT_FIELDS + COMPLETION_FIELDS];
	bool		nulls[SLOT_FIELDS + COMPLETION_FIELDS] = {false};
	bool		ok = entry->sqlstate == 0;

	values[0] = Int32GetDatum(entry->slot);
	values[1] = BoolGetDatum(ok);
	nulls[2] = ok;
	if (!ok)
		values[2] = CStringGetTextDatum(unpack_sql_state(entry->sqlstate));
	for (int i = 0; i < COMPLETION_FIELDS; i++)
	{
		values[SLOT_FIELDS + i] = entry->values[i];
		nulls[SLOT_FIELDS + i] = !ok || entry->nulls[i];
	}
	if (entry->message != NULL)
	{
		values[SLOT_FIELDS + COMPLETION_MESSAGE] = CStringGetTextDatum(entry->message);
		nulls[SLOT_FIELDS + COMPLETION_MESSAGE] = false;
	}
	put_row(fcinfo, values, nulls, lengthof(values));
}

PG_FUNCTION_INFO_V1(taskq_complete_workflow_tasks);

/* taskq.complete_workflow_tasks(completions jsonb[]) returns one row for each, in their order */
Datum
taskq_complete_workflow_tasks(PG_FUNCTION_ARGS)
{
	Datum	   *given;
	Entry	   *entries;
	Entry	  **order;
	int			count;

	begin_writing("taskq.complete_workflow_tasks()");
	require_arg(fcinfo, 0, "completions");
	given = arg_elements(fcinfo, 0, JSONBOID, "completions", &count);
	entries = palloc0(sizeof(Entry) * Max(count, 1));
	order = palloc(sizeof(Entry *) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		entries[i].slot = i + 1;
		entries[i].given = DatumGetJsonbP(given[i]);
		if (!JB_ROOT_IS_OBJECT(entries[i].given))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("completion %d must be a JSON object", i + 1)));
		read_token(&entries[i]);
		order[i] = &entries[i];
	}
	qsort(order, count, sizeof(Entry *), compare_entries);
	for (int i = 0; i < count; i++)
	{
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		error = savepoint_try(complete, order[i]);
		if (error == NULL)
			continue;
		order[i]->sqlstate = error->sqlerrcode;
		order[i]->message = error_text(error);
	}
	begin_result(fcinfo);
	for (int i = 0; i < count; i++)
		put_entry(fcinfo, &entries[i]);
	return (Datum) 0;
}
