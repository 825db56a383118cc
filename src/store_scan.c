/*
 * store_scan.c
 *		Scans over taskq.open: the next task of a queue, due alarms, attempts
 *		in progress.
 *
 * The index open_ready holds all open rows in the order in which they are
 * handed out inside a lane: (queue, level, fairness key | dispatch time,
 * run_id).  A lane is one (queue, level, fairness key).  A walk along a lane
 * ends at the first entry that is not due yet; paused rows have no dispatch
 * time and come last.  Lanes are discovered by descending to the first key
 * after the last one found, never by walking over a lane.
 *
 * One snapshot serves one ReadyScan; a row that changed since is skipped by
 * whoever claims it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "compat.h"
#include "store_row.h"

/* columns of open_ready */
#define READY_TASK_QUEUE		1
#define READY_LEVEL				2
#define READY_FAIRNESS_KEY		3
#define READY_DISPATCH_TIME		4

struct ReadyScan
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	const text *task_queue;
	TupleTableSlot *slot;		/* for discovery */
};

/* with a registered snapshot, which ready_end() unregisters */
static ReadyScan *
begin_with(const text *task_queue, Snapshot snapshot)
{
	ReadyScan  *ready = palloc(sizeof(ReadyScan));

	ready->table = table_open(catalog()->open, AccessShareLock);
	ready->index = index_open(catalog()->open_ready, AccessShareLock);
	ready->snapshot = snapshot;
	ready->task_queue = task_queue;
	ready->slot = table_slot_create(ready->table, NULL);
	return ready;
}

/*
 * ready_begin: start to look for tasks of a queue, with a snapshot taken now.
 */
ReadyScan *
ready_begin(const text *task_queue)
{
	return begin_with(task_queue, fresh_snapshot());
}

/* ready_end: all lanes have to be ended before. */
void
ready_end(ReadyScan *ready)
{
	ExecDropSingleTupleTableSlot(ready->slot);
	UnregisterSnapshot(ready->snapshot);
	index_close(ready->index, NoLock);
	table_close(ready->table, NoLock);
}

