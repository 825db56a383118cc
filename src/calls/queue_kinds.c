/*
 * queue_kinds.c
 *		Queues of activities and of workflows, which may have the same names.
 *
 * Inside, a queue of workflows has a name of its own: that with a prefix which no
 * caller can use.  Here one becomes the other.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "calls/args.h"
#include "calls/queue_kinds.h"
#include "model/options.h"
#include "model/run.h"
#include "store/catalog.h"
#include "task/queue_keys.h"

/* arg_queue_kind: of an argument "kind" of type taskq.task_kind.  Raises 22004. */
QueueKind
arg_queue_kind(FunctionCallInfo fcinfo, int n)
{
	if (n >= PG_NARGS())
		return QUEUE_OF_ACTIVITIES;
	require_arg(fcinfo, n, "kind");
	return PG_GETARG_OID(n) == catalog()->task_kind[QUEUE_OF_WORKFLOWS] ?
		QUEUE_OF_WORKFLOWS : QUEUE_OF_ACTIVITIES;
}

/* queue_of_kind: the name inside of a queue of that kind.  Does not check it. */
text *
queue_of_kind(text *name, QueueKind kind)
{
	StringInfoData inside;

	if (kind == QUEUE_OF_ACTIVITIES)
		return name;
	initStringInfo(&inside);
	appendStringInfoString(&inside, WORKFLOW_QUEUE_PREFIX);
	appendBinaryStringInfo(&inside, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	return cstring_to_text_with_len(inside.data, inside.len);
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
