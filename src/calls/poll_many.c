/*
 * poll_many.c
 *		taskq.poll_many: for many workers, each of which waits for one task, in
 *		one statement.
 *
 * Those of the same queue share one claim, so that their number costs little,
 * and get what there is in the order given.  Each is listed as a poller.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "base/texts.h"
#include "calls/args.h"
#include "calls/poll.h"
#include "calls/queue_kinds.h"
#include "model/activity.h"
#include "model/options.h"
#include "model/retry_policy_json.h"
#include "store/catalog.h"

/* arguments */
enum
{
	ARG_QUEUES,
	ARG_IDENTITIES,
	ARG_KINDS,
	ARG_NORMAL_NAMES,
	ARG_RATES
};

/* One waiting worker. */
typedef struct Slot
{
	int			number;			/* as given, from 1 on */
	text	   *queue;
	char	   *identity;
	double		rate;			/* 0 = not given */
} Slot;

/* Where the tasks of one queue go. */
typedef struct SlotSink
{
	FunctionCallInfo fcinfo;
	TupleDesc	task_type;
	const Slot *next;
} SlotSink;

/* by queue, and in the order given */
static int
compare_slots(const void *a, const void *b)
{
	const Slot *x = a;
	const Slot *y = b;
	int			order = text_compare(x->queue, y->queue);

	return order != 0 ? order : x->number - y->number;
}

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------
 */

static void
read_identities(FunctionCallInfo fcinfo, Slot *slots, int count)
{
	bool	   *nulls;
	Datum	   *identities = arg_beside(fcinfo, ARG_IDENTITIES, TEXTOID,
										"identities", "task_queues", count,
										&nulls);
	char	   *otherwise = default_identity();

	for (int i = 0; i < count; i++)
	{
		slots[i].identity = otherwise;
		if (identities == NULL || nulls[i])
			continue;
		check_identity(DatumGetTextPP(identities[i]), true);
		slots[i].identity = TextDatumGetCString(identities[i]);
	}
}

static void
read_rates(FunctionCallInfo fcinfo, Slot *slots, int count)
{
	bool	   *nulls;
	Datum	   *rates = arg_beside(fcinfo, ARG_RATES, FLOAT8OID,
								   "max_tasks_per_second", "task_queues", count,
								   &nulls);

	for (int i = 0; rates != NULL && i < count; i++)
		if (!nulls[i])
			slots[i].rate = poll_check_rate(DatumGetFloat8(rates[i]));
}

/* it hands out activities only, whose queues are all normal ones */
static void
check_kinds(FunctionCallInfo fcinfo, int count)
{
	bool	   *nulls;
	Datum	   *kinds = NULL;
	Datum	   *names;

	if (!arg_is_null(fcinfo, ARG_KINDS))
		kinds = arg_beside(fcinfo, ARG_KINDS,
						   ARR_ELEMTYPE(PG_GETARG_ARRAYTYPE_P(ARG_KINDS)),
						   "kinds", "task_queues", count, &nulls);
	for (int i = 0; kinds != NULL && i < count; i++)
		if (!nulls[i] && DatumGetObjectId(kinds[i]) != catalog()->task_kind[QUEUE_OF_ACTIVITIES])
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("taskq.poll_many() hands out tasks of activities only"),
					 errhint("Use taskq.poll_workflow_task(), whose rows are workflow tasks; its max_tasks takes several at a time.")));
	names = arg_beside(fcinfo, ARG_NORMAL_NAMES, TEXTOID, "normal_names",
					   "task_queues", count, &nulls);
	for (int i = 0; names != NULL && i < count; i++)
		if (!nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("queues of activities have no normal names"),
					 errhint("A queue that is private to a worker of workflows is polled by taskq.poll_workflow_task(), with sticky_for.")));
}

/* the waiting workers, those of the same queue together */
static Slot *
read_slots(FunctionCallInfo fcinfo, int *count)
{
	Datum	   *queues = arg_elements(fcinfo, ARG_QUEUES, TEXTOID, "task_queues",
									   count);
	Slot	   *slots = palloc0(sizeof(Slot) * Max(*count, 1));

	for (int i = 0; i < *count; i++)
	{
		slots[i].number = i + 1;
		slots[i].queue = check_queue_name(DatumGetTextPP(queues[i]));
	}
	read_identities(fcinfo, slots, *count);
	read_rates(fcinfo, slots, *count);
	check_kinds(fcinfo, *count);
	qsort(slots, *count, sizeof(Slot), compare_slots);
	return slots;
}

/* ------------------------------------------------------------------------
 * Results
 * ------------------------------------------------------------------------
 */

static void
put_slot(void *arg, const Task *task, bool started_before)
{
	SlotSink   *sink = arg;
	const Activity *activity = (const Activity *) task;
	Datum		fields[TASK_FIELDS];
	bool		null_fields[TASK_FIELDS];
	Datum		values[3];
	bool		nulls[3] = {false};

	poll_task_values(task, started_before, fields, null_fields);
	values[0] = Int32GetDatum(sink->next->number);
	values[1] = HeapTupleGetDatum(heap_form_tuple(sink->task_type, fields,
												  null_fields));
	values[2] = JsonbPGetDatum(retry_policy_to_jsonb(&activity->options.retry_policy));
	put_row(sink->fcinfo, values, nulls, lengthof(values));
	sink->next++;
}

/* of the same queue: the first n of the slots */
static void
poll_queue(const Slot *slots, int n, SlotSink *sink)
{
	ClaimRequest request = {0};

	request.queue = queue_ref(slots->queue);
	request.identities = palloc(sizeof(char *) * n);
	for (int i = 0; i < n; i++)
		request.identities[i] = slots[i].identity;
	request.max_tasks = n;
	request.max_tasks_per_second = slots[n - 1].rate;
	sink->next = slots;
	claim_tasks(&request, put_slot, sink);
}

PG_FUNCTION_INFO_V1(taskq_poll_many);

/*
 * taskq.poll_many(task_queues, identities, kinds, normal_names,
 *	 max_tasks_per_second) returns setof (slot, task, retry_policy)
 */
Datum
taskq_poll_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SlotSink	sink = {.fcinfo = fcinfo};
	MemoryContext context;
	MemoryContext old_context;
	Slot	   *slots;
	int			count;
	int			n;

	begin_writing("taskq.poll_many()");
	slots = read_slots(fcinfo, &count);
	begin_result(fcinfo);
	sink.task_type =
		lookup_rowtype_tupdesc_copy(TupleDescAttr(result->setDesc, 1)->atttypid,
									-1);
	context = AllocSetContextCreate(CurrentMemoryContext, "taskq poll_many",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	for (int i = 0; i < count; i += n)
	{
		for (n = 1; i + n < count; n++)
			if (!text_equal(slots[i].queue, slots[i + n].queue))
				break;
		CHECK_FOR_INTERRUPTS();
		poll_queue(&slots[i], n, &sink);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return (Datum) 0;
}
