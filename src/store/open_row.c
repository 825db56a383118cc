/*
 * open_row.c
 *		A row of taskq.open: between columns and the struct of a task.
 *
 * What every kind of task has is here; the columns that are left belong to the
 * kind of the row's queue (kinds.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/texts.h"
#include "shared/timer_ring.h"
#include "store/catalog.h"
#include "store/open_columns.h"
#include "store/open_row.h"
#include "store/row.h"
#include "task/kinds.h"

StaticAssertDecl(OPEN_COL_END == OPEN_COLUMNS, "all columns are known");

/* those of every kind that are not NULL */
static const OpenColumn always[] = {
	OPEN_COL_RUN_ID, OPEN_COL_SCHEDULE_TIME, OPEN_COL_SCOPE,
	OPEN_COL_LEVEL, OPEN_COL_TASK_QUEUE, OPEN_COL_FAIRNESS_KEY, OPEN_COL_STARTED_TIME,
	OPEN_COL_NONCE, OPEN_COL_TRANSITIONS, OPEN_COL_ATTEMPT, OPEN_COL_STATE,
	OPEN_COL_WORKER
};

/*
 * row_open_columns: the task as OPEN_COLUMNS columns, which refer to its
 * memory.  What its kind does not set is NULL.
 */
void
row_open_columns(Task *task, Datum *values, bool *nulls)
{
	memset(nulls, true, OPEN_COLUMNS * sizeof(bool));
	for (int i = 0; i < (int) lengthof(always); i++)
		nulls[always[i]] = false;
	values[OPEN_COL_RUN_ID] = Int64GetDatum(task->run_id);
	values[OPEN_COL_SCHEDULE_TIME] = TimestampTzGetDatum(task->schedule_time);
	values[OPEN_COL_SCOPE] = Int64GetDatum(SCOPE_NONE);
	values[OPEN_COL_FAIRNESS_WEIGHT] = Float8GetDatum(task->fairness_weight);
	nulls[OPEN_COL_FAIRNESS_WEIGHT] = task->fairness_weight == 0;
	values[OPEN_COL_TASK_QUEUE] = PointerGetDatum(task->queue);
	values[OPEN_COL_FAIRNESS_KEY] = PointerGetDatum(task->fairness_key ? task->fairness_key : row_empty_text());
	row_set_instant(&values[OPEN_COL_LAST_COMPLETE_TIME], &nulls[OPEN_COL_LAST_COMPLETE_TIME], task->last_complete_time);
	row_set_instant(&values[OPEN_COL_ALARM], &nulls[OPEN_COL_ALARM], task->alarm);
	row_set_instant(&values[OPEN_COL_DISPATCH_TIME], &nulls[OPEN_COL_DISPATCH_TIME], task->dispatch_time);
	values[OPEN_COL_STARTED_TIME] = TimestampTzGetDatum(task->started_time);
	values[OPEN_COL_NONCE] = Int64GetDatum(task->nonce);
	values[OPEN_COL_TRANSITIONS] = Int32GetDatum(task->transitions);
	values[OPEN_COL_ATTEMPT] = Int32GetDatum(task->attempt);
	values[OPEN_COL_LEVEL] = Int16GetDatum(task->level);
	values[OPEN_COL_STATE] = Int16GetDatum(task->state);
	values[OPEN_COL_WORKER] = PointerGetDatum(task->worker ? task->worker : row_empty_text());
	kind_of(task)->to_row(task, values, nulls);
}

/* row_open_set_run: the same columns for another run, with another input. */
void
row_open_set_run(Datum *values, bool *nulls, int64 run_id,
				 struct varlena *input)
{
	values[OPEN_COL_RUN_ID] = Int64GetDatum(run_id);
	row_set_varlena(&values[OPEN_COL_INPUT], &nulls[OPEN_COL_INPUT], input);
}

/* the columns of every kind; varlenas point to where the values do */
static void
from_columns(const Datum *values, const bool *nulls, Task *task)
{
	task->run_id = DatumGetInt64(values[OPEN_COL_RUN_ID]);
	task->schedule_time = DatumGetTimestampTz(values[OPEN_COL_SCHEDULE_TIME]);
	if (!nulls[OPEN_COL_FAIRNESS_WEIGHT])
		task->fairness_weight = DatumGetFloat8(values[OPEN_COL_FAIRNESS_WEIGHT]);
	task->queue = DatumGetTextPP(values[OPEN_COL_TASK_QUEUE]);
	task->fairness_key = row_get_nonempty(values[OPEN_COL_FAIRNESS_KEY]);
	task->control = row_get_varlena(values[OPEN_COL_CONTROL], nulls[OPEN_COL_CONTROL]);
	task->last_complete_time = row_get_int64(values[OPEN_COL_LAST_COMPLETE_TIME], nulls[OPEN_COL_LAST_COMPLETE_TIME], DT_NOBEGIN);
	task->alarm = row_get_int64(values[OPEN_COL_ALARM], nulls[OPEN_COL_ALARM], DT_NOEND);
	task->dispatch_time = row_get_int64(values[OPEN_COL_DISPATCH_TIME], nulls[OPEN_COL_DISPATCH_TIME], DT_NOEND);
	task->started_time = DatumGetTimestampTz(values[OPEN_COL_STARTED_TIME]);
	task->nonce = DatumGetInt64(values[OPEN_COL_NONCE]);
	task->transitions = DatumGetInt32(values[OPEN_COL_TRANSITIONS]);
	task->attempt = DatumGetInt32(values[OPEN_COL_ATTEMPT]);
	task->level = DatumGetInt16(values[OPEN_COL_LEVEL]);
	task->state = (State) DatumGetInt16(values[OPEN_COL_STATE]);
	task->worker = DatumGetTextPP(values[OPEN_COL_WORKER]);
	if (task->state != STATE_SCHEDULED)
		return;
	task->place.task_queue = task->queue;
	task->place.fairness_key = task->fairness_key;
	task->place.level = task->level;
	task->place.dispatch_time = task->dispatch_time;
}

