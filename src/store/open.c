/*
 * open.c
 *		Rows of taskq.open: adding, changing, locking and removing them.
 *
 * A write names the version that was read (find.c) and fails when it is
 * no longer the newest.  Under READ COMMITTED the caller then reads again;
 * under a transaction snapshot that is a serialization failure.
 */
#include "postgres.h"

#include "commands/sequence.h"
#include "utils/fmgrprotos.h"

#include "notes/cursor_notes.h"
#include "store/catalog.h"
#include "store/open.h"
#include "store/open_columns.h"
#include "store/open_row.h"
#include "store/places.h"
#include "store/sweep.h"
#include "store/write.h"
#include "task/queue_keys.h"
#include "task/store_result.h"

/*
 * Numbers at the end of a node's that are not given, so that the sequence does
 * not run on into those of the next node: each failing call takes one of them.
 */
#define RESERVE			(INT64CONST(1) << 40)

/*
 * store_next_run_id: a new run_id; never given twice, gaps are normal; 2200H
 * when the node has none left.  The table is locked first, as for the row: so
 * the sequence is there as long as the table is.
 */
int64
store_next_run_id(void)
{
	const int64 last = (INT64CONST(1) << NODE_SHIFT) - 1;
	int64		run_id;

	catalog_lock_table(catalog()->open, RowExclusiveLock);
	run_id = nextval_internal(catalog()->run_id_seq, false);
	if ((run_id & last) >= last + 1 - RESERVE)
		ereport(ERROR,
				(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
				 errmsg("run ids of this node are used up"),
				 errdetail("The sequence taskq.run_id_seq is at " INT64_FORMAT ", near the end of the numbers of node %d.",
						   run_id, (int) (run_id >> NODE_SHIFT)),
				 errhint("A sequence that was set by mistake can be set back with setval(), to the greatest run_id that was given.")));
	return run_id;
}

/* store_last_run_id: no run_id given so far is greater. */
int64
store_last_run_id(void)
{
	LOCAL_FCINFO(call, 1);
	Datum		last;

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = ObjectIdGetDatum(catalog()->run_id_seq);
	call->args[0].isnull = false;
	last = pg_sequence_last_value(call);
	return call->isnull ? 0 : DatumGetInt64(last);
}

/*
 * store_insert: add a task.  False when its activity_id belongs to
 * another open one of its scope; an uncommitted rival is waited for.
 */
bool
store_insert(Task *task)
{
	Datum		values[OPEN_COLUMNS];
	bool		nulls[OPEN_COLUMNS];
	Oid			file;

	row_open_columns(task, values, nulls);
	if (!nulls[OPEN_COL_ACTIVITY_ID])
	{
		if (task->state == STATE_SCHEDULED)
			cursor_notes_comes(task, NULL, InvalidOid);
		return target_insert_unless_duplicate(catalog()->open, OPEN_ACTIVITY_ID,
											  values, nulls);
	}
	file = target_insert(catalog()->open, values, nulls, &task->tid);
	cursor_notes_comes(task, &task->tid, file);
	store_sweep(task);
	return true;
}

/* Tasks that differ by run_id and input only, on their way. */
struct StoreBatch
{
	TargetBatch *target;
	Datum		values[OPEN_COLUMNS];
	bool		nulls[OPEN_COLUMNS];
};

/*
 * store_begin_many: add many tasks like "model", which has no
 * activity_id, by store_put().  They are in after store_end_many().
 */
StoreBatch *
store_begin_many(Task *model)
{
	StoreBatch *batch = palloc(sizeof(StoreBatch));
	Task		first = *model;

	first.run_id = 0;			/* before all that come */
	cursor_notes_comes(&first, NULL, InvalidOid);
	row_open_columns(model, batch->values, batch->nulls);
	Assert(batch->nulls[OPEN_COL_ACTIVITY_ID]);
	batch->target = target_begin_many(catalog()->open);
	return batch;
}

/* store_put: one more; the input has to be valid until the end. */
void
store_put(StoreBatch *batch, int64 run_id, struct varlena *input)
{
	row_open_set_run(batch->values, batch->nulls, run_id, input);
	target_put(batch->target, batch->values, batch->nulls);
}

/* store_end_many: what store_begin_many() began is written, and freed. */
void
store_end_many(StoreBatch *batch)
{
	target_end_many(batch->target);
	pfree(batch);
}

/* tell those who look for tasks what the write does to the lanes */
static void
note_places(const Task *task, bool stays)
{
	const LanePlace *place = &task->place;

	if (place->task_queue != NULL)
	{
		QueueKey	queue = queue_key(place->task_queue);

		cursor_notes_goes(&queue, place->level, place->fairness_key,
						  (ReadyKey) {place->dispatch_time, task->run_id});
	}
	if (stays && task->state == STATE_SCHEDULED)
		cursor_notes_comes(task, NULL, InvalidOid);
}

static StoreResult
update(Task *task, TargetWait wait)
{
	Datum		values[OPEN_COLUMNS];
	bool		nulls[OPEN_COLUMNS];
	StoreResult result;

	row_open_columns(task, values, nulls);
	note_places(task, true);
	result = target_update(catalog()->open, &task->tid, values, nulls, wait);
	if (result == STORE_OK && state_in_progress(task->state))
		store_remember_place(task->run_id, &task->tid);
	return result;
}

/*
 * store_update: write a changed task over the version that was read; its
 * tid becomes that of the new one.
 */
StoreResult
store_update(Task *task, bool wait)
{
	return update(task, wait ? TARGET_WAIT : TARGET_NO_WAIT);
}

/*
 * store_claim: likewise, for the start of an attempt: it does not wait, and
 * writes nothing but the new version.  A row that our own transaction has
 * locked is STORE_BUSY, too.
 */
StoreResult
store_claim(Task *task)
{
	return update(task, TARGET_CLAIM);
}

/* store_lock: keep others from changing the row until the transaction ends. */
StoreResult
store_lock(const Task *task, bool wait)
{
	ItemPointerData tid = task->tid;

	return target_lock(catalog()->open, &tid, wait);
}

/*
 * store_lock_to_delete: likewise, and from keeping the row from being deleted.
 */
StoreResult
store_lock_to_delete(const Task *task, bool wait)
{
	ItemPointerData tid = task->tid;

	return target_lock_to_delete(catalog()->open, &tid, wait);
}

/*
 * store_share: keep others from deleting the row until the transaction ends.
 * Meanwhile they may change it, so a run with mail on its way can go on.
 */
StoreResult
store_share(const Task *task, bool wait)
{
	ItemPointerData tid = task->tid;

	return target_share(catalog()->open, &tid, wait);
}

/* store_delete: remove the version that was read. */
StoreResult
store_delete(const Task *task, bool wait)
{
	ItemPointerData tid = task->tid;

	note_places(task, false);
	return target_delete(catalog()->open, &tid, wait);
}