/* the lane of the first entry that matches the keys, or NULL */
static Lane *
first_lane(ReadyScan *ready, ScanKey keys, int nkeys)
{
	IndexScanDesc scan;
	Lane	   *lane = NULL;

	scan = compat_index_beginscan(ready->table, ready->index, ready->snapshot,
								  nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	if (index_getnext_slot(scan, ForwardScanDirection, ready->slot))
	{
		lane = palloc0(sizeof(Lane));
		lane->ready = ready;
		row_open_lane_key(ready->slot, &lane->level, &lane->fairness_key);
	}
	index_endscan(scan);
	ExecClearTuple(ready->slot);
	return lane;
}

/*
 * ready_next_lane: the lane after "previous" (NULL = the first) in order of
 * level and fairness key; NULL after the last.  It has no candidate yet.
 */
Lane *
ready_next_lane(ReadyScan *ready, const Lane *previous)
{
	ScanKeyData keys[3];
	Lane	   *lane;

	row_text_key(&keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ,
				 ready->task_queue);
	if (previous == NULL)
		return first_lane(ready, keys, 1);

	ScanKeyInit(&keys[1], READY_LEVEL, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(previous->level));
	row_text_key(&keys[2], READY_FAIRNESS_KEY, BTGreaterStrategyNumber,
				 F_TEXT_GT, previous->fairness_key);
	lane = first_lane(ready, keys, 3);
	if (lane != NULL)
		return lane;
	ScanKeyInit(&keys[1], READY_LEVEL, BTGreaterStrategyNumber, F_INT2GT,
				Int16GetDatum(previous->level));
	return first_lane(ready, keys, 2);
}

static void
lane_keys(const ReadyScan *ready, const Lane *lane, ScanKey keys)
{
	row_text_key(&keys[0], READY_TASK_QUEUE, BTEqualStrategyNumber, F_TEXTEQ,
				 ready->task_queue);
	ScanKeyInit(&keys[1], READY_LEVEL, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(lane->level));
	row_text_key(&keys[2], READY_FAIRNESS_KEY, BTEqualStrategyNumber, F_TEXTEQ,
				 lane->fairness_key);
}

/*
 * lane_next: move to the lane's next task that can be started at "now";
 * false when there is none.
 */
bool
lane_next(Lane *lane, TimestampTz now)
{
	ReadyScan  *ready = lane->ready;
	ScanKeyData keys[4];

	if (lane->scan == NULL)
	{
		lane_keys(ready, lane, keys);
		ScanKeyInit(&keys[3], READY_DISPATCH_TIME, BTLessEqualStrategyNumber,
					F_TIMESTAMPTZ_LE, TimestampTzGetDatum(now));
		lane->slot = table_slot_create(ready->table, NULL);
		lane->scan = compat_index_beginscan(ready->table, ready->index,
											ready->snapshot, 4);
		index_rescan(lane->scan, keys, 4, NULL, 0);
	}
	while (index_getnext_slot(lane->scan, ForwardScanDirection, lane->slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!row_open_is_ready(lane->slot, now))
			continue;
		row_open_lane(lane->slot, lane);
		return true;
	}
	return false;
}

/* lane_activity: the lane's candidate, copied. */
void
lane_activity(Lane *lane, Activity *activity)
{
	HeapTuple	tuple = ExecCopySlotHeapTuple(lane->slot);

	tuple->t_self = lane->slot->tts_tid;
	row_open_activity(tuple, lane->slot->tts_tupleDescriptor, activity);
}

/*
 * lane_is_free: is nobody else about to write the lane's candidate?
 */
bool
lane_is_free(const Lane *lane)
{
	HeapTuple	tuple;
	TransactionId xmax;
	bool		free = true;

	tuple = ExecFetchSlotHeapTuple(lane->slot, false, NULL);
	if (tuple->t_data->t_infomask & HEAP_XMAX_INVALID)
		return true;
	if (tuple->t_data->t_infomask & HEAP_XMAX_IS_MULTI)
		return false;
	xmax = HeapTupleHeaderGetRawXmax(tuple->t_data);
	if (TransactionIdIsInProgress(xmax) &&
		!TransactionIdIsCurrentTransactionId(xmax))
		free = false;
	return free;
}

/* lane_end: release what the lane holds. */
void
lane_end(Lane *lane)
{
	if (lane->scan == NULL)
		return;
	index_endscan(lane->scan);
	ExecDropSingleTupleTableSlot(lane->slot);
	lane->scan = NULL;
}

/*
 * store_count_due: how many tasks of the queue could be started at "now", at
 * most "limit".
 */
int
store_count_due(const text *task_queue, TimestampTz now, int limit)
{
	ReadyScan  *ready = ready_begin(task_queue);
	Lane	   *lane = NULL;
	int			n = 0;

	while (n < limit && (lane = ready_next_lane(ready, lane)) != NULL)
	{
		while (n < limit && lane_next(lane, now))
			n++;
		lane_end(lane);
	}
	ready_end(ready);
	return n;
}

/*
 * What is committed now, under any isolation level; with "committed", nothing
 * that the own transaction has done.
 */
static Snapshot
latest_snapshot(bool committed)
{
	Snapshot	snapshot;

	PushCopiedSnapshot(GetLatestSnapshot());
	if (committed)
		GetActiveSnapshot()->curcid = FirstCommandId;
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	PopActiveSnapshot();
	return snapshot;
}

/* how many of the lane's tasks are due in that time, both ends excluded */
static int64
count_lane_between(ReadyScan *ready, const Lane *lane, TimestampTz after,
				   TimestampTz before)
{
	ScanKeyData keys[5];
	IndexScanDesc scan;
	int64		n = 0;

	lane_keys(ready, lane, keys);
	ScanKeyInit(&keys[3], READY_DISPATCH_TIME, BTGreaterStrategyNumber,
				F_TIMESTAMPTZ_GT, TimestampTzGetDatum(after));
	ScanKeyInit(&keys[4], READY_DISPATCH_TIME, BTLessStrategyNumber,
				F_TIMESTAMPTZ_LT, TimestampTzGetDatum(before));
	scan = compat_index_beginscan(ready->table, ready->index,
								  ready->snapshot, 5);
	index_rescan(scan, keys, 5, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, ready->slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (row_open_waits(ready->slot))
			n++;
	}
	index_endscan(scan);
	ExecClearTuple(ready->slot);
	return n;
}

/*
 * store_count_between: how many tasks of a level wait that are due in that
 * time, both ends excluded.  With "committed", without what the own
 * transaction has done.
 */
int64
store_count_between(const text *task_queue, int level, TimestampTz after,
					TimestampTz before, bool committed)
{
	ReadyScan  *ready = begin_with(task_queue, latest_snapshot(committed));
	Lane	   *lane = NULL;
	int64		n = 0;

	while ((lane = ready_next_lane(ready, lane)) != NULL)
		if (lane->level == level)
			n += count_lane_between(ready, lane, after, before);
	ready_end(ready);
	return n;
}

/*
 * store_oldest_due: when the oldest task that could be started at "now" was
 * due, for each level; DT_NOEND = there is none.  Without what the own
 * transaction has done.
 */
void
store_oldest_due(const text *task_queue, TimestampTz now, TimestampTz *oldest)
{
	ReadyScan  *ready = begin_with(task_queue, latest_snapshot(true));
	Lane	   *lane = NULL;

	for (int i = 0; i < LEVELS; i++)
		oldest[i] = DT_NOEND;
	while ((lane = ready_next_lane(ready, lane)) != NULL)
	{
		TimestampTz *least = &oldest[valid_level(lane->level) - 1];

		if (lane_next(lane, now))
			*least = Min(*least, lane->dispatch_time);
		lane_end(lane);
	}
	ready_end(ready);
}

/*
 * store_next_due: the earliest dispatch time after "after" in a queue,
 * DT_NOEND when there is none.
 */
TimestampTz
store_next_due(const char *queue, int length, TimestampTz after)
{
	text	   *task_queue = cstring_to_text_with_len(queue, length);
	ReadyScan  *ready = ready_begin(task_queue);
	TimestampTz next = DT_NOEND;
	Lane	   *lane = NULL;

	while ((lane = ready_next_lane(ready, lane)) != NULL)
	{
		ScanKeyData keys[4];
		IndexScanDesc scan;

		CHECK_FOR_INTERRUPTS();
		lane_keys(ready, lane, keys);
		ScanKeyInit(&keys[3], READY_DISPATCH_TIME, BTGreaterStrategyNumber,
					F_TIMESTAMPTZ_GT, TimestampTzGetDatum(after));
		scan = compat_index_beginscan(ready->table, ready->index,
									  ready->snapshot, 4);
		index_rescan(scan, keys, 4, NULL, 0);
		if (index_getnext_slot(scan, ForwardScanDirection, ready->slot))
		{
			row_open_lane(ready->slot, lane);
			next = Min(next, lane->dispatch_time);
		}
		index_endscan(scan);
		ExecClearTuple(ready->slot);
	}
	ready_end(ready);
	return next;
}

/* columns of open_alarm */
#define ALARM_ALARM				1
#define ALARM_RUN_ID			2

/* what one walk along open_alarm collects */
typedef struct AlarmWalk
{
	Relation	table;
	Relation	index;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	TimestampTz until;
	TimerHint  *hints;
	int			n;
	int			limit;
	TimestampTz next;			/* first alarm left out */
} AlarmWalk;

static void
walk_alarms(AlarmWalk *walk, ScanKey keys, int nkeys)
{
	IndexScanDesc scan;

	scan = compat_index_beginscan(walk->table, walk->index, walk->snapshot,
								  nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, walk->slot))
	{
		TimerHint	hint;

		row_open_alarm(walk->slot, &hint);
		if (hint.deadline > walk->until || walk->n >= walk->limit)
		{
			walk->next = hint.deadline;
			break;
		}
		walk->hints[walk->n++] = hint;
	}
	index_endscan(scan);
	ExecClearTuple(walk->slot);
}