/*
 * row_open_task: the task in a copied tuple of taskq.open; its varlenas point
 * into the tuple.  "task" has room for one of the "expected" kind, or of any if
 * that is NULL; false when the row is of another kind.
 */
bool
row_open_task(HeapTuple tuple, TupleDesc desc, const Kind *expected, Task *task)
{
	Datum		values[OPEN_COLUMNS];
	bool		nulls[OPEN_COLUMNS];
	const Kind *kind;

	Assert(desc->natts == OPEN_COLUMNS);
	heap_deform_tuple(tuple, desc, values, nulls);
	kind = kind_of_queue(DatumGetTextPP(values[OPEN_COL_TASK_QUEUE]));
	if (expected != NULL && kind != expected)
		return false;
	memset(task, 0, kind->size);
	from_columns(values, nulls, task);
	task->tid = tuple->t_self;
	kind->from_row(values, nulls, task);
	return true;
}

/* the few columns that scans look at, straight from the slot */
static State
state_of(TupleTableSlot *slot)
{
	bool		null;

	return (State) DatumGetInt16(slot_getattr(slot, OPEN_COL_STATE + 1, &null));
}

/* row_open_waits: for a poll, now or later. */
bool
row_open_waits(TupleTableSlot *slot)
{
	return state_of(slot) == STATE_SCHEDULED;
}

/* row_open_in_progress: does a worker hold the attempt? */
bool
row_open_in_progress(TupleTableSlot *slot)
{
	return state_in_progress(state_of(slot));
}

/* the first deadline, at least, of the row's task; *task has what that follows from */
static TimestampTz
first_deadline(TupleTableSlot *slot, TaskRoom *room)
{
	const Datum *values = slot->tts_values;
	const bool *nulls = slot->tts_isnull;
	Task	   *task = &room->task;
	const Kind *kind;

	slot_getsomeattrs(slot, OPEN_COL_STATE + 1);
	kind = kind_of_queue(DatumGetTextPP(values[OPEN_COL_TASK_QUEUE]));
	if (kind->prefix != NULL)
		slot_getallattrs(slot);	/* activities have theirs before the state */
	memset(task, 0, kind->size);
	task->run_id = DatumGetInt64(values[OPEN_COL_RUN_ID]);
	task->queue = DatumGetTextPP(values[OPEN_COL_TASK_QUEUE]);
	task->state = (State) DatumGetInt16(values[OPEN_COL_STATE]);
	task->schedule_time = DatumGetTimestampTz(values[OPEN_COL_SCHEDULE_TIME]);
	task->dispatch_time = row_get_int64(values[OPEN_COL_DISPATCH_TIME], nulls[OPEN_COL_DISPATCH_TIME], DT_NOEND);
	task->started_time = DatumGetTimestampTz(values[OPEN_COL_STARTED_TIME]);
	kind->deadlines_from_row(values, nulls, task);
	return kind->next_deadline(task, DT_NOBEGIN).when;
}

/* row_open_is_ready: it waits, and none of its timeouts has passed. */
bool
row_open_is_ready(TupleTableSlot *slot, TimestampTz now)
{
	TaskRoom	room;

	return row_open_waits(slot) && first_deadline(slot, &room) > now;
}

/* what a heartbeat looks at; the queue is copied */
void
row_open_glance(TupleTableSlot *slot, OpenGlance *glance)
{
	RowHolder	holder;

	slot_getsomeattrs(slot, OPEN_COL_STATE + 1);
	glance->state = (State) DatumGetInt16(slot->tts_values[OPEN_COL_STATE]);
	glance->nonce = DatumGetInt64(slot->tts_values[OPEN_COL_NONCE]);
	glance->task_queue = DatumGetTextPCopy(slot->tts_values[OPEN_COL_TASK_QUEUE]);
	glance->kind = kind_of_queue(glance->task_queue);
	holder = row_holder(slot);
	glance->locked = holder != ROW_FREE && holder != ROW_CHANGED_BY_US;
	glance->changing = holder == ROW_LOCKED || holder == ROW_CHANGED;
}

