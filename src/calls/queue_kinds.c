/*
 * queue_kinds.c
 *		Queues of activities and of workflows, which may have the same names.
 *
 * Inside, a queue of workflows has a name of its own: that with a prefix which no
 * caller can use.  Here one becomes the other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "calls/args.h"
#include "calls/queue_kinds.h"
#include "model/options.h"
#include "model/run.h"
#include "store/catalog.h"
#include "task/queue_keys.h"

static QueueKind
kind_of_label(Oid label)
{
	return label == catalog()->task_kind[QUEUE_OF_WORKFLOWS] ?
		QUEUE_OF_WORKFLOWS : QUEUE_OF_ACTIVITIES;
}

/* arg_queue_kind: of an argument "kind" of type taskq.task_kind.  Raises 22004. */
QueueKind
arg_queue_kind(FunctionCallInfo fcinfo, int n)
{
	if (n >= PG_NARGS())
		return QUEUE_OF_ACTIVITIES;
	require_arg(fcinfo, n, "kind");
	return kind_of_label(PG_GETARG_OID(n));
}

static text *
with_prefix(const char *prefix, const text *name)
{
	StringInfoData inside;

	initStringInfo(&inside);
	appendStringInfoString(&inside, prefix);
	appendBinaryStringInfo(&inside, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	return cstring_to_text_with_len(inside.data, inside.len);
}

/* queue_of_kind: the name inside of a queue of that kind.  Does not check it. */
text *
queue_of_kind(text *name, QueueKind kind)
{
	return kind == QUEUE_OF_ACTIVITIES ? name : with_prefix(WORKFLOW_QUEUE_PREFIX, name);
}

/*
 * queue_of_worker: likewise; one that has a normal name, which is neither NULL nor empty, is
 * private to a worker of workflows.  Raises 22023 for another kind.
 */
text *
queue_of_worker(text *name, QueueKind kind, const text *normal_name)
{
	if (normal_name == NULL || VARSIZE_ANY_EXHDR(normal_name) == 0)
		return queue_of_kind(name, kind);
	(void) check_queue_name(unconstify(text *, normal_name));
	if (kind == QUEUE_OF_ACTIVITIES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("queues of activities have no normal names"),
				 errhint("Queues that are private to a worker are of kind \"workflow\".")));
	return with_prefix(STICKY_QUEUE_PREFIX, name);
}

/*
 * arg_queue: the queue that a call names, and says the kind of, by its name inside.
 * Raises 22004, and 22023 for what is no name.
 */
text *
arg_queue(FunctionCallInfo fcinfo, int name, int kind)
{
	require_arg(fcinfo, name, "task_queue");
	return queue_of_kind(check_queue_name(arg_text(fcinfo, name)),
						 arg_queue_kind(fcinfo, kind));
}

/* arg_worker_queue: likewise, for calls that may name one that is private to a worker. */
text *
arg_worker_queue(FunctionCallInfo fcinfo, int name, int kind, int sticky_for)
{
	require_arg(fcinfo, name, "task_queue");
	return queue_of_worker(check_queue_name(arg_text(fcinfo, name)),
						   arg_queue_kind(fcinfo, kind), arg_text(fcinfo, sticky_for));
}

/*
 * arg_worker_queues: the queues of an array, by their names inside.  Their kind is this one,
 * or, unless that is NO_KINDS, what an array of kinds says, where NULL means activities; those
 * that have a normal name in another are private to a worker.  Raises 22004, 22023.
 */
text	  **
arg_worker_queues(FunctionCallInfo fcinfo, int queues, QueueKind kind, int kinds, int normal_names, int *count)
{
	Datum	   *given = arg_elements(fcinfo, queues, TEXTOID, "task_queues", count);
	text	  **inside = palloc(sizeof(text *) * Max(*count, 1));
	Datum	   *given_kinds = NULL;
	Datum	   *names;
	bool	   *no_kind;
	bool	   *no_name;

	if (kinds != NO_KINDS && !arg_is_null(fcinfo, kinds))
		given_kinds = arg_beside(fcinfo, kinds, ARR_ELEMTYPE(PG_GETARG_ARRAYTYPE_P(kinds)),
								 "kinds", "task_queues", *count, &no_kind);
	names = arg_beside(fcinfo, normal_names, TEXTOID, "normal_names", "task_queues", *count, &no_name);
	for (int i = 0; i < *count; i++)
	{
		if (given_kinds != NULL)
			kind = no_kind[i] ? QUEUE_OF_ACTIVITIES : kind_of_label(DatumGetObjectId(given_kinds[i]));
		inside[i] = queue_of_worker(check_queue_name(DatumGetTextPP(given[i])), kind,
									names == NULL || no_name[i] ? NULL : DatumGetTextPP(names[i]));
	}
	return inside;
}

/* queue_shown: the name that callers know of one inside. */
text *
queue_shown(const text *inside)
{
	const char *name = VARDATA_ANY(inside);
	int			length = VARSIZE_ANY_EXHDR(inside);
	int			prefix = strlen(WORKFLOW_QUEUE_PREFIX);

	StaticAssertStmt(sizeof(WORKFLOW_QUEUE_PREFIX) == sizeof(STICKY_QUEUE_PREFIX),
					 "both prefixes are as long");
	if (length < prefix || (memcmp(name, WORKFLOW_QUEUE_PREFIX, prefix) != 0 &&
							memcmp(name, STICKY_QUEUE_PREFIX, prefix) != 0))
		prefix = 0;
	return cstring_to_text_with_len(name + prefix, length - prefix);
}

/*
 * put_queue_name: what views show of a queue: its name, and kind.  False for one that
 * is private to a worker, which they don't.
 */
bool
put_queue_name(const char *name, int length, Datum *shown, Datum *kind)
{
	int			prefix = strlen(WORKFLOW_QUEUE_PREFIX);
	bool		of_workflows = length >= prefix &&
		memcmp(name, WORKFLOW_QUEUE_PREFIX, prefix) == 0;

	if (length >= (int) strlen(PRIVATE_QUEUE_PREFIX) &&
		memcmp(name, PRIVATE_QUEUE_PREFIX, strlen(PRIVATE_QUEUE_PREFIX)) == 0)
		return false;
	if (!of_workflows)
		prefix = 0;
	*shown = PointerGetDatum(cstring_to_text_with_len(name + prefix, length - prefix));
	*kind = ObjectIdGetDatum(catalog()->task_kind[of_workflows ? QUEUE_OF_WORKFLOWS :
												  QUEUE_OF_ACTIVITIES]);
	return true;
}

/*
 * put_of_queues: rows of all queues, or, if the only argument names one, of those with
 * that name, whatever their kind.
 */
void
put_of_queues(FunctionCallInfo fcinfo, QueueRows put)
{
	text	   *one_queue = arg_text(fcinfo, 0);

	if (one_queue == NULL)
		put(fcinfo, NULL);
	for (int kind = 0; one_queue != NULL && kind <= QUEUE_KIND_LAST; kind++)
		put(fcinfo, queue_of_kind(one_queue, (QueueKind) kind));
}