/*
 * store_alarms: up to "limit" rows after (after, after_run_id) in the order of
 * (alarm, run_id), with an alarm not later than "until".  *next becomes the
 * alarm of the first row left out, DT_NOEND without one.
 */
int
store_alarms(TimestampTz after, int64 after_run_id, TimestampTz until,
			 TimerHint *hints, int limit, TimestampTz *next)
{
	AlarmWalk	walk = {0};
	ScanKeyData keys[2];

	walk.table = table_open(catalog()->open, AccessShareLock);
	walk.index = index_open(catalog()->open_alarm, AccessShareLock);
	walk.snapshot = fresh_snapshot();
	walk.slot = table_slot_create(walk.table, NULL);
	walk.until = until;
	walk.hints = hints;
	walk.limit = limit;
	walk.next = DT_NOEND;

	ScanKeyInit(&keys[0], ALARM_ALARM, BTEqualStrategyNumber,
				F_TIMESTAMPTZ_EQ, TimestampTzGetDatum(after));
	ScanKeyInit(&keys[1], ALARM_RUN_ID, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(after_run_id));
	walk_alarms(&walk, keys, 2);
	if (walk.next == DT_NOEND)
	{
		ScanKeyInit(&keys[0], ALARM_ALARM, BTGreaterStrategyNumber,
					F_TIMESTAMPTZ_GT, TimestampTzGetDatum(after));
		walk_alarms(&walk, keys, 1);
	}

	ExecDropSingleTupleTableSlot(walk.slot);
	UnregisterSnapshot(walk.snapshot);
	index_close(walk.index, NoLock);
	table_close(walk.table, NoLock);
	*next = walk.next;
	return walk.n;
}