/* what a walk along a lane looks at */
void
row_open_place(TupleTableSlot *slot, OpenPlace *place)
{
	slot_getsomeattrs(slot, OPEN_COL_FAIRNESS_WEIGHT + 1);
	place->key.run_id = DatumGetInt64(slot->tts_values[OPEN_COL_RUN_ID]);
	place->key.dispatch_time = row_get_int64(slot->tts_values[OPEN_COL_DISPATCH_TIME], slot->tts_isnull[OPEN_COL_DISPATCH_TIME], DT_NOEND);
	place->fairness_weight = slot->tts_isnull[OPEN_COL_FAIRNESS_WEIGHT] ? 0 :
		DatumGetFloat8(slot->tts_values[OPEN_COL_FAIRNESS_WEIGHT]);
}

/* is the row one of that lane? */
bool
row_open_in_lane(TupleTableSlot *slot, const text *task_queue, int16 level,
				 const text *fairness_key)
{
	slot_getsomeattrs(slot, OPEN_COL_FAIRNESS_KEY + 1);
	return DatumGetInt16(slot->tts_values[OPEN_COL_LEVEL]) == level &&
		text_equal(DatumGetTextPP(slot->tts_values[OPEN_COL_TASK_QUEUE]), task_queue) &&
		text_equal(DatumGetTextPP(slot->tts_values[OPEN_COL_FAIRNESS_KEY]), fairness_key);
}

/* row_open_lane_key: level and fairness key, the latter copied. */
void
row_open_lane_key(TupleTableSlot *slot, int16 *level, text **fairness_key)
{
	slot_getsomeattrs(slot, OPEN_COL_FAIRNESS_KEY + 1);
	*level = DatumGetInt16(slot->tts_values[OPEN_COL_LEVEL]);
	*fairness_key = DatumGetTextPCopy(slot->tts_values[OPEN_COL_FAIRNESS_KEY]);
}

/*
 * row_open_count: what the views of queues count, valid as long as the slot is;
 * false for what has no task.
 */
bool
row_open_count(TupleTableSlot *slot, OpenCount *row)
{
	if (state_of(slot) == STATE_NO_TASK)
		return false;
	row->elsewhere = false;
	row->task_queue = DatumGetTextPP(slot->tts_values[OPEN_COL_TASK_QUEUE]);
	row->level = valid_level(DatumGetInt16(slot->tts_values[OPEN_COL_LEVEL]));
	row->state = (State) DatumGetInt16(slot->tts_values[OPEN_COL_STATE]);
	row->dispatch_time = row_get_int64(slot->tts_values[OPEN_COL_DISPATCH_TIME], slot->tts_isnull[OPEN_COL_DISPATCH_TIME], DT_NOEND);
	row->since = Max(DatumGetTimestampTz(slot->tts_values[OPEN_COL_SCHEDULE_TIME]),
					 row_get_int64(slot->tts_values[OPEN_COL_LAST_COMPLETE_TIME], slot->tts_isnull[OPEN_COL_LAST_COMPLETE_TIME], DT_NOBEGIN));
	if (state_in_progress(row->state) && !slot->tts_isnull[OPEN_COL_CONTROL])
	{
		TaskRoom	room;

		(void) row_open_task(ExecCopySlotHeapTuple(slot),
							 slot->tts_tupleDescriptor, NULL, &room.task);
		row->task_queue = kind_of(&room.task)->taken_from(&room.task);
		row->elsewhere = !text_equal(row->task_queue, room.task.queue);
	}
	return true;
}

/* run_id and first deadline, when an attempt is in progress */
bool
row_open_timer(TupleTableSlot *slot, TimerHint *hint)
{
	TaskRoom	room;

	if (!row_open_in_progress(slot))
		return false;
	hint->deadline = first_deadline(slot, &room);
	hint->run_id = room.task.run_id;
	return true;
}

/* row_open_held: is an attempt in progress, held by a worker whose identity begins so? */
bool
row_open_held(TupleTableSlot *slot, const char *prefix, int64 *run_id, int64 *nonce)
{
	const text *worker;
	int			length = strlen(prefix);

	if (!row_open_in_progress(slot))
		return false;
	slot_getsomeattrs(slot, OPEN_COL_WORKER + 1);
	if (slot->tts_isnull[OPEN_COL_WORKER])
		return false;
	worker = DatumGetTextPP(slot->tts_values[OPEN_COL_WORKER]);
	*run_id = DatumGetInt64(slot->tts_values[OPEN_COL_RUN_ID]);
	*nonce = DatumGetInt64(slot->tts_values[OPEN_COL_NONCE]);
	return (int) VARSIZE_ANY_EXHDR(worker) >= length &&
		memcmp(VARDATA_ANY(worker), prefix, length) == 0;
}

/* run_id and alarm */
void
row_open_alarm(TupleTableSlot *slot, TimerHint *hint)
{
	slot_getsomeattrs(slot, OPEN_COL_ALARM + 1);
	hint->run_id = DatumGetInt64(slot->tts_values[OPEN_COL_RUN_ID]);
	hint->deadline = DatumGetTimestampTz(slot->tts_values[OPEN_COL_ALARM]);
}
