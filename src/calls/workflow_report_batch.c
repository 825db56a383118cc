/*
 * workflow_report_batch.c
 *		taskq.complete_workflow_tasks: many workflow tasks completed at once.
 *
 * Each completion is an object with the arguments of complete_workflow_task as its
 * members.  They are worked on in the order of run_id, so that two batches cannot
 * deadlock, each in a savepoint: an error is told of its own, and of no other.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/basics.h"
#include "base/json.h"
#include "calls/args.h"
#include "calls/workflow_report.h"
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
	Datum		values[COMPLETION_FIELDS];
	bool		nulls[COMPLETION_FIELDS];
} Entry;

/* the token is read before anything else, for the order */
static void
read_token(Entry *entry)
{
	char	   *token = json_get_text(entry->given, "task_token");

	if (token == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("task_token is not set in completion %d", entry->slot)));
	entry->known = run_token_read(DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(token))),
								  &entry->completion.run_id, &entry->completion.nonce);
}

/* a member of whatever type; NULL for none, and for null */
static Jsonb *
any_member(const Entry *entry, const char *key)
{
	JsonbValue *value = json_get(entry->given, key);

	return value == NULL || value->type == jbvNull ? NULL : JsonbValueToJsonb(value);
}

static void
raise_wrong_type(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s of a completion must be a %s", key, wanted)));
}

static char *
text_member(const Entry *entry, const char *key)
{
	char	   *value = json_get_text(entry->given, key);

	if (value == NULL && any_member(entry, key) != NULL)
		raise_wrong_type(key, "string");
	return value;
}

static bool
bool_member(const Entry *entry, const char *key)
{
	JsonbValue *value = json_get(entry->given, key);

	if (value != NULL && value->type != jbvNull && value->type != jbvBool)
		raise_wrong_type(key, "boolean");
	return json_get_bool(entry->given, key);
}

static void
read_completion(Entry *entry)
{
	TaskCompletion *completion = &entry->completion;
	char	   *sticky = text_member(entry, "sticky_task_queue");
	char	   *timeout = text_member(entry, "sticky_schedule_to_start_timeout");
	char	   *identity = text_member(entry, "identity");

	completion_commands(any_member(entry, "commands"), &completion->commands);
	if (sticky != NULL && sticky[0] != '\0')
		completion->sticky_queue = check_queue_name(cstring_to_text(sticky));
	if (timeout != NULL)
		completion->sticky_timeout =
			duration_from_interval(interval_from_text(timeout, "sticky_schedule_to_start_timeout"),
								   "sticky_schedule_to_start_timeout");
	completion->force_new_task = bool_member(entry, "force_new_task");
	completion->return_new_task = bool_member(entry, "return_new_task");
	completion_metadata(completion, any_member(entry, "sdk_metadata"), any_member(entry, "extra"));
	completion->identity = identity == NULL ? default_identity() : identity;
}

static void
complete(Entry *entry)
{
	CompletionAnswer answer;

	read_completion(entry);
	if (!entry->known || !run_complete_task(&entry->completion, &answer))
		entry->sqlstate = ERRCODE_TASKQ_NOT_FOUND;
	else
		completion_values(&answer, entry->completion.sticky_queue != NULL, entry->values, entry->nulls);
}

/* in a savepoint, so that an error undoes nothing but this */
static void
try_complete(Entry *entry)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		complete(entry);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		entry->sqlstate = error->sqlerrcode;
	}
	PG_END_TRY();
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
		CHECK_FOR_INTERRUPTS();
		try_complete(order[i]);
	}
	begin_result(fcinfo);
	for (int i = 0; i < count; i++)
		put_entry(fcinfo, &entries[i]);
	return (Datum) 0;
}
