/*
 * find_run.c
 *		Finding one open run, or an activity of one.
 */
#include "postgres.h"

#include "utils/fmgroids.h"

#include "store/catalog.h"
#include "store/find.h"
#include "store/find_run.h"
#include "store/keyed_rows.h"
#include "store/open_columns.h"
#include "store/row.h"
#include "store/run_row.h"
#include "task/kinds.h"

/* the task that was found, if it is a run */
static bool
take_run(bool found, const TaskRoom *room, Run *run)
{
	if (!found || !task_is_run(&room->task))
		return false;
	memcpy(run, room, sizeof(Run));
	return true;
}

/*
 * find_run: the open run of that run_id, for a call that may write.  What is
 * committed now; raises 40001 if the transaction's snapshot cannot show that.
 */
bool
find_run(int64 run_id, Run *run)
{
	TaskRoom	room;

	return take_run(store_find_task(run_id, &room), &room, run);
}

/* find_run_by_workflow_id: likewise, the open run of that workflow. */
bool
find_run_by_workflow_id(const text *workflow_id, Run *run)
{
	TaskRoom	room;

	return take_run(store_find_scoped(SCOPE_RUN, workflow_id, true, &room),
					&room, run);
}

/* see_run: the open run of that run_id, as our snapshot shows it. */
bool
see_run(int64 run_id, Run *run)
{
	TaskRoom	room;

	return take_run(store_see_task(run_id, &room), &room, run);
}

/* see_run_by_workflow_id: likewise, the open run of that workflow. */
bool
see_run_by_workflow_id(const text *workflow_id, Run *run)
{
	TaskRoom	room;

	return take_run(store_find_scoped(SCOPE_RUN, workflow_id, false, &room),
					&room, run);
}

/*
 * find_activity_of_run: the run's open activity of that id, for a call that may
 * write.
 */
bool
find_activity_of_run(int64 run_id, const text *activity_id, Activity *activity)
{
	TaskRoom	room;

	if (!store_find_scoped(run_id, activity_id, true, &room) ||
		kind_of(&room.task) != kind_of_activities())
		return false;
	memcpy(activity, &room, sizeof(Activity));
	return true;
}

static void
make_run_id(void *element, TupleTableSlot *slot)
{
	bool		null;

	*(int64 *) element = DatumGetInt64(slot_getattr(slot, 1, &null));
}

static int
compare(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/* the run_ids of open tasks that a key of an index leads to, ascending; how many */
static int
find_run_ids(TaskqIndex which, ScanKey key, int64 **run_ids)
{
	int			n;

	*run_ids = keyed_rows_collect(catalog()->open, which, key, 1, sizeof(int64),
								  make_run_id, &n);
	if (n > 1)
		qsort(*run_ids, n, sizeof(int64), compare);
	return n;
}

/* find_runs_in_queue: the run_ids of tasks in the queue, ascending; how many. */
int
find_runs_in_queue(const text *queue, int64 **run_ids)
{
	ScanKeyData key;

	row_text_key(&key, READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ, queue);
	return find_run_ids(OPEN_READY, &key, run_ids);
}

/*
 * find_activities_of_run: the run_ids of a run's open activities, ascending, as
 * they are to be locked; how many.
 */
int
find_activities_of_run(int64 run_id, int64 **run_ids)
{
	ScanKeyData key;

	keyed_rows_run_key(&key, run_id);	/* the scope */
	return find_run_ids(OPEN_ACTIVITY_ID, &key, run_ids);
}