/* blocks that store_scan_in_progress reads at a time */
#define SCAN_CHUNK		1024

/*
 * store_scan_in_progress: attempts in progress from block *block on, a chunk
 * of the table at a time; *block moves on.  False when the end was reached.
 * "limit" has to be enough for a chunk (SCAN_CHUNK * MaxHeapTuplesPerPage is).
 */
bool
store_scan_in_progress(uint32 *block, TimerHint *hints, int *n, int limit)
{
	Relation	table = table_open(catalog()->open, AccessShareLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(table);
	BlockNumber last;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	TableScanDesc scan;
	ItemPointerData from;
	ItemPointerData to;

	*n = 0;
	if (*block >= blocks)
	{
		table_close(table, NoLock);
		return false;
	}
	last = Min(*block + SCAN_CHUNK, blocks) - 1;
	ItemPointerSet(&from, *block, 0);
	ItemPointerSet(&to, last, MaxOffsetNumber);
	snapshot = fresh_snapshot();
	slot = table_slot_create(table, NULL);
	scan = table_beginscan_tidrange(table, snapshot, &from, &to);
	while (*n < limit &&
		   table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
		if (row_open_timer(slot, &hints[*n]))
			(*n)++;
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(table, NoLock);
	*block = last + 1;
	return true;
}

/*
 * store_scan_open: call back for each open activity, as of a snapshot.
 */
void
store_scan_open(Snapshot snapshot,
				void (*callback) (const OpenCount *row, void *arg), void *arg)
{
	Relation	table = table_open(catalog()->open, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "taskq scan",
													  ALLOCSET_DEFAULT_SIZES);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext old_context = MemoryContextSwitchTo(row_context);
		OpenCount	row;

		CHECK_FOR_INTERRUPTS();
		row_open_count(slot, &row);
		MemoryContextSwitchTo(old_context);
		callback(&row, arg);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
}
